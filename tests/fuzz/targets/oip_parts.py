"""A part is read, is none, or is refused with FormatError; parts in any order join to their message or to nothing."""

from __future__ import annotations

import contextlib

from tests.fuzz import material

from etdb import oip
from etdb.errors import FormatError

PARTS = [part for part in map(oip.parse_part, material.parts()) if part is not None]
IDS = ["ab" * 32, *(f"{number:064x}" for number in range(1, 60))]
WHOLE = b"".join(part.data for part in PARTS)


def seeds() -> list[bytes]:
    return [*material.parts(), bytes(range(len(PARTS))), bytes(reversed(range(len(PARTS))))]


def check(data: bytes) -> None:
    stranger = None
    with contextlib.suppress(FormatError):
        stranger = oip.parse_part(data)
    joiner = oip.PartJoiner(IDS[0], PARTS[0].address, len(PARTS))
    own = {part.data for part in PARTS}
    joined = []
    for octet in data[:200]:
        place = octet % (len(PARTS) + 1)
        part, txid = (PARTS[place], IDS[place]) if place < len(PARTS) else (stranger, IDS[40])
        if part is None or (part is stranger and part.data not in own and part.address == PARTS[0].address):
            continue  # the publisher may contradict itself: that is told, and is not this test
        joined += [one for one in joiner.feed(txid, part) if isinstance(one, oip.Joined)]
    assert all(one.data == WHOLE for one in joined)
    assert len(joined) <= 1
