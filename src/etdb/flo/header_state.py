"""A header chain between two runs of a program, as bytes."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Final

import msgspec

from etdb.errors import FormatError
from etdb.flo.blocks import HEADER_BYTES
from etdb.flo.difficulty import bits_to_target
from etdb.flo.header_window import hash_header, header_fields

__all__ = ["HeaderState", "encode_header_state", "parse_header_state"]

_MAGIC: Final = b"etdb header chain 1\n"
_HEAD: Final = struct.Struct("<32s32sIIIII")
_DIGEST_BYTES: Final = 32


class HeaderState(msgspec.Struct, frozen=True, kw_only=True):
    """What a header chain holds.

    Attributes:
        genesis: the network's first block, in the order of the wire.
        low: the height of the first header.
        anchor: the height below which nothing is taken back.
        judged_from: the height from which all rules were judged.
        work: of the chain up to the first header, from its start.
        headers: the best chain's, lowest first, each of 80 bytes.
        side: those beside it, each behind the one that it follows.
    """

    genesis: bytes
    low: int
    anchor: int
    judged_from: int
    work: int
    headers: tuple[bytes, ...]
    side: tuple[bytes, ...]


def encode_header_state(state: HeaderState) -> bytes:
    """The bytes of a state."""
    head = _HEAD.pack(
        state.genesis,
        state.work.to_bytes(32, "little"),
        state.low,
        state.anchor,
        state.judged_from,
        len(state.headers),
        len(state.side),
    )
    body = b"".join((_MAGIC, head, *state.headers, *state.side))
    return body + sha256(body).digest()


def parse_header_state(data: bytes) -> HeaderState:
    """Read what ``encode_header_state`` writes.

    Raises:
        FormatError: damaged, or headers that do not hang together.
    """
    first = len(_MAGIC) + _HEAD.size
    end = len(data) - _DIGEST_BYTES
    if data[: len(_MAGIC)] != _MAGIC or end < first or sha256(data[:end]).digest() != data[end:]:
        raise FormatError("not the state of a header chain, or a damaged one")
    genesis, work, low, anchor, judged_from, count, side_count = _HEAD.unpack_from(data, len(_MAGIC))
    if not count or end - first != (count + side_count) * HEADER_BYTES:
        raise FormatError(f"not the state of a header chain: it announces {count} and {side_count} headers")
    raws = tuple(data[at : at + HEADER_BYTES] for at in range(first, end, HEADER_BYTES))
    _verify_links(raws, count)
    return HeaderState(
        genesis=genesis,
        low=low,
        anchor=anchor,
        judged_from=judged_from,
        work=int.from_bytes(work, "little"),
        headers=raws[:count],
        side=raws[count:],
    )


def _verify_links(raws: tuple[bytes, ...], count: int) -> None:
    known: set[bytes] = set()
    last = b""
    for place, raw in enumerate(raws):
        bits_to_target(header_fields(raw)[4])
        previous = raw[4:36]
        if place and (previous not in known or (place < count and previous != last)):
            raise FormatError(f"not the state of a header chain: its header {place} follows none of it")
        last = hash_header(raw)
        known.add(last)
