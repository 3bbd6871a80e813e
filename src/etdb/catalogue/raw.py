"""Messages as they came, found by the beginning of an id."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from etdb.catalogue.values import StoredMessage, stored_message

__all__ = ["messages_like", "parts_of"]

_BEGINNING: Final = re.compile(r"[0-9a-f]{1,64}\Z")
_COLUMNS: Final = "m.id, m.height, m.position, m.txid, m.sender, m.data"


def messages_like(db: sqlite3.Connection, beginning: str, limit: int) -> tuple[StoredMessage, ...]:
    """Messages whose transaction's id begins so, in the order of their ids; none for what is no beginning of one."""
    if not _BEGINNING.match(beginning):
        return ()
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM messages m WHERE m.txid >= ? AND m.txid < ? ORDER BY m.txid LIMIT ?",  # noqa: S608
        (beginning, beginning + "g", limit),
    )
    return tuple(map(stored_message, rows.fetchall()))


def parts_of(db: sqlite3.Connection, reference: str, limit: int) -> tuple[StoredMessage, ...]:
    """Signed parts of messages whose part 0 is here and has an id that begins so, message by message."""
    if not _BEGINNING.match(reference):
        return ()
    firsts = db.execute(
        "SELECT DISTINCT p.address, p.last, p.short_reference FROM messages m JOIN parts p ON p.message_id = m.id "
        "WHERE m.txid >= ? AND m.txid < ? AND p.number = 0 ORDER BY m.id LIMIT ?",
        (reference, reference + "g", limit),
    ).fetchall()
    found: list[StoredMessage] = []
    for group in firsts:
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM parts p JOIN messages m ON m.id = p.message_id "  # noqa: S608
            "WHERE p.address = ? AND p.last = ? AND p.short_reference = ? ORDER BY p.number, m.id LIMIT ?",
            (*group, limit - len(found)),
        )
        found += map(stored_message, rows.fetchall())
        if len(found) >= limit:
            break
    return tuple(found)
