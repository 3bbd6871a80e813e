"""Fields that are made of others when they are asked for: whole values that no row of ``terms`` holds.

They are no part of the fold, so a catalogue of any age has them: the voltage as a facet, whether there is an entry in
EMDB, and which claims held, those that were observed since included.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from etdb.trust import ClaimResult, Outcome

__all__ = ["MADE_FIELDS", "MAX_MADE_VALUES", "made_rows", "made_state"]

MAX_MADE_VALUES: Final = 200
"""A field's commonest values; others are found by their range."""
FAILED: Final = "something failed"
_CLAIMS: Final = msgspec.json.Decoder(tuple[ClaimResult, ...])

Rows = Iterable[tuple[str, Iterable[int]]]
Columns = Callable[[str], list[tuple[int, Any]]]
"""The (row, value) of all records that have a value in a column."""


def made_rows(db: sqlite3.Connection, columns: Columns, name: str) -> dict[tuple[str, str], list[int]]:
    """The rows of each (folded, value) of a made field."""
    found: dict[tuple[str, str], list[int]] = {}
    for value, rows in MADE_FIELDS[name](db, columns):
        found.setdefault((value.casefold(), value), []).extend(rows)
    if len(found) > MAX_MADE_VALUES:
        kept = Counter({key: len(rows) for key, rows in found.items()}).most_common(MAX_MADE_VALUES)
        found = {key: found[key] for key, _ in kept}
    return found


def made_state(db: sqlite3.Connection, name: str) -> str:
    """What a made field depends on beside the fold."""
    if name != "verified":
        return ""
    return repr(db.execute("SELECT count(*), max(time_s) FROM observations").fetchone())


def _grouped(column: Iterable[tuple[int, Any]]) -> dict[Any, list[int]]:
    groups: dict[Any, list[int]] = {}
    for record_id, value in column:
        groups.setdefault(value, []).append(record_id)
    return groups


def _voltages(_db: sqlite3.Connection, columns: Columns) -> Rows:
    return [(f"{value:.6g}", rows) for value, rows in _grouped(columns("voltage_kv")).items()]


def _in_emdb(db: sqlite3.Connection, columns: Columns) -> Rows:
    having = {row[0] for row in db.execute("SELECT record_id FROM terms WHERE field = 'emdb_id'")}
    every = [record_id for record_id, _ in columns("height")]
    return [("yes", [one for one in every if one in having]), ("no", [one for one in every if one not in having])]


def _verified(db: sqlite3.Connection, columns: Columns) -> Rows:
    """Each claim that held of a record and of which nothing failed; and that something did."""
    observed: dict[int, dict[str, set[str]]] = {}
    for record_id, claim, outcome in db.execute(
        "SELECT r.id, o.claim, o.outcome FROM observations o JOIN records r ON r.content_id = o.dataset_id"
    ):
        observed.setdefault(record_id, {}).setdefault(claim, set()).add(outcome)
    for claims, rows in _grouped(columns("claims")).items():  # most records have the same
        said = {str(one.claim): {str(one.outcome)} for one in _CLAIMS.decode(claims)}
        for value in _values(said):
            yield value, [one for one in rows if one not in observed]
        for record_id in (one for one in rows if one in observed):
            newer = observed[record_id]
            both = {claim: said.get(claim, set()) | newer.get(claim, set()) for claim in (*said, *newer)}
            for value in _values(both):
                yield value, [record_id]


def _values(said: dict[str, set[str]]) -> list[str]:
    failed = [FAILED] if any(Outcome.FAILED in outcomes for outcomes in said.values()) else []
    held = [claim for claim, outcomes in said.items() if Outcome.HELD in outcomes and Outcome.FAILED not in outcomes]
    return failed + held


MADE_FIELDS: Final[dict[str, Callable[[sqlite3.Connection, Columns], Rows]]] = {
    "voltage_kv": _voltages,
    "in_emdb": _in_emdb,
    "verified": _verified,
}
