"""Writing so that a crash leaves the old state or the new one, and a full disk is told apart from other trouble."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from etdb.errors import DiskFullError, LockedError, StorageError

__all__ = ["storage_errors", "write_durably"]

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn the errors of the file system and of SQLite into ours; our own pass through.

    Raises:
        DiskFullError: no room left.
        LockedError: another process writes and does not stop.
        StorageError: anything else.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if type(error).__module__ == "etdb.errors":
            raise
        if error.errno in _FULL:
            raise _disk_full(place) from error
        raise StorageError(f"{place} cannot be written or read: {error.strerror}", path=str(place)) from error
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise _disk_full(place) from error
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise LockedError(
                f"another process keeps {place} locked", hint="wait for it, then run the same command", path=str(place)
            ) from error
        raise StorageError(f"the database {place} cannot be used: {error}", path=str(place)) from error
    except sqlite3.DatabaseError as error:
        raise StorageError(f"the database {place} is damaged: {error}", path=str(place)) from error


def write_durably(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it; nothing half is ever seen.

    Raises:
        DiskFullError: no room left; the target is as it was.
        StorageError: it cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    with storage_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _disk_full(place: Path) -> DiskFullError:
    return DiskFullError(
        f"there is no room left on the disk of {place}",
        hint="make room, then run the same command again",
        path=str(place),
    )
