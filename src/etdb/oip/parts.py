"""One part of a multipart message, read; and parts joined again: parts in, events out.

The original joined by the first ten digits of the reference alone, so that a stranger could complete or break a
record. Here parts belong together only when address, count and reference agree.

When one address signs two parts with one number and different data, the one that stands first in the chain counts, as
with the OIP daemon: every reader has to choose the same, and what others have mirrored already must not change under
them. The other one is not dropped in silence: it is told as a ``PartConflict``.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from etdb.errors import FormatError

__all__ = [
    "FLO_DATA_LIMIT",
    "MAX_PARTS",
    "MAX_PART_BYTES",
    "Joined",
    "Part",
    "PartAccepted",
    "PartConflict",
    "PartIgnored",
    "PartJoiner",
    "check_part_size",
    "parse_part",
    "part_preimage",
]

FLO_DATA_LIMIT: Final = 1040
"""Bytes of text that nodes relay in a transaction."""
MAX_PARTS: Final = 1000
MAX_PART_BYTES: Final = 4 * FLO_DATA_LIMIT
"""Nodes relay no more than ``FLO_DATA_LIMIT``, but a miner may put a megabyte into a block: a thousand of those are not
joined. The factor is for writers that counted letters, not bytes."""
_MAX_HEAD: Final = 400
_PREFIXES: Final = (b"oip-mp(", b"alexandria-media-multipart(")
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]{0,3})\Z", re.ASCII)
_NO_REFERENCE: Final = "0" * 64
_HEX: Final = re.compile(r"[0-9a-f]{10}([0-9a-f]{54})?\Z")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part as it was sent.

    ``reference`` is empty for part 0, else 64 or 10 hexadecimal digits (16 under OIP 0.5). ``preimages`` are what its
    signature may sign: the text as it was printed; for part 0 also with 64 zeros as its reference, which some writers
    signed and did not print.
    """

    number: int
    last: int
    address: str
    reference: str
    signature: str
    data: bytes
    preimages: tuple[bytes, ...]

    @property
    def count(self) -> int:
        """How many parts the message has."""
        return self.last + 1


def part_preimage(number: int, last: int, address: str, reference: str, data: bytes) -> bytes:
    """What a part's signature signs."""
    return f"{number}-{last}-{address}-{reference}-".encode() + data


def parse_part(data: bytes) -> Part | None:
    """Read a part; None when the text does not begin as one.

    Raises:
        FormatError: it begins as a part and is none.
    """
    prefix = next((one for one in _PREFIXES if data.startswith(one)), None)
    if prefix is None:
        return None
    end = data.find(b"):", 0, _MAX_HEAD)
    if end < 0:
        raise FormatError("not a multipart message: its head has no end")
    try:
        words = data[len(prefix) : end].decode("ascii").split(",")
    except UnicodeDecodeError:
        raise FormatError("not a multipart message: its head is not ASCII") from None
    if len(words) == 6 and not words[5]:
        words.pop()  # some writers put a comma behind the signature
    if len(words) == 4:
        words.insert(3, "")  # some left the empty reference of part 0 out
    if len(words) != 5:
        raise FormatError(f"not a multipart message: its head has {len(words)} fields")
    number, last = (_small(word) for word in words[:2])
    address, shown, signature = words[2:]
    if not 0 < last < MAX_PARTS or number > last:
        raise FormatError(f"not a multipart message: part {number} of 0 to {last}")
    body = data[end + 2 :]
    check_part_size(body)
    reference = "" if number == 0 and not shown.strip("0") else shown
    if number == 0 and reference:
        raise FormatError("not a multipart message: part 0 has a reference")
    if number and not _HEX.match(reference):
        raise FormatError("not a multipart message: its reference is neither 64 nor 10 hexadecimal digits")
    printed = [shown] if number or shown == _NO_REFERENCE else [shown, _NO_REFERENCE]
    return Part(
        number=number,
        last=last,
        address=address,
        reference=reference,
        signature=signature,
        data=body,
        preimages=tuple(part_preimage(number, last, address, one, body) for one in printed),
    )


def check_part_size(data: bytes) -> None:
    """Refuse a part that carries nothing, or more than is ever joined.

    Raises:
        FormatError: so it is.
    """
    if not 0 < len(data) <= MAX_PART_BYTES:
        raise FormatError(f"not a multipart message: a part of {len(data)} bytes")


def _small(word: str) -> int:
    if not _NUMBER.match(word):
        raise FormatError("not a multipart message: a part's number is none")
    return int(word)


class PartAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The part is kept; ``missing`` more are needed."""

    txid: str
    missing: int


class PartIgnored(msgspec.Struct, frozen=True, kw_only=True):
    """The part does not count, and why."""

    txid: str
    reason: str


class PartConflict(msgspec.Struct, frozen=True, kw_only=True):
    """The part's number has come before with other data, in the transaction ``kept_txid``, which counts."""

    txid: str
    number: int
    kept_txid: str


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The message is whole: its bytes, and the transactions of its parts in order."""

    data: bytes
    txids: tuple[str, ...]


class PartJoiner:
    """Joins the parts of one message. The caller has checked their signatures.

    Args:
        first_txid: the transaction of part 0, which is the message's id.
        address: the publisher of part 0.
        count: how many parts part 0 announces.

    Parts come in any order and may come again, before part 0 or after it. When two different parts claim one number,
    the first that was fed counts, and the other is told as a ``PartConflict``: the caller feeds them in the order of
    the chain, so every reader agrees. It holds one part of each number at most, whatever it is fed.
    """

    def __init__(self, first_txid: str, address: str, count: int) -> None:
        if not 1 < count <= MAX_PARTS:
            raise FormatError(f"not a multipart message: {count} parts")
        self._first_txid = first_txid
        self._address = address
        self._count = count
        self._parts: dict[int, tuple[str, bytes]] = {}

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the parts that have not come."""
        return tuple(number for number in range(self._count) if number not in self._parts)

    def feed(self, txid: str, part: Part) -> tuple[PartAccepted | PartIgnored | PartConflict | Joined, ...]:
        """Take one part."""
        reason = self._refusal(txid, part)
        if reason:
            return (PartIgnored(txid=txid, reason=reason),)
        known = self._parts.get(part.number)
        if known is not None:
            if known[1] == part.data:
                return (PartIgnored(txid=txid, reason="it came before"),)
            return (PartConflict(txid=txid, number=part.number, kept_txid=known[0]),)
        self._parts[part.number] = (txid, part.data)
        missing = self._count - len(self._parts)
        accepted = PartAccepted(txid=txid, missing=missing)
        if missing:
            return (accepted,)
        ordered = [self._parts[number] for number in range(self._count)]
        joined = Joined(data=b"".join(data for _, data in ordered), txids=tuple(one for one, _ in ordered))
        return (accepted, joined)

    def _refusal(self, txid: str, part: Part) -> str:
        if part.address != self._address:
            return "another publisher's part"
        if part.count != self._count:
            return f"a part of {part.count}, not of {self._count}"
        if part.number == 0:
            if txid != self._first_txid:
                return "the first part of another message"
        elif not self._first_txid.startswith(part.reference):
            return "it refers to another message"
        return ""
