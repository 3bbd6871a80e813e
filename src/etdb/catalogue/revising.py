"""Writing what becomes of records: messages about them, the revisions that count, publishers' names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from etdb.catalogue.claims import encode_claims
from etdb.catalogue.fields import range_values, term_values
from etdb.catalogue.text import fold_record, fold_term
from etdb.catalogue.values import StoredMessage, stored_message
from etdb.oip import FieldChange, Tomogram
from etdb.trust import ClaimResult

__all__ = ["MAX_DETAIL", "ActionRow", "RevisingBatch", "content_columns", "storable"]

MAX_DETAIL: Final = 300
MAX_CHANGES: Final = 200
"""Fields that a revision's difference shows."""
_SORT_LETTERS: Final = 200
_TOMOGRAM: Final = msgspec.json.Decoder(Tomogram)
_ACTION: Final = "a.first_txid, a.message_id, a.dataset_id, a.kind, a.signed_by, a.protocol, a.publisher"


class ActionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message about a record, whether it counts or not.

    ``first_txid`` is its first transaction, ``message_id`` what completed it, ``signed_by`` the address that signed
    its parts, "" for a message in one transaction. ``protocol`` and ``publisher`` are as the message says.
    """

    first_txid: str
    message_id: int
    dataset_id: str
    kind: str
    signed_by: str = ""
    protocol: str = ""
    publisher: str = ""


class RevisingBatch:
    """The half of a batch that knows of actions, over its database."""

    _db: sqlite3.Connection

    def add_action(self, action: ActionRow, part_ids: Iterable[int]) -> bool:
        """Keep a message about a record; False when it is here already."""
        added = self._db.execute(
            "INSERT OR IGNORE INTO actions (first_txid, message_id, dataset_id, kind, signed_by, protocol, publisher, "
            "status) VALUES (?, ?, ?, ?, ?, ?, ?, 'unknown')",
            [storable(one) if isinstance(one, str) else one for one in msgspec.structs.astuple(action)],
        ).rowcount
        if added:
            self._db.executemany(
                "INSERT INTO action_parts VALUES (?, ?, ?)",
                [(action.first_txid, number, message_id) for number, message_id in enumerate(part_ids)],
            )
        return bool(added)

    def actions_of(self, dataset_id: str) -> list[ActionRow]:
        """All messages about a record, in the order of the ledger."""
        rows = self._db.execute(
            f"SELECT {_ACTION} FROM actions a JOIN action_parts p ON p.first_txid = a.first_txid AND p.number = 0 "  # noqa: S608  # our own names
            "WHERE a.dataset_id = ? ORDER BY a.message_id, p.message_id",
            (dataset_id,),
        ).fetchall()
        return [ActionRow(**dict(zip(ActionRow.__struct_fields__, row, strict=True))) for row in rows]

    def action_messages(self, first_txid: str) -> list[StoredMessage]:
        """The transactions of a message about a record, in the order of its parts."""
        return self._stored("action_parts p ON p.message_id = m.id WHERE p.first_txid = ?", first_txid)

    def record_messages(self, dataset_id: str) -> list[StoredMessage]:
        """The transactions of a record as it was published, likewise; none when there is no such record."""
        return self._stored(
            "record_parts p ON p.message_id = m.id JOIN records r ON r.id = p.record_id WHERE r.dataset_id = ?",
            dataset_id,
        )

    def _stored(self, joined: str, key: str) -> list[StoredMessage]:
        rows = self._db.execute(
            f"SELECT m.id, m.height, m.position, m.txid, m.sender, m.data FROM messages m JOIN {joined} "  # noqa: S608  # our own words
            "ORDER BY p.number",
            (key,),
        )
        return [stored_message(row) for row in rows.fetchall()]

    def settle_action(self, first_txid: str, status: str, reason: str = "", detail: str = "") -> None:
        """Note of a message that it "counts", is "refused" (and why), or is about a record that is "unknown"."""
        self._db.execute(
            "UPDATE actions SET status = ?, reason = ?, detail = ? WHERE first_txid = ?",
            (status, reason, storable(detail[:MAX_DETAIL]), first_txid),
        )

    def touched_above(self, height: int) -> list[str]:
        """Records that a rollback to a height makes others, or takes away while messages about them stay."""
        rows = self._db.execute(
            "SELECT a.dataset_id FROM actions a JOIN messages m ON m.id = a.message_id WHERE m.height > ?1 "
            "UNION SELECT r.dataset_id FROM records r JOIN actions a ON a.dataset_id = r.dataset_id "
            "WHERE r.height > ?1",
            (height,),
        )
        return sorted(row[0] for row in rows)

    def state_of(self, dataset_id: str) -> tuple[str, int, bool, bytes | None] | None:
        """Owner, revision, whether it is withdrawn, and the edited artifact; None when there is no such record."""
        row = self._db.execute(
            "SELECT owner, revision, is_withdrawn, artifact FROM records WHERE dataset_id = ?", (dataset_id,)
        ).fetchone()
        return None if row is None else (row[0], row[1], bool(row[2]), row[3])

    def tomogram_of(self, dataset_id: str) -> Tomogram:
        """A record's content as it is."""
        (document,) = self._db.execute("SELECT document FROM records WHERE dataset_id = ?", (dataset_id,)).fetchone()
        return _TOMOGRAM.decode(document)

    def reset_record(self, dataset_id: str, tomogram: Tomogram, document: bytes) -> None:
        """A record as it was published, without what came after."""
        record_id, owner = self._db.execute(
            "SELECT id, publisher FROM records WHERE dataset_id = ?", (dataset_id,)
        ).fetchone()
        first = self._db.execute(
            "SELECT signed_by, signature, claims FROM revisions WHERE record_id = ? AND number = 1", (record_id,)
        ).fetchone()
        self._db.execute("DELETE FROM revisions WHERE record_id = ?", (record_id,))
        if first is not None:
            owner = first[0]
            self._set_content(record_id, dataset_id, tomogram, document, signature=first[1], claims=first[2])
        self._db.execute(
            "UPDATE records SET owner = ?, revision = 1, revision_id = dataset_id, content_id = dataset_id, "
            "is_withdrawn = 0, artifact = NULL WHERE id = ?",
            (owner, record_id),
        )

    def add_revision(
        self,
        action: ActionRow,
        *,
        number: int,
        owner: str,
        signed_by: str,
        timestamp_s: int,
        reason: str,
        signature: str,
        is_withdrawn: bool,
    ) -> None:
        """A message that counts: what it leaves as the owner and whether it withdraws. Its content comes apart."""
        record_id = self._record_id(action.dataset_id)
        if number == 2:  # only now is it worth a row what the first one was
            self._db.execute(
                "INSERT INTO revisions (record_id, number, revision_id, kind, message_id, signed_by, owner, "
                "timestamp_s, reason, changes, signature, claims) "
                "SELECT id, 1, dataset_id, 'publish', message_id, publisher, publisher, timestamp_s, '', '[]', "
                "signature, claims FROM records WHERE id = ?",
                (record_id,),
            )
        self._db.execute(
            "INSERT INTO revisions (record_id, number, revision_id, kind, message_id, signed_by, owner, timestamp_s, "
            "reason, changes, signature, claims) "
            "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?, claims FROM records WHERE id = ?",
            (
                *(record_id, number, action.first_txid, action.kind, action.message_id, signed_by, owner),
                *(timestamp_s, storable(reason[:MAX_DETAIL]), signature, record_id),
            ),
        )
        self._db.execute(
            "UPDATE records SET owner = ?, revision = ?, revision_id = ?, is_withdrawn = ? WHERE id = ?",
            (owner, number, action.first_txid, is_withdrawn, record_id),
        )

    def set_edited(
        self,
        action: ActionRow,
        *,
        artifact: bytes,
        tomogram: Tomogram,
        document: bytes,
        signature: str,
        claims: Iterable[ClaimResult],
        changes: Sequence[FieldChange],
    ) -> None:
        """The content of the newest revision, which an edit made."""
        record_id, encoded = self._record_id(action.dataset_id), encode_claims(claims)
        self._set_content(record_id, action.dataset_id, tomogram, document, signature=signature, claims=encoded)
        self._db.execute(
            "UPDATE records SET content_id = ?, artifact = ? WHERE id = ?", (action.first_txid, artifact, record_id)
        )
        self._db.execute(
            "UPDATE revisions SET changes = ?, claims = ? WHERE record_id = ? AND revision_id = ?",
            (_encode_changes(changes), encoded, record_id, action.first_txid),
        )

    def add_name(self, message_id: int, address: str, name: str, timestamp_s: int) -> None:
        """A publisher's name for its own address."""
        self._db.execute(
            "INSERT OR IGNORE INTO names VALUES (?, ?, ?, ?)",
            (message_id, address, storable(name[:MAX_DETAIL]), timestamp_s),
        )

    def _record_id(self, dataset_id: str) -> int:
        return int(self._db.execute("SELECT id FROM records WHERE dataset_id = ?", (dataset_id,)).fetchone()[0])

    def _set_content(
        self, record_id: int, dataset_id: str, tomogram: Tomogram, document: bytes, *, signature: str, claims: str
    ) -> None:
        columns = {**content_columns(tomogram), "signature": signature, "claims": claims, "document": document}
        settings = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(
            f"UPDATE records SET {settings} WHERE id = ?",  # noqa: S608  # our own names
            (*columns.values(), record_id),
        )
        self._db.execute("DELETE FROM terms WHERE record_id = ?", (record_id,))
        self._db.execute("DELETE FROM search WHERE rowid = ?", (record_id,))
        self._add_words(record_id, dataset_id, tomogram)

    def _add_words(self, record_id: int, dataset_id: str, tomogram: Tomogram) -> None:
        """What a record is found by: whole values, and text."""
        self._db.executemany(
            "INSERT OR IGNORE INTO terms VALUES (?, ?, ?, ?)",
            [(record_id, field, fold_term(value), value) for field, value in term_values(tomogram)],
        )
        text = fold_record(dataset_id, tomogram)
        self._db.execute(
            "INSERT INTO search (rowid, title, names, body, pieces, joined) VALUES (?, ?, ?, ?, ?, ?)",
            (record_id, text.title, text.names, text.body, text.pieces, text.joined),
        )


def content_columns(tomogram: Tomogram) -> dict[str, object]:
    """The columns of ``records`` that say what its content is."""
    return {
        **range_values(tomogram),
        "publisher": tomogram.publisher,
        "sid": tomogram.sid,
        "location": tomogram.location,
        "title_key": fold_term(tomogram.title[:_SORT_LETTERS]),
        "species_key": fold_term(tomogram.species[:_SORT_LETTERS]),
        "microscopist_key": fold_term(tomogram.microscopist[:_SORT_LETTERS]),
    }


def storable(text: str) -> str:
    """Without lone surrogates, which no UTF-8 store can keep."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _encode_changes(changes: Sequence[FieldChange]) -> str:
    """The first of them, each value shortened to what names it: a revision's row stays small, whatever it changes."""
    return msgspec.json.encode(list(_shortened(changes))).decode()


def _shortened(changes: Sequence[FieldChange]) -> Iterator[FieldChange]:
    for one in changes[:MAX_CHANGES]:
        yield FieldChange(field=storable(one.field[:MAX_DETAIL]), before=_short(one.before), after=_short(one.after))
    if len(changes) > MAX_CHANGES:
        yield FieldChange(field=f"and {len(changes) - MAX_CHANGES} more")


def _short(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return storable(text if len(text) <= MAX_DETAIL else text[:MAX_DETAIL] + "…")
