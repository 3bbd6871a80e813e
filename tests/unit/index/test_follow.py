"""Following a ledger: records, parts in any order, what is set aside, reorganisations, restarts."""

import itertools
import signal
import subprocess
import sys
import textwrap

import pytest

import etdb.index.following as follow_module
from etdb.catalogue import Catalogue, Query
from etdb.errors import InputError, LedgerError, NotFoundError
from etdb.flo import REGTEST
from etdb.index import follow, watch
from etdb.ledger.node_errors import NodeUnreachableError
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger
from etdb.trust import Claim, Outcome

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


def run(ledger, catalogue, **options):
    return follow(ledger, catalogue, network=REGTEST, **options)


def parts_of(signer, ledger, **fields):
    """Parts as (txid, text), in order."""
    cut = signer.split(signer.message(**{**LONG, **fields}))
    first = cut.first()
    txid = ledger.txid_of(first)
    return [(txid, first), *((ledger.txid_of(text), text) for text in cut.rest(txid))]


def titles(catalogue):
    return [hit.tomogram.title for hit in catalogue.search(Query(sort="oldest", limit=1000)).results]


def replayed(ledger, tmp_path, **options):
    path = tmp_path / "replay.sqlite"
    path.unlink(missing_ok=True)
    with Catalogue(path, writable=True) as other:
        run(ledger, other, **options)
        return other.dump()


def test_an_empty_ledger(ledger, catalogue):
    report = run(ledger, catalogue)
    assert (report.blocks, report.height) == (0, None)
    assert catalogue.search(Query()).total == 0


def test_a_record_in_one_transaction(ledger, catalogue):
    ledger.add_block()
    (txid,) = ledger.add_block([LAB.message(title="First")], senders=[LAB.address])
    ledger.add_block()
    report = run(ledger, catalogue)
    assert (report.blocks, report.messages, report.records_new, report.height) == (3, 1, 1, 2)
    view = catalogue.get(txid[:6])
    assert (view.dataset_id, view.height, view.confirmations) == (txid, 1, 2)
    assert view.part_txids == (txid,)
    assert view.claims[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.HELD
    assert view.claims[Claim.MULTIPART_SIGNATURES].outcome is Outcome.NOT_POSSIBLE
    assert view.claims[Claim.HEADER_CHAIN_WORK].outcome is Outcome.NOT_POSSIBLE
    assert view.claims[Claim.TRANSACTION_SIGNATURE].outcome is Outcome.NOT_CHECKED
    assert [message.sender for message in catalogue.messages(txid)] == [(LAB.address,)]


def test_running_again_changes_nothing(ledger, catalogue):
    ledger.add_block([LAB.message(), *[text for _, text in parts_of(STRANGER, ledger)]])
    run(ledger, catalogue)
    before = catalogue.dump()
    report = run(ledger, catalogue)
    assert (report.blocks, report.records_new, report.messages) == (0, 0, 0)
    assert catalogue.dump() == before


def test_parts_in_every_order_give_the_same_record(tmp_path):
    maker = ScriptedLedger()
    parts = parts_of(LAB, maker)[:]
    assert len(parts) == 5
    for number, order in enumerate(itertools.islice(itertools.permutations(parts), 0, 120, 7)):
        ledger = ScriptedLedger()
        for part in order:
            ledger.add_block([part])
        with Catalogue(tmp_path / f"{number}.sqlite", writable=True) as catalogue:
            run(ledger, catalogue)
            view = catalogue.get(parts[0][0])
        assert view.part_txids == tuple(txid for txid, _ in parts)
        assert view.claims[Claim.MULTIPART_SIGNATURES].outcome is Outcome.HELD
        assert view.height == 4


def test_parts_are_joined_across_restarts(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    for part in parts[:-1]:
        ledger.add_block([part])
        assert run(ledger, catalogue).records_new == 0
    (orphan,) = catalogue.listed("orphans").items
    assert (orphan.publisher, orphan.count, orphan.missing) == (LAB.address, 5, (4,))
    assert orphan.reference == parts[0][0]
    ledger.add_block([parts[-1]])
    assert run(ledger, catalogue).records_new == 1
    assert catalogue.listed("orphans").items == ()


def test_parts_that_come_again_are_harmless(ledger, catalogue, tmp_path):
    parts = parts_of(LAB, ledger)
    again = [(ledger.txid_of(text), text) for _, text in parts[1:]]
    ledger.add_block([*parts[:2], *again[:2], *parts[2:], *again])
    assert run(ledger, catalogue).records_new == 1
    view = catalogue.get(parts[0][0])
    assert view.part_txids == (parts[0][0], parts[1][0], again[1][0], parts[3][0], parts[4][0])
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_a_stranger_neither_completes_nor_blocks(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    first = parts[0][0]
    cut = STRANGER.split(STRANGER.message(title="Evil", **LONG))
    intruders = cut.rest(first)
    ledger.add_block([parts[0], *intruders, parts[1], parts[2], parts[3]])
    run(ledger, catalogue)
    assert titles(catalogue) == []
    ledger.add_block([parts[4]])
    run(ledger, catalogue)
    assert titles(catalogue) == ["A tomogram"]


def test_forged_parts_are_set_aside(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    forged = parts[2][1].replace(b"long", b"LONG", 1)
    assert forged != parts[2][1]
    ledger.add_block([parts[0], parts[1], forged, parts[3], parts[4]])
    assert run(ledger, catalogue).aside == 1
    assert [item.reason for item in catalogue.listed("aside").items] == ["part not signed"]
    ledger.add_block([parts[2]])
    assert run(ledger, catalogue).records_new == 1


def test_parts_of_one_with_the_record_of_another(ledger, catalogue):
    cut = STRANGER.split(LAB.message(**LONG))
    txid = ledger.txid_of(cut.first())
    ledger.add_block([(txid, cut.first()), *cut.rest(txid)])
    run(ledger, catalogue)
    assert titles(catalogue) == []
    assert [item.reason for item in catalogue.listed("aside").items] == ["parts of another publisher"]
    assert catalogue.listed("orphans").items == ()


def test_parts_within_parts_are_set_aside(ledger, catalogue):
    inner = LAB.split(LAB.message(**LONG)).first() + b" " * 900
    cut = LAB.split(inner)
    txid = ledger.txid_of(cut.first())
    ledger.add_block([(txid, cut.first()), *cut.rest(txid)])
    run(ledger, catalogue)
    assert [item.reason for item in catalogue.listed("aside").items] == ["not of the protocol"]


def test_two_first_parts_that_share_ten_digits(ledger, catalogue):
    cuts = [LAB.split(LAB.message(title=title, **LONG)) for title in ("One", "Two")]
    ids = ["ab" * 5 + digit * 54 for digit in "12"]
    texts = [(txid, cut.first()) for txid, cut in zip(ids, cuts, strict=True)]
    texts += [text for txid, cut in zip(ids, cuts, strict=True) for text in cut.rest(txid)]
    ledger.add_block(texts)
    run(ledger, catalogue)
    assert sorted(titles(catalogue)) == ["One", "Two"]


def test_what_is_no_record_is_kept_with_its_reason(ledger, catalogue):
    signed = LAB.message(title="Signed")
    ledger.add_block(
        [
            b"hello world, this is some floData text",
            b"json:{not json",
            b'json:{"oip042":{"register":{"pub":{"alias":"A lab","floAddress":"F1"}}}}',
            signed.replace(LAB.address.encode(), STRANGER.address.encode()),
            b"oip-mp(1,2,a,b,c):x",
            b"\xff\xfe\x00",
            b"",
        ]
    )
    report = run(ledger, catalogue)
    assert (report.messages, report.aside, report.records_new) == (7, 6, 0)
    reasons = [item.reason for item in catalogue.listed("aside", limit=100).items]
    assert reasons == [
        *(
            "not of the protocol",
            "damaged",
            "record not signed",
            "damaged",
            "not of the protocol",
            "not of the protocol",
        )
    ]
    (other,) = catalogue.listed("other").items
    assert (other.kind, other.title) == ("register/pub", "A lab")
    first = catalogue.listed("aside", limit=4)
    rest = catalogue.listed("aside", limit=4, after=first.next_after)
    assert [item.txid for item in (*first.items, *rest.items)] == [
        item.txid for item in catalogue.listed("aside").items
    ]
    assert rest.next_after is None
    with pytest.raises(InputError):
        catalogue.listed("nonsense")


@pytest.mark.parametrize("depth", [1, 3, 6, 7])
def test_a_reorganisation_leaves_what_a_replay_gives(ledger, catalogue, tmp_path, depth):
    parts = parts_of(LAB, ledger, title="In parts")
    for number in range(6):
        ledger.add_block([LAB.message(title=f"Old {number}"), parts[number % 5], b"json:{broken"])
    ledger.add_block([STRANGER.message(title="Last")])
    run(ledger, catalogue)
    assert "In parts" in titles(catalogue)
    ledger.take_back(depth)
    for number in range(depth + 1):
        ledger.add_block([LAB.message(title=f"New {number}")])
    report = run(ledger, catalogue)
    assert report.blocks_removed == depth
    assert report.blocks == depth + 1
    assert report.records_removed >= 1
    assert catalogue.dump() == replayed(ledger, tmp_path)
    assert catalogue.search(Query(text="Last")).total == 0
    assert ("In parts" in titles(catalogue)) == (depth < 3)
    for part in parts:
        ledger.add_block([part])
    run(ledger, catalogue)
    assert "In parts" in titles(catalogue)
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_a_shorter_chain(ledger, catalogue, tmp_path):
    for number in range(5):
        ledger.add_block([LAB.message(title=str(number))])
    run(ledger, catalogue)
    ledger.take_back(2)
    report = run(ledger, catalogue)
    assert (report.records_removed, report.height) == (2, 2)
    assert catalogue.dump() == replayed(ledger, tmp_path)
    ledger.take_back(3)
    assert run(ledger, catalogue).height is None
    assert catalogue.counts()["messages"] == 0


def test_the_chain_changes_while_it_is_read(ledger, catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(follow_module, "BATCH_BLOCKS", 2)
    for number in range(8):
        ledger.add_block([LAB.message(title=f"Old {number}")])
    changes = []

    def change(height):
        if height == 5 and not changes:
            changes.append(height)
            ledger.take_back(6)
            for number in range(7):
                ledger.add_block([LAB.message(title=f"New {number}")])

    ledger.before_block = change
    run(ledger, catalogue)
    assert changes
    assert titles(catalogue) == ["Old 0", "Old 1", *(f"New {number}" for number in range(7))]
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_a_ledger_that_never_holds_still(ledger, catalogue):
    ledger.add_block()
    honest = ledger.blocks

    def liar(start):
        for block in honest(start):
            ledger.take_back(1)
            ledger.add_block()
            yield block

    ledger.blocks = liar
    with pytest.raises(LedgerError):
        run(ledger, catalogue)


def test_other_publishers_can_be_chosen_later(ledger, catalogue, tmp_path):
    ledger.add_block([LAB.message(title="Lab"), *parts_of(STRANGER, ledger, title="Stranger")])
    run(ledger, catalogue, publishers=[LAB.address])
    assert titles(catalogue) == ["Lab"]
    assert [item.reason for item in catalogue.listed("aside").items] == ["publisher not selected"]
    reads = ledger.reads
    report = run(ledger, catalogue)
    assert (report.records_new, ledger.reads) == (1, reads)
    assert titles(catalogue) == ["Lab", "Stranger"]
    assert catalogue.dump() == replayed(ledger, tmp_path)
    assert run(ledger, catalogue, publishers=[STRANGER.address]).records_removed == 1


def test_duplicates_are_shown_not_merged(ledger, catalogue):
    ids = ledger.add_block(
        [
            LAB.message(sid="a-1", location="QmOne"),
            LAB.message(sid="a-1", location="QmTwo"),
            STRANGER.message(sid="a-1", location="QmOne"),
        ]
    )
    run(ledger, catalogue)
    assert catalogue.search(Query(text="a-1")).total == 3
    found = {view.dataset_id: view.duplicates for view in map(catalogue.get, ids)}
    assert [(one.dataset_id, one.why) for one in found[ids[0]]] == [
        (ids[1], "same sid"),
        (ids[2], "same location"),
    ]
    assert [one.why for one in found[ids[2]]] == ["same location"]


def test_ids(ledger, catalogue):
    parts = parts_of(LAB, ledger)
    ledger.add_block([("ab" + "1" * 62, LAB.message()), ("ab" + "2" * 62, LAB.message()), *parts])
    run(ledger, catalogue)
    assert catalogue.get("AB1").dataset_id == "ab" + "1" * 62
    with pytest.raises(InputError, match="2 datasets begin with ab") as ambiguous:
        catalogue.get("ab")
    assert not isinstance(ambiguous.value, NotFoundError)
    assert "ab" + "2" * 62 in ambiguous.value.hint
    with pytest.raises(NotFoundError) as part:
        catalogue.get(parts[2][0])
    assert f"part 2 of dataset {parts[0][0]}" in part.value.hint
    for wrong in ("", "xyz", "f" * 64, "f" * 65, "'; DROP TABLE records"):
        with pytest.raises(NotFoundError):
            catalogue.get(wrong)


def test_stop_keeps_what_was_done(ledger, catalogue, monkeypatch):
    monkeypatch.setattr(follow_module, "BATCH_BLOCKS", 2)
    for _ in range(10):
        ledger.add_block([LAB.message()])
    answers = iter([False, False, True])
    report = run(ledger, catalogue, stop=lambda: next(answers))
    assert (report.blocks, report.height) == (4, 3)
    seen = []
    run(ledger, catalogue, progress=lambda *step: seen.append(step))
    assert seen == [("index", 5, 9), ("index", 7, 9), ("index", 9, 9)]


def test_watch_reports_what_changes(ledger, catalogue):
    steps = iter([lambda: ledger.add_block([LAB.message()]), lambda: None, ledger.add_block, None])

    def wait():
        step = next(steps)
        if step:
            step()
        return step is None

    reports = list(watch(ledger, catalogue, network=REGTEST, wait=wait))
    assert [report.blocks for report in reports] == [0, 1, 1]


def test_watch_waits_for_a_node_that_went_away(ledger, catalogue, monkeypatch):
    told = []
    steps = iter(["away", "away", "back", "away", "back", None])
    tip = ledger.tip

    def look():
        if state == "away":
            raise NodeUnreachableError("the node is not there")
        return tip()

    def wait():
        nonlocal state
        state = next(steps)
        if state == "back":
            ledger.add_block([LAB.message()])
        return state is None

    state = "back"
    monkeypatch.setattr(ledger, "tip", look)
    reports = list(watch(ledger, catalogue, network=REGTEST, wait=wait, away=told.append))
    assert [report.blocks for report in reports] == [0, 1, 1]
    assert len(told) == 2  # once each time
    state = "away"
    with pytest.raises(NodeUnreachableError):
        next(watch(ledger, catalogue, network=REGTEST, wait=wait))


_KILLED = """\
import os, signal, sys
from pathlib import Path
import etdb.index.following as module
from etdb.catalogue import Batch, Catalogue
from etdb.flo import REGTEST
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

module.BATCH_BLOCKS = 3
lab = RecordSigner("lab")
ledger = ScriptedLedger()
for number in range(30):
    ledger.add_block([lab.message(title=f"Number {number}"), b"json:{broken"])
calls, die_at = 0, int(sys.argv[2])
for name in ("add_block", "add_message", "add_record", "add_aside"):
    def wrapped(self, *args, _original=getattr(Batch, name), **kwargs):
        global calls
        calls += 1
        if calls == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return _original(self, *args, **kwargs)
    setattr(Batch, name, wrapped)
with Catalogue(Path(sys.argv[1]), writable=True) as catalogue:
    module.follow(ledger, catalogue, network=REGTEST)
"""


@pytest.mark.crash
@pytest.mark.parametrize("die_at", [1, 8, 37, 111, 149])
def test_killed_anywhere_it_goes_on(tmp_path, die_at):
    path = tmp_path / "catalogue.sqlite"
    command = [sys.executable, "-c", textwrap.dedent(_KILLED), str(path)]
    killed = subprocess.run([*command, str(die_at)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with Catalogue(path) as reader:
        tip = reader.tip()
        counts = reader.counts()
        assert counts["records"] == counts["blocks"] == (0 if tip is None else tip.height + 1)
        assert counts["blocks"] % 3 == 0
    subprocess.run([*command, "0"], check=True)
    other = tmp_path / "whole.sqlite"
    subprocess.run([*command[:-1], str(other), "0"], check=True)
    with Catalogue(path) as went_on, Catalogue(other) as whole:
        assert went_on.dump() == whole.dump()
        assert went_on.counts()["records"] == 30
