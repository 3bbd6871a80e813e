"""What the doctor did not look at is not called well; the ledger is looked at, whichever kind it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from etdb.doctor import CHECKS
from etdb.ledger import LocalChain


@pytest.fixture
def reader(lab):
    """Another workspace, that reads the lab's chain."""
    lab.run("init", str(lab.folder / "reader"), "--ledger", str(lab.root / "chain"))
    lab.lab_root, lab.root = lab.root, lab.folder / "reader"
    lab.run("index")
    return lab


@pytest.fixture
def importer(lab):
    """Another workspace, that has the lab's chain as a file."""
    file = lab.folder / "lab.etdb-ledger"
    lab.run("ledger", "export", str(file))
    lab.run("init", str(lab.folder / "importer"))
    lab.root = lab.folder / "importer"
    lab.run("ledger", "import", str(file))
    lab.run("index")
    return lab


def ledger_findings(lab, *words, status=7):
    return [one for one in lab.run("doctor", *words, status=status)["findings"] if one["check"] == "chain"]


def test_it_is_listed_apart(lab):
    said = lab.run("doctor")
    because = {one["check"]: one["because"] for one in said["not_checked"]}
    assert sorted(because) == ["catalogue", "gateways", "kubo", "node"]
    assert "--deep" in because["catalogue"]
    assert not set(because) & set(said["checked"])
    assert set(because) | set(said["checked"]) == set(CHECKS)
    command = [sys.executable, "-m", "etdb", "--workspace", str(lab.root), "doctor"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "not looked at kubo" in text
    assert f"{len(said['checked'])} checks: all is well" in text


def test_a_check_that_failed_was_not_made(lab):
    (lab.root / "content" / "a folder").mkdir()
    said = lab.run("doctor", status=7)
    assert "content" not in said["checked"]


@pytest.mark.parametrize("name", ["reader", "importer"])
def test_a_ledger_that_was_given_is_well(name, request):
    given = request.getfixturevalue(name)
    said = given.run("doctor", "--deep")
    assert {"chain", "catalogue"} <= set(said["checked"])
    assert {"node", "journal"} <= {one["check"] for one in said["not_checked"]}
    mended = given.run("repair", "--yes", "--deep")
    assert mended == {"mended": [], "left": [], "not_checked": said["not_checked"]}


def test_an_imported_file_with_a_flipped_bit(importer):
    path = importer.root / "chain" / "imported.etdb-ledger"
    stamp, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (found,) = ledger_findings(importer)
    assert found["severity"] == "error"
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # rot keeps the times: only who reads it all sees it
    assert ledger_findings(importer, "--deep")


def test_an_imported_file_that_is_gone(importer):
    (importer.root / "chain" / "imported.etdb-ledger").unlink()
    (found,) = importer.found("catalogue")
    assert "not on the ledger" in found.what


def test_a_ledger_that_is_none(reader):
    other = reader.folder / "words"
    other.write_text("root:x:0:0")
    settings = reader.root / "etdb.toml"
    settings.write_text(settings.read_text().replace("'../workspace/chain'", "'../words'"))
    (found,) = ledger_findings(reader)
    assert found["where"] == "../words"


def test_a_reader_that_was_moved_away_from_its_ledger(reader):
    (reader.folder / "far").mkdir()
    reader.root = reader.root.rename(reader.folder / "far" / "reader")
    (found,) = ledger_findings(reader)
    assert "is not there" in found["what"]
    assert "etdb.toml" in found["advice"]
    reader.run("index", status=7)
    shutil.move(reader.lab_root, reader.folder / "far")
    assert reader.run("doctor")["findings"] == []


def test_a_damaged_block_of_anothers_chain(reader):
    path = reader.lab_root / "chain" / "blk00000.dat"
    path.write_bytes(path.read_bytes()[:-40])
    (found,) = ledger_findings(reader)
    assert not found["is_loss"]
    assert not found["repair"]


def test_a_catalogue_that_is_behind_is_compared_too(lab):
    with closing(LocalChain(lab.root / "chain", writable=True)) as chain:
        chain.mine(1)
    assert lab.examine(deep=True) == []
    with closing(sqlite3.connect(lab.root / "cache" / "catalogue.sqlite")) as database, database:
        database.execute("UPDATE records SET species_key = 'wrong', publisher = 'nobody' WHERE id = 1")
    (found,) = lab.found("catalogue", deep=True)
    assert "records" in found.what


def test_a_catalogue_of_another_chain_needs_no_deep_look(lab):
    with closing(sqlite3.connect(lab.root / "cache" / "catalogue.sqlite")) as database, database:
        database.execute(
            "UPDATE blocks SET block_hash = ? WHERE height = (SELECT max(height) FROM blocks)", ("0" * 64,)
        )
    (found,) = lab.found("catalogue")
    assert "not on the ledger" in found.what
