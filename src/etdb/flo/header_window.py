"""The top of a chain of headers: what a rollback can reach, and what the rules look back to."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Final, NamedTuple

from etdb.flo.difficulty import bits_to_target

__all__ = ["Header", "HeaderWindow", "hash_header", "header_fields", "header_work"]

header_fields: Final = struct.Struct("<i32s32sIII").unpack_from
"""Of 80 bytes: version, hash of the header before, Merkle root, time, bits, nonce."""


def hash_header(raw: bytes) -> bytes:
    """The id of a header, in the order of the wire."""
    return sha256(sha256(raw).digest()).digest()


def header_work(bits: int) -> int:
    """How many tries a header of this target takes on average."""
    return (1 << 256) // (bits_to_target(bits) + 1)


class Header(NamedTuple):
    """A header with its place in a chain. ``work`` counts from the chain's start."""

    block_hash: bytes
    raw: bytes
    height: int
    time_s: int
    bits: int
    work: int

    @property
    def previous(self) -> bytes:
        """The hash of the header before it."""
        return self.raw[4:36]


class HeaderWindow:
    """Headers one above another, from ``low`` on: five lists of one length, since they are read column by column."""

    def __init__(self, low: int) -> None:
        self.low = low
        self.hashes: list[bytes] = []
        self.raws: list[bytes] = []
        self.times: list[int] = []
        self.bits: list[int] = []
        self.works: list[int] = []

    @property
    def height(self) -> int:
        """Of the last header; one below ``low`` when there is none."""
        return self.low + len(self.hashes) - 1

    def push(self, block_hash: bytes, raw: bytes, time_s: int, bits: int, work: int) -> None:
        """Put a header on top."""
        self.hashes.append(block_hash)
        self.raws.append(raw)
        self.times.append(time_s)
        self.bits.append(bits)
        self.works.append(work)

    def push_raw(self, raw: bytes, work: int | None = None) -> None:
        """Put a header on top that is known by its bytes only; ``work`` up to it, or its own is added."""
        _, _, _, time_s, bits, _ = header_fields(raw)
        if work is None:
            work = (self.works[-1] if self.works else 0) + header_work(bits)
        self.push(hash_header(raw), raw, time_s, bits, work)

    def find(self, block_hash: bytes, reach: int) -> int | None:
        """The height of a header, if it is one of the last one and ``reach`` below it."""
        try:
            return self.low + self.hashes.index(block_hash, max(0, len(self.hashes) - 1 - reach))
        except ValueError:
            return None

    def before(self, height: int, count: int) -> tuple[list[int], list[int]]:
        """Times and bits of the last ``count`` headers up to a height."""
        end = height - self.low + 1
        return self.times[max(0, end - count) : end], self.bits[max(0, end - count) : end]

    def cut(self, height: int) -> list[Header]:
        """Take away what is above a height, and give it back, lowest first."""
        first = height - self.low + 1
        columns = (self.hashes, self.raws, self.times, self.bits, self.works)
        above = [
            Header(block_hash, raw, self.low + first + place, time_s, bits, work)
            for place, (block_hash, raw, time_s, bits, work) in enumerate(
                zip(*(column[first:] for column in columns), strict=True)
            )
        ]
        for column in columns:
            del column[first:]
        return above

    def trim(self, keep: int) -> None:
        """Forget all but the last ``keep`` headers."""
        spare = len(self.hashes) - keep
        if spare > 0:
            for column in (self.hashes, self.raws, self.times, self.bits, self.works):
                del column[:spare]
            self.low += spare
