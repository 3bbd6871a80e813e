"""The version of a database file, and the way up from an older one.

Each store of a workspace is one SQLite file with a version in it. A file of an older version is brought up step by step
when it is opened for writing: each step is one transaction that ends with its version, so a process that is killed
between two goes on with the next. Of a file that cannot be made again a copy is put beside it first.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from etdb.durable import sync_folder
from etdb.errors import StorageError

__all__ = ["OldVersionError", "Schema", "copy_path", "is_unchangeable", "prepare_schema", "reading_uri"]

Step = str | Callable[[sqlite3.Connection], None]


class OldVersionError(StorageError):
    """A file of an older version, which was opened for reading or has no way up: ``version``."""

    code = "old-version"


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What a store's file is made of.

    Attributes:
        what: what people call the store, with its article.
        version: of the newest form, from 1.
        script: makes the newest form in an empty file.
        steps: from version n to n + 1: SQL, or a function within the transaction.
        application_id: in the file's header, 0 when the store has none. Files from before it had one are read too.
        is_precious: it cannot be made again, so a copy is kept of it as it was before the first step.
        is_free: its owner makes its content again from elsewhere, so an older file is emptied.
        hint: what to do about a file that is too old and has no way up.
    """

    what: str
    version: int
    script: str
    steps: Mapping[int, Step] = {}
    application_id: int = 0
    is_precious: bool = False
    is_free: bool = False
    hint: str = ""


def copy_path(path: Path, version: int) -> Path:
    """Where the copy of a precious file of that version is put."""
    return path.with_name(f"{path.name}.v{version}.copy")


def is_unchangeable(path: Path) -> bool:
    """Whether we can only read a database file: on a medium mounted for reading, or others' file or folder."""
    try:
        return path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    except OSError:
        return False


def reading_uri(path: Path) -> str:
    """How SQLite is told to open a file that is only read.

    It makes files beside the one that it reads, unless it is told that nobody changes it. That is not said while
    there is a log to be read, or while somebody who may write has the file open: their files beside it will do.
    """
    is_fixed = is_unchangeable(path) and not _has_log(path)
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_fixed else ''}"


def _has_log(path: Path) -> bool:
    try:
        log_bytes = path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return False
    return log_bytes > 0 or path.with_name(f"{path.name}-shm").exists()


def prepare_schema(connection: sqlite3.Connection, path: Path, schema: Schema, *, writable: bool) -> None:
    """Make an empty file's tables, or bring an older file up; nothing is left to do for one of this version.

    Args:
        connection: in autocommit mode (``isolation_level=None``).
        path: the file.
        schema: what it should be.
        writable: False only looks.

    Raises:
        OldVersionError: of an older version, and it may not be written or there is no way up.
        StorageError: of a newer version, another program's file, or still empty and not to be written.
        sqlite3.Error: for the caller's own guard.
    """
    with _transaction(connection, "BEGIN"):  # one look at it, while another process may be making its tables
        version = _version(connection, path, schema)
    if version == schema.version:
        return
    if not writable:
        raise _not_ready(path, schema, version)
    if version == 0 or schema.is_free:
        with _transaction(connection):
            if _version(connection, path, schema) != schema.version:  # another process may have been first
                _empty(connection)
                _run(connection, schema.script)
                _stamp(connection, schema, schema.version)
        return
    if any(one not in schema.steps for one in range(version, schema.version)):
        raise _not_ready(path, schema, version)
    if schema.is_precious:
        _keep_copy(connection, copy_path(path, version))
    while version < schema.version:
        with _transaction(connection):
            version = _version(connection, path, schema)
            if version < schema.version:
                step = schema.steps[version]
                _run(connection, step) if isinstance(step, str) else step(connection)
                version += 1
                _stamp(connection, schema, version)


def _version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    version = _pragma(connection, "user_version")
    application = _pragma(connection, "application_id")
    if application not in (0, schema.application_id) or (version == 0 and _has_tables(connection)):
        raise StorageError(f"{path} is not {schema.what}", hint="move it away", path=str(path))
    if version > schema.version:
        raise StorageError(
            f"{schema.what} {path} is of version {version}; this etdb reads versions up to {schema.version}",
            hint=f"use a newer etdb, or move the file away: {schema.hint}"
            if schema.is_free
            else "use the etdb that wrote it, or a newer one",
            path=str(path),
        )
    return version


def _stamp(connection: sqlite3.Connection, schema: Schema, version: int) -> None:
    connection.execute(f"PRAGMA application_id = {schema.application_id}")
    connection.execute(f"PRAGMA user_version = {version}")


def _empty(connection: sqlite3.Connection) -> None:
    """Drop all tables, with their indexes; a virtual table takes its own tables with it.

    Triggers go first: dropping a table deletes what refers to it, and a trigger on that would miss its table.
    """
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite#_%' ESCAPE '#' "
    virtual = connection.execute(names + "AND sql LIKE 'CREATE VIRTUAL%'").fetchall()
    for (name,) in virtual + connection.execute(names + "AND sql NOT LIKE 'CREATE VIRTUAL%'").fetchall():
        connection.execute(f'DROP TABLE IF EXISTS "{name}"')


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _not_ready(path: Path, schema: Schema, version: int) -> StorageError:
    if version == 0:
        return StorageError(f"{schema.what} {path} is not made yet", hint="try again", path=str(path))
    return OldVersionError(
        f"{schema.what} {path} is of version {version}; this etdb reads version {schema.version}",
        hint=schema.hint or "run a command that writes it once: it brings the file up",
        path=str(path),
        version=version,
    )


def _keep_copy(connection: sqlite3.Connection, target: Path) -> None:
    """A whole copy, seen under its name only when it is complete; one that is there already is of this version."""
    if target.exists():
        return
    temporary = target.with_name(target.name + ".tmp")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary)) as copy:
        copy.execute("PRAGMA synchronous = FULL")
        connection.backup(copy)
    temporary.replace(target)
    sync_folder(target.parent)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[Any]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled it back already
            connection.execute("ROLLBACK")
        raise


def _run(connection: sqlite3.Connection, script: str) -> None:
    """The statements of a script within the transaction (``executescript`` would end it)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):  # a trigger's own semicolons do not end it
            connection.execute(statement)
            statement = ""
