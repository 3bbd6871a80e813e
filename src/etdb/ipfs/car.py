"""CAR version 1: blocks in a row, each with its CID.

Source: https://ipld.io/specs/transport/car/carv1/. :class:`CarReader` is a protocol object: bytes in, events out;
the same bytes whole or one at a time give the same events. The order of the blocks is anybody's, blocks may be there
twice or not at all: whether they are the whole DAG, :func:`read_car` says at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, auto

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.cid import MAX_BLOCK_BYTES, Cid, parse_cid_bytes, read_cid, verify_block
from etdb.ipfs.closure import DagClosure, DagCoverage
from etdb.ipfs.varint import MAX_VARINT_BYTES, encode_varint, parse_varint

__all__ = [
    "MAX_CAR_HEADER_BYTES",
    "MAX_CAR_ROOTS",
    "MAX_CID_BYTES",
    "CarBlock",
    "CarEnd",
    "CarHeader",
    "CarReader",
    "NeedData",
    "encode_car",
    "encode_car_header",
    "encode_car_section",
    "parse_car_header",
    "read_car",
]

MAX_CAR_ROOTS = 64
MAX_CAR_HEADER_BYTES = 16 * 1024
MAX_CID_BYTES = 160
"""The longest CID in bytes: an identity CID with its prefixes."""


class CarHeader(Struct, frozen=True, kw_only=True):
    """The first event: which DAGs the file is about."""

    roots: tuple[Cid, ...]


class CarBlock(Struct, frozen=True, kw_only=True):
    """One block; its bytes are checked unless the reader was told not to."""

    cid: Cid
    data: bytes


class NeedData(Struct, frozen=True):
    """There is no whole event yet: call ``receive_data``."""


class CarEnd(Struct, frozen=True):
    """The file ended behind a whole block."""


_NEED_DATA = NeedData()
_END = CarEnd()


def encode_car_header(roots: Sequence[Cid]) -> bytes:
    """The header, with its length in front: the dag-cbor map ``{roots, version: 1}``."""
    body = b"\xa2\x65roots" + _cbor_head(4, len(roots))
    for root in roots:
        data = b"\0" + bytes(root)
        body += b"\xd8\x2a" + _cbor_head(2, len(data)) + data
    body += b"\x67version\x01"
    return encode_varint(len(body)) + body


def encode_car_section(cid: Cid, length: int) -> bytes:
    """What stands before a block of ``length`` bytes: so that a writer need not join large blocks."""
    name = bytes(cid)
    return encode_varint(len(name) + length) + name


def encode_car(roots: Sequence[Cid], blocks: Iterable[tuple[Cid, bytes]]) -> Iterator[bytes]:
    """A CAR as pieces to be written one after the other."""
    yield encode_car_header(roots)
    for cid, data in blocks:
        yield encode_car_section(cid, len(data))
        yield data


def read_car(
    pieces: Iterable[bytes],
    take: Callable[[Cid, bytes], None] | None = None,
    *,
    roots: Sequence[Cid] | None = None,
    source: str = "",
) -> DagCoverage:
    """Read a whole CAR, check every block, and say whether the DAGs of its roots are all in it.

    Args:
        pieces: the bytes, from a reader that the caller owns.
        take: given each block as it comes; blocks of identity CIDs, which need not be there, are left out.
        roots: the DAGs to ask for instead of those that the header names.
        source: named in errors.

    Raises:
        FormatError: not a CAR of version 1, cut off, beyond the limits, or a wrong node in the DAG.
        VerificationError: a block is not what its CID says.
    """
    reader = CarReader(source=source)
    closure: DagClosure | None = None
    supply = iter(pieces)
    while True:
        event = reader.next_event()
        if isinstance(event, NeedData):
            # An empty piece from the caller is no end.
            reader.receive_data(next((piece for piece in supply if len(piece)), b""))
        elif isinstance(event, CarHeader):
            closure = DagClosure(event.roots if roots is None else roots)
        elif isinstance(event, CarBlock):
            assert closure is not None
            closure.take(event.cid, event.data)
            if take is not None and not event.cid.is_identity:
                take(event.cid, event.data)
        else:
            assert closure is not None
            return closure.result()


class _State(Enum):
    HEADER = auto()
    SECTION = auto()
    ENDED = auto()
    FAILED = auto()


class CarReader:
    """Reads a CAR that arrives in pieces of any size.

    Call :meth:`receive_data` with what came (``b""`` when nothing more comes), and :meth:`next_event` until it
    answers :class:`NeedData` or :class:`CarEnd`. Memory is one block and one piece.

    Args:
        max_block_bytes: larger blocks are refused before they are collected.
        verify: check each block against its CID.
        source: named in errors.
    """

    def __init__(self, *, max_block_bytes: int = MAX_BLOCK_BYTES, verify: bool = True, source: str = "") -> None:
        self._max_block = max_block_bytes
        self._verify = verify
        self._source = source
        self._buffer = bytearray()
        self._at = 0
        self._no_more = False
        self._state = _State.HEADER

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next piece; an empty one says that the file is over."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        if len(data):
            self._buffer += data
        else:
            self._no_more = True

    def next_event(self) -> CarHeader | CarBlock | NeedData | CarEnd:
        """The next event.

        Raises:
            FormatError: not a CAR of version 1, cut off, or beyond the limits.
            VerificationError: a block is not what its CID says.
        """
        if self._state is _State.ENDED:
            return _END
        if self._state is _State.FAILED:
            raise FormatError("this CAR was refused before")
        state, self._state = self._state, _State.FAILED
        limit = MAX_CAR_HEADER_BYTES if state is _State.HEADER else self._max_block + MAX_CID_BYTES
        frame = self._next_frame(limit, state)
        if isinstance(frame, (NeedData, CarEnd)):
            self._state = state if isinstance(frame, NeedData) else _State.ENDED
            return frame
        if state is _State.HEADER:
            event: CarHeader | CarBlock = parse_car_header(frame)
        else:
            cid, start = read_cid(frame, 0)
            data = frame[start:]
            if len(data) > self._max_block:
                raise FormatError(f"the CAR holds a block of {len(data)} bytes; {self._max_block} is the limit")
            if self._verify:
                verify_block(cid, data, source=self._source)
            event = CarBlock(cid=cid, data=data)
        self._state = _State.SECTION
        return event

    def _next_frame(self, limit: int, state: _State) -> bytes | NeedData | CarEnd:
        buffer, at = self._buffer, self._at
        if at == len(buffer) and self._no_more:
            if state is _State.HEADER:
                raise FormatError("an empty file is not a CAR")
            return _END
        window = buffer[at : at + MAX_VARINT_BYTES]
        if len(window) < MAX_VARINT_BYTES and not self._no_more and all(byte & 0x80 for byte in window):
            return _NEED_DATA
        length, used = parse_varint(window, 0, what="CAR section length")
        if not 0 < length <= limit:
            raise FormatError(f"a CAR section of {length} bytes is outside 1 to {limit}")
        start = at + used
        if len(buffer) - start < length:
            if self._no_more:
                raise FormatError(f"the CAR is cut off: {len(buffer) - start} of {length} bytes of a section")
            return _NEED_DATA
        self._at = start + length
        return bytes(memoryview(buffer)[start : self._at])


def parse_car_header(body: bytes) -> CarHeader:
    """Read the header without its length.

    Raises:
        FormatError: not the canonical dag-cbor map of version 1.
    """
    prefix, suffix = b"\xa2\x65roots", b"\x67version\x01"
    if body == b"\xa1\x67version\x02":
        raise FormatError("this is a CAR of version 2", hint="make one of version 1: ipfs dag export, or car extract")
    if not body.startswith(prefix) or not body.endswith(suffix):
        raise FormatError("this is not the header of a CAR of version 1")
    end = len(body) - len(suffix)
    kind, count, at = _read_cbor_head(body, len(prefix), end)
    if kind != 4 or count > MAX_CAR_ROOTS:
        raise FormatError(f"the CAR header lists {count} roots; {MAX_CAR_ROOTS} are the limit")
    roots = []
    for _ in range(count):
        if body[at : at + 2] != b"\xd8\x2a":
            raise FormatError("a root in the CAR header is not a CID")
        kind, length, at = _read_cbor_head(body, at + 2, end)
        if kind != 2 or length < 1 or length > end - at or body[at] != 0:
            raise FormatError("a root in the CAR header is not a CID")
        roots.append(parse_cid_bytes(body[at + 1 : at + length]))
        at += length
    if at != end:
        raise FormatError("the CAR header has fields that version 1 does not have")
    return CarHeader(roots=tuple(roots))


def _cbor_head(kind: int, value: int) -> bytes:
    if value < 24:
        return bytes([kind << 5 | value])
    if value < 256:
        return bytes([kind << 5 | 24, value])
    return bytes([kind << 5 | 25]) + value.to_bytes(2, "big")


def _read_cbor_head(body: bytes, at: int, end: int) -> tuple[int, int, int]:
    if at >= end:
        raise FormatError("the CAR header is cut off")
    kind, short = body[at] >> 5, body[at] & 31
    if short < 24:
        return kind, short, at + 1
    size = {24: 1, 25: 2}.get(short)
    if size is None or at + 1 + size > end:
        raise FormatError("the CAR header is cut off or too long")
    value = int.from_bytes(body[at + 1 : at + 1 + size], "big")
    if value < (24, 256)[size - 1]:
        raise FormatError("the CAR header is not canonical CBOR")
    return kind, value, at + 1 + size
