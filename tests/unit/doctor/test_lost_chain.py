"""A chain that is gone: nobody makes an empty one in its place, for catalogue and journal would follow that."""

from __future__ import annotations

import shutil

from etdb.ledger import LocalChain
from etdb.workspace import Workspace


def test_nobody_makes_a_new_one(lab):
    shutil.rmtree(lab.root / "chain")
    said = lab.run("status")["ledger"]
    assert "is gone" in said["message"]
    assert "backup" in said["hint"]
    lab.run("index", status=7)
    lab.run("publish", str(lab.data), "--yes", status=7)
    assert not (lab.root / "chain").exists()
    assert len(lab.run("search", "cell")["results"]) == 2


def test_the_doctor_calls_it_a_loss(lab):
    (lab.root / "chain" / "blk00000.dat").write_bytes(b"")
    (found,) = lab.found("chain")
    assert "is gone" in found.what
    shutil.rmtree(lab.root / "chain")
    (found,) = lab.found("chain")
    assert found.is_loss
    assert found.severity == "error"
    assert "backup" in found.advice
    assert lab.repair() == []
    assert not (lab.root / "chain").exists()


def test_the_catalogue_alone_tells_of_it(lab):
    for path in (*lab.root.glob("journal.sqlite*"), *lab.root.glob("chain/*")):
        path.unlink()
    (found,) = lab.found("chain")
    assert "catalogue" in found.what
    lab.run("index", status=7)


def test_where_nothing_was_sent_it_is_made(lab):
    lab.root = lab.folder / "new"
    Workspace.init(lab.root, make_chain=LocalChain.init)
    lab.run("index")
    shutil.rmtree(lab.root / "chain")
    assert lab.found("chain") == []
    assert lab.run("index")["height"] == 0
