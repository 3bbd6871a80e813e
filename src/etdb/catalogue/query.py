"""A question to the catalogue, as a value; the same words in a URL and on the command line."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from etdb.catalogue.expression import Expression, check_expression
from etdb.catalogue.fields import FACETS, FIELDS_BY_NAME, SORTS_BY_NAME, Field
from etdb.errors import InputError

__all__ = ["MAX_PAGE", "Query", "Range", "parse_query", "query_pairs"]

MAX_PAGE: Final = 1_000
MAX_VALUES: Final = 200
MAX_OFFSET: Final = 10_000
_EXACT: Final = 2**53
MAX_FACET_VALUES: Final = 1_000

Bound = int | float | dt.date | None


class Range(msgspec.Struct, frozen=True):
    """From ``low`` to ``high``, both included; None leaves that end open. Dates for fields that are dates."""

    low: Bound = None
    high: Bound = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for.

    Args:
        text: what a person typed (``etdb.catalogue.text`` says how it is read).
        terms: for a field, the whole values of which a record must have one; several fields must all fit.
        ranges: for a field, the range that the record's value must be in.
        within, within_text: as ``terms`` and ``text``, but never lifted where facets are counted: what a portal shows
            at all.
        condition: conditions joined by AND, OR and NOT, besides all others.
        sort: one of ``SORTS``; "" is relevance where there is text, else newest.
        limit: results a page, 1 to 1,000.
        cursor: ``Page.next_cursor`` of the page before, with the same text, filters and sort.
        offset: results that are left out before the page, at most 10,000; a cursor goes on at less cost.
        facets: fields whose values are counted. A field that is itself filtered is counted as if it were not, so
            that other values of it can be chosen.
        facet_limit: the commonest values a facet.
        withdrawn: look among the datasets that were withdrawn, and only there.
    """

    text: str = ""
    terms: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, Range] = {}
    within: dict[str, tuple[str, ...]] = {}
    within_text: str = ""
    condition: Expression | None = None
    sort: str = ""
    limit: int = 20
    cursor: str = ""
    offset: int = 0
    facets: tuple[str, ...] = ()
    facet_limit: int = 20
    withdrawn: bool = False


def check_query(query: Query) -> None:
    """Whether every name and number in a query has a meaning.

    Raises:
        InputError: which one has not.
    """
    for name, values in (*query.terms.items(), *query.within.items()):
        field = _field(name)
        if not field.terms:
            raise InputError(f"{name} is not compared whole", hint="give a range: MIN..MAX", field=name)
        if len(values) > MAX_VALUES:
            raise InputError(f"{len(values)} values for {name} are too many", field=name)
    for name, asked in query.ranges.items():
        field = _field(name)
        if not field.column:
            raise InputError(f"{name} has no range", hint="give a whole value", field=name)
        for bound in (asked.low, asked.high):
            if bound is not None and (isinstance(bound, dt.date) != (field.kind == "date")):
                raise InputError(f"{name} is a {field.kind}", field=name)
            if isinstance(bound, float) and math.isnan(bound):
                raise InputError(f"{name} needs a number", field=name)
    if query.condition is not None:
        check_expression(query.condition)
    for name in query.facets:
        if name not in FACETS:
            raise InputError(f"{name[:64]!r} is no facet", hint="facets: " + ", ".join(FACETS))
    if query.sort and query.sort not in SORTS_BY_NAME:
        raise InputError(f"{query.sort[:64]!r} is no sort", hint="one of: " + ", ".join(SORTS_BY_NAME))
    if not 1 <= query.limit <= MAX_PAGE:
        raise InputError(f"a page has 1 to {MAX_PAGE} results, not {query.limit}")
    if not 0 <= query.offset <= MAX_OFFSET:
        raise InputError(f"at most {MAX_OFFSET} results can be left out, not {query.offset}", hint="use the cursor")
    if not 0 <= query.facet_limit <= MAX_FACET_VALUES:
        raise InputError(f"a facet has 0 to {MAX_FACET_VALUES} values, not {query.facet_limit}")


def _field(name: str) -> Field:
    field = FIELDS_BY_NAME.get(name)
    if field is None:
        raise InputError(f"there is no field {name[:64]!r}", hint="fields: " + ", ".join(FIELDS_BY_NAME))
    return field


_WHOLE = re.compile(r"[+-]?\d{1,80}", re.ASCII)


def _bound(field: Field, text: str) -> Bound:
    written = text.strip()
    if not written:
        return None
    try:
        if field.kind == "date":
            return dt.date.fromisoformat(written)
        if _WHOLE.fullmatch(written):  # exactly: a float has 53 bits
            return int(written)
        number = float(written)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        wanted = "a date as YYYY-MM-DD" if field.kind == "date" else "a number"
        raise InputError(f"{field.name} needs {wanted}, not {written[:64]!r}", field=field.name)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def parse_query(
    pairs: Iterable[tuple[str, str]],
    *,
    text: str = "",
    sort: str = "",
    limit: int = 20,
    cursor: str = "",
    facets: tuple[str, ...] = (),
    withdrawn: bool = False,
) -> Query:
    """Read filters as people write them, in a URL (``?species=...``) or on the command line (``--where species=...``).

    A name may come more than once: any of its values will do. A range is ``MIN..MAX``, ``MIN..`` or ``..MAX``; one
    number or date alone is a range of that value.

    Raises:
        InputError: a name that is no field, or a value that does not fit it.
    """
    terms: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, Range] = {}
    for name, value in pairs:
        field = _field(name)
        if field.column and (".." in value or not field.terms):
            low, dots, high = value.partition("..")
            if name in ranges:
                raise InputError(f"two ranges for {name}", field=name)
            ranges[name] = Range(_bound(field, low), _bound(field, high if dots else low))
        else:
            terms[name] = (*terms.get(name, ()), value)
    query = Query(
        text=text,
        terms=terms,
        ranges=ranges,
        sort=sort,
        limit=limit,
        cursor=cursor,
        facets=facets,
        withdrawn=withdrawn,
    )
    check_query(query)
    return query


def query_pairs(query: Query) -> list[tuple[str, str]]:
    """A query's filters as pairs that ``parse_query`` reads: for links."""
    pairs = [(name, value) for name, values in query.terms.items() for value in values]
    for name, asked in query.ranges.items():
        low, high = ("" if bound is None else str(bound) for bound in (asked.low, asked.high))
        pairs.append((name, f"{low}..{high}"))
    return pairs
