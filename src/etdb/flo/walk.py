"""The fast way through a block: offsets only, and only the transactions that carry floData.

A scan reads millions of blocks in which few transactions matter. So this walk makes no objects for inputs and
outputs and hashes nothing that carries no text; what it yields equals what the full parse finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from etdb.errors import FormatError
from etdb.flo.blocks import HEADER_BYTES, MAX_BLOCK_BYTES
from etdb.flo.cursor import Cursor
from etdb.flo.hashes import display_hex, sha256d
from etdb.flo.transactions import parse_transaction, read_transaction

__all__ = ["FloDataTx", "walk_flo_data"]

_VERSION_SIGN: Final = 0x80


class FloDataTx(msgspec.Struct, frozen=True):
    """A transaction with text: where it lies in the block, its place there, its id and the text."""

    offset: int
    length: int
    position: int
    txid: str
    flo_data: bytes


def walk_flo_data(block: bytes) -> Iterator[FloDataTx]:
    """The transactions of a block that carry floData.

    Raises:
        FormatError: the block is cut off or too long. What was yielded before may come from a broken block: take
            all of it first, then believe it.
    """
    if len(block) > MAX_BLOCK_BYTES:
        raise FormatError(f"not a block: {len(block)} bytes, more than any block may have")
    cursor = Cursor(block, "block", HEADER_BYTES)
    count = cursor.count(10)
    offset, end = cursor.offset, len(block)
    try:
        for position in range(count):
            start = offset
            if block[start + 4] == 0:  # the marker of witnesses, or a transaction without inputs
                offset, text = _slow(block, start)
            else:
                offset, text = _skip(block, start, end)
            if text:
                raw = block[start:offset]
                txid = display_hex(sha256d(raw)) if raw[4] else parse_transaction(raw).txid
                yield FloDataTx(start, offset - start, position, txid, text)
    except IndexError:
        raise FormatError(f"not a block: it ends within transaction {position}", offset=offset) from None
    if offset != end:
        raise FormatError(f"not a block: {end - offset} bytes follow its end", offset=offset)


def _skip(block: bytes, start: int, end: int) -> tuple[int, bytes]:
    """The offset behind a transaction without witnesses, and its floData."""
    count = block[start + 4]
    offset = start + 5
    if count >= 0xFD:
        count, offset = _wide(block, start + 4)
    for _ in range(count):
        size = block[offset + 36]
        offset += 37
        if size >= 0xFD:
            size, offset = _wide(block, offset - 1)
        offset += size + 4
        if offset > end:
            raise IndexError
    count = block[offset]
    offset += 1
    if count >= 0xFD:
        count, offset = _wide(block, offset - 1)
    for _ in range(count):
        size = block[offset + 8]
        offset += 9
        if size >= 0xFD:
            size, offset = _wide(block, offset - 1)
        offset += size
        if offset > end:
            raise IndexError
    offset += 4
    version = block[start : start + 4]
    if version[3] & _VERSION_SIGN or version in (b"\0\0\0\0", b"\1\0\0\0"):
        if offset > end:
            raise IndexError
        return offset, b""
    size = block[offset]
    offset += 1
    if size >= 0xFD:
        size, offset = _wide(block, offset - 1)
    if offset + size > end:
        raise IndexError
    return offset + size, block[offset : offset + size] if size else b""


def _slow(block: bytes, start: int) -> tuple[int, bytes]:
    cursor = Cursor(block, "block", start)
    transaction = read_transaction(cursor)
    return cursor.offset, transaction.flo_data


def _wide(block: bytes, offset: int) -> tuple[int, int]:
    cursor = Cursor(block, "block", offset)
    value = cursor.varint()
    if value > len(block):
        raise IndexError
    return value, cursor.offset
