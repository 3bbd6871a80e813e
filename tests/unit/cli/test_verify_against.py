"""`etdb verify FOLDER --record`: files of an old archive, compared with a record by id, by file and by CID."""

from __future__ import annotations

import json

import pytest

from etdb.ipfs import ETDB_2018, build_tree, cid_of, leaf_digest
from etdb.ipfs.filedag import DagBuilder
from etdb.oip import FileEntry
from etdb.testing.records import RecordSigner
from etdb.workspace import Workspace

LAB = RecordSigner("lab")
FILES = {"rawdata/a.mrc": b"tilt" * 100_000, "keyimg_a.jpg": b"jpg"}


@pytest.fixture
def old(desk):
    """An archive's folder, the text of its record, and a workspace that took it."""
    tree = {}
    for path, content in FILES.items():
        place = desk.root / "archive" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        builder = DagBuilder(ETDB_2018)
        for at in range(0, len(content), ETDB_2018.leaf_bytes):
            piece = content[at : at + ETDB_2018.leaf_bytes]
            builder.add_leaf(leaf_digest(piece, ETDB_2018), len(piece))
        tree[path] = builder.finish()[:2]
    desk.location = str(build_tree(tree, ETDB_2018)[0].cid)
    entries = tuple(FileEntry(path=path, size_bytes=len(content)) for path, content in FILES.items())
    desk.text = LAB.message(location=desk.location, files=entries).decode()
    desk.archive = desk.root / "archive"
    Workspace.init(desk.root / "old")
    lines = desk.root / "flodata.jsonl"
    lines.write_text(json.dumps({"txid": "ab" * 32, "block": 1, "time": 1, "floData": desk.text}) + "\n")
    assert desk.run_bare("-w", desk.root / "old", "import-legacy", lines).status == 0
    return desk


def outcomes(said):
    return {one["claim"]: one["outcome"] for one in said.document["results"]}


def test_by_id(old):
    said = old.run_bare("-w", old.root / "old", "--json", "verify", old.archive, "--record", "ab")
    assert said.status == 0
    assert outcomes(said) == {
        "artifact_signature": "held",
        "multipart_signatures": "not possible",
        "transaction_signature": "not possible",
        "manifest_agrees": "not checked",
        "block_inclusion": "not possible",
        "header_chain_work": "not possible",
        "file_bytes": "held",
    }


def test_by_a_file_or_a_cid_without_a_workspace(old):
    record = old.root / "record.txt"
    record.write_text(old.text)
    said = old.run_bare("--json", "verify", old.archive, "--record", record)
    assert said.status == 0
    assert outcomes(said)["artifact_signature"] == outcomes(said)["file_bytes"] == "held"
    said = old.run_bare("verify", old.archive, "--record", old.location)
    assert said.status == 0
    assert "etdb-2018" in said.out


@pytest.fixture
def lab(desk):
    """A dataset that was published from its folder, which etdb never writes into."""
    assert desk.publish().status == 0
    desk.dataset_id = desk.index()
    assert [path.name for path in desk.short.iterdir() if path.name.startswith("ro-crate")] == []
    return desk


def test_the_folder_that_was_published_from_here(lab):
    said = lab.run("--json", "verify", lab.short, "--record", lab.dataset_id)
    assert (said.status, outcomes(said)["file_bytes"], outcomes(said)["manifest_agrees"]) == (0, "held", "held")
    tilts = lab.short / "a.rawtlt"
    tilts.write_bytes(b"1" + tilts.read_bytes()[1:])
    said = lab.run("--json", "verify", lab.short, "--record", lab.dataset_id)
    assert (said.status, outcomes(said)["file_bytes"]) == (4, "failed")


def test_a_published_folder_where_its_manifest_is_not(lab):
    lab.workspace.digests_path.unlink()
    said = lab.run("--json", "verify", lab.short, "--record", lab.dataset_id)
    assert (said.status, outcomes(said)["file_bytes"]) == (0, "not possible")
    assert "the manifest is not here" in said.out
    (lab.short / "a.rawtlt").write_bytes(b"shorter")
    said = lab.run("--json", "verify", lab.short, "--record", lab.dataset_id)
    assert (said.status, outcomes(said)["file_bytes"]) == (4, "failed")


def test_a_download_with_something_beside_it(lab):
    assert lab.run("download", lab.dataset_id, "-o", lab.root / "got").status == 0
    (folder,) = (lab.root / "got").iterdir()
    (folder / "notes of mine.txt").write_text("x")
    said = lab.run_bare("-w", lab.workspace.root, "--json", "verify", folder, "--record", lab.dataset_id)
    assert (said.status, outcomes(said)["file_bytes"]) == (0, "held")


def test_files_that_are_others_fail_and_say_so(old):
    (old.archive / "keyimg_a.jpg").write_bytes(b"gpj")
    said = old.run_bare("--json", "verify", old.archive, "--record", old.location)
    assert said.status == 4
    assert outcomes(said)["file_bytes"] == "failed"


def test_a_record_that_nobody_signed_fails_whatever_the_files_are(old):
    record = old.root / "record.txt"
    document = json.loads(old.text.removeprefix("json:"))
    document["oip042"]["publish"]["artifact"]["timestamp"] += 1
    record.write_text("json:" + json.dumps(document))
    said = old.run_bare("--json", "verify", old.archive, "--record", record)
    assert said.status == 4
    assert outcomes(said)["artifact_signature"] == "failed"
    assert outcomes(said)["file_bytes"] == "held"


def test_what_cannot_be_compared_is_said(old):
    for words, status in (
        ((old.root / "absent", "--record", old.location), 3),
        ((old.archive, "--record", str(cid_of(b"x"))), 4),
        ((old.archive, "--record", old.archive / "keyimg_a.jpg"), 4),
    ):
        assert old.run_bare("verify", *words).status == status
    assert old.run_bare("-w", old.root / "old", "verify", old.archive, "--record", "cd").status == 3
