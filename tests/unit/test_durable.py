"""What the file system and SQLite refuse gets the right name, and a file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etdb.durable import NotAllowedError, make_folder, storage_error, storage_errors, write_durably
from etdb.errors import DiskFullError, InputError, LockedError, StorageError
from etdb.workspace import Workspace


def test_a_file_that_must_not_be_replaced_is_not(tmp_path):
    target = tmp_path / "new" / "file"
    write_durably(target, [b"a", b"b"], replace=False, mode=0o600)
    assert target.read_bytes() == b"ab"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_durably(target, [b"other"], replace=False)
    write_durably(target, [b"replaced"])
    assert target.read_bytes() == b"replaced"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("replace", [True, False])
def test_a_write_that_fails_leaves_nothing(tmp_path, replace):
    def pieces():
        yield b"half"
        raise OSError(errno.ENOSPC, "no room")

    with pytest.raises(DiskFullError):
        write_durably(tmp_path / "file", pieces(), replace=replace)
    assert not list(tmp_path.iterdir())


def test_each_new_name_is_flushed_in_its_folder(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("etdb.durable.sync_folder", lambda folder: synced.append(folder.relative_to(tmp_path)))
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [Path(), Path("a"), Path("a/b")]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EIO, StorageError),
        (errno.EROFS, StorageError),
    ],
)
def test_a_refusal_of_the_file_system(number, kind):
    error = storage_error(OSError(number, os.strerror(number)), Path("/a/place"))
    assert type(error) is kind
    assert "/a/place" in error.message
    assert error.hint


def refusal(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorcode = getattr(sqlite3, name)
    return error


def raised(path: Path, error: BaseException) -> StorageError:
    with pytest.raises(StorageError) as caught, storage_errors(path, what="the store", damaged="make it again"):
        raise error
    return caught.value


def test_a_refusal_of_sqlite(tmp_path):
    path = tmp_path / "db"
    assert type(raised(path, refusal("SQLITE_FULL"))) is DiskFullError
    assert type(raised(path, refusal("SQLITE_BUSY"))) is LockedError
    assert "make it again" in raised(path, refusal("SQLITE_CORRUPT")).hint
    for name, kind in (
        ("SQLITE_CANTOPEN", NotAllowedError),
        ("SQLITE_READONLY_DIRECTORY", NotAllowedError),
        ("SQLITE_IOERR_READ", StorageError),
        ("SQLITE_IOERR_SHMSIZE", StorageError),
    ):
        error = raised(path, refusal(name))
        assert type(error) is kind
        assert "make it again" not in error.hint, "nothing says that it is damaged"
    assert "you may not write" in raised(path, refusal("SQLITE_READONLY")).message
    assert not list(tmp_path.iterdir())


def test_sqlite_keeps_it_to_itself_that_there_is_no_room(tmp_path):
    """A file beside the database that cannot be made is only "unable to open": whether there is room is tried."""
    code = f"""
import resource, signal, sqlite3, sys
from pathlib import Path
from etdb.durable import storage_errors
from etdb.errors import DiskFullError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with storage_errors(Path({str(tmp_path / "db")!r})):
        db = sqlite3.connect({str(tmp_path / "db")!r})
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t(a)")
except DiskFullError:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7


def test_other_errors_pass_through(tmp_path):
    for error in (InputError("ours"), BrokenPipeError(), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, storage_errors(tmp_path):
            raise error
        assert caught.value is error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="left out: this system has no /dev/full")
@pytest.mark.parametrize(("words", "status"), [(["--json", "key", "list"], 7), (["key", "list"], 7), (["nonsense"], 2)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_words_that_cannot_be_written(tmp_path, monkeypatch, words, status, unbuffered):
    root = Workspace.init(tmp_path).root
    command = [sys.executable, "-m", "etdb", *words]
    # Whether words wait in a buffer until the end, or not: both must end well.
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=root, check=False)
        assert done.returncode == status, done.stderr
        assert done.stderr.startswith((b"etdb: ", b"Usage: "))
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr
        silent = subprocess.run(command, stdout=full, stderr=full, cwd=root, check=False)
        assert silent.returncode == status
