"""A ledger file, by the reading half of the tests of every ledger."""

from contextlib import closing, contextmanager

from etdb.flo import REGTEST
from etdb.ledger import LocalChain
from etdb.ledger.archive import LedgerFile
from etdb.ledger.archive_writing import export_ledger
from etdb.testing.ledger_reading import LedgerReadingContract


class TestLedgerFile(LedgerReadingContract):
    @contextmanager
    def ledger_of(self, tmp_path, key):
        with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
            chain.mine(102, key.address(REGTEST))
            self.filled = self.fill(chain, key)
            export_ledger(chain, tmp_path / "chain.etdb-ledger", network_name="regtest", messages="all")
        with closing(LedgerFile(tmp_path / "chain.etdb-ledger")) as ledger:
            yield ledger
