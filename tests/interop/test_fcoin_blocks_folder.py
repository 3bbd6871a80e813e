"""The block files of a full node that nobody here wrote, read beside it while it runs."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from fcoin_node import FcoinNode

from etdb.flo import REGTEST, PrivateKey, parse_header
from etdb.ledger import LocalChain, blockfolder_beside
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_beside import FolderBesideNode
from etdb.ledger.node import FloNode
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin

pytestmark = pytest.mark.node

BLOCKS = 640
"""So many that their work is checked behind, and that the node's files are looked into."""


@pytest.fixture
def chain(fcoin_node: FcoinNode, tmp_path):
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        chain.mine(BLOCKS, PrivateKey(bytes(range(1, 33))).address(REGTEST), flo_data=b"in a coinbase")
        for height in range(1, BLOCKS + 1):
            fcoin_node.submit_block(chain.raw_block(height))
        yield chain


def blocks_folder(node: FcoinNode) -> Path:
    (found,) = {path.parent for path in node.folder.rglob("blk*.dat")}
    return found


def test_the_files_of_fcoin(fcoin_node: FcoinNode, chain: LocalChain):
    with closing(BlockFolder(blocks_folder(fcoin_node), REGTEST)) as folder:
        assert folder.tip() == chain.tip()
        headers = folder.headers(0, BLOCKS + 1)
        hashes = [parse_header(raw).block_hash for raw in headers]
        assert list(folder.blocks(hashes)) == [chain.raw_block(height) for height in range(BLOCKS + 1)]
        texts = [text.flo_data for block in folder.scan(1) for text, _ in block.texts]
        assert texts == [b"in a coinbase"] * BLOCKS
        chain.mine(1)
        fcoin_node.submit_block(chain.raw_block(BLOCKS + 1))
        assert folder.tip() == chain.tip()


def test_a_ledger_of_the_node_with_its_files_beside(fcoin_node: FcoinNode, chain: LocalChain, tmp_path, monkeypatch):
    monkeypatch.setattr(blockfolder_beside, "_MUCH", 100)
    login = RpcLogin(user="etdb", password_file=fcoin_node.password_file())
    client = RpcClient(f"http://127.0.0.1:{fcoin_node.http_port}", login)
    asked: list[int] = []

    class Counting(RpcBlocks):
        def blocks(self, hashes):
            asked.append(len(hashes))
            return super().blocks(hashes)

    source = FolderBesideNode(Counting(client), lambda: BlockFolder(blocks_folder(fcoin_node), REGTEST))
    with closing(FloNode(client, REGTEST, tmp_path / "node.sqlite", source=source)) as ledger:
        blocks = list(ledger.blocks(1))
        assert blocks[-1].ref == chain.tip()
        assert sum(asked) == 0  # all came from the files
        txid = blocks[100].messages[0].txid
        deadline = time.monotonic() + 120
        while ledger.evidence(txid).checked_work_blocks < BLOCKS - 100:  # what is checked behind comes in time
            assert time.monotonic() < deadline
            time.sleep(0.1)
