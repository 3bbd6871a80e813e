"""What became of a dataset: its revisions read back, and the content of an older one made again from the messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from etdb.catalogue.claims import join_claims
from etdb.catalogue.values import Revision, StoredMessage, Withdrawal, stored_message
from etdb.errors import FormatError, StorageError
from etdb.oip import (
    EditMessage,
    FieldChange,
    Part,
    Tomogram,
    apply_patch,
    parse_artifact,
    parse_message,
    parse_tomogram,
)

__all__ = [
    "joined_text",
    "load_artifact",
    "load_history",
    "load_tomogram",
    "load_txids",
    "load_withdrawal",
    "publisher_name",
]

_CHANGES: Final = msgspec.json.Decoder(tuple[FieldChange, ...])


def joined_text(messages: Sequence[StoredMessage]) -> bytes:
    """The whole text of a message, from all its parts in order.

    Raises:
        FormatError: one of several is no part.
    """
    if len(messages) == 1:
        return messages[0].data
    parts = [parse_message(one.data) for one in messages]
    return b"".join(_part_data(one) for one in parts)


def _part_data(part: object) -> bytes:
    if not isinstance(part, Part):
        raise FormatError("not a part of a message")
    return part.data


def load_history(db: sqlite3.Connection, record_id: int) -> tuple[Revision, ...]:
    """All revisions of a record, the first message first."""
    rows = db.execute(
        "SELECT v.number, v.kind, v.revision_id, v.signed_by, v.owner, b.height, b.time_s, v.timestamp_s, v.reason, "
        "v.changes, v.claims FROM revisions v JOIN messages m ON m.id = v.message_id "
        "JOIN blocks b ON b.height = m.height WHERE v.record_id = ? ORDER BY v.number",
        (record_id,),
    ).fetchall()
    if not rows:
        rows = db.execute(
            "SELECT 1, 'publish', r.dataset_id, r.owner, r.owner, r.height, b.time_s, r.timestamp_s, '', '[]', "
            "r.claims FROM records r JOIN blocks b ON b.height = r.height WHERE r.id = ?",
            (record_id,),
        ).fetchall()
    return tuple(
        Revision(
            number=row[0],
            kind=row[1],
            revision_id=row[2],
            txids=load_txids(db, record_id, row[2], row[0]),
            signed_by=row[3],
            owner=row[4],
            height=row[5],
            time_s=row[6],
            timestamp_s=row[7],
            reason=row[8],
            changes=_CHANGES.decode(row[9]),
            claims=join_claims(row[10], ()),
        )
        for row in rows
    )


def load_txids(db: sqlite3.Connection, record_id: int, revision_id: str, number: int) -> tuple[str, ...]:
    """The transactions of one revision's message, in the order of its parts."""
    table, column, key = (
        ("record_parts", "record_id", record_id) if number == 1 else ("action_parts", "first_txid", revision_id)
    )
    rows = db.execute(
        f"SELECT m.txid FROM {table} p JOIN messages m ON m.id = p.message_id "  # noqa: S608  # our own names
        f"WHERE p.{column} = ? ORDER BY p.number",
        (key,),
    )
    return tuple(row[0] for row in rows)


def load_withdrawal(db: sqlite3.Connection, record_id: int) -> Withdrawal | None:
    """How a record was withdrawn, if it was."""
    row = db.execute(
        "SELECT v.revision_id, b.height, b.time_s, v.signed_by, v.reason FROM revisions v "
        "JOIN messages m ON m.id = v.message_id JOIN blocks b ON b.height = m.height "
        "WHERE v.record_id = ? AND v.kind = 'deactivate'",
        (record_id,),
    ).fetchone()
    if row is None:
        return None
    return Withdrawal(revision_id=row[0], height=row[1], time_s=row[2], signed_by=row[3], reason=row[4])


def publisher_name(db: sqlite3.Connection, address: str) -> str:
    """The newest name that an address gave itself; "" when it gave none."""
    row = db.execute("SELECT name FROM names WHERE address = ? ORDER BY message_id DESC LIMIT 1", (address,)).fetchone()
    return "" if row is None else str(row[0])


def load_artifact(db: sqlite3.Connection, record_id: int, number: int) -> dict[str, Any]:
    """The artifact as a revision left it: what was published, with the edits up to then."""
    try:
        artifact = parse_artifact(joined_text(_messages(db, "record_parts", "record_id", record_id)))
        edits = db.execute(
            "SELECT revision_id FROM revisions WHERE record_id = ? AND kind = 'edit' AND number <= ? ORDER BY number",
            (record_id, number),
        ).fetchall()
        for (revision_id,) in edits:
            edit = parse_message(joined_text(_messages(db, "action_parts", "first_txid", revision_id)))
            if isinstance(edit, EditMessage):
                artifact = apply_patch(artifact, edit.patch)
    except FormatError as error:
        raise StorageError(
            f"the catalogue does not hold what revision {number} was made of: {error.message}",
            hint="remove the catalogue and run: etdb index",
        ) from error
    return artifact


def load_tomogram(db: sqlite3.Connection, record_id: int, number: int) -> Tomogram:
    """The record as a revision left it."""
    # Of OIP 0.41 there were records without a date; whatever counts was checked when it was folded.
    return parse_tomogram(load_artifact(db, record_id, number), needs_date=False)


def _messages(db: sqlite3.Connection, table: str, column: str, key: object) -> list[StoredMessage]:
    rows = db.execute(
        "SELECT m.id, m.height, m.position, m.txid, m.sender, m.data FROM messages m "  # noqa: S608  # our own names
        f"JOIN {table} p ON p.message_id = m.id WHERE p.{column} = ? ORDER BY p.number",
        (key,),
    )
    return [stored_message(row) for row in rows.fetchall()]
