"""A workspace on a FLO node by its commands: settings, status, index, and a node in trouble."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from etdb.flo import REGTEST
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.testing.fake_node import FakeNode, answer
from etdb.testing.records import RecordSigner
from etdb.workspace import Workspace

SECRET = "the-password-of-the-node"
LAB = RecordSigner("lab")


@pytest.fixture
def node(tmp_path):
    """A node that wants a password, with one record."""
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain, FakeNode(chain, password=SECRET) as node:
        chain.mine(102, LAB.address)
        purse = Wallet(LAB.key, REGTEST, Limits(), chain.coins(LAB.address))
        chain.submit(purse.sign(LAB.message(title="On a node")).raw)
        chain.mine(1)
        yield node


@pytest.fixture
def password(tmp_path) -> Path:
    path = tmp_path / "node-password"
    path.touch(mode=0o600)
    path.write_text(SECRET)
    return path


@pytest.fixture
def on_node(desk, node, password, tmp_path):
    """The command line with a workspace on the node."""
    init = ("init", tmp_path / "lab", "--network", "regtest", "--node", node.url)
    assert desk.run_bare(*init, "--node-user", "lab", "--node-password-file", password).status == 0
    desk.workspace = Workspace(tmp_path / "lab")
    return desk


def test_the_settings_hold_the_node_and_no_secret(on_node, node):
    settings = on_node.workspace.settings.node
    assert (settings.url, settings.user, settings.password_file) == (node.url, "lab", "../node-password")
    assert SECRET not in on_node.workspace.config_path.read_text()


def test_status_index_show(on_node, node):
    said = on_node.run("status")
    assert said.status == 0
    assert f"/FLOCore:0.15.2/ at {node.url}, 103 blocks, nothing read yet" in said.out
    assert on_node.run("--json", "index").document["records_new"] == 1
    assert "read up to 103" in on_node.run("status").out
    (found,) = on_node.run("--json", "search").document["results"]
    assert found["tomogram"]["title"] == "On a node"
    node.chain.mine(2)
    report = on_node.run("--json", "index").document
    assert (report["blocks"], report["height"]) == (2, 105)
    folder = on_node.run("--json", "status").document["folder"]
    assert next(one for one in folder if one["name"] == "cache")["worth"] == "free"


def test_a_node_with_problems_says_them_in_status(on_node, node):
    node.info = {"headers": 5000, "pruned": True, "pruneheight": 90}
    said = on_node.run("status")
    assert "it has 103 blocks of 5000" in said.out
    assert "thrown away the blocks below 90" in said.out
    refused = on_node.run("--json", "index")
    assert refused.status == 6
    assert refused.document["error"] == "node-pruned"


TROUBLE = {
    "busy": ([answer(503, b"")] * 9, "node-busy"),
    "HTML": ([answer(200, b"<html>Please log in</html>")], "node-answer"),
    "redirect": ([answer(301, b"", Location="http://example.org/")], "node-answer"),
    "locked out": ([answer(401, b"")] * 2, "node-login"),
    "forbidden": ([answer(403, b"")], "node-login"),
    "broken off": ([answer(200, b'{"re', Content_Length="500")] * 2, "node-unreachable"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_with_the_node(on_node, node, name, monkeypatch):
    monkeypatch.setattr("etdb.ledger.rpc._BUSY_WAITS_S", (0.0, 0.0))
    weather, code = TROUBLE[name]
    node.weather = list(weather)
    refused = on_node.run("--json", "index")
    assert refused.status == 6
    assert refused.document["error"] == code
    assert node.url in refused.document["message"]
    assert refused.document["hint"]
    assert SECRET not in refused.out + refused.err
    node.weather = []
    assert on_node.run("--json", "index").document["records_new"] == 1


def test_a_wrong_password(on_node, password):
    password.write_text("another")
    refused = on_node.run("--json", "index")
    assert refused.document["error"] == "node-login"
    assert "password_file" in refused.document["hint"]
    password.chmod(0o644)
    refused = on_node.run("--json", "index")
    assert refused.document["error"] == "configuration"
    assert "chmod 600" in refused.document["hint"]


def test_a_node_of_another_network(desk, node, password, tmp_path):
    init = ("init", tmp_path / "lab", "--network", "main", "--node", node.url, "--node-password-file", password)
    assert desk.run_bare(*init).status == 0
    refused = desk.run_bare("-w", tmp_path / "lab", "--json", "index")
    assert refused.document["error"] == "node-chain"
    assert "is on regtest; this workspace is on main" in refused.document["message"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--node", "http://127.0.0.1:7313"), "name a network too"),
        (("--network", "main", "--node", "http://me:hidden@127.0.0.1:7313"), "user or a password"),
        (("--network", "main", "--node", "127.0.0.1:7313"), "not the address of a node"),
        (("--network", "main", "--node", "http://127.0.0.1:7313", "--node-user", "o'x"), "cannot be written"),
    ],
)
def test_options_of_init_that_do_not_fit(desk, tmp_path, words, why):
    refused = desk.run_bare("init", tmp_path / "lab", *words)
    assert refused.status == 3
    assert why in refused.err
    assert "hidden" not in refused.out + refused.err
    assert not (tmp_path / "lab" / "etdb.toml").exists()
