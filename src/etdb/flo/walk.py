"""The fast way through a block: offsets only, and only the transactions that carry floData.

A scan reads millions of blocks in which few transactions matter. So this walk makes no objects for inputs and
outputs and hashes nothing that carries no text; what it finds equals what the full parse finds.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec

from etdb.errors import FormatError
from etdb.flo.blocks import HEADER_BYTES, MAX_BLOCK_BYTES
from etdb.flo.cursor import Cursor
from etdb.flo.hashes import internal_bytes
from etdb.flo.transactions import read_transaction

__all__ = ["FloDataTx", "Walked", "spent_outpoints", "walk_block", "walk_flo_data"]


class FloDataTx(msgspec.Struct, frozen=True, gc=False):
    """A transaction with text: where it lies in the block, its place there, its id and the text."""

    offset: int
    length: int
    position: int
    txid: str
    flo_data: bytes


_WITH_TEXT: Final = 2
"""The first version of a transaction that has a place for text."""


Walked: TypeAlias = tuple[list[int], list[tuple[int, int, int]], dict[int, str]]
"""The offsets of a block: where each transaction begins and the last one ends; position of each transaction with text,
where its text begins and ends; by position the ids, as displayed, of those whose bytes do not hash to their id."""


def _sized(before: int, lengths: tuple[int, ...], after: int) -> bytes:
    """The expression for bytes, a script behind its length (one of these), and bytes."""
    scripts = b"|".join(re.escape(bytes([length])) + b".{%d}" % (length + after) for length in lengths)
    return b".{%d}(?:%b)" % (before, scripts)


# The scripts of nearly all inputs: a signature (71 to 73 bytes with its push) with a short key, with a long one, alone;
# none; what miners write into coinbases and what points at a witness.
_INPUT: Final = _sized(36, (0x6A, 0x6B, 0x6C, 0x8A, 0x8B, 0x8C, 0x47, 0x48, 0x49, 0, *range(2, 41)), 4)
# And of outputs: to a key's hash, a script's hash, a witness, a key.
_OUTPUT: Final = _sized(8, (0x19, 0x17, 0x16, 0x22, 0x23, 0x43), 0)
_usual_form: Final = re.compile(
    b"\2\0\0\0(?:\1%b|\2%b|\3%b)(?:\2%b|\1%b|\3%b).{4}"
    % (_INPUT, _INPUT * 2, _INPUT * 3, _OUTPUT * 2, _OUTPUT, _OUTPUT * 3),
    re.DOTALL,
).match
"""A transaction of version 2 and the usual form up to its lock time, in one step of the expression engine: more than
twice as fast as taking its lengths one by one, which is how the others go."""


def walk_flo_data(block: bytes) -> list[FloDataTx]:
    """The transactions of a block that carry floData. The header and its Merkle root are not looked at.

    Raises:
        FormatError: the block is cut off or too long.
    """
    edges, texts, witnessed = walk_block(block)
    return [
        FloDataTx(
            edges[position],
            edges[position + 1] - edges[position],
            position,
            witnessed.get(position)
            or sha256(sha256(block[edges[position] : edges[position + 1]]).digest()).digest()[::-1].hex(),
            block[start:end],
        )
        for position, start, end in texts
    ]


def walk_block(block: bytes) -> Walked:
    """Where the transactions of a block and their texts lie; nothing is hashed.

    Raises:
        FormatError: the block is cut off or too long.
    """
    end = len(block)
    if end > MAX_BLOCK_BYTES:
        raise FormatError(f"not a block: {end} bytes, more than any block may have")
    edges: list[int] = []
    texts: list[tuple[int, int, int]] = []
    witnessed: dict[int, str] = {}
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
            edges.append(offset)
            if usual := _usual_form(block, offset):
                offset = usual.end()
            elif block[offset + 4]:
                version = block[offset : offset + 4]
                offset = _skip_to_text(block, offset)
                if not _has_place(version):
                    continue
            else:  # the marker of witnesses, or a transaction without inputs
                offset, text, witnessed[position] = _full_parse(block, offset)
                if text:
                    texts.append((position, *text))
                continue
            size = block[offset]
            offset += 1
            if size:
                if size >= 0xFD:
                    size, offset = _wide(block, offset - 1)
                texts.append((position, offset, offset + size))
                offset += size
    except IndexError:
        raise FormatError(f"not a block: it ends within transaction {position}", offset=offset) from None
    if offset != end:
        why = f"{end - offset} bytes follow its end" if offset < end else f"it ends within transaction {position}"
        raise FormatError(f"not a block: {why}", offset=min(offset, end))
    edges.append(offset)
    return edges, texts, witnessed


def spent_outpoints(transaction: bytes) -> list[bytes]:
    """The coins that a transaction spends, as it names them: 32 bytes of an id in wire order, 4 of the place there.

    A coinbase names one of an id of zeros. Nothing but the inputs is looked at, unless it has witnesses.

    Raises:
        FormatError: the transaction is cut off.
    """
    try:
        if not transaction[4]:
            parsed = read_transaction(Cursor(transaction, "transaction"))
            return [internal_bytes(one.txid) + one.vout.to_bytes(4, "little") for one in parsed.inputs]
        many, offset = _size(transaction, 4)
        found = []
        for _ in range(many):
            found.append(transaction[offset : offset + 36])
            size, offset = _size(transaction, offset + 36)
            offset += size + 4
    except IndexError:
        raise FormatError(f"not a transaction: it ends at byte {len(transaction)}", offset=len(transaction)) from None
    return found


def _has_place(version: bytes) -> bool:
    """Whether a transaction of this version has a place for text: 0, 1 and negative ones have none."""
    return int.from_bytes(version, "little", signed=True) >= _WITH_TEXT


def _skip_to_text(block: bytes, start: int) -> int:
    """The offset behind the lock time, length by length."""
    many, offset = _size(block, start + 4)
    for _ in range(many):
        size, offset = _size(block, offset + 36)
        offset += size + 4
    many, offset = _size(block, offset)
    for _ in range(many):
        size, offset = _size(block, offset + 8)
        offset += size
    return offset + 4


def _full_parse(block: bytes, start: int) -> tuple[int, tuple[int, int] | None, str]:
    """The offset behind a transaction of the rarer form, where its text lies when it has one, and its id."""
    cursor = Cursor(block, "block", start)
    transaction = read_transaction(cursor)
    end = cursor.offset
    text = (end - len(transaction.flo_data), end) if transaction.flo_data else None
    return end, text, transaction.txid


def _size(block: bytes, offset: int) -> tuple[int, int]:
    """A compact size, and the offset behind it."""
    size = block[offset]
    return (size, offset + 1) if size < 0xFD else _wide(block, offset)


def _wide(block: bytes, offset: int) -> tuple[int, int]:
    """A compact size of more than one byte, and the offset behind it."""
    if block[offset] == 0xFD and (value := block[offset + 1] | block[offset + 2] << 8) >= 0xFD:
        behind = offset + 3  # nearly every long text
    else:
        cursor = Cursor(block, "block", offset)
        value, behind = cursor.varint(), cursor.offset
    if value > len(block):
        raise IndexError
    return value, behind
