"""Search: the set of records that a query finds, a page of it in order, facets with counts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from etdb.catalogue.facets import count_facets
from etdb.catalogue.fields import SORTS_BY_NAME, Sort
from etdb.catalogue.matching import Conditions
from etdb.catalogue.query import Query, check_query
from etdb.catalogue.sets import RecordSets, as_set, has_each, highest_first, lowest_first
from etdb.catalogue.text import TextQuery, parse_text
from etdb.catalogue.values import FacetValue
from etdb.errors import InputError

__all__ = ["Found", "search_rows", "total_rows"]

_MAX_CURSOR: Final = 1_000
_MAX_SQL_INTEGER: Final = 2**63 - 1


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page by row numbers, before records are read."""

    record_ids: tuple[int, ...]
    total: int
    next_cursor: str
    facets: dict[str, tuple[FacetValue, ...]]


def _digest(query: Query) -> str:
    """What a cursor belongs to: the same words, filters and sort."""
    parts = (
        query.text,
        query.sort,
        *([query.withdrawn] if query.withdrawn else []),
        sorted((name, sorted(values)) for name, values in query.terms.items()),
        sorted((name, repr(asked)) for name, asked in query.ranges.items()),
        query.within_text,
        query.condition,
        sorted((name, sorted(values)) for name, values in query.within.items()),
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _encode_cursor(query: Query, key: str | float, record_id: int) -> str:
    data = msgspec.json.encode([_digest(query), key, record_id])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _wrong_cursor() -> InputError:
    return InputError("this cursor is not one of this search", hint="begin again without a cursor")


def _decode_cursor(query: Query) -> tuple[str | int | float, int]:
    if len(query.cursor) > _MAX_CURSOR:
        raise _wrong_cursor()
    try:
        data = base64.b64decode(query.cursor + "=" * (-len(query.cursor) % 4), altchars=b"-_", validate=True)
        digest, key, record_id = msgspec.json.decode(data, type=tuple[str, str | int | float, int])
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise _wrong_cursor() from error
    if digest != _digest(query) or abs(record_id) > _MAX_SQL_INTEGER:
        raise _wrong_cursor()
    return key, record_id


def search_rows(db: sqlite3.Connection, sets: RecordSets, query: Query) -> Found:
    """Answer a query within one read transaction.

    Raises:
        InputError: a name or number in the query has no meaning, or the cursor is of another search.
    """
    check_query(query)
    text = parse_text(query.text)
    conditions = Conditions(db, sets, query, text)
    found = conditions.all_met()
    name = query.sort or ("relevance" if text.wanted else "newest")
    after = _decode_cursor(query) if query.cursor else None
    rows: Iterator[tuple[Any, int]]
    if name == "relevance" and text.wanted:
        rows = _by_relevance(conditions, text, found, after)
    elif SORTS_BY_NAME[name].key in ("", "r.id"):
        rows = _by_age(found, after, newest_first=SORTS_BY_NAME[name].descending)
    else:
        rows = _by_key(db, sets, SORTS_BY_NAME[name], found, after)
    shown = list(itertools.islice(rows, query.offset, query.offset + query.limit + 1))
    cursor = ""
    if len(shown) > query.limit:
        del shown[query.limit :]
        cursor = _encode_cursor(query, *shown[-1])
    return Found(
        record_ids=tuple(record_id for _, record_id in shown),
        total=found.bit_count(),
        next_cursor=cursor,
        facets=count_facets(db, sets, query, conditions, found),
    )


def total_rows(db: sqlite3.Connection, sets: RecordSets, query: Query) -> tuple[int, int]:
    """The bytes and the files of all records found, within one read transaction.

    Raises:
        InputError: as ``search_rows``.
    """
    check_query(query)
    is_found = has_each(Conditions(db, sets, query, parse_text(query.text)).all_met())
    columns = (sets.column(db, name) for name in ("size_bytes", "file_count"))
    size_bytes, files = (sum(value for row, value in column if is_found(row)) for column in columns)
    return size_bytes, files


def _by_age(found: int, after: tuple[Any, int] | None, *, newest_first: bool) -> Iterator[tuple[int, int]]:
    if newest_first:
        records = found if after is None else found & ((1 << max(after[1], 0)) - 1)
        return ((record_id, record_id) for record_id in highest_first(records))
    first = 0 if after is None else max(after[1] + 1, 0)
    return ((record_id, record_id) for record_id in lowest_first(found >> first << first))


def _by_relevance(
    conditions: Conditions, text: TextQuery, found: int, after: tuple[Any, int] | None
) -> Iterator[tuple[int, int]]:
    """By tier: all words whole in the title, in title and names, anywhere, or only as beginnings; then newest first.

    A tier depends on the record alone, unlike bm25, which every new record changes: so a cursor stays true. A tier is
    looked up only when the page reaches it, and no further than the page goes.
    """
    tiers = (f"{{title}} : ({text.exact})", f"{{title names}} : ({text.exact})", text.exact, "")
    for tier, match in zip(range(len(tiers) - 1, -1, -1), tiers, strict=True):
        if not found:
            return
        if match and (after is None or tier < after[0]):
            reached = []
            for record_id in filter(has_each(found), conditions.newest_saying(match, found)):
                reached.append(record_id)
                yield tier, record_id
            found &= ~as_set(reached, max(reached, default=0))
            continue
        records = found & conditions.saying(match) if match else found
        found &= ~records
        if after is not None and tier > after[0]:
            continue
        if after is not None and tier == after[0]:
            records &= (1 << max(after[1], 0)) - 1
        yield from ((tier, record_id) for record_id in highest_first(records))


def _by_key(
    db: sqlite3.Connection, sets: RecordSets, sort: Sort, found: int, after: tuple[Any, int] | None
) -> Iterator[tuple[Any, int]]:
    order = sets.ordered(db, sort.key)
    first, last = 0, len(order.keys)
    if after is not None:
        try:
            first, last = (
                (0, bisect_left(order.keys, after)) if sort.descending else (bisect_right(order.keys, after), last)
            )
        except TypeError:  # a number where this sort has text
            raise _wrong_cursor() from None
    return order.found(found, first, last, descending=sort.descending)
