"""A node as a ledger, by the tests of every ledger: against a node of ours that speaks like FLO Core."""

import shutil
from contextlib import closing, contextmanager

import pytest

from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import LocalChain
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient
from etdb.testing.fake_node import FakeNode
from etdb.testing.ledger import LedgerContract

KEY = PrivateKey(bytes(range(1, 33)))


class TestFloNode(LedgerContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def mined(cls, tmp_path_factory):
        """A chain of 102 blocks, mined once and copied for each test."""
        folder = tmp_path_factory.mktemp("mined") / "chain"
        with closing(LocalChain(folder, writable=True)) as chain:
            chain.mine(102, KEY.address(REGTEST))
        cls.folder = folder

    @contextmanager
    def ledger_of(self, tmp_path, key):
        shutil.copytree(self.folder, tmp_path / "chain")
        with (
            closing(LocalChain(tmp_path / "chain", writable=True)) as chain,
            FakeNode(chain) as self.node,
            closing(FloNode(RpcClient(self.node.url), REGTEST, tmp_path / "node.sqlite", fresh_s=0)) as ledger,
        ):
            yield ledger

    def confirm(self, ledger):
        self.node.chain.settle()

    def test_headers_and_blocks_as_bytes(self, ledger, key):
        """Binary REST, where the node gives it, brings the same."""
        self.node.rest = True
        signed = self.sent(ledger, key)
        self.confirm(ledger)
        assert ledger.evidence(signed.txid).raw_transaction == signed.raw
        assert {"rest/headers", "rest/block"} <= set(self.node.methods)
        assert "getblock" not in self.node.methods
