"""A ledger whose blocks come when a test says, and with the weather of real ones.

Its mempool forgets, refuses or is full, rivals want our coins, reorganisations are of any depth, and it goes away in
the middle. Transactions and their signatures are real; blocks have no work, and a reorganisation needs no longer chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from etdb.errors import LedgerError, NotFoundError, RefusedError
from etdb.flo import (
    REGTEST,
    Block,
    BlockHeader,
    Network,
    Transaction,
    TxInput,
    TxOutput,
    address_script,
    build_coinbase,
    hash_script,
    input_key,
    make_proof,
    merkle_root,
    parse_transaction,
)
from etdb.ledger import BlockRef, Coin, InclusionEvidence, LedgerBlock, LedgerMessage, Limits, Outpoint, TxStatus
from etdb.ledger.mining import MAX_BLOCK_TRANSACTION_BYTES
from etdb.ledger.port import one_by_one
from etdb.testing.simulated_pool import SimulatedPool

__all__ = ["SimulatedLedger"]

_BLOCK_VERSION = 0x20000000
_BLOCK_SPACING_S = 40
_START_S = 1_700_000_000
_NOBODY = hash_script(bytes(20))


class _Mined(msgspec.Struct, frozen=True):
    ref: BlockRef
    block: Block


class SimulatedLedger(SimulatedPool):
    """Implements the port ``Ledger``; ``settle`` does nothing, as on a real node.

    Args:
        network: whose addresses it shows.
        limits: what its node takes.
        block_bytes: of transactions in one block.
        mempool_bytes: beyond this it takes no more.

    Attributes:
        now_s: its clock; ``sleep`` moves it, and blocks come by it when ``interval_s`` is set.
        interval_s: seconds from block to block, or 0 when only ``mine`` makes them.
        calls: how often each method was called.
        accepted: every transaction that was ever taken, by id.
        before_call: called with a method's name before it is done; what it raises is what the caller gets.
        after_submit: likewise when a transaction was taken, so that its answer may be lost.
    """

    def __init__(
        self,
        network: Network = REGTEST,
        limits: Limits | None = None,
        *,
        block_bytes: int = MAX_BLOCK_TRANSACTION_BYTES,
        mempool_bytes: int = 300_000_000,
        interval_s: float = 0,
    ) -> None:
        super().__init__(network, limits or Limits(), block_bytes, mempool_bytes)
        self.network_name = "simulated"
        self.now_s: float = _START_S
        self.interval_s = interval_s
        self.calls: dict[str, int] = {}
        self.accepted: dict[str, bytes] = {}
        self.before_call: Callable[[str], None] = lambda _name: None
        self.after_submit: Callable[[str], None] = lambda _txid: None
        self._blocks: list[_Mined] = []
        self._salt = 0
        self._next_block_s = self.now_s + interval_s
        self.mine()

    # -- the weather

    def mine(self, count: int = 1, *, leave: Callable[[str], bool] = lambda _txid: False) -> list[BlockRef]:
        """Add blocks; each takes the oldest that wait and fit, without those to ``leave`` and what hangs on them."""
        return [self._add_block(self._choose(leave)) for _ in range(count)]

    def credit(self, address: str, *amounts_sat: int) -> list[str]:
        """A block in which strangers pay to an address, a coin for each amount; their transactions' ids."""
        script = address_script(address, self._network)
        paid = []
        for amount in amounts_sat:
            self._salt += 1
            paid.append(Transaction(inputs=(TxInput(f"{self._salt:064x}", 0),), outputs=(TxOutput(amount, script),)))
        self._add_block(paid)
        return [one.txid for one in paid]

    def reorganise(
        self, depth: int, *, forget: bool = False, keep: Callable[[str], bool] = lambda _txid: False
    ) -> None:
        """The newest ``depth`` blocks give way to ``depth + 1`` others; what was in them waits again, or is gone.

        What is to be kept is in the new blocks at the height at which it was.
        Payments that made coins out of nothing (``credit``) come back in the first of the new blocks.
        """
        taken = self._blocks[len(self._blocks) - depth :] if depth else []
        del self._blocks[len(self._blocks) - depth :]
        self._forget_index()
        for height, mined in enumerate(self._blocks):
            self._index(mined.block, height)
        waiting, self._mempool = self._mempool, {}
        self._clear_pending()
        returned = [one for mined in taken for one in mined.block.transactions if not one.is_coinbase]
        gifts = [one for one in returned if one.inputs[0].script_sig == b""]
        again = {one.txid for one in returned if one not in gifts and keep(one.txid)}
        places = [[one for one in mined.block.transactions if one.txid in again] for mined in taken]
        for number, held in enumerate([*places, []]):
            self._add_block(held if number else [*gifts, *held])
        for one in ([] if forget else returned) + list(waiting.values()):
            self._wait_if_possible(one)

    def forget(self) -> None:
        """The node restarts with an empty mempool."""
        self._mempool = {}
        self._clear_pending()

    def force(self, raw: bytes, *, mined: bool = True) -> str:
        """A rival that came another way: whatever wants the same coins gives way to it, and all that hangs on that.

        What it hangs on itself and that waits is in the same block.
        """
        rival = parse_transaction(raw)
        for one in rival.inputs:
            self._evict(self._pending_spender.get(Outpoint(one.txid, one.vout)))
        self._raw[rival.txid] = raw
        if mined:
            self._add_block([*self._forebears(rival), rival])
        else:
            self._wait(rival)
        return rival.txid

    def sleep(self, seconds: float) -> None:
        """Time passes, and blocks come."""
        self.now_s += seconds
        while self.interval_s and self._next_block_s <= self.now_s:
            self._next_block_s += self.interval_s
            self.mine()

    def start_clock(self, interval_s: float) -> None:
        """From now on a block comes every so many seconds."""
        self.interval_s, self._next_block_s = interval_s, self.now_s + interval_s

    @property
    def pending(self) -> tuple[str, ...]:
        """Ids of what waits for a block, the oldest first."""
        return tuple(self._mempool)

    @property
    def mined(self) -> dict[str, int]:
        """The height of each transaction in a block."""
        return dict(self._heights)

    # -- the port

    def tip(self) -> BlockRef | None:
        """The newest block."""
        self._called("tip")
        return self._blocks[-1].ref

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height."""
        self._called("block_ref")
        return self._blocks[height].ref if 0 <= height < len(self._blocks) else None

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Blocks from a height on."""
        self._called("blocks")
        for mined in self._blocks[max(0, start_height) :]:
            messages = tuple(
                LedgerMessage(txid=one.txid, position=position, data=one.flo_data, sender=self._senders(one))
                for position, one in enumerate(mined.block.transactions)
                if one.flo_data
            )
            header = mined.block.header
            yield LedgerBlock(ref=mined.ref, previous_hash=header.prev_hash, time_s=header.time_s, messages=messages)

    def status(self, txid: str) -> TxStatus:
        """What is known of a transaction."""
        self._called("status")
        if txid in self._mempool:
            return TxStatus(txid=txid, state="pending")
        height = self._heights.get(txid)
        if height is None:
            return TxStatus(txid=txid, state="unknown")
        return TxStatus(txid=txid, state="confirmed", height=height, confirmations=len(self._blocks) - height)

    def raw(self, txid: str) -> bytes:
        """A transaction's bytes."""
        self._called("raw")
        if txid not in self._mempool and txid not in self._heights:
            raise NotFoundError(f"no transaction {txid}", txid=txid)
        return self._raw[txid]

    def spender(self, outpoint: Outpoint) -> str | None:
        """Who spends a coin."""
        self._called("spender")
        return self._spender(outpoint)

    def evidence(self, txid: str) -> InclusionEvidence:
        """The proof of a place."""
        self._called("evidence")
        height = self._heights.get(txid)
        if height is None:
            raise NotFoundError(f"no transaction {txid} in a block", txid=txid)
        block = self._blocks[height].block
        txids = [one.txid for one in block.transactions]
        position = txids.index(txid)
        return InclusionEvidence(
            raw_transaction=self._raw[txid],
            header=block.header.encode(),
            position=position,
            branch=make_proof(txids, position).branch,
            height=height,
            network=self._network.name,
            has_work=False,
        )

    def coins(self, address: str) -> list[Coin]:
        """Coins that nothing spends."""
        self._called("coins")
        coins = []
        for outpoint in self._of_address.get(address, ()):
            output, height = self._outputs[outpoint]
            if self._spender(outpoint) is None:
                family, depth, size = ("", 0, 0) if height is not None else self._chain_use([outpoint.txid])
                coins.append(
                    Coin(
                        outpoint=outpoint,
                        amount_sat=output.value_sat,
                        address=address,
                        confirmations=0 if height is None else len(self._blocks) - height,
                        chain_depth=depth,
                        chain_bytes=size,
                        family=family,
                    )
                )
        return coins

    def submit_many(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        """See the port."""
        return one_by_one(self.submit, raws)

    def submit(self, raw: bytes) -> str:
        """Take a transaction as a node's mempool does."""
        self._called("submit")
        transaction = parse_transaction(raw)
        txid = transaction.txid
        if txid in self._mempool or txid in self._heights:
            return txid
        self._check(transaction, raw, len(self._blocks))
        self._raw[txid] = self.accepted[txid] = raw
        self._wait(transaction)
        self.after_submit(txid)
        return txid

    def relay_fee_sat_per_kb(self) -> int:
        """What it asks for at least."""
        return self.limits.min_relay_sat_per_kb

    def settle(self) -> None:
        """Blocks come at their own pace."""

    def close(self) -> None:
        """Nothing is open."""

    # -- inside

    def _called(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        self.before_call(name)

    def _senders(self, transaction: Transaction) -> tuple[str, ...]:
        shown = [input_key(transaction, index) for index in range(len(transaction.inputs))]
        return tuple(dict.fromkeys(one[1].address(self._network) for one in shown if one))

    def _add_block(self, transactions: list[Transaction]) -> BlockRef:
        height = len(self._blocks)
        self._salt += 1
        coinbase = build_coinbase(height, 0, _NOBODY, b"")
        coinbase = msgspec.structs.replace(coinbase, lock_time=self._salt % 500_000_000)
        everything = (coinbase, *transactions)
        header = BlockHeader(
            version=_BLOCK_VERSION,
            prev_hash=self._blocks[-1].ref.block_hash if self._blocks else "00" * 32,
            merkle_root=merkle_root([one.txid for one in everything]),
            time_s=_START_S + height * _BLOCK_SPACING_S,
            bits=0x207FFFFF,
            nonce=self._salt,
        )
        ref = BlockRef(height, header.block_hash)
        self._blocks.append(_Mined(ref, Block(header, everything)))
        self._index(self._blocks[-1].block, height)
        return ref


def unreachable(_name: str) -> None:
    """For ``before_call``: the node is not there."""
    raise LedgerError("the node at 127.0.0.1:0 does not answer", hint="is it running?")
