"""The catalogue: what was read from the ledger, what was made of it, and what was observed apart from it."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from etdb.catalogue.database import Database
from etdb.catalogue.history import load_artifact, load_history, publisher_name
from etdb.catalogue.query import Query
from etdb.catalogue.raw import messages_like, parts_of
from etdb.catalogue.reading import list_rows, load_observations, load_revision, load_views
from etdb.catalogue.revising import MAX_DETAIL
from etdb.catalogue.schema import FOLD_TABLES
from etdb.catalogue.search import search_rows, total_rows
from etdb.catalogue.sets import RecordSets
from etdb.catalogue.snapshot import write_snapshot
from etdb.catalogue.values import (
    CurrentRecord,
    DatasetView,
    Listing,
    Observation,
    Page,
    Revision,
    StoredManifest,
    StoredMessage,
    Tip,
    stored_message,
)
from etdb.catalogue.writing import Batch
from etdb.errors import AmbiguousError, InputError, NotFoundError
from etdb.oip import encode_go_json
from etdb.trust import Claim, Outcome

__all__ = ["Catalogue"]

MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
_ID: Final = re.compile(r"[0-9a-f]{1,64}\Z")
_CANDIDATES: Final = 10


class Catalogue:
    """One catalogue file: one writer, readers in any number of threads and processes.

    Args:
        path: the SQLite file.
        writable: make it when it is not there, and allow ``batch`` and ``observe``.

    Raises:
        NotFoundError: there is none, and it may not be made.
        StorageError: it is damaged, or of another version. All methods raise it, and ``LockedError``.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self._database = Database(path, writable=writable)
        self._sets = RecordSets()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, in all threads."""
        self._database.close()

    def tip(self) -> Tip | None:
        """The newest block that is indexed; None at the beginning."""
        with self._database.read() as db:
            return Batch(db).tip()

    def block_hash(self, height: int) -> str | None:
        """The hash of an indexed block."""
        with self._database.read() as db:
            row = db.execute("SELECT block_hash FROM blocks WHERE height = ?", (height,)).fetchone()
            return None if row is None else str(row[0])

    def newest_block(self, height: int) -> Tip | None:
        """The newest indexed block at a height or below it."""
        with self._database.read() as db:
            row = db.execute(
                "SELECT height, block_hash FROM blocks WHERE height <= ? ORDER BY height DESC LIMIT 1", (height,)
            ).fetchone()
            return None if row is None else Tip(height=row[0], block_hash=row[1])

    def block_time(self, height: int) -> int | None:
        """The time of an indexed block, in Unix seconds."""
        with self._database.read() as db:
            row = db.execute("SELECT time_s FROM blocks WHERE height = ?", (height,)).fetchone()
            return None if row is None else int(row[0])

    def state(self) -> str:
        """A word for all that is known: it changes with the fold, and with what is observed."""
        with self._database.read() as db:
            seen = db.execute(
                "SELECT (SELECT value FROM meta WHERE key = 'fold'), (SELECT max(height) FROM blocks), "
                "(SELECT block_hash FROM blocks ORDER BY height DESC LIMIT 1), (SELECT max(id) FROM records), "
                "(SELECT count(*) FROM records), (SELECT count(*) FROM observations), "
                "(SELECT max(time_s) FROM observations), (SELECT max(time_s) FROM manifests)"
            ).fetchone()
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]

    def totals(self, query: Query) -> tuple[int, int]:
        """The bytes and the files of all records that a query finds, as the records say.

        Raises:
            InputError: see :meth:`search`.
        """
        with self._database.read() as db:
            return total_rows(db, self._sets, query)

    def meta(self, key: str) -> str | None:
        """A word about the fold itself, such as its rule."""
        with self._database.read() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row[0])

    def counts(self) -> dict[str, int]:
        """How many rows each table of the fold has: blocks, messages, parts, records, aside, others.

        "aside" includes messages about a record that do not count; "revisions" are those that do, "withdrawn" the
        records that were withdrawn, "names" what publishers called themselves.
        """
        with self._database.read() as db:
            batch = Batch(db)
            counts = {name: batch.count(name) for name in ("blocks", "messages", "parts", "records", "others", "names")}
            withdrawn = batch.count("records WHERE is_withdrawn")
            return {
                **counts,
                "aside": batch.count_aside(),
                "revisions": batch.count_revisions(),
                "withdrawn": withdrawn,
            }

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """One transaction on the fold; it is kept whole when the block ends well, else nothing of it."""
        with self._database.write() as db:
            yield Batch(db)

    def search(self, query: Query) -> Page:
        """Answer a query.

        Raises:
            InputError: a name or number in it has no meaning, or its cursor is of another search. Its text never
                raises.
        """
        with self._database.read() as db:
            found = search_rows(db, self._sets, query)
            return Page(
                results=load_views(db, found.record_ids),
                total=found.total,
                next_cursor=found.next_cursor,
                facets=found.facets,
            )

    def get(self, dataset_id: str, *, revision: int | None = None) -> DatasetView:
        """A dataset by its id, or by any beginning of it that no other shares.

        A revision's own id gives the dataset as that revision left it.

        Args:
            dataset_id: of a dataset or of a revision.
            revision: which one, from 1; without it the newest, or the one whose id was given.

        Raises:
            InputError: more than one begins so; ``candidates`` lists them.
            NotFoundError: none does, or the dataset has no such revision.
        """
        with self._database.read() as db:
            record_id, named = self._find(db, dataset_id)
            number = revision if revision is not None else named
            return load_views(db, [record_id])[0] if number is None else load_revision(db, record_id, number)

    def _find(self, db: sqlite3.Connection, dataset_id: str) -> tuple[int, int | None]:
        """The row of a record, and the revision when its own id was given."""
        asked = dataset_id.strip().lower()
        if not _ID.match(asked):
            raise NotFoundError(
                f"{dataset_id[:80]!r} is no dataset id",
                hint="an id has up to 64 hexadecimal digits; or use: etdb search",
            )
        rows: list[tuple[int, str, int | None]] = db.execute(
            "SELECT id, dataset_id, NULL FROM records WHERE dataset_id >= ?1 AND dataset_id < ?2 UNION ALL "
            "SELECT record_id, revision_id, number FROM revisions WHERE number > 1 "
            "AND revision_id >= ?1 AND revision_id < ?2 ORDER BY 2 LIMIT ?3",
            (asked, asked + "g", _CANDIDATES + 1),
        ).fetchall()
        if len(rows) == 1 or (rows and rows[0][1] == asked):
            return rows[0][0], rows[0][2]
        if rows:
            shown = [row[1] for row in rows[:_CANDIDATES]] + (["..."] if len(rows) > _CANDIDATES else [])
            raise AmbiguousError(
                f"{len(rows[:_CANDIDATES])} or more datasets begin with {asked}"
                if len(rows) > _CANDIDATES
                else f"{len(rows)} datasets begin with {asked}",
                hint="give more digits: " + ", ".join(shown),
                candidates=shown,
            )
        part = db.execute(
            "SELECT 'dataset ' || r.dataset_id, p.number FROM messages m JOIN record_parts p ON p.message_id = m.id "
            "JOIN records r ON r.id = p.record_id WHERE m.txid = ? UNION ALL "
            "SELECT 'a message about ' || a.dataset_id, p.number FROM messages m "
            "JOIN action_parts p ON p.message_id = m.id JOIN actions a ON a.first_txid = p.first_txid "
            "WHERE m.txid = ? LIMIT 1",
            (asked, asked),
        ).fetchone()
        hint = "use: etdb search" if part is None else f"this is part {part[1]} of {part[0]}"
        raise NotFoundError(f"no dataset {asked}", hint=hint, dataset_id=asked)

    def history(self, dataset_id: str) -> tuple[Revision, ...]:
        """All revisions of a dataset, the first message first. Errors as ``get``."""
        with self._database.read() as db:
            record_id, _ = self._find(db, dataset_id)
            return load_history(db, record_id)

    def artifact(self, dataset_id: str, *, revision: int | None = None) -> dict[str, Any]:
        """A dataset's artifact in the protocol's own names, as it stood on the ledger, or as a revision left it.

        Raises:
            StorageError: the catalogue holds no message to read it from. Else as ``get``.
        """
        with self._database.read() as db:
            record_id, named = self._find(db, dataset_id)
            number = revision if revision is not None else named
            if number is None:
                (number,) = db.execute("SELECT revision FROM records WHERE id = ?", (record_id,)).fetchone()
            return load_artifact(db, record_id, number)

    def messages_like(self, beginning: str, *, limit: int = 100) -> tuple[StoredMessage, ...]:
        """Messages whose transaction's id begins so, in the order of their ids."""
        with self._database.read() as db:
            return messages_like(db, beginning, limit)

    def parts_of(self, reference: str, *, limit: int = 1_000) -> tuple[StoredMessage, ...]:
        """Signed parts of messages whose part 0 is here and has an id that begins so, message by message."""
        with self._database.read() as db:
            return parts_of(db, reference, limit)

    def snapshot(self, target: Path) -> None:
        """Write the fold, as it is at one moment, into a new file: what a catalogue can begin with.

        What was observed, and from where, is not part of it: that is of this machine.

        Raises:
            InputError: there is such a file already.
        """
        write_snapshot(self.path, target)

    def current(self, owner: str, name: str) -> CurrentRecord | None:
        """What an edit of a dataset would change: by its id or by the sid that its owner gave it; None without one.

        Raises:
            InputError: several standing datasets of this owner have the sid; ``candidates`` lists them.
        """
        with self._database.read() as db:
            rows = db.execute(
                "SELECT id, dataset_id, owner, sid, revision, revision_id, is_withdrawn, artifact FROM records "
                "WHERE dataset_id = ?1 OR (owner = ?2 AND sid = ?1 AND sid <> '') "
                "ORDER BY dataset_id = ?1 DESC, is_withdrawn, id LIMIT 3",
                (name, owner),
            ).fetchall()
            if not rows:
                return None
            standing = [row for row in rows if not row[6]]
            if len(standing) > 1 and rows[0][1] != name:
                shown = [row[1] for row in standing]
                raise InputError(
                    f"several datasets of {owner} have the sid {name[:80]}",
                    hint="say which by its id: " + ", ".join(shown),
                    candidates=shown,
                )
            row = rows[0]
            artifact = row[7] or encode_go_json(load_artifact(db, row[0], row[4]))
        return CurrentRecord(
            dataset_id=row[1],
            owner=row[2],
            sid=row[3],
            revision=row[4],
            revision_id=row[5],
            is_withdrawn=bool(row[6]),
            artifact=artifact,
        )

    def publisher_name(self, address: str) -> str:
        """The newest name that an address gave itself; "" when it gave none. Anybody can take any name."""
        with self._database.read() as db:
            return publisher_name(db, address)

    def messages(self, dataset_id: str) -> tuple[StoredMessage, ...]:
        """The messages of a dataset's record, in the order of its parts, as they stand on the ledger."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT m.id, m.height, m.position, m.txid, m.sender, m.data FROM records r "
                "JOIN record_parts p ON p.record_id = r.id JOIN messages m ON m.id = p.message_id "
                "WHERE r.dataset_id = ? ORDER BY p.number",
                (dataset_id,),
            ).fetchall()
        if not rows:
            raise NotFoundError(f"no dataset {dataset_id[:80]}", dataset_id=dataset_id[:80])
        return tuple(stored_message(row) for row in rows)

    def listed(self, kind: str, *, limit: int = 100, after: int = 0) -> Listing:
        """What made no record: "aside" (and why), "orphans" (parts without the others), "other" (other records)."""
        with self._database.read() as db:
            return list_rows(db, kind, limit=limit, after=after)

    def observe(self, observation: Observation) -> None:
        """Keep what was observed of a claim; a newer word from the same source takes the place of the older.

        Raises:
            InputError: there is no such claim or outcome.
        """
        o = observation
        if o.claim not in set(Claim) or o.outcome not in set(Outcome):
            raise InputError(f"no claim and outcome: {o.claim[:64]!r}, {o.outcome[:64]!r}")
        with self._database.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO observations (dataset_id, claim, source, outcome, detail, time_s) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (o.dataset_id, o.claim, o.source, o.outcome, o.detail[:MAX_DETAIL], o.time_s),
            )

    def observations(self, dataset_id: str) -> tuple[Observation, ...]:
        """What was observed of a dataset, oldest first; also while its record is not here."""
        with self._database.read() as db:
            return load_observations(db, dataset_id)

    def store_manifest(self, manifest: StoredManifest) -> None:
        """Keep a manifest that was fetched.

        Raises:
            InputError: it is larger than 64 MiB.
        """
        if len(manifest.document) > MAX_MANIFEST_BYTES:
            raise InputError(
                f"a manifest of {len(manifest.document)} bytes is not kept", dataset_id=manifest.dataset_id
            )
        m = manifest
        with self._database.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?)",
                (m.dataset_id, m.cid, m.source, m.time_s, m.document),
            )

    def manifest(self, dataset_id: str) -> StoredManifest | None:
        """The manifest that was fetched of a dataset, if any."""
        with self._database.read() as db:
            row = db.execute(
                "SELECT dataset_id, cid, source, time_s, document FROM manifests WHERE dataset_id = ?", (dataset_id,)
            ).fetchone()
        if row is None:
            return None
        return StoredManifest(dataset_id=row[0], cid=row[1], source=row[2], time_s=row[3], document=row[4])

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of the fold in order: two catalogues of one ledger give the same. For tests and comparison."""
        with self._database.read() as db:
            return {
                table: db.execute(
                    f"SELECT {'rowid, ' if table == 'search' else ''}* FROM {table} ORDER BY 1, 2, 3"  # noqa: S608
                ).fetchall()
                for table in FOLD_TABLES
            }
