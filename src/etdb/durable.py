"""Writing so that a crash leaves the old state or the new one, and a full disk is told apart from other trouble.

A file's name is safe from a power cut only when its folder was flushed too, and a new folder's name only when the
folder above was: POSIX promises no more, whatever one file system does besides.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from etdb.errors import DiskFullError, EtdbError, LockedError, StorageError

__all__ = [
    "NotAllowedError",
    "make_folder",
    "says_disk_full",
    "scratch_folder",
    "storage_error",
    "storage_errors",
    "sync_folder",
    "write_durably",
]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SCRATCH = ".scratch"
_PROBE_BYTES = 32_768  # what SQLite's shared memory begins with


class NotAllowedError(StorageError):
    """The file may be whole, but it is not ours to open, or to write."""

    code = "not-allowed"


@contextmanager
def storage_errors(
    place: Path, *, what: str = "the database", damaged: str = "restore it from a copy"
) -> Iterator[None]:
    """Turn the errors of the file system and of SQLite into ours; our own pass through.

    Args:
        place: the file or folder that is used.
        what: what people call it, when it is a database.
        damaged: what to do when the database is damaged, or is none.

    Raises:
        DiskFullError: no room left.
        LockedError: another process writes and does not stop.
        NotAllowedError: SQLite may not open or write it.
        StorageError: anything else.
    """
    try:
        yield
    except (EtdbError, BrokenPipeError):  # who reads our output went away: no disk's fault
        raise
    except OSError as error:
        raise storage_error(error, place) from error
    except sqlite3.Error as error:
        raise _database_error(error, place, what, damaged) from error


def _database_error(error: sqlite3.Error, place: Path, what: str, damaged: str) -> StorageError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # SQLite keeps the reason to itself when a file beside the database cannot be made or grow.
    unclear = code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL}
    if code == sqlite3.SQLITE_FULL or (unclear and _is_full(place)):
        return _disk_full(place)
    # PROTOCOL is what SQLite says when another process stands still in the moment of opening it.
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
        hint = "wait for it, then run the same command"
        return LockedError(f"another process keeps {what} {place} locked", hint=hint, path=str(place))
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        # SQLite also calls it damaged when the disk does not give a part of it back.
        return StorageError(f"{what} {place} is damaged: {error}", hint=f"look at the disk; {damaged}", path=str(place))
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        hint = "ask its owner, or work in a workspace of your own: etdb init FOLDER"
        return NotAllowedError(f"you may not write {what} {place}, or its folder", hint=hint, path=str(place))
    kind = NotAllowedError if code == sqlite3.SQLITE_CANTOPEN else StorageError
    hint = "look at the disk and its rights, then run the same command again" if unclear else damaged
    return kind(f"{what} {place} cannot be used: {error}", hint=hint, path=str(place))


def _is_full(database: Path) -> bool:
    """Try it: numbers of free blocks know nothing of quotas, of limits, and of what is kept for others."""
    probe = database.with_name(f".room.{secrets.token_hex(6)}.tmp")
    try:
        largest = max((path.stat().st_size for path in database.parent.glob(f"{database.name}*")), default=0)
        with probe.open("xb") as file:
            file.seek(largest)
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in _FULL
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return False


def storage_error(error: OSError, place: Path, *, hint: str = "", full_hint: str = "") -> StorageError:
    """What the file system's refusal means to the user.

    Args:
        error: the refusal.
        place: what was to be written or read.
        hint: what to do next.
        full_hint: what to do next when there is no room left.
    """
    if error.errno in _FULL:
        return _disk_full(place, full_hint)
    reason = error.strerror or str(error)
    return StorageError(
        f"{place} cannot be written or read: {reason}", hint=hint or "look at the disk and its rights", path=str(place)
    )


def says_disk_full(words: str) -> bool:
    """Whether another program says, in the system's own words, that there is no room left."""
    return any(os.strerror(number) in words for number in _FULL)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, and wait until their names are on the disk.

    Raises:
        OSError: as ``mkdir``; a folder that is there already is right.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


@contextmanager
def scratch_folder(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """A folder for what is not kept, gone afterwards; the next one removes what kills and power cuts left.

    Its maker holds a lock on it, so that one whose maker was killed is known.

    Args:
        prefix: whose it is; only folders of the same prefix are looked at.
        place: where it is, made when missing; the system's place for temporary files otherwise.

    Raises:
        StorageError: it cannot be made.
    """
    place = place or Path(tempfile.gettempdir())
    with storage_errors(place):
        make_folder(place)
        _remove_left(place, prefix)
        folder, lock = _locked_folder(place, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(place: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=_SCRATCH, dir=place))
        with contextlib.suppress(FileNotFoundError):  # somebody may have taken it for what a kill left
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(folder, lock):
                return folder, lock
            os.close(lock)


def _remove_left(place: Path, prefix: str) -> None:
    for folder in place.glob(f"{prefix}*{_SCRATCH}"):
        with contextlib.suppress(OSError):  # another user's, or in use
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_uid == os.geteuid() and _is_at(folder, descriptor):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def write_durably(
    target: Path,
    pieces: Iterable[bytes],
    *,
    replace: bool = True,
    mode: int = 0o666,
    unless: Callable[[], bool] | None = None,
) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it; nothing half is ever seen.

    Args:
        target: what it is called in the end; its folder is made when missing.
        pieces: its bytes.
        replace: take the place of a file that is there; otherwise that is an error.
        mode: its rights, less the process's own mask.
        unless: asked when no other writer of this target is at work; if true, nothing is written.

    Raises:
        FileExistsError: it is there, and was not to be replaced.
        DiskFullError: no room left; the target is as it was.
        StorageError: it cannot be written.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    taken = False
    with storage_errors(target):
        make_folder(target.parent)
        with os.fdopen(_claim(temporary, mode), "wb") as file:
            try:
                if unless is not None and unless():
                    temporary.unlink()
                else:
                    taken = _fill(file, pieces, temporary, target, replace=replace)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
        sync_folder(target.parent)
    if taken:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def _fill(file: BinaryIO, pieces: Iterable[bytes], temporary: Path, target: Path, *, replace: bool) -> bool:
    """Write, flush and rename; whether the name was taken already by a file that was not to be replaced."""
    file.writelines(pieces)
    file.flush()
    os.fsync(file.fileno())
    if replace:
        temporary.replace(target)
        return False
    taken = _link(temporary, target)
    temporary.unlink()
    return taken


def _claim(temporary: Path, mode: int) -> int:
    """A new file that this process alone has locked; one that a killed process left is removed first.

    The name says whose it is, so that what a kill left is found by the next writer of the same target, without
    looking through the folder. A living writer holds the lock until its file has another name: then it is waited for.
    """
    while True:
        with contextlib.suppress(FileNotFoundError):
            left = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(left, fcntl.LOCK_EX)
                if _is_at(temporary, left):
                    temporary.unlink()
            finally:
                os.close(left)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(temporary, descriptor):  # somebody may have taken it for what a kill left
                return descriptor
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _link(temporary: Path, target: Path) -> bool:
    """Give a second name, which like O_EXCL fails when it is taken; whether it was."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return True
    return False


def _disk_full(place: Path, hint: str = "") -> DiskFullError:
    return DiskFullError(
        f"there is no room left on the disk of {place}",
        hint=hint or "make room, then run the same command again",
        path=str(place),
    )
