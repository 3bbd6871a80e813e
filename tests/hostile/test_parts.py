"""Multipart messages that never end, in numbers; what a follower keeps of them and what the next message costs."""

from __future__ import annotations

import pytest

from etdb.catalogue import Catalogue
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.index.fold import Fold
from etdb.oip import MAX_PARTS, Joined, PartJoiner, parse_part
from etdb.oip.parts import part_preimage
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

STRANGER, LAB = RecordSigner("stranger"), RecordSigner("lab")
FLOOD = 10_000
STEP = 1_000


def part(signer: RecordSigner, number: int, last: int, reference: str, data: bytes) -> bytes:
    signature = signer.sign(part_preimage(number, last, signer.address, reference, data))
    return f"oip-mp({number},{last},{signer.address},{reference},{signature}):".encode() + data


def flood(kind: str, count: int, first: str) -> list[bytes]:
    """So many parts of messages that never become whole: of as many messages, of one, or of none that is there."""
    if kind == "first parts":
        return [part(STRANGER, 0, 1 + n % (MAX_PARTS - 1), "", b"%d" % n) for n in range(count)]
    if kind == "one message":
        return [part(STRANGER, 1 + n % 998, 999, first, b"%d" % n) for n in range(count)]
    return [part(STRANGER, 1, 2, f"{n:064x}", b"x") for n in range(count)]


def steps_of_the_next(path, text: bytes) -> int:
    """How many instructions of SQLite one more message costs."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    with Catalogue(path, writable=True) as catalogue, catalogue.batch() as batch:
        tip = batch.tip()
        assert tip is not None
        batch._db.set_progress_handler(count, 1)
        Fold(REGTEST).add(batch, batch.add_message(tip.height, 999_999, "fe" * 32, (), text))
        batch._db.set_progress_handler(None, 0)
    return counted[0]


@pytest.mark.crash  # ten seconds each
@pytest.mark.parametrize("kind", ["first parts", "one message", "of nothing"])
def test_ten_thousand_parts_that_never_become_whole(spends, tmp_path, kind):
    ledger = ScriptedLedger()
    (first,) = ledger.add_block([part(STRANGER, 0, 999, "", b"beginning")])
    texts = flood(kind, FLOOD, first)
    for start in range(0, FLOOD, STEP):
        ledger.add_block(texts[start : start + STEP])
    path = tmp_path / "catalogue.sqlite"

    def index() -> int:
        with Catalogue(path, writable=True) as catalogue:
            return follow(ledger, catalogue, network=REGTEST).messages

    assert spends(index, at_most_mib=30).result == FLOOD + 1
    steps = steps_of_the_next(path, part(STRANGER, 7, 999, first, b"one more") if first else b"")
    assert 20 < steps < 2_000, "a message costs what it costs, whatever came before it"
    whole = LAB.message(title="The true one")
    ledger.add_block([whole])
    with Catalogue(path, writable=True) as catalogue:
        assert follow(ledger, catalogue, network=REGTEST).records_new == 1


def test_a_joiner_holds_one_part_of_each_number(spends):
    """Whatever it is fed: 100,000 parts of the longest kind leave a thousand."""
    beginning = parse_part(part(STRANGER, 0, MAX_PARTS - 1, "", b"b"))
    one = parse_part(part(STRANGER, 1, MAX_PARTS - 1, "ab" * 32, b"x" * 4_000))
    assert beginning is not None
    assert one is not None
    joiner = PartJoiner("ab" * 32, STRANGER.address, MAX_PARTS)

    def feed() -> int:
        import msgspec

        for n in range(100_000):
            body = b"%08d" % n + b"x" * 4_000
            fed = msgspec.structs.replace(one, number=1 + n % (MAX_PARTS - 2), data=body)
            for event in joiner.feed(f"{n:064x}", fed):
                assert not isinstance(event, Joined)
        return len(joiner.missing)

    assert spends(feed, at_most_mib=12).result == 2
