"""A block on its way from a file to its messages: links, Merkle root, floData, and nothing else.

The scan of a whole chain: every header's hash, and the ids of all transactions where a text depends on them. Whether
enough work stands behind a header is another question, and a costly one (scrypt): the header chain asks it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import pairwise

import msgspec

from etdb.errors import VerificationError
from etdb.flo.blocks import HEADER_BYTES
from etdb.flo.hashes import internal_bytes
from etdb.flo.merkle import row_root
from etdb.flo.walk import FloDataTx, walk_block

__all__ = ["ScannedBlock", "scan_block", "scan_blocks"]

_read_header = struct.Struct("<4x32s32sI8x").unpack_from
"""The block before, the Merkle root and the time."""


class ScannedBlock(msgspec.Struct, frozen=True, gc=False):
    """What a scan keeps of a block: its hash, the one before it, Unix seconds, and the transactions with text."""

    block_hash: str
    previous_hash: str
    time_s: int
    carriers: tuple[FloDataTx, ...]


def scan_block(block: bytes) -> ScannedBlock:
    """The floData of a block, held to its header where there is any.

    Raises:
        FormatError: the block is cut off or too long, or repeats transactions behind an unchanged Merkle root.
        VerificationError: the header commits to other transactions.
    """
    edges, texts, witnessed = walk_block(block)
    previous, root, time_s = _read_header(block)
    block_hash = sha256(sha256(block[:HEADER_BYTES]).digest()).digest()[::-1].hex()
    if not texts:
        return ScannedBlock(block_hash, previous[::-1].hex(), time_s, ())
    row = [sha256(sha256(block[start:end]).digest()).digest() for start, end in pairwise(edges)]
    if witnessed:
        for position, txid in witnessed.items():
            row[position] = internal_bytes(txid)
    if row_root(row) != root:
        raise VerificationError(f"block {block_hash} commits to other transactions than it has", block_hash=block_hash)
    carriers = []
    for position, start, end in texts:
        begin = edges[position]
        carriers.append(
            FloDataTx(begin, edges[position + 1] - begin, position, row[position][::-1].hex(), block[start:end])
        )
    return ScannedBlock(block_hash, previous[::-1].hex(), time_s, tuple(carriers))


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
