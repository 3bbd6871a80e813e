"""What a simulated node knows of coins: who holds, made and spent them, and what waits for a block."""

from __future__ import annotations

from collections.abc import Callable

from etdb.errors import RefusedError
from etdb.flo import Block, Network, Transaction, TxOutput, script_address
from etdb.ledger import Limits, Outpoint
from etdb.ledger.rules import KnownCoin, check_policy, check_transaction

__all__ = ["SimulatedPool"]


class SimulatedPool:
    """Coins and a mempool; it refuses in nodes' own words.

    Args:
        network: whose addresses it shows.
        limits: what it takes.
        block_bytes: of transactions in one block.
        mempool_bytes: beyond this it takes no more.
    """

    def __init__(self, network: Network, limits: Limits, block_bytes: int, mempool_bytes: int) -> None:
        self.limits = limits
        self.mempool_bytes = mempool_bytes
        self._network = network
        self._block_bytes = block_bytes
        self._mempool: dict[str, Transaction] = {}
        self._raw: dict[str, bytes] = {}
        self._forget_index()

    def _forget_index(self) -> None:
        self._heights: dict[str, int] = {}
        self._outputs: dict[Outpoint, tuple[TxOutput, int | None]] = {}
        self._of_address: dict[str, dict[Outpoint, None]] = {}
        self._spent_in_block: dict[Outpoint, str] = {}
        self._pending_spender: dict[Outpoint, str] = {}
        self._children: dict[str, set[str]] = {}
        self._parents: dict[str, set[str]] = {}

    def _clear_pending(self) -> None:
        for outpoint in [one for one, (_, height) in self._outputs.items() if height is None]:
            self._drop_output(outpoint)
        self._pending_spender, self._children, self._parents = {}, {}, {}

    def _drop_output(self, outpoint: Outpoint) -> None:
        output, _ = self._outputs.pop(outpoint)
        self._of_address.get(script_address(output.script, self._network) or "", {}).pop(outpoint, None)

    def _spender(self, outpoint: Outpoint) -> str | None:
        return self._spent_in_block.get(outpoint) or self._pending_spender.get(outpoint)

    def _choose(self, leave: Callable[[str], bool]) -> list[Transaction]:
        chosen: list[Transaction] = []
        left: set[str] = set()
        size = 0
        for txid, one in self._mempool.items():
            if leave(txid) or self._parents[txid] & left or size + len(self._raw[txid]) > self._block_bytes:
                left.add(txid)
            else:
                size += len(self._raw[txid])
                chosen.append(one)
        return chosen

    def _forebears(self, transaction: Transaction) -> list[Transaction]:
        wanted = {one.txid for one in transaction.inputs}
        for txid in reversed(self._mempool):
            if txid in wanted:
                wanted |= self._parents[txid]
        return [one for txid, one in self._mempool.items() if txid in wanted]

    def _index(self, block: Block, height: int) -> None:
        for one in block.transactions:
            txid = one.txid
            self._raw.setdefault(txid, one.encode())
            self._heights[txid] = height
            self._leave_mempool(txid)
            for spent in one.inputs:
                outpoint = Outpoint(spent.txid, spent.vout)
                self._evict(self._pending_spender.get(outpoint))
                self._spent_in_block[outpoint] = txid
            self._add_outputs(one, height)

    def _leave_mempool(self, txid: str) -> None:
        one = self._mempool.pop(txid, None)
        for spent in one.inputs if one else ():
            self._pending_spender.pop(Outpoint(spent.txid, spent.vout), None)
        for child in self._children.pop(txid, set()):
            self._parents[child].discard(txid)
        for parent in self._parents.pop(txid, set()):
            self._children[parent].discard(txid)

    def _evict(self, txid: str | None) -> None:
        if txid is None or txid not in self._mempool:
            return
        for child in sorted(self._children.get(txid, ())):
            self._evict(child)
        for vout in range(len(self._mempool[txid].outputs)):
            self._drop_output(Outpoint(txid, vout))
        self._leave_mempool(txid)

    def _add_outputs(self, transaction: Transaction, height: int | None) -> None:
        for vout, output in enumerate(transaction.outputs):
            outpoint = Outpoint(transaction.txid, vout)
            self._outputs[outpoint] = output, height
            address = script_address(output.script, self._network)
            if address and output.value_sat:
                self._of_address.setdefault(address, {})[outpoint] = None

    def _wait(self, transaction: Transaction) -> None:
        txid = transaction.txid
        self._mempool[txid] = transaction
        self._parents[txid] = {one.txid for one in transaction.inputs if one.txid in self._mempool}
        self._children[txid] = set()
        for parent in self._parents[txid]:
            self._children[parent].add(txid)
        for one in transaction.inputs:
            self._pending_spender[Outpoint(one.txid, one.vout)] = txid
        self._add_outputs(transaction, None)

    def _wait_if_possible(self, transaction: Transaction) -> None:
        spent = [Outpoint(one.txid, one.vout) for one in transaction.inputs]
        if all(one in self._outputs and self._spender(one) is None for one in spent):
            self._wait(transaction)

    def _check(self, transaction: Transaction, raw: bytes, height: int) -> None:
        txid = transaction.txid
        known: list[KnownCoin | None] = []
        for one in transaction.inputs:
            outpoint = Outpoint(one.txid, one.vout)
            rival = self._pending_spender.get(outpoint)
            if rival:
                raise RefusedError(
                    f"transaction {txid} spends a coin that {rival} spends",
                    reason="txn-mempool-conflict",
                    txid=txid,
                    rival=rival,
                )
            output, made_at = self._outputs.get(outpoint, (None, None))
            known.append(
                None
                if output is None or outpoint in self._spent_in_block
                else KnownCoin(
                    amount_sat=output.value_sat, script=output.script, height=made_at, coinbase=False, spent_by=None
                )
            )
        fee = check_transaction(transaction, known, height, self._network)
        check_policy(transaction, len(raw), fee, self.limits, self._network)
        if sum(len(self._raw[one]) for one in self._mempool) + len(raw) > self.mempool_bytes:
            raise RefusedError(f"transaction {txid} finds the mempool full", reason="mempool full", txid=txid)
        parents = [one.txid for one in transaction.inputs if one.txid in self._mempool]
        above = self._reached(parents, self._parents)
        size = sum(len(self._raw[one]) for one in above) + len(raw)
        is_long = len(above) + 1 > self.limits.max_chain or size > self.limits.max_chain_bytes
        for ancestor in above:
            below = self._reached([ancestor], self._children)
            below_bytes = sum(len(self._raw[one]) for one in below) + len(raw)
            is_long |= len(below) + 1 > self.limits.max_chain or below_bytes > self.limits.max_chain_bytes
        if is_long:
            raise RefusedError(
                f"transaction {txid} would make too long an unconfirmed chain",
                hint="wait for a block",
                reason="too-long-mempool-chain",
                txid=txid,
            )

    def _reached(self, starts: list[str], links: dict[str, set[str]]) -> set[str]:
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            txid = waiting.pop()
            if txid not in found:
                found.add(txid)
                waiting += links[txid]
        return found

    def _chain_use(self, txids: list[str]) -> tuple[str, int, int]:
        """The family of a pending transaction, and what it uses of the limits."""
        above = self._reached(txids, self._parents)
        order = {txid: place for place, txid in enumerate(self._mempool)}
        count, size = len(above), sum(len(self._raw[one]) for one in above)
        for ancestor in above:
            below = self._reached([ancestor], self._children)
            count, size = max(count, len(below)), max(size, sum(len(self._raw[one]) for one in below))
        return min(above, key=order.__getitem__), count, size
