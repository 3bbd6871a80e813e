"""The whole way on a real node by the command line: init, key, coins, publish, index, find, verify, and a reader's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fcoin_node import FcoinNode

pytestmark = pytest.mark.node

DESCRIPTION = 'title = "A ring on a real chain"\nacquired_on = 2026-11-01\nspecies = "Caulobacter crescentus"\n'


class Lab:
    """A workspace on a node, and its command line."""

    def __init__(self, root: Path, node: FcoinNode) -> None:
        root.mkdir()
        self.root = root
        self.secret = root / "passphrase"
        self.secret.touch(mode=0o600)
        self.secret.write_text("a long passphrase\n")
        self.password_file = node.password_file()
        init = ("init", root / "ws", "--network", "regtest", "--node", node.url)
        self.run(*init, "--node-user", "lab", "--node-password-file", self.password_file, bare=True)

    def run(self, *words: object, bare: bool = False, status: int = 0):
        """A command as the shell gives it; its document."""
        before = [] if bare else ["-w", str(self.root / "ws")]
        done = subprocess.run(
            [sys.executable, "-m", "etdb", *before, *map(str, words), "--json"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={**os.environ, "ETDB_WORKSPACE": ""},
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        assert "Traceback" not in said
        assert self.password_file.read_text().strip() not in said
        return json.loads(done.stdout or done.stderr)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its published files for everybody on this machine; the URL."""
        words = [sys.executable, "-m", "etdb", "-w", str(self.root / "ws"), "--json", "serve", "--port", "0"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["gateway"]
            finally:
                process.terminate()


def test_from_init_to_verify(fcoin_node: FcoinNode, tmp_path):
    lab = Lab(tmp_path / "lab", fcoin_node)
    (tmp_path / "data" / "ring").mkdir(parents=True)
    (tmp_path / "data" / "ring" / "dataset.toml").write_text(DESCRIPTION)
    for number in range(30):
        (tmp_path / "data" / "ring" / f"notes-of-day-{number:02}.txt").write_text(f"seen in cell {number}\n" * 400)

    state = lab.run("status")["ledger"]
    assert "fcoin" in state["node"]["software"]
    assert state["node"]["problems"] == []
    address = lab.run("key", "new", "--passphrase-file", lab.secret)["address"]

    publish = ("publish", tmp_path / "data", "--yes", "--no-wait", "--passphrase-file", lab.secret)
    poor = lab.run(*publish, status=3)
    assert poor["error"] == "insufficient-funds"
    assert poor["address"] == address
    fcoin_node.mine(1, address)
    fcoin_node.mine(100)

    lab.run(*publish)
    sent = fcoin_node.rpc("getrawmempool")
    assert len(sent) >= 2  # in parts
    again = lab.run(*publish)
    assert fcoin_node.rpc("getrawmempool") == sent, again
    fcoin_node.mine(6)
    assert fcoin_node.rpc("getrawmempool") == []
    lab.run(*publish)
    assert fcoin_node.rpc("getrawmempool") == []
    assert lab.run("status")["journal"] == {"final": 1}

    assert lab.run("index")["records_new"] == 1
    found = lab.run("search", "ring")["results"]
    assert [one["tomogram"]["title"] for one in found] == ["A ring on a real chain"]
    identity = found[0]["dataset_id"]
    assert identity in sent
    outcomes = {one["claim"]: one["outcome"] for one in lab.run("verify", identity)["results"]}
    assert "failed" not in outcomes.values()
    assert outcomes["block_inclusion"] == outcomes["transaction_signature"] == "held"

    # Somebody else, who has the node's chain and nothing of ours.
    reader = Lab(tmp_path / "reader", fcoin_node)
    assert reader.run("index")["records_new"] == 1
    assert reader.run("show", identity)["tomogram"]["title"] == "A ring on a real chain"

    sound = lab.run("doctor")
    assert "node" in sound["checked"]
    assert sound["findings"] == []

    # The node is gone: what was read can be fetched with its proofs all the same. Who needs the node names it, and
    # says what to do.
    fcoin_node.stop()
    assert {one["claim"]: one["outcome"] for one in lab.run("verify", identity)["results"]} == outcomes
    with lab.serving() as url:
        got = reader.run("download", identity, "-o", tmp_path / "got", "--gateway", url)
    assert got["complete"], got
    folder = Path(got["datasets"][0]["folder"])
    assert (folder / "notes-of-day-29.txt").read_text() == "seen in cell 29\n" * 400
    checked = {one["claim"]: one["outcome"] for one in reader.run("verify", folder)["results"]}
    assert "failed" not in checked.values()
    assert checked["block_inclusion"] == "held"
    gone = lab.run("index", status=6)
    assert gone["error"] == "node-unreachable"
    assert fcoin_node.url in gone["message"]
    assert "start the node" in gone["hint"]
    assert lab.run("status")["ledger"]["error"] == "node-unreachable"
    (ill,) = lab.run("doctor", status=7)["findings"]
    assert (ill["check"], ill["where"], ill["advice"]) == ("node", fcoin_node.url, gone["hint"])
