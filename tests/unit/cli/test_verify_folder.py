"""`etdb verify` of a downloaded folder in whatever workspace it lies, and of a dataset whose sources are away."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from etdb.ledger import LocalChain
from etdb.workspace import Workspace

AWAY = "http://127.0.0.1:9"


@pytest.fixture
def published(desk) -> str:
    assert desk.publish().status == 0
    return desk.index()


@pytest.fixture
def folder(desk, published) -> Path:
    assert desk.run("download", published, "-o", desk.root / "got").status == 0
    (folder,) = (desk.root / "got").iterdir()
    return folder


def outcomes(said):
    return {one["claim"]: one["outcome"] for one in said.document["results"]}


def details(said):
    return {one["claim"]: one["detail"] for one in said.document["results"]}


# -- a folder


def test_whose_it_is(desk, published, folder):
    shown = desk.run("--json", "show", published).document
    expected = {
        "dataset_id": shown["dataset_id"],
        "publisher": shown["tomogram"]["publisher"],
        "location": shown["tomogram"]["location"],
        "network": "regtest",
    }
    for words in (("verify", folder), ("verify", published)):
        document = desk.run("--json", *words).document
        assert {name: document[name] for name in expected} == expected
        text = desk.run(*words).out
        assert all(value in text for value in expected.values())


def test_only_a_chain_shows_that_a_block_is_in_it(desk, folder):
    alone = desk.run_bare("--json", "verify", folder)
    assert (alone.status, outcomes(alone)["block_inclusion"]) == (0, "not checked")
    assert "not compared with a chain" in details(alone)["block_inclusion"]
    with_it = desk.run("--json", "verify", folder)
    assert (with_it.status, outcomes(with_it)["block_inclusion"]) == (0, "held")


@pytest.mark.parametrize("blocks", [0, 30])
def test_in_a_workspace_with_a_chain_of_its_own(desk, folder, blocks):
    """It has the same network's name, and fewer or other blocks."""
    other = Workspace.init(desk.root / "other")
    with closing(LocalChain(other.chain_folder, writable=True)) as chain:
        chain.mine(blocks)
    said = desk.run_bare("-w", other.root, "--json", "verify", folder)
    assert said.status == 0
    assert outcomes(said) == outcomes(desk.run_bare("--json", "verify", folder))


def test_in_a_workspace_of_another_network(desk, folder):
    """Its node is not even asked."""
    assert desk.run_bare("init", desk.root / "main", "--network", "main", "--node", AWAY).status == 0
    said = desk.run_bare("-w", desk.root / "main", "--json", "verify", folder)
    assert (said.status, said.err) == (0, "")
    assert outcomes(said)["file_bytes"] == "held"


def test_in_a_workspace_whose_node_is_down(desk, folder):
    assert desk.run_bare("init", desk.root / "node", "--network", "regtest", "--node", AWAY).status == 0
    said = desk.run_bare("-w", desk.root / "node", "--json", "verify", folder)
    assert said.status == 0
    assert "without the workspace's ledger" in said.err
    assert outcomes(said) == outcomes(desk.run_bare("--json", "verify", folder))


def test_in_a_workspace_of_texts(desk, folder):
    """They have no headers to compare with."""
    other = Workspace.init(desk.root / "texts")
    lines = desk.root / "flodata.jsonl"
    lines.write_text('{"txid": "' + "ab" * 32 + '", "block": 2, "time": 1, "floData": "text:x"}\n')
    assert desk.run_bare("-w", other.root, "import-legacy", lines).status == 0
    said = desk.run_bare("-w", other.root, "--json", "verify", folder)
    assert (said.status, outcomes(said)["block_inclusion"]) == (0, "not checked")


# -- a dataset of the catalogue


def test_who_did_not_look_does_not_overrule_who_did(desk, published):
    path = desk.short / "a.rawtlt"
    path.write_bytes(b"1" + path.read_bytes()[1:])

    def shown():
        claims = desk.run("--json", "show", published).document["claims"]["results"]
        return {one["claim"]: one["outcome"] for one in claims}["file_bytes"]

    assert desk.run("verify", published).status == 4
    assert shown() == "failed"
    assert desk.run("verify", published, "--no-content").status == 0
    assert shown() == "failed"
    path.write_bytes(b"0" + path.read_bytes()[1:])
    assert desk.run("verify", published).status == 0
    assert shown() == "held"


def test_sources_that_are_away_are_no_success(desk, published):
    desk.workspace.digests_path.unlink()
    said = desk.run("--json", "verify", published, "--gateway", AWAY)
    assert (said.status, said.document["error"]) == (5, "source")
    assert outcomes(said)["artifact_signature"] == "held"
    assert outcomes(said)["file_bytes"] == "not checked"
    assert "within reach" in said.err
    assert desk.run("verify", published, "--no-content").status == 0
