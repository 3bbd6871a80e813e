"""A catalogue in one file for others: written at one moment, and begun with.

Who begins with such a file takes blocks and messages from it and nothing else: records are folded from them anew, so
every signature is checked again here. What stays on trust until the ledger itself is read is that these are the
messages of these blocks, and all of them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from etdb.catalogue.database import Database
from etdb.catalogue.schema import SCHEMA
from etdb.durable import storage_errors
from etdb.errors import FormatError, InputError, NotFoundError
from etdb.schema import prepare_schema, reading_uri

__all__ = ["begin_with", "write_snapshot"]

_OBSERVED: Final = ("observations", "manifests")
_ROWS: Final = 10_000
_TXID: Final = re.compile(r"[0-9a-f]{64}\Z")
_MAX_SENDERS: Final = 100_000
MAX_MESSAGE_BYTES: Final = 4 << 20
"""Of a message in a file from elsewhere; the ledger's own are far smaller."""


def write_snapshot(source: Path, target: Path) -> None:
    """Copy a catalogue's fold into a new file, whatever is written to the catalogue meanwhile.

    Raises:
        InputError: there is such a file already.
        StorageError: there is no room, or the catalogue is damaged.
    """
    if target.exists():
        raise InputError(f"{target} is there already", hint="name a new file", path=str(target))
    with (
        storage_errors(source, what="the catalogue", damaged="run: etdb index"),
        closing(sqlite3.connect(reading_uri(source), uri=True, isolation_level=None, timeout=30)) as db,
    ):
        db.execute("VACUUM INTO ?", (str(target),))
    with (
        storage_errors(target, what="the copy", damaged="make it again"),
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA secure_delete = ON")
        for table in _OBSERVED:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
        copy.execute("PRAGMA journal_mode = DELETE")


def begin_with(source: Path, target: Path, *, replace: bool = False) -> int:
    """Make a catalogue of the blocks and messages of a file from elsewhere; how many messages.

    The next ``follow`` folds them, and goes back as far as the file's chain is not the ledger's.

    Args:
        source: the file.
        target: the catalogue; nothing half is ever seen there.
        replace: make it anew when it is there already, of a run that was killed; nobody else may use it.

    Raises:
        FormatError: the file is no catalogue, or holds what no ledger brings.
        InputError: there is a catalogue already.
        NotFoundError: there is no such file.
    """
    if not source.is_file():
        raise NotFoundError(f"there is no file {source}", path=str(source))
    if target.exists() and not replace:
        raise InputError(f"there is a catalogue already: {target}", hint="remove it first", path=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".new")
    _remove(temporary)
    try:
        with (
            storage_errors(temporary, what="the catalogue", damaged="make it again"),
            _opened(source) as given,
            closing(sqlite3.connect(temporary, isolation_level=None)) as made,
        ):
            made.execute("PRAGMA foreign_keys = ON")
            prepare_schema(made, temporary, SCHEMA, writable=True)
            made.execute("BEGIN")
            count = _copy(given, made, source)
            made.execute("COMMIT")
        _remove(target)  # what lies beside an older one would be taken for this one's
        temporary.replace(target)
    finally:
        _remove(temporary)
    with closing(Database(target, writable=True)):
        pass
    return count


def _remove(database: Path) -> None:
    """A database, and what SQLite left beside it when its process was killed."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _opened(source: Path) -> closing[sqlite3.Connection]:
    """A file that somebody else made, so that nothing in it is carried out."""
    connection = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cell_size_check = ON")
        tables = dict(connection.execute("SELECT name, type FROM sqlite_master WHERE name IN ('blocks', 'messages')"))
    except sqlite3.DatabaseError as error:
        connection.close()
        raise FormatError(f"{source} is no catalogue: {error}", path=str(source)) from error
    if tables != {"blocks": "table", "messages": "table"}:
        connection.close()
        raise FormatError(f"{source} is no catalogue", hint="get catalogue.sqlite of a portal's API", path=str(source))
    return closing(connection)


def _copy(given: sqlite3.Connection, made: sqlite3.Connection, source: Path) -> int:
    try:
        for rows in _batches(given, "SELECT height, block_hash, time_s FROM blocks ORDER BY height"):
            made.executemany("INSERT INTO blocks VALUES (?, ?, ?)", rows)
        count = 0
        sql = (
            "SELECT id, height, position, txid, sender, data FROM messages "
            "WHERE length(data) <= ? ORDER BY height, position"
        )
        for rows in _batches(given, sql, MAX_MESSAGE_BYTES):
            made.executemany(
                "INSERT INTO messages (id, height, position, txid, sender, data) VALUES (?, ?, ?, ?, ?, ?)",
                [(count + number, *_checked(row[1:], source)) for number, row in enumerate(rows, 1)],
            )
            count += len(rows)
    except (sqlite3.Error, OverflowError) as error:
        raise FormatError(f"{source} holds what no ledger brings: {error}", path=str(source)) from error
    return count


def _checked(row: tuple[object, ...], source: Path) -> tuple[object, ...]:
    """A message's row that can be read back; the tables' own types and keys refuse the rest."""
    _height, _position, txid, sender, _data = row
    try:
        senders = msgspec.json.decode(str(sender), type=list[str])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FormatError(f"{source} holds what no ledger brings: {error}", path=str(source)) from error
    if not (isinstance(txid, str) and _TXID.match(txid)) or len(senders) > _MAX_SENDERS:
        raise FormatError(f"{source} holds what no ledger brings: {str(txid)[:64]!r}", path=str(source))
    return row


def _batches(db: sqlite3.Connection, sql: str, *values: object) -> Iterator[list[tuple[object, ...]]]:
    cursor = db.execute(sql, values)
    while rows := cursor.fetchmany(_ROWS):
        yield rows
