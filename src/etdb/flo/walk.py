"""The fast way through a block: offsets only, and only the transactions that carry floData.

A scan reads millions of blocks in which few transactions matter. So this walk makes no objects for inputs and
outputs and hashes nothing that carries no text; what it yields equals what the full parse finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from etdb.errors import FormatError
from etdb.flo.blocks import HEADER_BYTES, MAX_BLOCK_BYTES
from etdb.flo.cursor import Cursor
from etdb.flo.transactions import Transaction, read_transaction

__all__ = ["FloDataTx", "walk_flo_data"]

_WITHOUT_TEXT: Final = (b"\0\0\0\0", b"\1\0\0\0")


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
    end = len(block)
    if end > MAX_BLOCK_BYTES:
        raise FormatError(f"not a block: {end} bytes, more than any block may have")
    position = 0
    offset = HEADER_BYTES
    # An offset beyond the end needs no test of its own: the next look there is an IndexError, or the last line sees it.
    try:
        count = block[offset]
        offset += 1
        if count >= 0xFD:
            count, offset = _wide(block, HEADER_BYTES)
        if not count:
            raise FormatError("not a block: it has no transactions", offset=offset)
        for position in range(count):
            start = offset
            many = block[start + 4]
            if not many:  # the marker of witnesses, or a transaction without inputs
                offset, found = _full_parse(block, start)
                if found is not None:
                    yield FloDataTx(start, offset - start, position, found.txid, found.flo_data)
                continue
            offset = start + 5
            if many >= 0xFD:
                many, offset = _wide(block, start + 4)
            for _ in range(many):
                size = block[offset + 36]
                if size >= 0xFD:
                    size, offset = _wide(block, offset + 36)
                    offset += size + 4
                else:
                    offset += size + 41
            many = block[offset]
            offset += 1
            if many >= 0xFD:
                many, offset = _wide(block, offset - 1)
            for _ in range(many):
                size = block[offset + 8]
                if size >= 0xFD:
                    size, offset = _wide(block, offset + 8)
                    offset += size
                else:
                    offset += size + 9
            offset += 4
            # Versions 0 and 1 and negative ones have no place for text.
            if block[start + 3] >= 0x80 or (block[start] < 2 and block[start : start + 4] in _WITHOUT_TEXT):
                continue
            size = block[offset]
            offset += 1
            if size:
                if size >= 0xFD:
                    size, offset = _wide(block, offset - 1)
                text_start = offset
                offset += size
                if offset > end:
                    raise IndexError  # noqa: TRY301 - a slice would be silently short
                raw = block[start:offset]
                txid = sha256(sha256(raw).digest()).digest()[::-1].hex()
                yield FloDataTx(start, offset - start, position, txid, block[text_start:offset])
    except IndexError:
        raise FormatError(f"not a block: it ends within transaction {position}", offset=offset) from None
    if offset != end:
        why = f"{end - offset} bytes follow its end" if offset < end else f"it ends within transaction {position}"
        raise FormatError(f"not a block: {why}", offset=min(offset, end))


def _full_parse(block: bytes, start: int) -> tuple[int, Transaction | None]:
    """The offset behind a transaction of the rarer form, and the transaction when it has text."""
    cursor = Cursor(block, "block", start)
    transaction = read_transaction(cursor)
    return cursor.offset, transaction if transaction.flo_data else None


def _wide(block: bytes, offset: int) -> tuple[int, int]:
    """A compact size of more than one byte, and the offset behind it."""
    cursor = Cursor(block, "block", offset)
    value = cursor.varint()
    if value > len(block):
        raise IndexError
    return value, cursor.offset
