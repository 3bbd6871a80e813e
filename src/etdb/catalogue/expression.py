"""Conditions joined by AND, OR and NOT: the advanced search, as values, and the set of records that meet them.

Text is compared after folding case, accents and spaces; ``contains`` finds pieces of words too. Numbers are compared
as numbers and dates as days. A record without a value meets no condition on it, and so meets the denial of one.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import sqlite3
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from etdb.catalogue.fields import FIELDS_BY_NAME
from etdb.catalogue.sets import RecordSets, as_set
from etdb.catalogue.text import fold_term, parse_text, split_words
from etdb.errors import InputError

__all__ = [
    "ANYWHERE",
    "TEXT_FIELDS",
    "All",
    "AnyOf",
    "Expression",
    "Not",
    "Test",
    "check_expression",
    "operators_of",
    "records_meeting",
]

MAX_CONDITIONS: Final = 100
MAX_DEPTH: Final = 12
MAX_TEXT: Final = 1_000
ANYWHERE: Final = "any"
"""Instead of a field's name: the words may stand anywhere in the record."""
TEXT_FIELDS: Final = ("title", "description", "notes", "sample_preparation", "roles")
"""Fields of the record that are searched by their text, though they are no filters."""

Operator = Literal["contains", "is", "starts", "ends", "above", "below", "between"]
_TEXT: Final = ("contains", "is", "starts", "ends")
_NUMBER: Final = ("is", "above", "below", "between")
_FLAGS: Final = ("tilt_constant_increment", "nsfw")


class Test(msgspec.Struct, frozen=True, kw_only=True, tag="test"):
    """One condition. ``value`` is text, a number or a date; ``high`` is the other end of ``between``, both included.

    To contain "" is to have any value.
    """

    field: str
    operator: Operator
    value: str
    high: str = ""


class All(msgspec.Struct, frozen=True, tag="all"):
    """All of these."""

    parts: tuple[Expression, ...]


class AnyOf(msgspec.Struct, frozen=True, tag="any"):
    """At least one of these."""

    parts: tuple[Expression, ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """The contrary."""

    part: Expression


Expression = Test | All | AnyOf | Not


def check_expression(expression: Expression) -> None:
    """Whether every condition has a meaning.

    Raises:
        InputError: which one has not, or there are too many.
    """
    left = MAX_CONDITIONS

    def check(one: Expression, depth: int) -> None:
        nonlocal left
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            raise InputError(f"more than {MAX_CONDITIONS} conditions, or more than {MAX_DEPTH} within each other")
        if isinstance(one, Test):
            _check_test(one)
        elif isinstance(one, Not):
            check(one.part, depth + 1)
        else:
            for part in one.parts:
                check(part, depth + 1)

    check(expression, 0)


def operators_of(name: str) -> tuple[str, ...]:
    """The operators that a field is compared by.

    Raises:
        InputError: there is no such field.
    """
    if name == ANYWHERE:
        return ("contains",)
    if name in TEXT_FIELDS:
        return _TEXT
    field = FIELDS_BY_NAME.get(name)
    if field is None:
        hint = "fields: " + ", ".join((ANYWHERE, *TEXT_FIELDS, *FIELDS_BY_NAME))
        raise InputError(f"there is no field {name[:64]!r}", hint=hint)
    if name in _FLAGS or (field.is_made and not field.column):
        return ("is",)
    return _NUMBER if field.column else _TEXT


def _check_test(test: Test) -> None:
    if len(test.value) > MAX_TEXT or len(test.high) > MAX_TEXT:
        raise InputError(f"a condition has at most {MAX_TEXT} characters", field=test.field)
    known = operators_of(test.field)
    if test.operator not in known:
        raise InputError(
            f"{test.field} is not compared by {test.operator!r}",
            hint=f"for {test.field}: {', '.join(known)}",
            field=test.field,
        )
    if known is _NUMBER:
        _ends(test)
    elif test.field in _FLAGS and fold_term(test.value) not in ("yes", "no"):
        raise InputError(f"{test.field} is yes or no, not {test.value[:64]!r}", field=test.field)
    elif not _has_value(test):
        raise InputError(f"the condition on {test.field} has no value", field=test.field)


def _has_value(test: Test) -> bool:
    if test.field == ANYWHERE:
        return bool(split_words(test.value))
    return test.operator == "contains" or bool(fold_term(test.value))


def records_meeting(db: sqlite3.Connection, sets: RecordSets, expression: Expression, everything: int) -> int:
    """The set of records that meet an expression, within one read transaction.

    Args:
        db: the catalogue, within the transaction.
        sets: what is kept of it.
        expression: checked already.
        everything: the records that are looked among.
    """
    if isinstance(expression, Test):
        return everything & sets.meeting(db, ("test", expression), lambda: _meeting_test(db, sets, expression))
    if isinstance(expression, Not):
        return everything & ~records_meeting(db, sets, expression.part, everything)
    found = everything if isinstance(expression, All) else 0
    for part in expression.parts:
        records = records_meeting(db, sets, part, everything)
        found = found & records if isinstance(expression, All) else found | records
    return found


def _meeting_test(db: sqlite3.Connection, sets: RecordSets, test: Test) -> int:
    if test.field == ANYWHERE:
        return _saying(db, sets, test.value)
    if test.field in TEXT_FIELDS:
        holds = _holds(test)
        rows = db.execute("SELECT id, json_extract(CAST(document AS TEXT), ?) FROM records", (f"$.{test.field}",))
        return _chosen([row for row, text in rows if text and holds(fold_term(text))])
    field = FIELDS_BY_NAME[test.field]
    if field.column:
        low, high = _ends(test)
        rows_of = sets.column(db, field.column)
        if test.operator == "above":
            return _chosen([row for row, value in rows_of if value > low])
        if test.operator == "below":
            return _chosen([row for row, value in rows_of if value < low])
        return _chosen([row for row, value in rows_of if low <= value <= high])
    holds = _holds(test)
    if field.is_made:
        records = (rows for (folded, _), rows in (sets.values(db, test.field) or {}).items() if holds(folded))
        return functools.reduce(int.__or__, records, 0)
    terms = db.execute("SELECT record_id, folded FROM terms WHERE field = ?", (test.field,))
    return _chosen([row for row, folded in terms if holds(folded)])


def _saying(db: sqlite3.Connection, sets: RecordSets, value: str) -> int:
    """Whole words as the index knows them, in all their spellings, and pieces of words by looking at all text.

    The names end with the record's id, publisher and location: a piece of a hash says nothing, so only the whole is
    found there.
    """
    piece = " ".join(split_words(value))
    found = sets.of_rows(
        db,
        "SELECT s.rowid FROM search s JOIN records r ON r.id = s.rowid WHERE instr(s.title, ?1) "
        "OR instr(s.body, ?1) OR instr(substr(s.names, 1, instr(s.names, r.dataset_id) - 1), ?1)",
        piece,
    )
    wanted = parse_text('"' + value.replace('"', " ") + '"').wanted
    return found | sets.of_rows(db, "SELECT rowid FROM search WHERE search MATCH ?", wanted)


def _chosen(rows: list[int]) -> int:
    return as_set(rows, max(rows)) if rows else 0


def _holds(test: Test) -> Callable[[str], bool]:
    wanted = fold_term(test.value)
    if test.operator == "contains":
        return lambda text: wanted in text
    if test.operator == "starts":
        return lambda text: text.startswith(wanted)
    if test.operator == "ends":
        return lambda text: text.endswith(wanted)
    return lambda text: text == wanted


def _ends(test: Test) -> tuple[Any, Any]:
    """The ends of a condition on a number or a date, in the order of their size."""
    field = FIELDS_BY_NAME[test.field]
    ends = [_bound(field.kind, field.name, test.value)]
    ends.append(_bound(field.kind, field.name, test.high) if test.operator == "between" else ends[0])
    return min(ends), max(ends)


def _bound(kind: str, name: str, text: str) -> Any:
    written = text.strip()
    try:
        if kind == "date":
            return dt.date.fromisoformat(written).isoformat()
        number = float(written)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        wanted = "a date as YYYY-MM-DD" if kind == "date" else "a number"
        raise InputError(f"{name} needs {wanted}, not {written[:64]!r}", field=name)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
