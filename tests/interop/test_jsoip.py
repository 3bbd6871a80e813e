"""Our records and parts, read by npm js-oip: what our publishers write, the library of OIP's own makers takes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import msgspec
import pytest

from etdb import flo, oip

pytestmark = pytest.mark.node

KEY = flo.PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(flo.MAIN)


def sign(preimage: bytes | str) -> str:
    return flo.sign_message(KEY, preimage)


def record(files: int, timestamp_s: int = 1_700_000_000, notes: str = "Notes") -> tuple[oip.Tomogram, str]:
    tomogram = oip.Tomogram(
        publisher=ADDRESS,
        timestamp_s=timestamp_s,
        title="A tomogram",
        description="A description",
        species="Caulobacter crescentus",
        sid="rr2014-01-14-5",
        notes=notes,
        acquired_on=dt.date(2014, 1, 14),
        location="bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        files=tuple(
            oip.FileEntry(path=f"rec/file {number}.mrc", size_bytes=number + 1, role="reconstruction")
            for number in range(files)
        ),
    )
    preimage = oip.artifact_preimage(tomogram.location, ADDRESS, timestamp_s)
    return tomogram, oip.encode_publish(tomogram, sign(preimage)).decode()


@pytest.fixture
def read_by_jsoip(run_node: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    monkeypatch.setenv("NODE_BACKEND", "js")
    return lambda **asked: json.loads(run_node("jsoip_read.mjs", json.dumps({"records": [], "sets": [], **asked})))


def test_it_reads_our_records_and_takes_their_signatures(read_by_jsoip):
    ours = [record(1), record(3, notes="é ✓ 𝄞")]
    answers = read_by_jsoip(records=[text for _, text in ours])["records"]
    for (tomogram, _), answer in zip(ours, answers, strict=True):
        assert answer["isValid"] == {"success": True}
        assert answer["isSigned"] is True
        assert answer["className"] == "ResearchTomogram"
        assert [answer[key] for key in ("title", "species", "sid", "location")] == [
            tomogram.title,
            tomogram.species,
            tomogram.sid,
            tomogram.location,
        ]
        assert answer["files"] == [[entry.path, entry.size_bytes, "Reconstruction"] for entry in tomogram.files]


def test_it_takes_our_parts_and_joins_them(read_by_jsoip):
    sets, wholes = [], []
    for files in (20, 200):
        _, text = record(files)
        cut = oip.split(text.encode(), ADDRESS, sign=sign)
        assert cut.needs_parts
        sets.append([one.decode() for one in [cut.first(), *cut.rest("ab" * 32)]])
        wholes.append(text)
    # It sorts the parts itself.
    answers = read_by_jsoip(sets=[list(reversed(one)) for one in sets])["sets"]
    for texts, whole, answer in zip(sets, wholes, answers, strict=True):
        assert answer["areValid"] == [{"success": True}] * len(texts)
        assert answer["joined"] == whole


def test_it_notices_a_changed_part_and_a_changed_record_as_we_do(read_by_jsoip):
    _, text = record(20)
    cut = oip.split(text.encode(), ADDRESS, sign=sign)
    parts = [one.decode() for one in [cut.first(), *cut.rest("ab" * 32)]]
    changed = [parts[0].replace("A tomogram", "A tomograph"), *parts[1:]]
    answers = read_by_jsoip(records=[text.replace("1700000000", "1700000001")], sets=[changed])
    assert answers["records"][0]["isSigned"] is False
    assert [one["success"] for one in answers["sets"][0]["areValid"]] == [False] + [True] * (len(parts) - 1)


def test_it_takes_our_edits(run_node, monkeypatch):
    """js-oip's EditRecord takes the edit and its signature; patched its way, the record is valid and signed anew."""
    monkeypatch.setenv("NODE_BACKEND", "js")
    dataset_id, asked = "ab" * 32, []
    for change in ({"title": "Another title"}, {"location": "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"}):
        old, text = record(3)
        later = {"timestamp_s": old.timestamp_s + 60}
        new = msgspec.structs.replace(old, **later, **change)
        before, after = (oip.revise_artifact(one, sign) for one in (old, new))
        edit = oip.encode_edit(dataset_id, before, after, new.timestamp_s, sign=sign, reason="it was wrong")
        asked.append((new, {"record": text, "edit": edit.decode()}))
    genuine = asked[0][1]
    stated = f'"timestamp":{asked[0][0].timestamp_s},"patch"'
    assert stated in genuine["edit"]
    forged = {**genuine, "edit": genuine["edit"].replace(stated, '"timestamp":7,"patch"')}
    given = json.dumps({"edits": [one for _, one in asked] + [forged]})
    *answers, of_forged = json.loads(run_node("jsoip_edits.mjs", given))["edits"]
    for (new, _), answer in zip(asked, answers, strict=True):
        assert answer["className"] == "EditRecord"
        assert answer["isValid"] == {"success": True}
        assert answer["preimage"] == f"{dataset_id}-{new.timestamp_s}"
        assert answer["isSigned"] is True
        assert answer["failures"] == 0
        assert answer["patched"] == {
            "isValid": {"success": True},
            "isSigned": True,
            "title": new.title,
            "location": new.location,
        }
    assert of_forged["isSigned"] is False
