"""Reading the local chain: blocks and their messages, transactions, coins, proofs. Files and index come opened."""

from __future__ import annotations

from collections.abc import Iterator

from etdb.errors import NotFoundError, StorageError
from etdb.flo import (
    HEADER_BYTES,
    Block,
    Network,
    internal_bytes,
    parse_block,
    parse_transaction,
    scan_block,
)
from etdb.flo.merkle import row_branches
from etdb.ledger.blockfiles import RESTORE_HINT, BlockFiles
from etdb.ledger.chain_index import ChainIndex
from etdb.ledger.port import (
    BlockRef,
    Coin,
    InclusionEvidence,
    LedgerBlock,
    LedgerMessage,
    Outpoint,
    TxStatus,
)
from etdb.ledger.senders import shown_senders

__all__ = ["ChainReading"]


class ChainReading:
    """The reading half of the port ``Ledger``, over block files and their index."""

    network_name = "local"

    def __init__(self, network: Network, files: BlockFiles, index: ChainIndex) -> None:
        self._network = network
        self._files = files
        self._index = index
        self._last_parsed: tuple[int, Block] | None = None
        self._last_branches: tuple[int, list[tuple[bytes, ...]]] | None = None

    def bytes_behind_tip(self) -> int:
        """How much lies in the block files behind the newest block that the index knows."""
        tip = self._index.tip()
        return self._files.bytes_behind(self._index.place(tip.height) if tip else None)

    def tip(self) -> BlockRef | None:
        """The newest block."""
        return self._index.tip()

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height."""
        return self._index.block_ref(height)

    def raw_block(self, height: int) -> bytes:
        """A block's bytes.

        Raises:
            NotFoundError: above the tip.
        """
        place = self._index.place(height)
        if place is None:
            raise NotFoundError(f"the local chain has no block {height}", height=height)
        raw = self._files.read(place)
        if not self._index.is_same(height, raw):
            raise StorageError(
                f"block {height} in {self._files.path(place.file)} at byte {place.offset} is damaged",
                hint=RESTORE_HINT,
                path=str(self._files.path(place.file)),
                offset=place.offset,
                height=height,
            )
        return raw

    def headers(self, start_height: int, count: int) -> list[bytes]:
        """Headers from a height on, 80 bytes each; fewer where the chain ends."""
        tip = self._index.tip()
        stop = min(start_height + count, (tip.height if tip else -1) + 1)
        return [self.raw_block(height)[:HEADER_BYTES] for height in range(start_height, stop)]

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Blocks from a height up to the tip, as they are when this begins."""
        tip = self._index.tip()
        for height in range(max(0, start_height), (tip.height if tip else -1) + 1):
            raw = self.raw_block(height)
            found = scan_block(raw)
            messages = tuple(
                LedgerMessage(
                    txid=one.txid,
                    position=one.position,
                    data=one.flo_data,
                    sender=shown_senders(parse_transaction(raw[one.offset : one.offset + one.length]), self._network),
                )
                for one in found.carriers
            )
            yield LedgerBlock(
                ref=BlockRef(height, found.block_hash),
                previous_hash=found.previous_hash,
                time_s=found.time_s,
                messages=messages,
            )

    def status(self, txid: str) -> TxStatus:
        """What the chain knows of a transaction."""
        # In this order: a block may come between two looks, and takes it from the one place to the other.
        if self._index.pending_raw(txid) is not None:
            return TxStatus(txid=txid, state="pending")
        found = self._index.find_transaction(txid)
        if found is None:
            return TxStatus(txid=txid, state="unknown")
        tip = self._index.tip()
        depth = (tip.height if tip else found[0]) - found[0] + 1
        return TxStatus(txid=txid, state="confirmed", height=found[0], confirmations=depth)

    def raw(self, txid: str) -> bytes:
        """A transaction's bytes."""
        pending = self._index.pending_raw(txid)
        if pending is not None:
            return pending
        block, position, _ = self._block_of(txid)
        return block.transactions[position].encode()

    def spender(self, outpoint: Outpoint) -> str | None:
        """Who spends a coin."""
        coin = self._index.coin(outpoint)
        return coin.spent_by if coin else None

    def pending(self) -> list[bytes]:
        """The transactions that wait for a block, the oldest first."""
        return [raw for raw, _ in self._index.pending()]

    def evidence(self, txid: str) -> InclusionEvidence:
        """The proof of a transaction's place."""
        block, position, height = self._block_of(txid)
        if self._last_branches is None or self._last_branches[0] != height:
            # All of a block at once: who asks for one proof of it mostly asks for the others too.
            row = [internal_bytes(one.txid) for one in block.transactions]
            self._last_branches = height, row_branches(row, range(len(row)))[1]
        return InclusionEvidence(
            raw_transaction=block.transactions[position].encode(),
            header=block.header.encode(),
            position=position,
            branch=self._last_branches[1][position],
            height=height,
            network=self._network.name,
            has_work=False,
        )

    def _block_of(self, txid: str) -> tuple[Block, int, int]:
        found = self._index.find_transaction(txid)
        if found is None:
            raise NotFoundError(f"the local chain has no transaction {txid[:64]}", txid=txid[:64])
        height, position = found
        if self._last_parsed is None or self._last_parsed[0] != height:
            # A record's transactions, and the records around it, mostly stand in one block.
            self._last_parsed = height, parse_block(self.raw_block(height))
        return self._last_parsed[1], position, height

    def coins(self, address: str) -> list[Coin]:
        """Coins that can be spent in the next block."""
        tip = self._index.tip()
        return self._index.unspent(address, tip.height if tip else 0)
