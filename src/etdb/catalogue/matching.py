"""The conditions of a query, each with the set of records that meet it."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from typing import Any

from etdb.catalogue.expression import records_meeting
from etdb.catalogue.query import Bound, Query, Range
from etdb.catalogue.sets import RecordSets, as_set, highest_first, lowest_first
from etdb.catalogue.text import TextQuery, fold_term, parse_text

__all__ = ["Conditions"]

_ALWAYS = ""
"""No field's name: what is never lifted."""


class Conditions:
    """What a query asks for, within one read transaction.

    Args:
        db, sets: the catalogue.
        query: checked already.
        text: its text, parsed.
    """

    def __init__(self, db: sqlite3.Connection, sets: RecordSets, query: Query, text: TextQuery) -> None:
        self._db = db
        self._sets = sets
        self._withdrawn = query.withdrawn
        self._met: dict[str, list[int]] = {}
        everything = sets.everything(db, withdrawn=query.withdrawn)
        for words in (text, parse_text(query.within_text)):
            if words.wanted:
                self._add(_ALWAYS, self.saying(words.wanted))
            if words.unwanted:
                self._add(_ALWAYS, everything & ~self.saying(words.unwanted))
        if query.condition is not None:
            self._add(_ALWAYS, records_meeting(db, sets, query.condition, everything))
        for name, values in query.within.items():
            if values:
                self._add(_ALWAYS, self._with_values(name, frozenset(map(_folded, values))))
        for name, values in query.terms.items():
            if values:
                self._add(name, self._with_values(name, frozenset(map(_folded, values))))
        for name, asked in query.ranges.items():
            if asked != Range():
                self._add(name, self._within(name, asked))

    def _add(self, name: str, records: int) -> None:
        self._met.setdefault(name, []).append(records)

    def all_met(self, *, without: str | None = None) -> int:
        """The records that meet all conditions, or all but those on one field."""
        found = self._sets.everything(self._db, withdrawn=self._withdrawn)
        for name, sets in self._met.items():
            if name != without:
                for records in sets:
                    found &= records
        return found

    def saying(self, match: str) -> int:
        """The records whose text matches an expression of the full-text index."""
        return self._sets.meeting(
            self._db,
            ("text", match),
            lambda: self._sets.of_rows(self._db, "SELECT rowid FROM search WHERE search MATCH ?", match),
        )

    def newest_saying(self, match: str, among: int) -> Iterator[int]:
        """The rows of those records, the highest first, looked up as they are asked for.

        Rows outside the span of the set ``among``, which is not empty, are not looked at.
        """
        span = next(lowest_first(among)), next(highest_first(among))
        sql = "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC"
        return (row for (row,) in self._db.execute(sql, (match, *span)))

    def _with_values(self, name: str, folded: frozenset[str]) -> int:
        values = self._sets.values(self._db, name)
        if values is not None:
            found = 0
            for (one, _), records in values.items():
                if one in folded:
                    found |= records
            return found
        marks = ", ".join("?" * len(folded))
        sql = f"SELECT record_id FROM terms WHERE field = ? AND folded IN ({marks})"  # noqa: S608  # marks only
        return self._sets.of_rows(self._db, sql, name, *folded)

    def _within(self, name: str, asked: Range) -> int:
        low, high = _bound(asked.low), _bound(asked.high)

        def find() -> int:
            rows = self._sets.column(self._db, name)
            found = [row for row, value in rows if (low is None or value >= low) and (high is None or value <= high)]
            return as_set(found, found[-1] if found else 0)

        return self._sets.meeting(self._db, ("range", name, low, high), find)


def _bound(bound: Bound) -> Any:  # of the kind that the column has
    return bound.isoformat()[:10] if isinstance(bound, dt.date) else bound


def _folded(value: str) -> str:
    return fold_term(value).encode("utf-8", "replace").decode()
