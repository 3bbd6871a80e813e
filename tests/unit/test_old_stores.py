"""What older versions wrote is read, brought up or made anew: a whole workspace, and the first index of a chain."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import etdb
from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import LocalChain
from etdb.ledger.legacy_store import LegacyLedger
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient
from etdb.publish.journal import Journal
from etdb.schema import OldVersionError, Schema
from etdb.sync.state import SyncState
from etdb.testing.fake_node import FakeNode
from etdb.workspace import Keyring


def write_database(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(script)


class Old:
    """A workspace as it was kept, at a place of its own; its lab's folder beside it."""

    def __init__(self, kept: dict, folder: Path) -> None:
        self.kept = kept
        self.root = folder / "workspace"
        self.lab = folder / "lab"
        (self.lab / "cell").mkdir(parents=True)
        for name, text in kept["lab"].items():
            (self.lab / "cell" / name).write_text(text)
        for name, text in kept["files"].items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
        for name, text in kept["blocks"].items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(bytes.fromhex(text))
        for name, script in kept["databases"].items():
            write_database(self.root / name, script.replace("/LAB", str(self.lab)))

    def run(self, *arguments: str, status: int = 0) -> dict:
        reader, writer = os.pipe()
        os.write(writer, (self.kept["passphrase"] + "\n").encode())
        os.close(writer)
        secret = ("--passphrase-fd", str(reader)) if arguments[0] == "publish" else ()
        done = subprocess.run(
            [sys.executable, "-m", "etdb", "--workspace", str(self.root), "--json", *arguments, *secret],
            pass_fds=(reader,),
            capture_output=True,
            check=False,
        )
        os.close(reader)
        assert done.returncode == status, done.stderr.decode()
        return json.loads(done.stdout)


@pytest.fixture
def old(own_vectors, tmp_path):
    return Old(own_vectors("stores_2026_11.json"), tmp_path)


def test_a_workspace_of_the_first_versions_goes_on(old):
    (published,) = old.kept["published"]
    again = old.run("publish", str(old.lab / "cell"), "--yes")
    assert again["transactions_sent"] == 0
    assert again["datasets"][0]["dataset_id"] == published["dataset_id"]
    assert old.run("index")["records_new"] == 1
    (found,) = old.run("search", "kept")["results"]
    assert found["dataset_id"] == published["dataset_id"]
    outcome = old.run("verify", published["dataset_id"][:12])
    assert "failed" not in json.dumps(outcome)
    with closing(Journal(old.root / "journal.sqlite")) as journal:
        (entry,) = journal.datasets("final")
        assert entry.root_cid == published["root_cid"]
    key = Keyring(old.root / "keys", "regtest").unlock("lab", old.kept["passphrase"])
    assert key.public_key


def test_a_workspace_of_the_first_versions_publishes_more(old):
    shutil.copytree(old.lab / "cell", old.lab / "next")
    (old.lab / "next" / "cell.txt").write_text("another")
    report = old.run("publish", str(old.lab / "cell"), str(old.lab / "next"), "--yes")
    assert [one["state"] for one in report["datasets"]] == ["final", "final"]
    assert report["transactions_sent"] >= 1
    assert old.run("index")["records_new"] == 2


def test_the_first_index_of_a_chain_is_made_anew(own_vectors, tmp_path):
    kept = own_vectors("stores_chain_v1.json")
    write_database(tmp_path / "index.sqlite", kept["index.sqlite"])
    (tmp_path / "blk00000.dat").write_bytes(bytes.fromhex(kept["blk00000.dat"]))
    with pytest.raises(OldVersionError, match="is of version 1") as caught:
        LocalChain(tmp_path)
    assert "makes it again" in caught.value.hint
    for writable in (True, False):
        chain = LocalChain(tmp_path, writable=writable)
        tip = chain.tip()
        texts = [message.data for block in chain.blocks(1) for message in block.messages]
        chain.close()
        assert tip is not None
        assert tip.block_hash == kept["tip"]
        assert texts == [b"text:0", b"text:1", b"text:2", b"text:3"]


def test_what_was_read_of_a_node_is_not_read_again(own_vectors, tmp_path):
    kept = own_vectors("stores_ledgers_v1.json")
    write_database(tmp_path / "node.sqlite", kept["node.sqlite"])
    (tmp_path / "chain").mkdir()
    (tmp_path / "chain" / "blk00000.dat").write_bytes(bytes.fromhex(kept["blk00000.dat"]))
    address = PrivateKey(bytes(range(1, 33))).address(REGTEST)
    with (
        closing(LocalChain(tmp_path / "chain", writable=True)) as chain,
        FakeNode(chain) as fake,
        closing(FloNode(RpcClient(fake.url), REGTEST, tmp_path / "node.sqlite", watch=[address], fresh_s=0)) as node,
    ):
        assert [one.data for block in node.blocks(1) for one in block.messages] == [b"text:%d" % n for n in range(4)]
        assert node.tip() == chain.tip()
        assert node.coins(address) == chain.coins(address)
        assert "getblock" not in fake.methods


def test_imported_texts_of_the_first_version_are_read(own_vectors, tmp_path):
    path = tmp_path / "exported.sqlite"
    write_database(path, own_vectors("stores_ledgers_v1.json")["exported.sqlite"])
    for writable in (False, True):
        with closing(LegacyLedger(path, "main", writable=writable)) as ledger:
            found = [(block.ref.height, [one.data for one in block.messages]) for block in ledger.blocks(0)]
            assert found == [(5, [b"text:0", b"text:1"]), (6, [b"text:2"])]


def test_what_sync_noted_in_its_first_version_is_read(own_vectors, tmp_path):
    path = tmp_path / "sync.sqlite"
    write_database(path, own_vectors("stores_sync_v1.json")["sync.sqlite"])
    with closing(SyncState(path, writable=True)) as state:
        assert state.source_of("F" * 34) == {"one": "lab", "two": "lab"}
        assert state.fingerprint("F" * 34, "one") == bytes(range(32))
        assert state.fingerprint("F" * 34, "two") is None


def test_every_store_has_a_file_of_its_first_version_and_a_way_up(own_vectors):
    """A new store, or a new version of one, is in this list before it is in anyone's workspace."""
    modules = [
        importlib.import_module(one.name)
        for one in pkgutil.walk_packages(etdb.__path__, "etdb.")
        if one.name.split(".")[1] not in {"__main__", "demo"}
    ]
    schemas = {one.what: one for module in modules for one in vars(module).values() if isinstance(one, Schema)}
    workspace = own_vectors("stores_2026_11.json")["databases"]
    ledgers = own_vectors("stores_ledgers_v1.json")
    first = {
        "the journal": workspace["journal.sqlite"],
        "the table of digests": workspace["digests.sqlite"],
        "the catalogue": workspace["cache/catalogue.sqlite"],
        "the chain's index": own_vectors("stores_chain_v1.json")["index.sqlite"],
        "what was read of the node's chain": ledgers["node.sqlite"],
        "the exported messages": ledgers["exported.sqlite"],
        "the state of `etdb sync`": own_vectors("stores_sync_v1.json")["sync.sqlite"],
    }
    assert schemas.keys() == first.keys()
    for what, schema in schemas.items():
        assert "PRAGMA user_version = 1;" in first[what]
        assert schema.is_free or set(schema.steps) == set(range(1, schema.version))
