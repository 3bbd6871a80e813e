"""Whether a message about a record counts: edits made by js-oip, every preimage that was in use, and near misses."""

from __future__ import annotations

import msgspec
import pytest

from etdb.flo import MAIN, PrivateKey, sign_message
from etdb.oip import parse_artifact, parse_message
from etdb.testing.records import RecordSigner
from etdb.trust import MAX_REVISIONS, RecordState, Refusal, judge_action


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
