"""The journal: what was decided, written down before it is done, so that a crash loses and doubles nothing.

One SQLite file. What the ledger will see (signed bytes) is on disk before it is sent; what the ledger has seen is
noted afterwards, and may be forgotten, because sending the same bytes again changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from etdb.errors import InputError, StorageError
from etdb.ledger import SignedTransaction
from etdb.publish.journal_reading import DatasetEntry, JournalReading, Kind, TransactionEntry, journal_errors
from etdb.publish.states import DATASET_TRANSITIONS, TRANSACTION_TRANSITIONS
from etdb.schema import Schema, is_unchangeable, prepare_schema, reading_uri

__all__ = ["DatasetEntry", "Journal", "Observer", "Settling", "TransactionEntry"]

Observer = Callable[[str, Literal["before", "after"]], None]
"""Called with a transition's name before it is written and after; the crash test kills the process in it."""
Settling = Literal["send", "confirm", "finalise", "return", "reopen"]

_DATASETS: Final = """
CREATE TABLE datasets(          -- one row a message about a dataset, from the one that publishes it on
  id INTEGER PRIMARY KEY,
  publisher TEXT NOT NULL,      -- address
  sid TEXT NOT NULL,            -- the lab's own id, unique within a publisher; empty for the publisher itself
  revision INTEGER NOT NULL,    -- which message about it, from 1
  kind TEXT NOT NULL,           -- publish, edit, deactivate, transfer, register
  about TEXT NOT NULL,          -- the dataset's id; empty for the message that publishes it
  reason TEXT NOT NULL,
  source TEXT NOT NULL,         -- where the files were when it was planned; for people
  state TEXT NOT NULL,
  draft BLOB NOT NULL,          -- the record without location, time and signature
  files BLOB,                   -- JSON: path -> CID
  root_cid TEXT,
  record BLOB,                  -- the signed message, as the ledger carries it
  artifact BLOB,                -- of an edit: the record as it is then (JSON)
  UNIQUE(publisher, sid, revision)
) STRICT;
"""
_TRANSACTIONS: Final = """
CREATE TABLE transactions(
  seq INTEGER PRIMARY KEY,      -- the order of signing, which is an order in which they can be sent
  dataset INTEGER REFERENCES datasets(id),  -- NULL: a fan-out
  part INTEGER NOT NULL,
  txid TEXT NOT NULL UNIQUE,
  seen_as TEXT,                 -- the id under which the ledger holds it, when a stranger changed it
  state TEXT NOT NULL,
  height INTEGER,
  raw BLOB NOT NULL,
  data BLOB NOT NULL,
  fee_sat INTEGER NOT NULL,
  spends BLOB NOT NULL,
  creates BLOB NOT NULL
) STRICT;
CREATE TABLE other_ids(         -- every id under which the ledger once held one of our transactions
  txid TEXT PRIMARY KEY,
  seq INTEGER NOT NULL REFERENCES transactions(seq)
) STRICT;
CREATE INDEX transactions_of ON transactions(dataset, part);
CREATE INDEX transactions_open ON transactions(state) WHERE state IN ('signed', 'submitted');
"""
# The first version had one message a dataset, and a constraint that said so: constraints only go with their table.
_TO_2: Final = f"""
ALTER TABLE other_ids RENAME TO other_ids_1;
ALTER TABLE transactions RENAME TO transactions_1;
ALTER TABLE datasets RENAME TO datasets_1;
DROP INDEX transactions_of;
DROP INDEX transactions_open;
{_DATASETS}
{_TRANSACTIONS}
INSERT INTO datasets
  SELECT id, publisher, sid, 1, 'publish', '', '', source, state, draft, files, root_cid, record, NULL FROM datasets_1;
INSERT INTO transactions SELECT seq, dataset, part, txid, seen_as, state, height, raw, data, fee_sat, spends, creates
  FROM transactions_1;
INSERT INTO other_ids SELECT txid, seq FROM other_ids_1;
DROP TABLE other_ids_1;
DROP TABLE transactions_1;
DROP TABLE datasets_1;
"""  # noqa: S608 - constants only
SCHEMA: Final = Schema(
    what="the journal", version=2, script=_DATASETS + _TRANSACTIONS, steps={1: _TO_2}, is_precious=True
)


class Journal(JournalReading):
    """The journal of one workspace; one process at a time writes it (the caller holds the publishing lock).

    Raises:
        StorageError: the file cannot be read or written, or is of another version.
    """

    def __init__(self, path: Path, *, observer: Observer | None = None) -> None:
        self._observer = observer
        with journal_errors(path):
            is_fixed = is_unchangeable(path)
            self._db = sqlite3.connect(
                reading_uri(path) if is_fixed else path.absolute().as_uri(), uri=True, isolation_level=None
            )
            if not is_fixed:
                self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            prepare_schema(self._db, path, SCHEMA, writable=not is_fixed)
        self._path = path

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- transitions of datasets

    def plan(
        self,
        publisher: str,
        sid: str,
        source: str,
        draft: bytes,
        *,
        revision: int = 1,
        kind: Kind = "publish",
        about: str = "",
        reason: str = "",
    ) -> DatasetEntry:
        """A new dataset, or another message about one."""
        with self._transition("plan"):
            self._db.execute(
                "INSERT INTO datasets(publisher, sid, revision, kind, about, reason, source, state, draft)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?)",
                (publisher, sid, revision, kind, about, reason, source, draft),
            )
        entry = self.find(publisher, sid)
        if entry is None:
            raise StorageError(f"the journal {self._path} did not keep {sid}")
        return entry

    def restart(self, dataset_id: int, source: str, draft: bytes, *, reason: str = "", kind: str | None = None) -> None:
        """The data or metadata changed before anything was sent: begin again with what is there now.

        What was dropped may become a message of another kind about the same dataset.
        """
        with self._transition("restart"):
            self._move("restart", dataset_id)
            self._db.execute(
                "UPDATE datasets SET source = ?, draft = ?, reason = ?, kind = coalesce(?, kind), files = NULL,"
                " root_cid = NULL, record = NULL, artifact = NULL WHERE id = ?",
                (source, draft, reason, kind, dataset_id),
            )

    def drop(self, dataset_id: int) -> None:
        """The lab took back what was to be corrected, before anything was signed for the ledger: nothing to say."""
        with self._transition("drop"):
            self._move("drop", dataset_id)

    def add(self, dataset_id: int, files: dict[str, str], root_cid: str) -> None:
        """The files are hashed and the manifest is stored; a message without files has none and no root."""
        with self._transition("add"):
            self._move("add", dataset_id)
            self._db.execute(
                "UPDATE datasets SET files = ?, root_cid = ? WHERE id = ?",
                (msgspec.json.encode(files), root_cid, dataset_id),
            )

    def sign(self, dataset_id: int, record: bytes, *, artifact: bytes | None = None) -> None:
        """The message is signed; of an edit, the artifact as it is then."""
        with self._transition("sign"):
            self._move("sign", dataset_id)
            self._db.execute(
                "UPDATE datasets SET record = ?, artifact = ? WHERE id = ?", (record, artifact, dataset_id)
            )

    def prepare(self, parts: Iterable[tuple[int, int, bytes, SignedTransaction]], finished: Iterable[int]) -> None:
        """Transactions of records are signed: (dataset, part number, floData, transaction); durable before it returns.

        ``finished`` are the datasets that have all their transactions now.
        """
        with self._transition("prepare", durable=True):
            for dataset_id, number, data, signed in parts:
                self._insert(dataset_id, number, data, signed)
            for dataset_id in finished:
                self._move("prepare", dataset_id)

    def settle(self, name: Settling, dataset_ids: Sequence[int]) -> None:
        """What the ledger says of records: taken, confirmed, final, taken back, or to be signed anew."""
        if not dataset_ids:
            return
        with self._transition(name):
            for dataset_id in dataset_ids:
                self._move(name, dataset_id)

    # -- transitions of transactions

    def fan_out(self, signed: SignedTransaction) -> None:
        """A transaction that splits coins is signed; durable before it returns."""
        with self._transition("fan-out", durable=True):
            self._insert(None, -1, b"", signed)

    def submit(self, entries: Iterable[TransactionEntry]) -> None:
        """The ledger has taken the bytes."""
        with self._transition("submit"):
            for entry in entries:
                self._update("submit", entry.seq)

    def bury(self, numbers: Iterable[int], height: int) -> None:
        """The transactions of these numbers are in the block of this height."""
        with self._transition("bury"):
            for seq in numbers:
                self._update("bury", seq, height=height)

    def unbury(self, entry: TransactionEntry) -> None:
        """A reorganisation took the block back."""
        self._move_transaction("unbury", entry)

    def adopt(self, entry: TransactionEntry, seen_as: str) -> None:
        """The ledger holds this transaction under another id."""
        self._move_transaction("adopt", entry, seen_as=seen_as)

    def void(self, entry: TransactionEntry) -> None:
        """The transaction can never be confirmed."""
        self._move_transaction("void", entry)

    def withdraw(self, entry: TransactionEntry) -> None:
        """The transaction pays less than nodes take, and none took it."""
        self._move_transaction("withdraw", entry)

    def revive(self, entry: TransactionEntry) -> None:
        """The transaction was void, but the ledger holds it."""
        self._move_transaction("revive", entry)

    # -- what is noted, and can be noted again

    def know_as(self, entry: TransactionEntry, txid: str) -> None:
        """This id is that of a stranger's copy of the transaction, whose state stays."""
        with journal_errors(self._path):
            self._db.execute("INSERT OR IGNORE INTO other_ids VALUES (?, ?)", (txid, entry.seq))

    # -- inside

    def _insert(self, dataset_id: int | None, number: int, data: bytes, signed: SignedTransaction) -> None:
        encode = msgspec.json.encode
        self._db.execute(
            "INSERT INTO transactions(dataset, part, txid, state, raw, data, fee_sat, spends, creates)"
            " VALUES (?, ?, ?, 'signed', ?, ?, ?, ?, ?)"
            # Signing is deterministic: the same text over the same coin is the transaction that was void before.
            " ON CONFLICT(txid) DO UPDATE SET state = 'signed', seen_as = NULL, height = NULL WHERE state = 'void'",
            (
                dataset_id,
                number,
                signed.txid,
                signed.raw,
                data,
                signed.fee_sat,
                encode(signed.spends),
                encode(signed.creates),
            ),
        )

    def _move(self, name: str, dataset_id: int) -> None:
        row = DATASET_TRANSITIONS[name]
        marks = ",".join("?" * len(row.sources))
        done = self._db.execute(
            f"UPDATE datasets SET state = ? WHERE id = ? AND state IN ({marks})",  # noqa: S608 - marks only
            (row.target, dataset_id, *row.sources),
        )
        if done.rowcount != 1:
            raise InputError(f"dataset {dataset_id} cannot {name}: it is not {' or '.join(row.sources)}")

    def _move_transaction(self, name: str, entry: TransactionEntry, *, seen_as: str | None = None) -> None:
        with self._transition(name):
            self._update(name, entry.seq, seen_as=seen_as)

    def _update(self, name: str, seq: int, *, height: int | None = None, seen_as: str | None = None) -> None:
        row = TRANSACTION_TRANSITIONS[name]
        marks = ",".join("?" * len(row.sources))
        query = (
            "UPDATE transactions SET state = ?, height = ?, seen_as = coalesce(?, seen_as)"  # noqa: S608 - marks
            f" WHERE seq = ? AND state IN ({marks})"
        )
        done = self._db.execute(query, (row.target, height, seen_as, seq, *row.sources))
        if seen_as is not None:
            self._db.execute("INSERT OR IGNORE INTO other_ids VALUES (?, ?)", (seen_as, seq))
        if done.rowcount != 1:
            raise InputError(f"transaction {seq} of the journal cannot {name}: it is not {' or '.join(row.sources)}")

    @contextmanager
    def _transition(self, name: str, *, durable: bool = False) -> Iterator[None]:
        if self._observer is not None:
            self._observer(name, "before")
        with journal_errors(self._path):
            # Without FULL a commit survives a killed process but not a power cut: enough for notes that can be
            # made again by asking the ledger, not for signed bytes that are about to leave.
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        if self._observer is not None:
            self._observer(name, "after")
