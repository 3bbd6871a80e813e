"""What is done to records: counted only from the owner's key, shown in the history, taken back with its blocks."""

import msgspec
import pytest

from etdb.catalogue import Catalogue, Query
from etdb.errors import InputError, NotFoundError
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.oip import encode_go_json, revise_artifact
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger
from etdb.trust import Claim, Outcome

LAB = RecordSigner("lab")
HEIR = RecordSigner("heir")
STRANGER = RecordSigner("stranger")
FIRST = LAB.tomogram(title="A wrong title", sid="rr1")
SECOND = msgspec.structs.replace(FIRST, title="A right title", tilt_min_deg=-60.0, timestamp_s=1_700_000_050)
THIRD = msgspec.structs.replace(SECOND, species="Vibrio cholerae", timestamp_s=1_700_000_060)


@pytest.fixture
def ledger():
    return ScriptedLedger()


@pytest.fixture
def catalogue(tmp_path):
    with Catalogue(tmp_path / "catalogue.sqlite", writable=True) as catalogue:
        yield catalogue


def run(ledger, catalogue, **options):
    return follow(ledger, catalogue, network=REGTEST, **options)


def send(ledger, *messages, sender=LAB):
    return ledger.add_block([(ledger.txid_of(one), one, sender.address) for one in messages])


def published(ledger):
    (dataset_id,) = send(ledger, LAB.message(FIRST))
    return dataset_id


def refusals(catalogue):
    return [item.reason for item in catalogue.listed("aside").items]


def replayed(ledger, tmp_path):
    path = tmp_path / "replay.sqlite"
    path.unlink(missing_ok=True)
    with Catalogue(path, writable=True) as other:
        run(ledger, other)
        return other.dump()


def test_an_edit_makes_a_revision_and_is_found_by_its_words(ledger, catalogue, tmp_path):
    dataset_id = published(ledger)
    run(ledger, catalogue)
    assert catalogue.search(Query(text="wrong", facets=("species",))).total == 1
    (revision_id,) = send(ledger, LAB.edit(dataset_id, FIRST, SECOND, reason="the title was wrong"))
    report = run(ledger, catalogue)
    assert (report.records_new, report.revisions_new, report.aside) == (0, 1, 0)
    view = catalogue.get(dataset_id)
    assert view.tomogram == SECOND
    assert (view.revision, view.revisions, view.revision_id) == (2, 2, revision_id)
    assert (view.part_txids, view.revision_txids) == ((dataset_id,), (revision_id,))
    assert view.claims[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.HELD
    assert catalogue.search(Query(text="wrong")).total == 0
    assert catalogue.search(Query(text="right")).results[0].dataset_id == dataset_id
    first, second = catalogue.history(dataset_id)
    assert (first.kind, first.number, first.txids, first.changes) == ("publish", 1, (dataset_id,), ())
    assert (second.kind, second.signed_by, second.reason) == ("edit", LAB.address, "the title was wrong")
    assert [(one.field, one.before, one.after) for one in second.changes] == [
        ("title", "A wrong title", "A right title"),
        ("tilt_min_deg", None, -60),
    ]
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_older_revisions_are_there_by_number_and_by_their_ids(ledger, catalogue):
    dataset_id = published(ledger)
    ids = [dataset_id]
    for old, new in ((FIRST, SECOND), (SECOND, THIRD)):
        ids += send(ledger, LAB.edit(dataset_id, old, new))
    run(ledger, catalogue)
    for number, (one, content) in enumerate(zip(ids, (FIRST, SECOND, THIRD), strict=True), 1):
        view = catalogue.get(dataset_id, revision=number)
        assert (view.tomogram, view.revision, view.revisions) == (content, number, 3)
        assert (view.revision_id, view.content_id) == (one, one)
        assert view.txids == tuple(ids[:number])
        assert view.claims[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.HELD
        assert (view.height, view.confirmations) == ((number - 1, 4 - number) if number < 3 else (0, 3))
    assert catalogue.get(ids[1][:12]).tomogram == SECOND
    assert catalogue.get(dataset_id).tomogram == THIRD  # the first message's id is that of the dataset
    with pytest.raises(NotFoundError, match="no revision 4"):
        catalogue.get(dataset_id, revision=4)


def test_an_edit_in_parts_counts_when_it_is_whole(ledger, catalogue, tmp_path):
    dataset_id = published(ledger)
    long = msgspec.structs.replace(SECOND, description="A long description. " * 90)
    cut = LAB.split(LAB.edit(dataset_id, FIRST, long))
    first = ledger.txid_of(cut.first())
    rest = cut.rest(first)
    assert len(rest) > 2
    ledger.add_block([(first, cut.first()), *rest[:-1]], senders=[STRANGER.address])  # parts are signed themselves
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).tomogram == FIRST
    ledger.add_block([rest[-1]], senders=[STRANGER.address])
    run(ledger, catalogue)
    view = catalogue.get(dataset_id)
    assert (view.tomogram, view.revision_id, len(view.revision_txids)) == (long, first, cut.count)
    assert view.claims[Claim.MULTIPART_SIGNATURES].outcome is Outcome.HELD
    assert catalogue.listed("orphans").items == ()
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_what_is_withdrawn_leaves_search_and_stays_a_tombstone(ledger, catalogue):
    dataset_id = published(ledger)
    send(ledger, LAB.message(title="Another"))
    (gone,) = send(ledger, LAB.deactivate(dataset_id, reason="wrong specimen"))
    send(ledger, LAB.edit(dataset_id, FIRST, SECOND), LAB.deactivate(dataset_id, timestamp_s=1_700_000_099))
    run(ledger, catalogue)
    assert [hit.tomogram.title for hit in catalogue.search(Query(facets=("species",))).results] == ["Another"]
    page = catalogue.search(Query(facets=("species",)))
    assert [one.count for one in page.facets["species"]] == [1]
    assert [hit.dataset_id for hit in catalogue.search(Query(withdrawn=True)).results] == [dataset_id]
    view = catalogue.get(dataset_id)
    assert (view.withdrawn.reason, view.withdrawn.revision_id, view.tomogram) == ("wrong specimen", gone, FIRST)
    assert catalogue.get(dataset_id, revision=1).withdrawn is not None
    assert refusals(catalogue) == ["edit: withdrawn before", "deactivate: withdrawn before"]
    assert catalogue.counts()["withdrawn"] == 1


def test_a_transfer_moves_who_may(ledger, catalogue):
    dataset_id = published(ledger)
    send(ledger, LAB.transfer(dataset_id, HEIR.address, reason="moved to Utrecht"))
    send(ledger, LAB.edit(dataset_id, FIRST, SECOND), LAB.transfer(dataset_id, LAB.address))
    theirs = msgspec.structs.replace(SECOND, publisher=HEIR.address)
    still_ours = HEIR.edit(dataset_id, FIRST, SECOND)  # signed by the heir for the former owner's record
    old = revise_artifact(FIRST, LAB.sign)
    edit = HEIR.edit(dataset_id, FIRST, theirs)
    send(ledger, still_ours, sender=HEIR)
    (revision_id,) = send(ledger, edit, sender=HEIR)
    run(ledger, catalogue)
    view = catalogue.get(dataset_id)
    assert (view.owner, view.tomogram.publisher, view.revision_id) == (HEIR.address, HEIR.address, revision_id)
    assert [one.kind for one in catalogue.history(dataset_id)] == ["publish", "transfer", "edit"]
    assert refusals(catalogue) == [
        "edit: not sent by the owner",
        "transfer: not sent by the owner",
        "edit: the edit fails",
    ]
    assert catalogue.current(HEIR.address, "rr1").dataset_id == dataset_id
    assert catalogue.current(LAB.address, "rr1") is None
    assert old["floAddress"] == LAB.address


def forged(dataset_id):
    """What a stranger can make: their own signatures, and the owner's over other words."""
    genuine = LAB.edit(dataset_id, FIRST, SECOND)
    return {
        "their own edit": STRANGER.edit(dataset_id, FIRST, msgspec.structs.replace(SECOND, publisher=STRANGER.address)),
        "their own withdrawal": STRANGER.deactivate(dataset_id),
        "their own transfer": STRANGER.transfer(dataset_id, HEIR.address),
        "another patch under the owner's signature": genuine.replace(b"A right title", b"An evil title"),
        "the owner's withdrawal, sent again": LAB.deactivate(dataset_id),
        "the owner's transfer, sent again": LAB.transfer(dataset_id, HEIR.address),
        "an edit of 2018, made a withdrawal": b"json:"
        + encode_go_json(
            {
                "oip042": {
                    "deactivate": {
                        "artifact": {"txid": dataset_id, "timestamp": 2},
                        "signature": LAB.sign(f"{dataset_id}-{LAB.address}-2"),
                    }
                }
            }
        ),
    }


@pytest.mark.parametrize("name", forged("ab" * 32))
@pytest.mark.parametrize("in_parts", [False, True])
def test_a_strangers_message_changes_nothing_and_is_listed(ledger, catalogue, name, in_parts):
    dataset_id = published(ledger)
    run(ledger, catalogue)
    before = catalogue.get(dataset_id)
    message = forged(dataset_id)[name]
    if in_parts:
        cut = STRANGER.split(message, limit=max(230, len(message) // 2))
        first = ledger.txid_of(cut.first())
        ledger.add_block([(first, cut.first()), *cut.rest(first)], senders=[LAB.address])
    else:
        send(ledger, message, sender=STRANGER)
    report = run(ledger, catalogue)
    assert (report.revisions_new, report.aside) == (0, 1)
    assert msgspec.structs.replace(catalogue.get(dataset_id), confirmations=1) == before
    (aside,) = catalogue.listed("aside").items
    assert "not sent by the owner" in aside.reason
    assert dataset_id in aside.detail


def edit_of(dataset_id, patch, timestamp=1_700_000_070, **thing):
    body = {"txid": dataset_id, "timestamp": timestamp, "patch": patch, **thing}
    signature = LAB.sign(f"{dataset_id}-{timestamp}")
    return b"json:" + encode_go_json({"oip042": {"edit": {"artifact": body, "signature": signature}}})


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ([{"op": "replace", "path": "/info/titel", "value": "x"}], "is not there"),
        ([{"op": "replace", "path": "/storage/location", "value": "QmX"}], "not by"),
        ([{"op": "remove", "path": "/info/title"}], "lacks info.title"),
        ([{"op": "replace", "path": "/floAddress", "value": STRANGER.address}], "as the publisher"),
        ([{"op": "replace", "path": "/subtype", "value": "image"}], "not a tomogram"),
        ([{"op": "replace", "path": "", "value": 7}], "not a tomogram"),
        ([{"op": "test", "path": "/info/title", "value": "x"}], "does not hold"),
        ([{"op": "test", "path": "/info/title", "value": "A wrong title"}], "changes nothing"),
        ([{"op": "add", "path": "/info/title", "value": {"a": "b"}}], "is not text"),
    ],
)
def test_an_owners_edit_that_fails_is_kept_aside(ledger, catalogue, patch, why):
    dataset_id = published(ledger)
    send(ledger, edit_of(dataset_id, patch))
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).tomogram == FIRST
    (aside,) = catalogue.listed("aside").items
    assert why in aside.reason + aside.detail


def test_edits_of_2018_count(ledger, catalogue):
    dataset_id = published(ledger)
    old, new = (revise_artifact(one, LAB.sign) for one in (FIRST, SECOND))
    squashed = {
        "replace": [
            {"path": f"/{name}", "value": new[name]} for name in ("info", "timestamp", "signature") if old != new
        ],
        "add": [{"path": "/details/tiltMin", "value": -60}],
    }
    body = {"artifactID": dataset_id, "timestamp": 1_700_000_070, "patch": squashed}
    signature = LAB.sign(f"{dataset_id}-{LAB.address}-1700000070")
    send(ledger, b"json:" + encode_go_json({"oip042": {"edit": {"artifact": body, "signature": signature}}}))
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).tomogram == SECOND


def test_both_orders_of_a_transfer_count(ledger, catalogue):
    dataset_id = published(ledger)
    body = {"txid": dataset_id, "timestamp": 5, "from": LAB.address, "to": HEIR.address}
    signature = LAB.sign(f"{dataset_id}-{HEIR.address}-{LAB.address}-5")
    send(ledger, b"json:" + encode_go_json({"oip042": {"transfer": {"artifact": body, "signature": signature}}}))
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).owner == HEIR.address


def test_messages_before_the_record_is_whole_wait_for_it(ledger, catalogue, tmp_path):
    cut = LAB.split(LAB.message(FIRST), limit=400)
    first = ledger.txid_of(cut.first())
    rest = cut.rest(first)
    ledger.add_block([(first, cut.first()), *rest[:-1]])
    send(ledger, LAB.edit(first, FIRST, SECOND))
    run(ledger, catalogue)
    assert [item.kind for item in catalogue.listed("other").items] == ["edit/artifact"]
    ledger.add_block(rest[-1:])
    report = run(ledger, catalogue)
    assert (report.records_new, report.revisions_new) == (1, 1)
    assert catalogue.get(first).tomogram == SECOND
    assert catalogue.listed("other").items == ()
    assert catalogue.dump() == replayed(ledger, tmp_path)
    ledger.take_back(1)
    ledger.add_block()
    run(ledger, catalogue)
    with pytest.raises(NotFoundError):
        catalogue.get(first)
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_a_reorganisation_takes_an_edit_back(ledger, catalogue, tmp_path):
    dataset_id = published(ledger)
    send(ledger, LAB.edit(dataset_id, FIRST, SECOND))
    send(ledger, LAB.edit(dataset_id, SECOND, THIRD), LAB.deactivate(dataset_id))
    run(ledger, catalogue)
    assert catalogue.search(Query(text="vibrio")).total == 0
    ledger.take_back(1)
    ledger.add_block()
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).tomogram == SECOND
    assert catalogue.search(Query(text="right")).total == 1
    assert catalogue.dump() == replayed(ledger, tmp_path)
    ledger.take_back(2)
    ledger.add_block()
    ledger.add_block()
    run(ledger, catalogue)
    view = catalogue.get(dataset_id)
    assert (view.tomogram, view.revisions, view.revision_txids) == (FIRST, 1, ())
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_two_edits_in_one_block_are_taken_in_their_order(ledger, catalogue):
    dataset_id = published(ledger)
    one, other = (
        msgspec.structs.replace(FIRST, title=title, timestamp_s=1_700_000_000 + later)
        for title, later in (("One", 70), ("Other", 60))
    )
    send(ledger, LAB.edit(dataset_id, FIRST, one), LAB.edit(dataset_id, FIRST, other))
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).tomogram.title == "Other"  # the chain's order, not the messages' times
    assert catalogue.get(dataset_id).revision == 3


def test_a_publishers_name_comes_from_its_own_key(ledger, catalogue, tmp_path):
    dataset_id = published(ledger)
    send(ledger, LAB.register("The Jensen Lab"))
    send(ledger, LAB.register("Replayed"), sender=STRANGER)
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).publisher_name == "The Jensen Lab"
    send(ledger, LAB.register("The Lab"))
    run(ledger, catalogue)
    assert catalogue.publisher_name(LAB.address) == "The Lab"
    ledger.take_back(1)
    ledger.add_block()
    run(ledger, catalogue)
    assert catalogue.publisher_name(LAB.address) == "The Jensen Lab"
    assert catalogue.dump() == replayed(ledger, tmp_path)


def test_what_was_seen_of_one_revision_says_nothing_of_the_next(ledger, catalogue):
    from etdb.catalogue import Observation

    dataset_id = published(ledger)
    run(ledger, catalogue)
    seen = Observation(
        dataset_id=catalogue.get(dataset_id).content_id,
        claim=Claim.FILE_BYTES,
        outcome=Outcome.HELD,
        detail="",
        source="test",
        time_s=1,
    )
    catalogue.observe(seen)
    assert catalogue.get(dataset_id).claims[Claim.FILE_BYTES].outcome is Outcome.HELD
    send(ledger, LAB.edit(dataset_id, FIRST, SECOND))
    run(ledger, catalogue)
    assert catalogue.get(dataset_id).claims[Claim.FILE_BYTES].outcome is Outcome.NOT_CHECKED
    assert catalogue.get(dataset_id, revision=1).claims[Claim.FILE_BYTES].outcome is Outcome.HELD


def test_one_sid_of_two_records_must_be_told_apart(ledger, catalogue):
    ids = [published(ledger), published(ledger)]
    run(ledger, catalogue)
    with pytest.raises(InputError, match="several datasets") as raised:
        catalogue.current(LAB.address, "rr1")
    assert ids[1] in raised.value.hint
    assert catalogue.current(LAB.address, ids[1]).dataset_id == ids[1]
