"""A workspace whose settings name the node's blocks folder: buried blocks are not asked from the node."""

from __future__ import annotations

from contextlib import closing

import pytest

from etdb.cli.opening import open_ledger
from etdb.errors import LedgerError
from etdb.ledger import LocalChain, blockfolder_beside
from etdb.testing.fake_node import FakeNode
from etdb.workspace import NodeSettings, Workspace


@pytest.fixture
def chain(tmp_path, monkeypatch):
    monkeypatch.setattr(blockfolder_beside, "_MUCH", 20)
    monkeypatch.setattr(blockfolder_beside, "_BURIED", 10)
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        chain.mine(40, flo_data=b"in a coinbase")
        yield chain


def read(tmp_path, node: FakeNode, folder: str) -> list[str]:
    settings = NodeSettings(url=node.url, blocks_folder=folder)
    workspace = Workspace.init(tmp_path / folder.replace("/", "-"), "regtest", node=settings)
    with open_ledger(workspace) as ledger:
        blocks = list(ledger.blocks(1))
        assert all(one.messages[0].data == b"in a coinbase" for one in blocks)
        assert ledger.evidence(blocks[3].messages[0].txid).height == 4
        return [one.ref.block_hash for one in blocks]


def test_the_folder_gives_the_same_as_the_node(tmp_path, chain):
    with FakeNode(chain) as node:
        by_node = read(tmp_path, node, "")
        asked = node.methods.count("getblock")
        by_folder = read(tmp_path, node, str(tmp_path / "chain"))
        assert by_folder == by_node
        assert len(by_node) == 40
        assert asked >= 40
        assert node.methods.count("getblock") == asked


def test_a_folder_that_is_none_is_named(tmp_path, chain):
    with FakeNode(chain) as node, pytest.raises(LedgerError, match="nowhere cannot be read"):
        read(tmp_path, node, "nowhere")
