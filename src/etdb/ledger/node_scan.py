"""What is kept of a block: transactions with a message, and those that move coins of watched addresses."""

from __future__ import annotations

from collections.abc import Iterable

from etdb.errors import FormatError, VerificationError
from etdb.flo import (
    NO_TXID,
    Network,
    Transaction,
    address_script,
    make_proofs,
    parse_transaction,
    scan_whole_block,
)
from etdb.ledger.node_errors import NodeChainError
from etdb.ledger.node_store import KeptCoin, KeptTransaction
from etdb.ledger.port import BlockRef, Outpoint

__all__ = ["BlockFinds", "BlockScanner"]

BlockFinds = list[tuple[KeptTransaction, list[Outpoint], list[KeptCoin]]]
"""Each kept transaction, with the coins that it spends and those that it makes for watched addresses."""


class BlockScanner:
    """Looks through blocks, one after another.

    Args:
        network: of the addresses.
        where: the blocks' source, for messages.
        addresses: those whose coins are kept.
        coins: the coins of these addresses that are known, unspent so far.
    """

    def __init__(self, network: Network, where: str, addresses: Iterable[str], coins: Iterable[Outpoint]) -> None:
        self._where = where
        self._scripts = {address_script(one, network): one for one in addresses}
        self._coins = set(coins)

    def scan(self, ref: BlockRef, raw: bytes) -> BlockFinds:
        """What to keep of a block.

        Raises:
            NodeChainError: it is another block than was asked for, or its transactions are not those of its header.
        """
        try:
            whole = scan_whole_block(raw)
        except (FormatError, VerificationError) as error:
            raise self._lie(ref, error.message) from error
        if whole.block.block_hash != ref.block_hash:
            raise self._lie(ref, f"it is block {whole.block.block_hash}")
        carriers = {one.position for one in whole.block.carriers}
        found: list[tuple[int, list[Outpoint], list[KeptCoin]]] = []
        for position in range(len(whole.txids)):
            data = raw[whole.edges[position] : whole.edges[position + 1]]
            carries = position in carriers
            if carries or (position and self._coins) or any(script in data for script in self._scripts):
                transaction = parse_transaction(data)
                made = self._made(transaction, whole.txids[position], ref.height)
                spent = [Outpoint(one.txid, one.vout) for one in transaction.inputs if one.txid != NO_TXID]
                if carries or made or not self._coins.isdisjoint(spent):
                    self._coins.update(coin.outpoint for coin in made)
                    self._coins.difference_update(spent)
                    found.append((position, spent, made))
        proofs = make_proofs(whole.txids, [position for position, _, _ in found])
        return [
            (
                KeptTransaction(
                    txid=proof.txid,
                    height=ref.height,
                    position=position,
                    raw=raw[whole.edges[position] : whole.edges[position + 1]],
                    branch=proof.branch,
                    has_message=position in carriers,
                ),
                spent,
                made,
            )
            for (position, spent, made), proof in zip(found, proofs, strict=True)
        ]

    def _made(self, transaction: Transaction, txid: str, height: int) -> list[KeptCoin]:
        return [
            KeptCoin(
                outpoint=Outpoint(txid, vout),
                address=self._scripts[output.script],
                amount_sat=output.value_sat,
                height=height,
                coinbase=transaction.is_coinbase,
            )
            for vout, output in enumerate(transaction.outputs)
            if output.script in self._scripts
        ]

    def _lie(self, ref: BlockRef, why: str) -> NodeChainError:
        return NodeChainError(
            f"{self._where} gives something else than block {ref.block_hash} of height {ref.height}: {why}",
            hint="use another node, or look at this one's disk",
            url=self._where,
            height=ref.height,
        )
