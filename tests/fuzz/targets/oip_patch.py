"""An edit of any patch gives a record that is read again as it is, or is refused; the record before stays as it was."""

from __future__ import annotations

import copy
import json

from tests.fuzz import material

from etdb import flo, oip
from etdb.errors import FormatError
from etdb.trust import RecordState, Refusal, judge_action

TXID = "ab" * 32


def sign(text: str) -> str:
    return flo.sign_message(material.KEY, text)


ARTIFACT = oip.revise_artifact(material.TOMOGRAM, sign)
STATE = RecordState(dataset_id=TXID, owner=material.ADDRESS, artifact=ARTIFACT)
SIGNATURE = sign(f"{TXID}-1")


def seeds() -> list[bytes]:
    patches = [
        [{"op": "replace", "path": "/info/title", "value": "x"}],
        [{"op": "move", "from": "/info", "path": "/details/a"}, {"op": "copy", "from": "", "path": "/b"}],
        [{"op": "test", "path": "/timestamp", "value": 1}, {"op": "remove", "path": "/storage/files/0"}],
        {"replace": [{"path": "/signature", "value": "x"}], "remove": ["/info/~1"]},
    ]
    return [json.dumps(one).encode() for one in patches]


def check(data: bytes) -> None:
    before = copy.deepcopy(ARTIFACT)
    try:
        patch = oip.load_json(data)
        edit = oip.parse_message(
            b"json:"
            + oip.encode_go_json(
                {
                    "oip042": {
                        "edit": {"artifact": {"txid": TXID, "timestamp": 1, "patch": patch}, "signature": SIGNATURE}
                    }
                }
            )
        )
    except (FormatError, ValueError):
        return
    assert isinstance(edit, oip.EditMessage)
    after = judge_action(STATE, edit, [material.ADDRESS], flo.REGTEST)
    assert before == ARTIFACT
    if not isinstance(after, Refusal):
        assert after.edited is not None
        assert after.edited.tomogram.publisher == material.ADDRESS
        assert oip.apply_patch(ARTIFACT, oip.make_patch(ARTIFACT, after.artifact)) == after.artifact
