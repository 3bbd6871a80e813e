"""Facets: how many of the found records have each value of a field."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

from etdb.catalogue.matching import Conditions
from etdb.catalogue.query import Query
from etdb.catalogue.sets import RecordSets
from etdb.catalogue.values import FacetValue

__all__ = ["count_facets"]


def count_facets(
    db: sqlite3.Connection, sets: RecordSets, query: Query, conditions: Conditions, found: int
) -> dict[str, tuple[FacetValue, ...]]:
    """The commonest values of each facet that is asked for.

    A field that is itself filtered is counted as if it were not, so that another value of it can be chosen.
    """
    counted = {}
    for name in query.facets:
        is_filtered = name in query.terms or name in query.ranges
        within = conditions.all_met(without=name) if is_filtered else found
        values = sets.values(db, name)
        if values is None:
            found_values = sets.coded(db, name).commonest(within, query.facet_limit)
            counted[name] = tuple(FacetValue(value=value, count=count) for value, count in found_values)
        else:
            counts = [(folded, value, (records & within).bit_count()) for (folded, value), records in values.items()]
            counted[name] = _commonest(counts, query.facet_limit)
    return counted


def _commonest(counts: Iterable[tuple[str, str, int]], limit: int) -> tuple[FacetValue, ...]:
    """Values that differ only in spelling are one, shown as most records spell it, the first by name of equals."""
    totals: Counter[str] = Counter()
    spellings: dict[str, tuple[int, str]] = {}
    for folded, value, count in counts:
        if count:
            totals[folded] += count
            spelling = (-count, value)
            spellings[folded] = min(spellings.get(folded, spelling), spelling)
    commonest = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return tuple(FacetValue(value=spellings[folded][1], count=count) for folded, count in commonest)
