"""Fields that are made of others when they are asked for: whole values that no row of ``terms`` holds.

They are no part of the fold, so a catalogue of any age has them: the voltage as a facet, whether there is an entry in
EMDB, and which claims held, those that were observed since included.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from etdb.trust import Claim, ClaimResult, Outcome

__all__ = ["MADE_FIELDS", "MAX_MADE_VALUES", "made_rows", "made_state"]

MAX_MADE_VALUES: Final = 200
"""A field's commonest values; others are found by their range."""
FAILED: Final = "something failed"
_CLAIMS: Final = msgspec.json.Decoder(tuple[ClaimResult, ...])

Rows = Iterable[tuple[str, int]]


def made_rows(db: sqlite3.Connection, name: str) -> dict[tuple[str, str], list[int]]:
    """The rows of each (folded, value) of a made field."""
    found: dict[tuple[str, str], list[int]] = {}
    for value, record_id in MADE_FIELDS[name](db):
        found.setdefault((value.casefold(), value), []).append(record_id)
    if len(found) > MAX_MADE_VALUES:
        kept = Counter({key: len(rows) for key, rows in found.items()}).most_common(MAX_MADE_VALUES)
        found = {key: found[key] for key, _ in kept}
    return found


def made_state(db: sqlite3.Connection, name: str) -> str:
    """What a made field depends on beside the fold."""
    if name != "verified":
        return ""
    return repr(db.execute("SELECT count(*), max(time_s) FROM observations").fetchone())


def _voltages(db: sqlite3.Connection) -> Rows:
    for record_id, value in db.execute("SELECT id, voltage_kv FROM records WHERE voltage_kv IS NOT NULL"):
        yield f"{value:.6g}", record_id


def _in_emdb(db: sqlite3.Connection) -> Rows:
    having = {row[0] for row in db.execute("SELECT record_id FROM terms WHERE field = 'emdb_id'")}
    for (record_id,) in db.execute("SELECT id FROM records"):
        yield ("yes" if record_id in having else "no"), record_id


def _verified(db: sqlite3.Connection) -> Rows:
    """Each claim that held of a record and of which nothing failed; and that something did."""
    outcomes: dict[int, dict[str, set[str]]] = {}
    read: dict[str, tuple[ClaimResult, ...]] = {}
    for record_id, claims in db.execute("SELECT id, claims FROM records"):
        results = read.get(claims)
        if results is None:
            results = read[claims] = _CLAIMS.decode(claims)
        outcomes[record_id] = {str(one.claim): {str(one.outcome)} for one in results}
    for record_id, claim, outcome in db.execute(
        "SELECT r.id, o.claim, o.outcome FROM observations o JOIN records r ON r.content_id = o.dataset_id"
    ):
        outcomes[record_id].setdefault(claim, set()).add(outcome)
    for record_id, claims in outcomes.items():
        if any(Outcome.FAILED in said for said in claims.values()):
            yield FAILED, record_id
        for claim in Claim:
            said = claims.get(claim, set())
            if Outcome.HELD in said and Outcome.FAILED not in said:
                yield str(claim.value), record_id


MADE_FIELDS: Final[dict[str, Callable[[sqlite3.Connection], Rows]]] = {
    "voltage_kv": _voltages,
    "in_emdb": _in_emdb,
    "verified": _verified,
}
