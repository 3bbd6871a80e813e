"""Whether a message about a record counts: edits made by js-oip, every preimage that was in use, and near misses."""

from __future__ import annotations

import msgspec
import pytest

from etdb.flo import MAIN, REGTEST, PrivateKey, sign_message
from etdb.oip import (
    ActionMessage,
    encode_edit,
    encode_go_json,
    encode_register,
    encode_transfer,
    parse_artifact,
    parse_message,
    revise_artifact,
)
from etdb.testing.records import RecordSigner
from etdb.trust import MAX_REVISIONS, RecordState, Refusal, is_registration, judge_action


@pytest.fixture
def made_by_jsoip(own_vectors):
    """The record that js-oip's edit was made for: its first record, with the title and time of before."""
    vectors = own_vectors("oip_jsoip.json")
    (case,) = vectors["edits"]
    artifact = parse_artifact(vectors["records"][0]["text"].encode())
    artifact["info"]["title"] = "Before"
    artifact["storage"]["files"] = artifact["storage"]["files"][:1]
    state = RecordState(dataset_id=case["dataset_id"], owner=vectors["address"], artifact=artifact)
    return state, parse_message(case["text"].encode()), vectors["secret"]


def test_an_edit_made_and_signed_by_jsoip_counts(made_by_jsoip):
    state, edit, _ = made_by_jsoip
    after = judge_action(state, edit, [state.owner], MAIN)
    assert isinstance(after, RecordState), after
    assert (after.edited.tomogram.title, len(after.edited.tomogram.files), after.revision) == ("After", 2, 2)
    assert state.artifact["info"]["title"] == "Before"


def test_near_misses_do_not(made_by_jsoip):
    state, edit, secret = made_by_jsoip
    stranger = RecordSigner("stranger")
    key = PrivateKey(bytes.fromhex(secret))
    assert key.address(MAIN) == state.owner
    resigned = sign_message(stranger.key, f"{state.dataset_id}-{edit.timestamp}")
    other_time = sign_message(key, f"{state.dataset_id}-{edit.timestamp + 1}")
    patch = tuple(one for one in edit.patch if one.path != "/signature")
    misses = {
        "not sent by the owner": (state, edit, [stranger.address]),
        "not signed by the owner": (state, msgspec.structs.replace(edit, signature=resigned), [state.owner]),
        "not signed by the owner ": (state, msgspec.structs.replace(edit, signature=other_time), [state.owner]),
        "the edited record is not signed": (state, msgspec.structs.replace(edit, patch=patch), [state.owner]),
        "withdrawn before": (msgspec.structs.replace(state, is_withdrawn=True), edit, [state.owner]),
        "too many revisions": (msgspec.structs.replace(state, revision=MAX_REVISIONS), edit, [state.owner]),
        "not sent by the owner ": (msgspec.structs.replace(state, owner=stranger.address), edit, [state.owner]),
    }
    for reason, (before, message, sender) in misses.items():
        refused = judge_action(before, message, sender, MAIN)
        assert isinstance(refused, Refusal), reason
        assert refused.reason == reason.strip()
    last = msgspec.structs.replace(state, revision=MAX_REVISIONS - 1)
    assert isinstance(judge_action(last, edit, [state.owner], MAIN), RecordState)


@pytest.mark.parametrize("names_owner", [False, True])
@pytest.mark.parametrize("signs_owner", [False, True])
def test_an_edit_is_signed_with_and_without_its_owner(made_by_jsoip, names_owner, signs_owner):
    state, edit, secret = made_by_jsoip
    text = f"{state.dataset_id}-{f'{state.owner}-' if signs_owner else ''}{edit.timestamp}"
    signature = sign_message(PrivateKey(bytes.fromhex(secret)), text)
    other = msgspec.structs.replace(edit, names_owner=names_owner, signature=signature)
    assert isinstance(judge_action(state, other, [state.owner], MAIN), RecordState)


LAB, HEIR, STRANGER = (RecordSigner(name) for name in ("lab", "heir", "stranger"))
ID = "ab" * 32
FIRST = LAB.tomogram(title="A wrong title")
SECOND = msgspec.structs.replace(FIRST, title="A right title", timestamp_s=1_700_000_050)
HEIRS = msgspec.structs.replace(SECOND, publisher=HEIR.address)
STATE = RecordState(
    dataset_id=ID,
    owner=LAB.address,
    artifact=revise_artifact(FIRST, LAB.sign),
    edited=parse_message(LAB.message(FIRST)),
)


def edit(*patch):
    body = {"txid": ID, "timestamp": 7, "patch": [{"op": "replace", "path": to, "value": new} for to, new in patch]}
    return b"json:" + encode_go_json({"oip042": {"edit": {"artifact": body, "signature": LAB.sign(f"{ID}-7")}}})


def judged(message, sender=LAB):
    read = parse_message(message) if isinstance(message, bytes) else message
    return judge_action(STATE, read, [sender.address], REGTEST)


def test_the_owner_withdraws():
    after = judged(LAB.deactivate(ID))
    assert after == msgspec.structs.replace(STATE, is_withdrawn=True, revision=2, edited=None)
    refused = judge_action(after, parse_message(LAB.deactivate(ID)), [LAB.address], REGTEST)
    assert refused == Refusal(reason="withdrawn before", detail="nothing counts after a deactivation")


def test_the_owner_gives_it_away():
    after = judged(LAB.transfer(ID, HEIR.address))
    assert after == msgspec.structs.replace(STATE, owner=HEIR.address, revision=2, edited=None)


@pytest.mark.parametrize("changed", [SECOND, msgspec.structs.replace(SECOND, timestamp_s=FIRST.timestamp_s)])
def test_the_owner_corrects(changed):
    """Also under the old time, and so under the old signature: what else is written is enough of a change."""
    after = judged(LAB.edit(ID, FIRST, changed))
    assert (after.edited.tomogram, after.artifact) == (changed, revise_artifact(changed, LAB.sign))
    assert (after.owner, after.revision, after.is_withdrawn) == (LAB.address, 2, False)


LATER = revise_artifact(msgspec.structs.replace(FIRST, timestamp_s=1_700_000_099), LAB.sign)
MISSES = {
    "a stranger's withdrawal": (STRANGER.deactivate(ID), STRANGER, "not sent by the owner", "did not send"),
    "a stranger's withdrawal that the owner sent": (
        STRANGER.deactivate(ID),
        LAB,
        "not signed by the owner",
        "did not sign",
    ),
    "a stranger's transfer": (STRANGER.transfer(ID, STRANGER.address), STRANGER, "not sent by the owner", ""),
    "a stranger's transfer that the owner sent": (
        STRANGER.transfer(ID, HEIR.address),
        LAB,
        "not signed by the owner",
        "",
    ),
    "the owner's transfer of what it calls the heir's": (
        encode_transfer(ID, HEIR.address, STRANGER.address, 7, sign=LAB.sign),
        LAB,
        "not signed by the owner",
        f"from {HEIR.address}",
    ),
    "a transfer to oneself": (LAB.transfer(ID, LAB.address), LAB, "not a transfer", LAB.address),
    "a transfer to no address": (LAB.transfer(ID, "nobody"), LAB, "not a transfer", "nobody"),
    "a transfer to another network": (
        LAB.transfer(ID, HEIR.key.address(MAIN)),
        LAB,
        "not a transfer",
        HEIR.key.address(MAIN),
    ),
    "an edit that gives it to the heir": (
        encode_edit(ID, STATE.artifact, revise_artifact(HEIRS, HEIR.sign), 7, sign=LAB.sign),
        LAB,
        "the edit fails",
        f"names {HEIR.address} as the publisher",
    ),
    "an edit of nothing": (edit(("/info/title", FIRST.title)), LAB, "the edit fails", "changes nothing"),
    "an edit of time and signature alone": (
        edit(("/timestamp", LATER["timestamp"]), ("/signature", LATER["signature"])),
        LAB,
        "the edit fails",
        "changes nothing",
    ),
    "an edit of what is not there": (edit(("/info/titel", "x")), LAB, "the edit fails", "'/info/titel'"),
    "an edit that makes it a picture": (edit(("/subtype", "image")), LAB, "the edit fails", "not a tomogram's"),
    "an edit under the signature of before": (
        edit(("/storage/location", "QmX")),
        LAB,
        "the edited record is not signed",
        "",
    ),
    "what nobody knows": (
        ActionMessage(
            protocol="oip042",
            kind="lend/artifact",
            dataset_id=ID,
            timestamp=7,
            preimages=("lent",),
            signature=LAB.sign("lent"),
        ),
        LAB,
        "unknown action",
        "lend/artifact",
    ),
}


@pytest.mark.parametrize("name", MISSES)
def test_what_changes_nothing(name):
    message, sender, reason, detail = MISSES[name]
    refused = judged(message, sender)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert detail in refused.detail


@pytest.mark.parametrize("signer", [LAB, STRANGER])
@pytest.mark.parametrize("sender", [LAB, STRANGER])
def test_a_name_counts_when_its_address_signs_and_sends_it(signer, sender):
    message = parse_message(encode_register("The Lab", LAB.address, 7, sign=signer.sign))
    assert is_registration(message, [sender.address], REGTEST) is (signer is sender is LAB)
