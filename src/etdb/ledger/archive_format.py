"""A ledger in one file: the form of its bytes. See docs/reference/ledger-file.md.

    preamble, section, section, ..., end

A section holds headers without what follows from the header before, and the messages' transactions with their proofs.
The end names the newest block, whose hash commits to all headers, and so to all messages. Each section, and the end,
closes with the SHA-256 of all bytes of the file before it. Nothing is compressed: the same chain gives the same bytes,
whichever version of a library writes them, and nothing swells when it is read.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from etdb.errors import EtdbError, FormatError
from etdb.flo import HEADER_BYTES, encode_varint, network
from etdb.flo.cursor import Cursor
from etdb.ledger.archive_proofs import MAX_DEPTH, BlockProof

__all__ = [
    "DIGEST_BYTES",
    "END_BYTES",
    "FRAME_BYTES",
    "MAX_PREAMBLE_BYTES",
    "MAX_SECTION_BYTES",
    "SECTION_BLOCKS",
    "SELECTIONS",
    "STUB_BYTES",
    "CarriedBlock",
    "CarriedTransaction",
    "Preamble",
    "Section",
    "block_size",
    "encode_end",
    "encode_frame",
    "encode_preamble",
    "encode_section",
    "expand_header",
    "header_stub",
    "is_full",
    "parse_end",
    "parse_frame",
    "parse_preamble",
    "parse_section",
]

MAGIC: Final = b"etdb-ledger 1\n"
MAX_PREAMBLE_BYTES: Final = 1_024
DIGEST_BYTES: Final = 32
FRAME_BYTES: Final = 5
END_BYTES: Final = 36
SECTION_BLOCKS: Final = 2_000
MAX_SECTION_BYTES: Final = 16 << 20
"""A section ends before the block that would make it longer, so a reader never holds more."""
STUB_BYTES: Final = HEADER_BYTES - 32
SELECTIONS: Final = ("all", "oip")
"""Which messages a file holds: each one, or those that etdb.oip recognises by their beginning."""
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
_MAX_HEIGHT: Final = (1 << 31) - 1
_HASH_BYTES: Final = 32
_ROOM_BYTES: Final = 16
"""More than the counts before a transaction, a block or a section take."""
_LEAST_TRANSACTION_BYTES: Final = 2
_LEAST_BLOCK_BYTES: Final = 6


class Preamble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file is of.

    Attributes:
        network: FLO's name of it: main, testnet or regtest.
        start: the height of the first block.
        after: the hash of the block before it; zeros when there is none.
        messages: one of ``SELECTIONS``.
    """

    network: str
    start: int
    after: str
    messages: str


class CarriedTransaction(msgspec.Struct, frozen=True, gc=False):
    """A message's transaction and its place in the block."""

    position: int
    raw: bytes


class CarriedBlock(msgspec.Struct, frozen=True):
    """The messages of a block: ``offset`` counts blocks from the section's first."""

    offset: int
    transactions: tuple[CarriedTransaction, ...]
    proof: BlockProof


class Section(msgspec.Struct, frozen=True):
    """A run of blocks: of each header all but the hash of the one before, and what messages there are."""

    stubs: tuple[bytes, ...]
    carried: tuple[CarriedBlock, ...]


def encode_preamble(preamble: Preamble) -> bytes:
    """Two lines that a person can read."""
    return MAGIC + msgspec.json.encode(preamble) + b"\n"


def parse_preamble(data: bytes) -> tuple[Preamble, int]:
    """What a file begins with, and where its sections begin.

    Args:
        data: the first ``MAX_PREAMBLE_BYTES`` of the file, or all of it.

    Raises:
        FormatError: not such a file, or of another version.
    """
    if not data.startswith(MAGIC):
        known = MAGIC.split()[0]
        if data.startswith(known + b" "):
            version = data[len(known) + 1 : len(known) + 12].split(b"\n")[0].decode("ascii", "replace")
            raise FormatError(f"a ledger file of version {version!r}; this etdb reads version 1", hint="update etdb")
        raise FormatError("not a ledger file: it does not begin with 'etdb-ledger 1'", offset=0)
    end = data.find(b"\n", len(MAGIC), MAX_PREAMBLE_BYTES) + 1
    if not end:
        raise FormatError("not a ledger file: its second line does not end", offset=len(MAGIC))
    try:
        preamble = msgspec.json.decode(data[len(MAGIC) : end], type=Preamble)
        network(preamble.network)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"the second line of the ledger file: {error}", offset=len(MAGIC)) from None
    except EtdbError as error:
        raise FormatError(f"the second line of the ledger file: {error.message}", offset=len(MAGIC)) from None
    if (
        not 0 <= preamble.start <= _MAX_HEIGHT
        or not _HASH.match(preamble.after)
        or preamble.messages not in SELECTIONS
        or encode_preamble(preamble) != data[:end]
    ):
        raise FormatError("the second line of the ledger file is not in its one form", offset=len(MAGIC))
    return preamble, end


def header_stub(header: bytes) -> bytes:
    """A header without what follows from the one before it."""
    return header[:4] + header[36:]


def expand_header(stub: bytes, previous: bytes) -> bytes:
    """A whole header again. ``previous`` is in wire order."""
    return stub[:4] + previous + stub[4:]


def block_size(block: CarriedBlock | None) -> int:
    """What a block counts for in a section: its header's bytes, and those of its messages and proof, rounded up."""
    if block is None:
        return STUB_BYTES
    raws = sum(len(one.raw) + _ROOM_BYTES for one in block.transactions)
    return STUB_BYTES + _ROOM_BYTES + raws + _HASH_BYTES * len(block.proof.hashes)


def is_full(blocks: int, size: int, more: int) -> bool:
    """Whether a section of so many blocks, which count for ``size``, ends before a block that counts for ``more``."""
    return blocks == SECTION_BLOCKS or size + more > MAX_SECTION_BYTES - _ROOM_BYTES


def encode_section(section: Section) -> bytes:
    """A section's own bytes, without frame and digest."""
    pieces = [encode_varint(len(section.stubs)), *section.stubs, encode_varint(len(section.carried))]
    for block in section.carried:
        pieces += [encode_varint(block.offset), encode_varint(len(block.transactions))]
        for one in block.transactions:
            pieces += [encode_varint(one.position), encode_varint(len(one.raw)), one.raw]
        pieces += [encode_varint(block.proof.depth), encode_varint(len(block.proof.hashes)), *block.proof.hashes]
    return b"".join(pieces)


def parse_section(data: bytes) -> Section:
    """Read a section's own bytes. What it says is not verified.

    Raises:
        FormatError: not a section, or not in its one form.
    """
    cursor = Cursor(data, "section of a ledger file")
    count = cursor.count(STUB_BYTES)
    if not 0 < count <= SECTION_BLOCKS:
        raise cursor.wrong(f"it has {count} blocks")
    stubs = tuple(cursor.take(STUB_BYTES) for _ in range(count))
    carried = []
    last = -1
    for _ in range(cursor.count(_LEAST_BLOCK_BYTES)):
        block = _parse_block(cursor)
        if not last < block.offset < count:
            raise cursor.wrong("its blocks are not in order")
        last = block.offset
        carried.append(block)
    cursor.end()
    return Section(stubs, tuple(carried))


def _parse_block(cursor: Cursor) -> CarriedBlock:
    offset = cursor.varint()
    transactions = []
    last = -1
    for _ in range(cursor.count(_LEAST_TRANSACTION_BYTES)):
        position = cursor.varint()
        if not last < position < 1 << MAX_DEPTH:
            raise cursor.wrong("its transactions are not in order")
        last = position
        transactions.append(CarriedTransaction(position, cursor.text()))
    if not transactions:
        raise cursor.wrong("it names a block without messages")
    depth = cursor.varint()
    if depth > MAX_DEPTH:
        raise cursor.wrong(f"a tree of depth {depth}")
    hashes = tuple(cursor.take(_HASH_BYTES) for _ in range(cursor.count(_HASH_BYTES)))
    return CarriedBlock(offset, tuple(transactions), BlockProof(depth, hashes))


def encode_end(height: int, tip: bytes) -> bytes:
    """The end's own bytes: the newest block's height, and its hash in wire order."""
    return height.to_bytes(4, "little") + tip


def parse_end(data: bytes) -> tuple[int, bytes]:
    """The newest block's height and hash, as ``encode_end`` wrote them."""
    return int.from_bytes(data[:4], "little"), data[4:]


def encode_frame(payload: bytes, *, is_end: bool = False) -> bytes:
    """What stands before the bytes of a section, or of the end."""
    return (b"E" if is_end else b"S") + len(payload).to_bytes(4, "little")


def parse_frame(data: bytes, offset: int) -> tuple[bool, int]:
    """Whether the end follows, and how many bytes it or the section has.

    Args:
        data: the frame's bytes.
        offset: where they stand in the file, for messages.

    Raises:
        FormatError: not a frame, or of a section that is too long.
    """
    if len(data) < FRAME_BYTES:
        raise FormatError(
            f"the ledger file is cut off at byte {offset + len(data)}", hint="get it again", offset=offset
        )
    length = int.from_bytes(data[1:], "little")
    is_end = data[:1] == b"E"
    if (not is_end and data[:1] != b"S") or length > MAX_SECTION_BYTES or (is_end and length != END_BYTES):
        raise FormatError(f"the ledger file has no section at byte {offset}", offset=offset)
    return is_end, length
