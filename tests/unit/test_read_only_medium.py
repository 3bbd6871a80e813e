"""Databases on a medium that is mounted for reading: they are read, and nothing is made beside them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from etdb import schema
from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue, parse_query
from etdb.errors import StorageError
from etdb.flo import REGTEST
from etdb.ledger import LocalChain
from etdb.ledger.chain_index import ChainIndex
from etdb.publish import Journal
from etdb.schema import is_unchangeable, reading_uri


@pytest.fixture
def mounted_for_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder is said to lie on such a medium; what writes nonetheless is seen by the files that it makes."""
    monkeypatch.setattr(schema.os, "access", lambda _path, _mode: False)


def test_stores_are_read_and_nothing_is_made_beside_them(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "a.dat").write_bytes(b"content")
    files = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path)
    added = files.add_file(tmp_path / "a.dat")
    files.close()
    Catalogue(tmp_path / "catalogue.sqlite", writable=True).close()
    Journal(tmp_path / "journal.sqlite").close()
    LocalChain.init(tmp_path / "chain")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    request.getfixturevalue("mounted_for_reading")
    with (
        closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path)) as files,
        closing(Catalogue(tmp_path / "catalogue.sqlite", writable=False)) as catalogue,
        closing(Journal(tmp_path / "journal.sqlite")) as journal,
        closing(ChainIndex(tmp_path / "chain" / "index.sqlite", REGTEST, writable=False)) as index,
    ):
        assert files.get(added.cid) == b"content"
        assert catalogue.search(parse_query([])).total == 0
        assert journal.datasets() == []
        assert index.tip() is not None
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
        (tmp_path / "b.dat").write_bytes(b"more")
        with pytest.raises(StorageError):
            files.add_file(tmp_path / "b.dat")


def test_a_log_that_was_not_written_back_is_not_passed_over(tmp_path: Path, mounted_for_reading: None) -> None:
    path = tmp_path / "x.sqlite"
    path.touch()
    assert is_unchangeable(path)
    assert "immutable" in reading_uri(path)
    log = tmp_path / "x.sqlite-wal"
    log.touch()
    assert "immutable" in reading_uri(path)
    (tmp_path / "x.sqlite-shm").touch()  # somebody has it open, and may write at any time
    assert "immutable" not in reading_uri(path)
    (tmp_path / "x.sqlite-shm").unlink()
    log.write_bytes(b"what was committed last")
    assert is_unchangeable(path)
    assert "immutable" not in reading_uri(path)


def test_a_folder_that_can_be_written_is_no_such_medium(tmp_path: Path) -> None:
    assert not is_unchangeable(tmp_path / "x.sqlite")
