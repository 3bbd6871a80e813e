"""Which source each dataset came from, and how it was when it was last published: `sync.sqlite`.

What is published stands in the journal; here stands only what the journal does not know. A dataset is noted before it
is published: an entry without a record in the journal means nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from etdb.durable import storage_errors
from etdb.schema import Schema, prepare_schema

__all__ = ["SyncState"]

_SCRIPT: Final = """
CREATE TABLE datasets(
  publisher TEXT NOT NULL,      -- address
  sid TEXT NOT NULL,
  source TEXT NOT NULL,         -- its name in the settings
  fingerprint BLOB,             -- of the draft and the files' sizes and times, when its newest record was final
  PRIMARY KEY (publisher, sid)
) STRICT, WITHOUT ROWID;
"""
SCHEMA: Final = Schema(what="the state of `etdb sync`", version=1, script=_SCRIPT, is_precious=True)


class SyncState:
    """The file of one workspace; the caller holds the lock.

    Args:
        path: the file; made when missing, unless it is only read.
        writable: False for a look: what is missing is empty then.

    Raises:
        StorageError: it cannot be read or written, or is of another version.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        with storage_errors(path, what="the state of `etdb sync`"):
            if writable:
                self._db = sqlite3.connect(path, isolation_level=None)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
            elif path.exists():
                self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            else:
                self._db = sqlite3.connect(":memory:", isolation_level=None)
            prepare_schema(self._db, path, SCHEMA, writable=writable or not path.exists())

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def source_of(self, publisher: str) -> dict[str, str]:
        """The source of each dataset of a publisher, by its sid."""
        with storage_errors(self._path):
            return dict(self._db.execute("SELECT sid, source FROM datasets WHERE publisher = ?", (publisher,)))

    def fingerprint(self, publisher: str, sid: str) -> bytes | None:
        """How the dataset was when its newest record was final."""
        with storage_errors(self._path):
            row = self._db.execute(
                "SELECT fingerprint FROM datasets WHERE publisher = ? AND sid = ?", (publisher, sid)
            ).fetchone()
        return row[0] if row else None

    def note(self, publisher: str, source: str, sids: Iterable[str]) -> None:
        """These come from this source; on the disk when it returns. Their fingerprints stay."""
        with storage_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO datasets(publisher, sid, source) VALUES (?, ?, ?)"
                " ON CONFLICT(publisher, sid) DO UPDATE SET source = excluded.source",
                [(publisher, sid, source) for sid in sids],
            )
            self._db.execute("COMMIT")

    def settle(self, publisher: str, fingerprints: Iterable[tuple[str, bytes]]) -> None:
        """The records of these are final, and say this."""
        with storage_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "UPDATE datasets SET fingerprint = ? WHERE publisher = ? AND sid = ?",
                [(fingerprint, publisher, sid) for sid, fingerprint in fingerprints],
            )
            self._db.execute("COMMIT")
