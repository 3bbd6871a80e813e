"""A block on its way from a file to its messages: links, Merkle root, floData, and nothing else.

The scan of a whole chain: every header's hash, and the ids of all transactions where a text depends on them. Whether
enough work stands behind a header is another question, and a costly one (scrypt): the header chain asks it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise

import msgspec

from etdb.errors import VerificationError
from etdb.flo.blocks import HEADER_BYTES
from etdb.flo.hashes import display_hex, internal_bytes, sha256d
from etdb.flo.merkle import row_branches, row_root, tree_branch, tree_rows
from etdb.flo.walk import FloDataTx, walk_block

__all__ = ["ScannedBlock", "WholeScan", "scan_block", "scan_blocks", "scan_proofs", "scan_whole_block"]

_read_header = struct.Struct("<4x32s32xI8x").unpack_from
"""The block before and the time."""


class ScannedBlock(msgspec.Struct, frozen=True, gc=False):
    """What a scan keeps of a block: its hash, the one before it, Unix seconds, and the transactions with text."""

    block_hash: str
    previous_hash: str
    time_s: int
    carriers: tuple[FloDataTx, ...]


class WholeScan(msgspec.Struct, frozen=True, gc=False):
    """A block whose transactions are all those of its header.

    Attributes:
        edges: where each transaction begins, and the last one ends.
        rows: of the Merkle tree, in wire order: the ids of the transactions lowest, the root last.
        carriers: the positions of those with text.
    """

    edges: list[int]
    rows: list[Sequence[bytes]]
    carriers: list[int]

    @property
    def row(self) -> Sequence[bytes]:
        """The ids of the transactions, in wire order."""
        return self.rows[0]

    def transaction(self, block: bytes, position: int) -> bytes:
        """The bytes of a transaction, cut from those of the block."""
        return block[self.edges[position] : self.edges[position + 1]]

    def branch(self, position: int) -> list[bytes]:
        """The Merkle branch of a place, in wire order."""
        return tree_branch(self.rows, position)


def scan_block(block: bytes) -> ScannedBlock:
    """The floData of a block, held to its header where there is any.

    Raises:
        FormatError: the block is cut off or too long, or repeats transactions behind an unchanged Merkle root.
        VerificationError: the header commits to other transactions.
    """
    edges, texts, witnessed = walk_block(block)
    previous, time_s = _read_header(block)
    block_hash = sha256(sha256(block[:HEADER_BYTES]).digest()).digest()[::-1].hex()
    if not texts:
        return ScannedBlock(block_hash, previous[::-1].hex(), time_s, ())
    row = _row(block, edges, witnessed)
    return ScannedBlock(block_hash, previous[::-1].hex(), time_s, _carriers(block, edges, texts, row))


def scan_whole_block(block: bytes) -> WholeScan:
    """As ``scan_block``, but held to its header even where there is no floData: so nothing was left out.

    Raises:
        FormatError: as ``scan_block``.
        VerificationError: as ``scan_block``.
    """
    edges, texts, witnessed = walk_block(block)
    rows = tree_rows(_hash_all(block, edges, witnessed))
    if rows[-1][0] != block[36:68]:
        raise _other_root(block)
    return WholeScan(edges, rows, [position for position, _, _ in texts])


def scan_proofs(block: bytes) -> list[tuple[FloDataTx, tuple[bytes, ...]]]:
    """The floData of a block with the Merkle branch of each, held to its header where there is any.

    The header itself is not hashed: for those who know it already, and the quickest way through a chain.

    Raises:
        FormatError: as ``scan_block``.
        VerificationError: as ``scan_block``.
    """
    edges, texts, witnessed = walk_block(block)
    if not texts:
        return []
    row = _hash_all(block, edges, witnessed)
    root, branches = row_branches(row, [position for position, _, _ in texts])
    if root != block[36:68]:
        raise _other_root(block)
    return list(zip(_carriers(block, edges, texts, row), branches, strict=True))


def _row(block: bytes, edges: list[int], witnessed: dict[int, str]) -> list[bytes]:
    """The ids of a block's transactions in wire order, held to its header."""
    row = _hash_all(block, edges, witnessed)
    if row_root(row) != block[36:68]:
        raise _other_root(block)
    return row


def _hash_all(block: bytes, edges: list[int], witnessed: dict[int, str]) -> list[bytes]:
    row = [sha256(sha256(block[start:end]).digest()).digest() for start, end in pairwise(edges)]
    for position, txid in witnessed.items():
        row[position] = internal_bytes(txid)
    return row


def _other_root(block: bytes) -> VerificationError:
    block_hash = display_hex(sha256d(block[:HEADER_BYTES]))
    return VerificationError(f"block {block_hash} commits to other transactions than it has", block_hash=block_hash)


def _carriers(
    block: bytes, edges: list[int], texts: list[tuple[int, int, int]], row: list[bytes]
) -> tuple[FloDataTx, ...]:
    return tuple(
        FloDataTx(
            edges[position],
            edges[position + 1] - edges[position],
            position,
            row[position][::-1].hex(),
            block[start:end],
        )
        for position, start, end in texts
    )


def scan_blocks(blocks: Iterable[bytes], previous_hash: str | None = None) -> Iterator[ScannedBlock]:
    """Blocks in the order of their chain, each of which must follow the one before it.

    Args:
        blocks: whole blocks, lowest first.
        previous_hash: what the first must follow; anything when None.

    Raises:
        FormatError: as ``scan_block``.
        VerificationError: as ``scan_block``, or a block does not follow the one before it.
    """
    for block in blocks:
        found = scan_block(block)
        if previous_hash is not None and found.previous_hash != previous_hash:
            raise VerificationError(
                f"block {found.block_hash} follows {found.previous_hash}, not {previous_hash}",
                block_hash=found.block_hash,
            )
        previous_hash = found.block_hash
        yield found
