"""What is kept of a block: transactions with a message, and those that move coins of watched addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from etdb.errors import FormatError, VerificationError
from etdb.flo import (
    HEADER_BYTES,
    Network,
    WholeScan,
    address_script,
    display_hex,
    parse_transaction,
    scan_whole_block,
    sha256d,
    spent_outpoints,
)
from etdb.ledger.node_errors import NodeChainError
from etdb.ledger.node_store import FoundRows, place_of
from etdb.ledger.port import Outpoint

__all__ = ["BlockScanner"]

_ID_BYTES: Final = 32
_NO_ID: Final = bytes(_ID_BYTES)


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
        # As transactions name them.
        self._coins = {bytes.fromhex(one.txid)[::-1] + one.vout.to_bytes(4, "little") for one in coins}

    def scan(self, height: int, header: bytes, raw: bytes, found: FoundRows) -> int:
        """Find what to keep of a block.

        Args:
            height: of the block.
            header: the block's, which was checked.
            raw: what the source gives for it.
            found: where it goes.

        Returns:
            How many bytes the transactions have that are kept.

        Raises:
            NodeChainError: it is another block than was asked for, or its transactions are not those of its header.
        """
        if not raw.startswith(header):
            raise self._lie(height, header, f"it is block {display_hex(sha256d(raw[:HEADER_BYTES]))}")
        try:
            whole = scan_whole_block(raw)
        except (FormatError, VerificationError) as error:
            raise self._lie(height, header, error.message) from error
        places = self._to_look_at(whole, raw) if self._scripts or self._coins else whole.carriers
        if not places:
            return 0
        carriers, size_bytes = set(whole.carriers), 0
        for position in places:
            transaction, txid = whole.transaction(raw, position), whole.row[position][::-1]
            coins = self._coins_of(transaction, txid, height) if self._scripts else []
            spent = [one for one in spent_outpoints(transaction) if not one.startswith(_NO_ID)]
            has_message = position in carriers
            if has_message or coins or not self._coins.isdisjoint(spent):
                if self._scripts or self._coins:
                    self._coins.update(txid[::-1] + coin[1].to_bytes(4, "little") for coin in coins)
                    self._coins.difference_update(spent)
                place, branch = place_of(height, position), b"".join(whole.branch(position))
                found.transactions.append((place, txid, transaction, branch, has_message))
                for one in spent:
                    vout = int.from_bytes(one[_ID_BYTES:], "little")
                    found.spends.append((one[_ID_BYTES - 1 :: -1], vout, txid))
                found.coins.extend(coins)
                size_bytes += len(transaction)
        return size_bytes

    def _to_look_at(self, whole: WholeScan, raw: bytes) -> Sequence[int]:
        """The places of all transactions that may have to be kept: in most blocks there is none."""
        may_spend = self._coins and len(whole.row) > 1  # a coinbase spends nothing
        if may_spend or any(script in raw for script in self._scripts):
            return range(len(whole.row))
        return whole.carriers

    def _coins_of(self, raw: bytes, txid: bytes, height: int) -> list[tuple[bytes, int, str, int, int, bool]]:
        """What a transaction pays to watched addresses."""
        if not any(script in raw for script in self._scripts):
            return []
        transaction = parse_transaction(raw)
        return [
            (txid, vout, self._scripts[output.script], output.value_sat, height, transaction.is_coinbase)
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
