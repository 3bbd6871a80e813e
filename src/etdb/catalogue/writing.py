"""Writing the catalogue: one batch is one transaction that holds rows and tip together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from etdb.catalogue.claims import encode_claims
from etdb.catalogue.revising import MAX_DETAIL, RevisingBatch, content_columns, storable
from etdb.catalogue.schema import DERIVED_TABLES
from etdb.catalogue.values import StoredMessage, Tip, stored_message
from etdb.oip import Tomogram
from etdb.trust import Claim, ClaimResult

__all__ = ["CONFLICTING_PART", "Batch", "PartRow"]

CONFLICTING_PART: Final = "conflicting part"
"""The reason of a part whose number came before with other data; the others of its message still wait for the rest."""

MAX_GROUP: Final = 4_000
"""Parts of one group that are looked at; a record has at most 1,000. Who signs more only harms their own record."""
_OF_A_BLOCK: Final = (Claim.BLOCK_INCLUSION.value, Claim.HEADER_CHAIN_WORK.value)


class PartRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a part belongs.

    ``first_txid`` is its own transaction for part 0, else what it refers to: all of an id, or ten digits.
    """

    message_id: int
    address: str
    last: int
    number: int
    first_txid: str

    @property
    def short_reference(self) -> str:
        """What part 0 and all others share, whichever length their references have."""
        return self.first_txid[:10]


class Batch(RevisingBatch):
    """A transaction on the fold. Ask ``Catalogue.batch`` for one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def tip(self) -> Tip | None:
        """The newest block."""
        row = self._db.execute("SELECT height, block_hash FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
        return None if row is None else Tip(height=row[0], block_hash=row[1])

    def rollback(self, height: int) -> int:
        """Forget all blocks above a height, with all that came of them; how many records that takes away.

        What was observed of those records' place on the chain goes with it: it was said of another block.
        """
        before = self.count("records")
        self._db.execute(
            "DELETE FROM observations WHERE claim IN (?1, ?2) "
            "AND dataset_id IN (SELECT dataset_id FROM records WHERE height > ?3 UNION "
            "SELECT a.first_txid FROM actions a JOIN messages m ON m.id = a.message_id WHERE m.height > ?3)",
            (*_OF_A_BLOCK, height),
        )
        self._db.execute("DELETE FROM blocks WHERE height > ?", (height,))
        return before - self.count("records")

    def forget_fold(self) -> None:
        """Keep blocks and messages, forget what was made of them: to fold them anew under another rule."""
        for table in DERIVED_TABLES:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names

    def count(self, table: str) -> int:
        """Rows of one of our tables."""
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # our own names

    def count_aside(self) -> int:
        """Messages that are kept aside, those about a record that do not count included."""
        return self.count("aside") + self.count("actions WHERE status = 'refused'")

    def count_revisions(self) -> int:
        """Messages about records that count."""
        return self.count("actions WHERE status = 'counts'")

    def set_meta(self, key: str, value: str) -> None:
        """Keep a word about the fold itself."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def add_block(self, height: int, block_hash: str, time_s: int) -> None:
        """The next block."""
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?)", (height, block_hash, time_s))

    def add_message(self, height: int, position: int, txid: str, sender: Iterable[str], data: bytes) -> StoredMessage:
        """A message of that block, as it came."""
        senders = tuple(sender)
        cursor = self._db.execute(
            "INSERT INTO messages (height, position, txid, sender, data) VALUES (?, ?, ?, ?, ?)",
            (height, position, txid, json.dumps(senders), data),
        )
        return StoredMessage(
            message_id=cursor.lastrowid or 0, height=height, position=position, txid=txid, sender=senders, data=data
        )

    def messages(self) -> Iterator[StoredMessage]:
        """All messages in the order of the ledger."""
        for row in self._db.execute("SELECT id, height, position, txid, sender, data FROM messages ORDER BY id"):
            yield stored_message(row)

    def add_aside(self, message_id: int, reason: str, detail: str = "") -> None:
        """A message, or what it completed, that makes no record. A message has one reason: its first."""
        self._db.execute(
            "INSERT OR IGNORE INTO aside VALUES (?, ?, ?)", (message_id, reason, storable(detail[:MAX_DETAIL]))
        )

    def add_other(self, message_id: int, protocol: str, kind: str, title: str, publisher: str) -> None:
        """A message that is not about tomograms."""
        texts = [storable(text[:MAX_DETAIL]) for text in (protocol, kind, title, publisher)]
        self._db.execute("INSERT OR IGNORE INTO others VALUES (?, ?, ?, ?, ?)", (message_id, *texts))

    def add_part(self, part: PartRow) -> bool:
        """Keep a part whose signature holds; whether a record may be complete with it.

        A part that comes again completes nothing: of two with one number and reference, the first counts.
        """
        group = (part.address, part.last, part.short_reference)
        came_before = self._db.execute(
            "SELECT 1 FROM parts WHERE address = ? AND last = ? AND short_reference = ? AND number = ? "
            "AND first_txid = ? LIMIT 1",
            (*group, part.number, part.first_txid),
        ).fetchone()
        self._db.execute(
            "INSERT INTO parts (message_id, address, last, short_reference, number, first_txid) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (part.message_id, part.address, part.last, part.short_reference, part.number, part.first_txid),
        )
        if came_before is not None:
            return False
        # Who signs may point anywhere: only what part 0 of this very message is joined with counts.
        is_full = len(part.first_txid) > len(part.short_reference)
        firsts = self._db.execute(
            "SELECT first_txid FROM parts WHERE address = ? AND last = ? AND short_reference = ? AND number = 0 "
            "AND (? = 0 OR first_txid = ?)",
            (*group, is_full, part.first_txid),
        ).fetchall()
        return any(self._completes(part, first) for (first,) in firsts)

    def part_before(self, part: PartRow) -> StoredMessage | None:
        """A part of the same message that had this number already, the first of its kind of reference.

        Part 0 begins a message of its own, so none was before it. Each look-up is one step into the index: who sends
        the same part again and again makes no more work than with new ones.
        """
        if not part.number:
            return None
        group = (part.address, part.last, part.short_reference, part.number)
        found: set[int] = set()
        for reference in {part.first_txid, part.short_reference}:
            found.update(self._first_part("AND first_txid = ?", (*group, reference)))
        if part.first_txid == part.short_reference:
            found.update(self._first_part("", group))
        earlier = min((one for one in found if one < part.message_id), default=None)
        if earlier is None:
            return None
        row = self._db.execute(
            "SELECT id, height, position, txid, sender, data FROM messages WHERE id = ?", (earlier,)
        ).fetchone()
        return stored_message(row)

    def _first_part(self, condition: str, values: tuple[object, ...]) -> list[int]:
        rows = self._db.execute(
            "SELECT message_id FROM parts WHERE address = ? AND last = ? AND short_reference = ? AND number = ? "  # noqa: S608
            f"{condition} ORDER BY first_txid, message_id LIMIT 1",
            values,
        )
        return [message_id for (message_id,) in rows]

    def _completes(self, part: PartRow, first_txid: str) -> bool:
        """Whether a message has all its parts with this one, and had not before."""
        have, like_this = self._db.execute(
            "SELECT count(DISTINCT number), sum(number = ?) FROM parts WHERE address = ? AND last = ? "
            "AND short_reference = ? AND first_txid IN (?, ?)",
            (part.number, part.address, part.last, part.short_reference, first_txid, part.short_reference),
        ).fetchone()
        return bool(have == part.last + 1 and like_this == 1)

    def group(self, part: PartRow) -> list[tuple[int, StoredMessage]]:
        """All parts that may belong with one, as (number, message), in the order of the ledger; repeats left out."""
        rows = self._db.execute(
            "SELECT m.id, m.height, m.position, m.txid, m.sender, m.data, p.number FROM parts p "
            "JOIN messages m ON m.id = p.message_id "
            "WHERE m.id IN (SELECT min(message_id) FROM parts "
            "WHERE address = ? AND last = ? AND short_reference = ? GROUP BY number, first_txid) "
            "ORDER BY m.id LIMIT ?",
            (part.address, part.last, part.short_reference, MAX_GROUP),
        )
        return [(row[6], stored_message(row[:6])) for row in rows]

    def has_record(self, dataset_id: str) -> bool:
        """Whether this record is complete already."""
        row = self._db.execute("SELECT 1 FROM records WHERE dataset_id = ?", (dataset_id,)).fetchone()
        return row is not None

    def add_record(
        self,
        *,
        dataset_id: str,
        tomogram: Tomogram,
        document: bytes,
        completed_by: StoredMessage,
        part_ids: Iterable[int],
        signature: str,
        claims: Iterable[ClaimResult],
    ) -> None:
        """A record with all that it is found by. ``document`` is the tomogram, encoded."""
        t = tomogram
        row: dict[str, object] = {
            **content_columns(t),
            "dataset_id": dataset_id,
            "revision_id": dataset_id,
            "content_id": dataset_id,
            "owner": t.publisher,
            "message_id": completed_by.message_id,
            "height": completed_by.height,
            "signature": signature,
            "claims": encode_claims(claims),
            "document": document,
        }
        published = self._db.execute(
            "SELECT date(time_s, 'unixepoch') FROM blocks WHERE height = ?", (completed_by.height,)
        ).fetchone()
        row["published_on"] = published[0]
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        record_id = self._db.execute(
            f"INSERT INTO records ({names}) VALUES ({marks})",  # noqa: S608  # our own names
            tuple(row.values()),
        ).lastrowid
        self._db.executemany(
            "INSERT INTO record_parts VALUES (?, ?, ?)",
            [(record_id, number, message_id) for number, message_id in enumerate(part_ids)],
        )
        self._add_words(record_id or 0, dataset_id, t)
