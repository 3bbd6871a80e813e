"""Multipart messages: a record that is longer than one transaction's text.

    oip-mp(<part>,<last>,<address>,<reference>,<signature>):<data>

Parts count from 0; the second number is that of the last part. Part 0 has no reference, the others have the id of
part 0's transaction (64 digits; older writers gave 10). What is signed is the same five strings joined with "-".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from etdb.errors import InputError
from etdb.oip.parts import FLO_DATA_LIMIT, MAX_PARTS, part_preimage

__all__ = ["Split", "plan_parts", "split"]

_SIGNATURE_LENGTH: Final = 88
_REFERENCE_LENGTH: Final = 64
_ADDRESS_LENGTH: Final = 34


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A message cut to fit. One piece is sent as it is; more become parts."""

    pieces: tuple[bytes, ...]
    address: str
    sign: Callable[[bytes], str]

    @property
    def count(self) -> int:
        """How many transactions it takes."""
        return len(self.pieces)

    @property
    def needs_parts(self) -> bool:
        """Whether it is longer than one transaction's text."""
        return len(self.pieces) > 1

    def first(self) -> bytes:
        """What the first transaction carries: all of it, or part 0."""
        return self._part(0, "") if self.needs_parts else self.pieces[0]

    def rest(self, first_txid: str) -> list[bytes]:
        """What the other transactions carry, once the id of the first is known."""
        return [self._part(number, first_txid) for number in range(1, len(self.pieces))]

    def _part(self, number: int, reference: str) -> bytes:
        last, data = len(self.pieces) - 1, self.pieces[number]
        signature = self.sign(part_preimage(number, last, self.address, reference, data))
        return f"oip-mp({number},{last},{self.address},{reference},{signature}):".encode() + data


def split(data: bytes, address: str, *, sign: Callable[[bytes], str], limit: int = FLO_DATA_LIMIT) -> Split:
    """Cut a message into what transactions can carry, never within a letter.

    Args:
        data: the message, UTF-8.
        address: the publisher's, which signs each part.
        sign: makes the base64 signature of a preimage.
        limit: bytes of text that a transaction carries.

    Raises:
        InputError: empty, not UTF-8, or more than ``MAX_PARTS`` parts.
    """
    return Split(pieces=plan_parts(data, address, limit=limit), address=address, sign=sign)


def plan_parts(data: bytes, address: str = "F" * _ADDRESS_LENGTH, *, limit: int = FLO_DATA_LIMIT) -> tuple[bytes, ...]:
    """Where a message is cut. Errors as ``split``."""
    if not data:
        raise InputError("an empty message cannot be sent")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise InputError("a message that is not UTF-8 cannot be sent") from error
    if len(data) <= limit:
        return (data,)
    digits = 1
    while True:
        head = len("oip-mp(,,,,):") + 2 * digits + len(address) + _SIGNATURE_LENGTH
        pieces = _cut(data, limit - head, limit - head - _REFERENCE_LENGTH)
        if len(pieces) > MAX_PARTS:
            raise InputError(
                f"the record takes {len(pieces)} parts, more than the {MAX_PARTS} that readers join",
                hint="list fewer files in one dataset, or shorten its notes",
            )
        if len(str(len(pieces) - 1)) <= digits:
            return pieces
        digits += 1


def _cut(data: bytes, first: int, other: int) -> tuple[bytes, ...]:
    pieces: list[bytes] = []
    start = 0
    while start < len(data):
        end = min(start + (other if pieces else first), len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1  # not within a letter
        pieces.append(data[start:end])
        start = end
    return tuple(pieces)
