"""What is kept of a block: transactions with a message, and those that move coins of watched addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from etdb.errors import FormatError, VerificationError
from etdb.flo import (
    HEADER_BYTES,
    NO_TXID,
    Network,
    Transaction,
    WholeScan,
    address_script,
    display_hex,
    parse_transaction,
    scan_whole_block,
    sha256d,
)
from etdb.ledger.node_errors import NodeChainError
from etdb.ledger.node_store import KeptCoin, KeptTransaction
from etdb.ledger.port import Outpoint

__all__ = ["BlockFinds", "BlockScanner"]

BlockFinds = list[tuple[KeptTransaction, list[Outpoint], list[KeptCoin]]]
"""Each kept transaction, with the coins that it spends and those that it makes for watched addresses."""


class _Found(NamedTuple):
    position: int
    spent: list[Outpoint]
    made: list[KeptCoin]


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

    def scan(self, height: int, header: bytes, raw: bytes) -> BlockFinds:
        """What to keep of a block.

        Args:
            height: of the block.
            header: the block's, which was checked.
            raw: what the source gives for it.

        Raises:
            NodeChainError: it is another block than was asked for, or its transactions are not those of its header.
        """
        if not raw.startswith(header):
            raise self._lie(height, header, f"it is block {display_hex(sha256d(raw[:HEADER_BYTES]))}")
        try:
            whole = scan_whole_block(raw)
        except (FormatError, VerificationError) as error:
            raise self._lie(height, header, error.message) from error
        found: list[_Found] = []
        carriers = set(whole.carriers)
        for position in self._to_look_at(whole, raw):
            transaction = parse_transaction(whole.transaction(raw, position))
            made = self._made(transaction, display_hex(whole.row[position]), height)
            spent = [Outpoint(one.txid, one.vout) for one in transaction.inputs if one.txid != NO_TXID]
            if position in carriers or made or not self._coins.isdisjoint(spent):
                self._coins.update(coin.outpoint for coin in made)
                self._coins.difference_update(spent)
                found.append(_Found(position, spent, made))
        if not found:
            return []
        branches = whole.branches([one.position for one in found])
        return [
            (
                KeptTransaction(
                    txid=display_hex(whole.row[one.position]),
                    height=height,
                    position=one.position,
                    raw=whole.transaction(raw, one.position),
                    branch=branch,
                    has_message=one.position in carriers,
                ),
                one.spent,
                one.made,
            )
            for one, branch in zip(found, branches, strict=True)
        ]

    def _to_look_at(self, whole: WholeScan, raw: bytes) -> Sequence[int]:
        """The places of all transactions that may have to be kept: in most blocks none, and then nothing is parsed."""
        may_spend = self._coins and len(whole.row) > 1  # a coinbase spends nothing
        if may_spend or any(script in raw for script in self._scripts):
            return range(len(whole.row))
        return whole.carriers

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

    def _lie(self, height: int, header: bytes, why: str) -> NodeChainError:
        block_hash = display_hex(sha256d(header))
        return NodeChainError(
            f"{self._where} gives something else than block {block_hash} of height {height}: {why}",
            hint="use another node, or look at this one's disk",
            url=self._where,
            height=height,
        )
