"""One process of a user publishes with a key at a time, from whatever workspace."""

from __future__ import annotations

import os

import pytest

from etdb.errors import LockedError
from etdb.workspace import lock_key


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_the_second_hears_who_is_first():
    with lock_key("oABC"), pytest.raises(LockedError) as refused, lock_key("oABC"):
        pass
    assert refused.value.fields["pid"] == os.getpid()
    assert "key-oABC is in use by process" in refused.value.message
    with lock_key("oABC"):
        pass


def test_other_keys_are_free():
    with lock_key("oABC"), lock_key("oDEF"):
        pass


def test_a_folder_that_others_can_write_is_not_used(session):
    (session / "etdb").mkdir()
    (session / "etdb").chmod(0o777)
    with lock_key("oABC"), lock_key("oABC"):
        pass
    assert list((session / "etdb").iterdir()) == []


def test_without_a_session_there_is_a_folder_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with lock_key("oABC"), pytest.raises(LockedError), lock_key("oABC"):
        pass
    assert (tmp_path / "tmp" / f"etdb-{os.getuid()}").stat().st_mode & 0o777 == 0o700
