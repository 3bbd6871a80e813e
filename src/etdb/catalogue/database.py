"""The catalogue's file: one writer, many readers, one connection a thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from etdb.catalogue.schema import SCHEMA
from etdb.durable import storage_errors
from etdb.errors import InputError, NotFoundError
from etdb.schema import is_unchangeable, prepare_schema, reading_uri

__all__ = ["Database"]

_BUSY_S: Final = 30.0
_CACHE_KB: Final = 65_536
_AGAIN: Final = "the catalogue is made from the ledger: remove the file and run: etdb index"


class Database:
    """Connections to one catalogue file.

    Args:
        path: the file.
        writable: make it when it is not there, and allow ``write``.

    Raises:
        NotFoundError: there is none, and it may not be made.
        StorageError: it is no catalogue, or one of another version.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        if not writable and not path.exists():
            raise NotFoundError(f"there is no catalogue {path}", hint="make it with: etdb index", path=str(path))
        with self.errors():
            if writable:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._prepare()
            prepare_schema(self._connect(), self.path, SCHEMA, writable=False)

    def errors(self) -> AbstractContextManager[None]:
        """Give the store's failures our names."""
        return storage_errors(self.path, what="the catalogue", damaged=_AGAIN)

    def _open_connection(self, *, query_only: bool) -> sqlite3.Connection:
        if is_unchangeable(self.path):
            where = reading_uri(self.path)
        else:
            where = f"{self.path.absolute().as_uri()}?mode={'rwc' if self.writable else 'rw'}"
        connection = sqlite3.connect(
            where,
            uri=True,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        if query_only:
            connection.execute("PRAGMA query_only = ON")
        with self._guard:
            self._open.append(connection)
        return connection

    def _prepare(self) -> None:
        self._writer = self._open_connection(query_only=False)
        self._writer.execute("PRAGMA journal_mode = WAL")
        prepare_schema(self._writer, self.path, SCHEMA, writable=True)

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open_connection(query_only=True)
            self._local.connection = connection
        return connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent view, whatever is written meanwhile."""
        with self.errors():
            connection = self._connect()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing.

        Raises:
            InputError: the catalogue was opened for reading.
            LockedError: another process writes.
        """
        if not self.writable:
            raise InputError("the catalogue was opened for reading only")
        with self._writing, self.errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close all connections of all threads."""
        with self._guard:
            for connection in self._open:
                connection.close()
            self._open.clear()
            self._local = threading.local()
