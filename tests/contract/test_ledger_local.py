"""The local chain, by the tests of every ledger."""

import shutil
from contextlib import closing, contextmanager

import pytest

from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import LocalChain
from etdb.testing.ledger import LedgerContract

KEY = PrivateKey(bytes(range(1, 33)))


class TestLocalChain(LedgerContract):
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
        with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
            yield chain

    def test_its_evidence_says_that_no_work_stands_behind_it(self, ledger, key):
        signed = self.sent(ledger, key)
        self.confirm(ledger)
        assert ledger.evidence(signed.txid).has_work is False
