"""Parts that come twice, differ, or are not the publisher's: nobody else completes, breaks or holds up a record, and
what a follower has after reorganisations is what a reader from the beginning gets."""

import base64
import gzip
import itertools
import tracemalloc

import pytest

import etdb.index.fold as fold_module
from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.oip import MAX_PARTS
from etdb.oip.parts import part_preimage
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

LAB = RecordSigner("lab")
STRANGER = RecordSigner("stranger")
LONG = {"description": "A long description. " * 90}


@pytest.fixture
def ledger():
    return ScriptedLedger()


@pytest.fixture
def catalogue(tmp_path):
    with Catalogue(tmp_path / "catalogue.sqlite", writable=True) as catalogue:
        yield catalogue


def run(ledger, catalogue):
    return follow(ledger, catalogue, network=REGTEST)


def titles(catalogue):
    return [hit.tomogram.title for hit in catalogue.search(Query(sort="oldest", limit=1000)).results]


def asides(catalogue):
    return [(item.txid, item.reason) for item in catalogue.listed("aside", limit=500).items]


def replay_is_the_same(ledger, catalogue, tmp_path):
    path = tmp_path / "replay.sqlite"
    path.unlink(missing_ok=True)
    with Catalogue(path, writable=True) as other:
        run(ledger, other)
        return other.dump() == catalogue.dump()


def parts_of(signer, ledger, digits=64, **fields):
    """Parts as (txid, text), in order."""
    cut = signer.split(signer.message(**{**LONG, **fields}))
    first = cut.first()
    txid = ledger.txid_of(first)
    return [(txid, first), *((ledger.txid_of(text), text) for text in cut.rest(txid[:digits]))]


def part(signer, number, last, reference, data, *, address=""):
    """Any part, true or not, signed by whom you like."""
    claimed = address or signer.address
    signature = signer.sign(part_preimage(number, last, claimed, reference, data))
    return f"oip-mp({number},{last},{claimed},{reference},{signature}):".encode() + data


@pytest.mark.parametrize("digits", [64, 10])
def test_of_two_parts_with_one_number_the_first_counts_and_the_other_is_named(ledger, catalogue, tmp_path, digits):
    parts = parts_of(LAB, ledger, digits)
    first = parts[0][0]
    other = part(LAB, 2, 4, first[:digits], b'"}}something else')
    (false,) = ledger.add_block([parts[0], parts[2], other])[2:]
    run(ledger, catalogue)
    assert asides(catalogue) == [(false, "conflicting part")]
    (orphan,) = catalogue.listed("orphans").items
    assert orphan.missing == (1, 3, 4)
    (late,) = ledger.add_block([parts[1], parts[3], parts[4], other])[3:]
    run(ledger, catalogue)
    assert titles(catalogue) == ["A tomogram"]
    assert asides(catalogue) == [(false, "conflicting part"), (late, "conflicting part")]
    assert parts[2][0] in catalogue.listed("aside").items[1].detail
    assert catalogue.get(first).part_txids == tuple(txid for txid, _ in parts)
    assert replay_is_the_same(ledger, catalogue, tmp_path)


def test_a_publisher_whose_wrong_part_came_first_has_harmed_that_record_only(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    other = part(LAB, 2, 4, parts[0][0], b'"}}something else')
    ids = ledger.add_block([other, *parts, *parts_of(LAB, ledger, title="Sent anew")])
    run(ledger, catalogue)
    assert titles(catalogue) == ["Sent anew"]
    assert asides(catalogue) == [(ids[3], "conflicting part"), (ids[5], "damaged")]


def test_two_lengths_of_reference_name_one_message(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    short = parts_of(LAB, ScriptedLedger(), 10)
    mixed = [parts[0], (parts[1][0], short[1][1]), parts[2], (parts[3][0], short[3][1]), parts[4]]
    cut = LAB.split(LAB.message(**LONG)).rest(parts[0][0][:10])
    mixed[1], mixed[3] = (parts[1][0], cut[0]), (parts[3][0], cut[2])
    ledger.add_block(reversed(mixed))
    run(ledger, catalogue)
    assert titles(catalogue) == ["A tomogram"]
    again = ledger.add_block([cut[1], part(LAB, 1, 4, parts[0][0], b"other")])
    run(ledger, catalogue)
    assert asides(catalogue) == [(again[1], "conflicting part")]


def test_a_part_that_differs_after_the_record_is_complete_changes_nothing(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    ledger.add_block(parts)
    run(ledger, catalogue)
    before = catalogue.get(parts[0][0])
    (late,) = ledger.add_block([part(LAB, 3, 4, parts[0][0], b"other data")])
    run(ledger, catalogue)
    assert asides(catalogue) == [(late, "conflicting part")]
    assert catalogue.get(parts[0][0]).tomogram == before.tomogram
    assert catalogue.get(parts[0][0]).part_txids == before.part_txids


def test_parts_of_a_message_that_shares_ten_digits_are_not_of_this_one(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    almost = parts[0][0][:10] + "0" * 54
    ledger.add_block([part(LAB, number, 4, almost, b'"}}}other') for number in range(1, 5)])
    ledger.add_block(parts[:4])
    run(ledger, catalogue)
    assert titles(catalogue) == []
    ledger.add_block(parts[4:])
    run(ledger, catalogue)
    assert titles(catalogue) == ["A tomogram"]
    assert catalogue.get(parts[0][0]).part_txids == tuple(txid for txid, _ in parts)
    assert asides(catalogue) == []


def test_a_copied_beginning_whose_id_begins_alike_is_a_duplicate_and_takes_nothing_away(ledger, catalogue):
    parts = parts_of(LAB, ledger, 10)
    first = parts[0][0]
    alike = first[:10] + "f" * 54
    ledger.add_block([(alike, parts[0][1]), *parts])
    run(ledger, catalogue)
    view, copy = catalogue.get(first), catalogue.get(alike)
    assert view.part_txids == tuple(txid for txid, _ in parts)
    assert view.tomogram == copy.tomogram
    assert [one.dataset_id for one in view.duplicates] == [alike]


def varint_field(number, value):
    """A field of a protobuf message shorter than 128 bytes, or of any length below 16,384."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    length = len(value)
    return bytes([number << 3 | 2, *([length] if length < 128 else [length & 127 | 128, length >> 7])]) + value


def test_a_record_in_parts_of_the_newer_protocol(ledger, catalogue, tmp_path):
    whole = LAB.message(title="In protobuf", **LONG)
    pieces = [whole[start : start + 600] for start in range(0, len(whole), 600)]
    parts = []
    for number, piece in enumerate(pieces):
        body = varint_field(1, number) + varint_field(2, len(pieces)) + varint_field(3, piece)
        if number:
            body += varint_field(4, varint_field(1, bytes.fromhex(parts[0][0])[:8]))
        signature = base64.b64decode(LAB.sign(base64.b64encode(body)))
        fields = ((1, body), (2, 3), (3, 1), (4, LAB.address.encode()), (5, signature))
        message = b"".join(varint_field(place, value) for place, value in fields)
        text = (
            b"p64:" + base64.b64encode(message) if number % 2 else b"gp64:" + base64.b64encode(gzip.compress(message))
        )
        parts.append((ledger.txid_of(text), text))
    for one in reversed(parts):
        ledger.add_block([one])
    run(ledger, catalogue)
    assert titles(catalogue) == ["In protobuf"]
    assert catalogue.get(parts[0][0]).part_txids == tuple(txid for txid, _ in parts)
    assert replay_is_the_same(ledger, catalogue, tmp_path)


def strangers_parts(parts):
    """What somebody without the lab's key can send about a record that he sees coming."""
    first = parts[0][0]
    evil = b"evil data"
    return [
        *(part(STRANGER, number, 4, first, evil) for number in range(1, 5)),  # another address
        *(part(STRANGER, number, 4, first, evil, address=LAB.address) for number in range(1, 5)),  # a bad signature
        part(STRANGER, 1, 3, first, evil),  # another count
        part(STRANGER, 1, 4, first[:10], evil),
        parts[1][1].replace(b"oip-mp(1,4,", b"oip-mp(2,4,"),  # an honest part under another number
        parts[2][1].replace(first.encode(), first[:10].encode()),  # ... and with another reference
        parts[3][1] + b" ",  # ... and with other data
        *(text for _, text in parts),  # honest parts word by word, part 0 among them, in transactions of his own
    ]


@pytest.mark.parametrize("placed", ["before", "between", "after"])
@pytest.mark.parametrize("digits", [64, 10])
def test_a_stranger_neither_completes_nor_holds_up_a_record(ledger, catalogue, tmp_path, placed, digits):
    parts = parts_of(LAB, ledger, digits)
    strange = strangers_parts(parts)
    if placed == "before":
        ledger.add_block(strange)
        run(ledger, catalogue)
        assert titles(catalogue) == []
    ledger.add_block(parts[3:])
    if placed == "between":
        ledger.add_block(strange)
    ledger.add_block(parts[:2])
    run(ledger, catalogue)
    copied = placed != "after"  # word by word, part 2 is the lab's own part, whoever paid for it
    assert titles(catalogue) == (["A tomogram"] if copied else [])
    ledger.add_block([parts[2]])
    if placed == "after":
        ledger.add_block(strange)
    run(ledger, catalogue)
    assert titles(catalogue) == ["A tomogram"]
    view = catalogue.get(parts[0][0])
    assert view.dataset_id == parts[0][0]
    assert view.tomogram.publisher == LAB.address
    assert not any(reason == "conflicting part" for _, reason in asides(catalogue))
    assert replay_is_the_same(ledger, catalogue, tmp_path)


def test_parts_over_every_block_boundary_with_every_rollback(tmp_path):
    maker = ScriptedLedger()
    parts = parts_of(LAB, maker)
    other = (maker.txid_of(b"other"), part(LAB, 2, 4, parts[0][0], b'"}}something else'))
    outcomes = set()
    order = [parts[4], parts[1], other, parts[0], parts[2], parts[3]]
    for number, cuts in enumerate(itertools.combinations(range(1, 6), 2)):
        edges = [0, *cuts, 6]
        groups = [order[begin:end] for begin, end in itertools.pairwise(edges)]
        for depth in (1, 3):
            ledger = ScriptedLedger()
            with Catalogue(tmp_path / f"{number}-{depth}.sqlite", writable=True) as catalogue:
                for group in groups:
                    ledger.add_block(group)
                    run(ledger, catalogue)
                taken = ledger.take_back(depth)
                ledger.add_block([LAB.message(title="In between")])
                run(ledger, catalogue)
                # The same transactions in the next blocks, the newest first: now the other part 2 may come second.
                for block in reversed(taken):
                    ledger.add_block([(one.txid, one.data) for one in reversed(block.messages)])
                run(ledger, catalogue)
                assert replay_is_the_same(ledger, catalogue, tmp_path)
                seen = [one.txid for block in ledger.chain for one in block.messages]
                true_first = seen.index(parts[2][0]) < seen.index(other[0])
                assert ("A tomogram" in titles(catalogue)) is true_first
                outcomes.add(true_first)
    assert outcomes == {True, False}


FLOOD = 10_000


def test_a_flood_of_incomplete_messages_costs_neither_memory_nor_the_record(catalogue, monkeypatch):
    """Parts wait in the store, not in memory, so nothing is ever put out to make room, least of all an honest part."""
    ledger = ScriptedLedger()
    parts = parts_of(LAB, ledger)
    ledger.add_block(parts[1:3])
    filler = b"x" * 600
    begun = part(STRANGER, 0, MAX_PARTS - 1, "", filler)
    for start in range(0, FLOOD, 500):
        block = []
        for number in range(start, start + 500):
            if number % 2:
                block.append(begun)  # each transaction begins a message of its own
            else:
                block.append(part(STRANGER, 1 + number % 900, 900, f"{number:010x}{number:054x}", filler))
            if number % 10 == 0:
                block.append(part(STRANGER, 1 + number // 10 % 4, 4, parts[0][0], filler))
        ledger.add_block(block)
    read = []
    original = fold_module.parse_message
    monkeypatch.setattr(fold_module, "parse_message", lambda data: read.append(1) or original(data))
    rest, ledger.chain[18:] = ledger.chain[18:], []
    run(ledger, catalogue)
    # Only the end is traced, because tracing is slow: whatever held the parts before it would show here.
    ledger.chain += rest
    ledger.add_block([*parts[3:], parts[0]])
    tracemalloc.start()
    try:
        run(ledger, catalogue)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert titles(catalogue) == ["A tomogram"]
    assert catalogue.counts()["parts"] == FLOOD + FLOOD // 10 + 5
    assert len(read) == FLOOD + FLOOD // 10 + 5 + 5 + 1  # each once; the record's five again to join them; the record
    assert peak_bytes < 2_000_000
