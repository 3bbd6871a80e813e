"""Search: a query to SQL, pages by key, facets with counts. Every value goes in as a parameter."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import sqlite3
from collections import Counter
from typing import Any, Final

import msgspec

from etdb.catalogue.fields import SORTS_BY_NAME, Sort
from etdb.catalogue.query import Bound, Query, Range, check_query
from etdb.catalogue.text import TextQuery, fold_term, parse_text
from etdb.catalogue.values import FacetValue
from etdb.errors import InputError

__all__ = ["Found", "search_rows"]

_MAX_CURSOR: Final = 1_000
_MAX_SQL_INTEGER: Final = 2**63 - 1


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page by row numbers, before records are read."""

    record_ids: tuple[int, ...]
    total: int
    next_cursor: str
    facets: dict[str, tuple[FacetValue, ...]]


class _Where:
    """Conditions with their parameters, in step."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[Any] = []

    def add(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def sql(self) -> str:
        return " AND ".join(self.conditions) or "1"


_MATCH: Final = "r.id IN (SELECT rowid FROM search WHERE search MATCH ?)"


def _filters(query: Query, text: TextQuery, *, without: str = "") -> _Where:
    where = _Where()
    if text.wanted:
        where.add(_MATCH, text.wanted)
    if text.unwanted:
        where.add(f"NOT {_MATCH}", text.unwanted)
    for name, values in sorted(query.terms.items()):
        if values and name != without:
            marks = ", ".join("?" * len(values))
            where.add(
                f"r.id IN (SELECT record_id FROM terms WHERE field = ? AND folded IN ({marks}))",  # noqa: S608  # marks only
                name,
                *(fold_term(value).encode("utf-8", "replace").decode() for value in values),
            )
    for name, asked in sorted(query.ranges.items()):
        if name == without:
            continue
        low, high = (_bound(bound) for bound in (asked.low, asked.high))
        if asked == Range():
            continue
        if low is not None:
            where.add(f"r.{name} >= ?", low)
        if high is not None:
            where.add(f"r.{name} <= ?", high)
    return where


def _bound(bound: Bound) -> int | float | str | None:  # they differ here
    if isinstance(bound, dt.date):
        return bound.isoformat()[:10]
    if isinstance(bound, int) and abs(bound) > _MAX_SQL_INTEGER:
        return float("inf") if bound > 0 else float("-inf")
    return bound


def _relevance(text: TextQuery) -> tuple[str, list[str]]:
    """The tier of a hit: all words whole in the title, in title and names, anywhere, or only as beginnings.

    A tier depends on the record alone, unlike bm25, which every new record changes: so a cursor stays true.
    """
    if not text.wanted:
        return "r.id", []
    hit = "(r.id IN (SELECT rowid FROM search WHERE search MATCH ?))"
    whole = [f"{{title}} : ({text.exact})", f"{{title names}} : ({text.exact})", text.exact]
    return f"({hit} + {hit} + {hit})", whole


def _digest(query: Query) -> str:
    """What a cursor belongs to: the same words, filters and sort."""
    parts = (
        query.text,
        query.sort,
        sorted((name, sorted(values)) for name, values in query.terms.items()),
        sorted((name, repr(asked)) for name, asked in query.ranges.items()),
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _encode_cursor(query: Query, key: str | float, record_id: int) -> str:
    data = msgspec.json.encode([_digest(query), key, record_id])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode_cursor(query: Query) -> tuple[str | int | float, int]:
    wrong = InputError("this cursor is not one of this search", hint="begin again without a cursor")
    if len(query.cursor) > _MAX_CURSOR:
        raise wrong
    try:
        data = base64.b64decode(query.cursor + "=" * (-len(query.cursor) % 4), altchars=b"-_", validate=True)
        digest, key, record_id = msgspec.json.decode(data, type=tuple[str, str | int | float, int])
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise wrong from error
    if digest != _digest(query) or abs(record_id) > _MAX_SQL_INTEGER:
        raise wrong
    return key, record_id


def _sort(query: Query, text: TextQuery) -> tuple[Sort, str, list[str]]:
    name = query.sort or ("relevance" if text.wanted else "newest")
    sort = SORTS_BY_NAME[name]
    if name == "relevance":
        key, parameters = _relevance(text)
        return sort, key, parameters
    return sort, sort.key, []


def search_rows(db: sqlite3.Connection, query: Query) -> Found:
    """Answer a query within one read transaction.

    Raises:
        InputError: a name or number in the query has no meaning, or the cursor is of another search.
    """
    check_query(query)
    text = parse_text(query.text)
    where = _filters(query, text)
    total = db.execute(f"SELECT count(*) FROM records r WHERE {where.sql()}", where.parameters).fetchone()[0]  # noqa: S608
    sort, key, key_parameters = _sort(query, text)
    way, beyond = ("DESC", "<") if sort.descending else ("ASC", ">")
    page = _Where()
    page.add(where.sql(), *where.parameters)
    if query.cursor:
        last_key, last_id = _decode_cursor(query)
        page.add(f"({key}, r.id) {beyond} (?, ?)", *key_parameters, last_key, last_id)
    rows = db.execute(
        f"SELECT r.id, {key} AS sort_key FROM records r WHERE {page.sql()} "  # noqa: S608  # names are ours, values are parameters
        f"ORDER BY sort_key {way}, r.id {way} LIMIT ?",
        (*key_parameters, *page.parameters, query.limit + 1),
    ).fetchall()
    shown = rows[: query.limit]
    cursor = _encode_cursor(query, shown[-1][1], shown[-1][0]) if len(rows) > query.limit else ""
    return Found(
        record_ids=tuple(row[0] for row in shown),
        total=total,
        next_cursor=cursor,
        facets=_facets(db, query, text, where),
    )


def _facets(db: sqlite3.Connection, query: Query, text: TextQuery, where: _Where) -> dict[str, tuple[FacetValue, ...]]:
    counted: dict[str, tuple[FacetValue, ...]] = {}
    for name in query.facets:
        filtered = name in query.terms or name in query.ranges
        counted[name] = _count(db, name, _filters(query, text, without=name) if filtered else where, query.facet_limit)
    return counted


def _count(db: sqlite3.Connection, name: str, where: _Where, limit: int) -> tuple[FacetValue, ...]:
    chosen = "" if not where.conditions else f"AND record_id IN (SELECT r.id FROM records r WHERE {where.sql()})"  # noqa: S608
    totals: Counter[str] = Counter()
    spellings: dict[str, tuple[int, str]] = {}
    for folded, value, count in db.execute(
        f"SELECT folded, value, count(*) FROM terms WHERE field = ? {chosen} "  # noqa: S608
        "GROUP BY folded, value ORDER BY folded, value",
        (name, *where.parameters),
    ):
        totals[folded] += count
        if count > spellings.get(folded, (0, ""))[0]:
            spellings[folded] = (count, value)
    commonest = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return tuple(FacetValue(value=spellings[folded][1], count=count) for folded, count in commonest)
