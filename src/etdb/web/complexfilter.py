"""The query files of the first downloader: conditions as the JSON of the npm package ``complex-filter``, both ways.

A file is an array, joined by AND, of ``{"type": "filter", "searchOn", "searchType", "searchFor", "not"}`` and of
``{"type": "AND" | "OR", "args": [...], "not"}`` (daviortega/complex-filter, commit bf42045; the paper's etdb-downloads
reads it). The package pastes all of it into JavaScript and evaluates that, so what is written here is escaped for the
two languages in which it is read there, regular expressions within quoted literals; and its ``not`` denies all that
stands before it in the same list, so what is denied is written as the first of its list.

What is read is never evaluated. Text with anchors is understood; other regular expressions are refused. Texts are
compared here without case and accents, there letter by letter: spell them as the records do.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from etdb.catalogue import (
    ANYWHERE,
    FIELDS,
    TEXT_FIELDS,
    All,
    AnyOf,
    Expression,
    Not,
    Test,
    check_expression,
    operators_of,
)
from etdb.catalogue.fields import FIELDS_BY_NAME
from etdb.errors import FormatError, InputError
from etdb.oip import load_json
from etdb.oip.wire import FIELDS as WIRE_FIELDS

__all__ = ["MAX_FILTER_BYTES", "encode_filter", "filter_schema", "load_filter", "only_here", "parse_filter"]

MAX_FILTER_BYTES: Final = 32_768
_HINT: Final = "the page /advanced of a portal makes such a filter"
_DAY_S: Final = 86_400
_MILLISECONDS: Final = 10**11
"""Times beyond this are in milliseconds, as old records have them (``etdb.oip.wire``)."""
_KEYS: Final = {
    "filter": frozenset(("type", "searchOn", "searchType", "searchFor", "not")),
    "AND": frozenset(("type", "args", "not")),
    "OR": frozenset(("type", "args", "not")),
}
_TO_OPERATOR: Final = {
    "contains": "contains",
    "exact": "is",
    "exactValue": "is",
    "startsWith": "starts",
    "endsWith": "ends",
    "lessThan": "below",
    "greaterThan": "above",
}
_TEXT_TYPES: Final = {"contains": "contains", "is": "exact", "starts": "startsWith", "ends": "endsWith"}
_FLAG: Final = "tilt_constant_increment"
_LISTS: Final = frozenset(("authors", "publications", "keywords"))
"""On the wire these are lists, which the package cannot look into."""
_NAMES: Final = (ANYWHERE, *TEXT_FIELDS, *FIELDS_BY_NAME)


def _paths() -> dict[str, str]:
    paths = {f.name: f"artifact.{f.section}.{f.wire[0]}" for f in WIRE_FIELDS if f.name in _NAMES}
    paths |= {"publisher": "artifact.floAddress", "timestamp_s": "artifact.timestamp"}
    return {name: paths.get(name, f"etdb.{name}") for name in _NAMES}


def _readable() -> dict[str, str]:
    known = {name: name for name in _NAMES} | {"floAddress": "publisher", "timestamp": "timestamp_s"}
    return known | {wire: f.name for f in WIRE_FIELDS if f.name in _NAMES for wire in f.wire}


_PATHS: Final = _paths()
_READABLE: Final = _readable()


def load_filter(path: Path) -> Expression:
    """Read a query file.

    Raises:
        InputError: it cannot be read, or as ``parse_filter``.
    """
    try:
        with path.open("rb") as file:
            return parse_filter(file.read(MAX_FILTER_BYTES + 1))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", path=str(path)) from error


def parse_filter(text: str | bytes) -> Expression:
    """What a filter asks for; ``[]`` asks for everything.

    Raises:
        InputError: it is no such JSON, too large, names what is no field, or has a regular expression that is more
            than text with anchors.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(data) > MAX_FILTER_BYTES:
        raise InputError(f"a filter has at most {MAX_FILTER_BYTES} bytes", hint=_HINT)
    try:
        document = load_json(data)
    except FormatError as error:
        raise InputError(error.message.replace("not a record", "this filter is no JSON"), hint=_HINT) from error
    if not isinstance(document, list):
        raise InputError("a filter is an array of conditions", hint=_HINT)
    expression = _joined(All, [_read(one) for one in document])
    check_expression(expression)
    return expression


def _joined(kind: type[All | AnyOf], parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _read(one: Any) -> Expression:
    if not isinstance(one, dict) or str(one.get("type")) not in _KEYS:
        raise InputError('each part of a filter has the "type" filter, AND or OR', hint=_HINT)
    if unknown := set(one) - _KEYS[one["type"]]:
        raise InputError(f"a filter's part has no {min(unknown)[:40]!r}", hint=_HINT)
    denied = one.get("not", False)
    if not isinstance(denied, bool):
        raise InputError('"not" is true or false', hint=_HINT)
    found = _read_test(one) if one["type"] == "filter" else _read_list(one)
    return Not(found) if denied else found


def _read_list(one: Mapping[str, Any]) -> Expression:
    args = one.get("args")
    if not isinstance(args, list) or not args:
        raise InputError(f'{one["type"]} needs "args", a list that is not empty', hint=_HINT)
    parts = [_read(part) for part in args]
    if one["type"] == "OR":
        return _with_ends(parts) or _joined(AnyOf, parts)
    return _joined(All, parts)


def _with_ends(parts: list[Expression]) -> Expression | None:
    """``between`` leaves out its ends there; here it takes them, and is written with both as alternatives."""
    match parts:
        case [
            All((Test(field=name, operator="above", value=low), Test(field=other, operator="below", value=high))),
            Test(field=third, operator="is", value=first),
            Test(field=fourth, operator="is", value=last),
        ] if (name, name, name, low, high) == (other, third, fourth, first, last):
            return Test(field=name, operator="between", value=low, high=high)
    return None


def _read_test(one: Mapping[str, Any]) -> Expression:
    path, kind, wanted = one.get("searchOn"), str(one.get("searchType")), one.get("searchFor")
    name = _READABLE.get(path.rpartition(".")[2]) if isinstance(path, str) and len(path) < 200 else None
    if name is None:
        hint = "fields: " + ", ".join(sorted(set(_READABLE)))
        raise InputError(f"there is no field {str(path)[:64]!r} to search on", hint=hint)
    field = FIELDS_BY_NAME.get(name)
    is_number = bool(field and field.column)
    if isinstance(wanted, bool) or not isinstance(wanted, (str, int, float)):
        raise InputError(f'"searchFor" of {path} is text or a number', hint=_HINT)
    if kind == "between":
        return _read_between(name, str(wanted))
    if kind == "regex" or (kind in _TO_OPERATOR and not is_number and name != _FLAG):
        return _read_text(name, kind, str(wanted))
    if kind not in _TO_OPERATOR:
        hint = "one of: " + ", ".join((*_TO_OPERATOR, "between", "regex"))
        raise InputError(f"there is no search type {kind[:40]!r}", hint=hint)
    operator = _TO_OPERATOR[kind]
    if name == _FLAG:
        value = {"1": "yes", "0": "no", "true": "yes", "false": "no"}.get(str(wanted), str(wanted))
    elif field is not None and field.kind == "date":
        value = _day(name, wanted, up=operator == "below")
    else:
        value = str(wanted)
    return Test(field=name, operator=operator, value=value)  # type: ignore[arg-type]  # checked by the caller


def _read_between(name: str, wanted: str) -> Expression:
    low, semicolon, high = wanted.partition(";")
    field = FIELDS_BY_NAME.get(name)
    if not semicolon or field is None or not field.column:
        raise InputError(f'{name} is between two numbers as "LOW;HIGH", not {wanted[:40]!r}', hint=_HINT)
    if field.kind == "date":
        first, last = (dt.date.fromisoformat(_day(name, one, up=up)) for one, up in ((low, False), (high, True)))
        try:
            ends = ((first + dt.timedelta(1)).isoformat(), (last - dt.timedelta(1)).isoformat())
        except OverflowError:
            raise InputError(f"{name} is between days of the calendar", field=name) from None
        return _ranged(name, *ends)
    if field.kind == "integer" and all(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", one, re.ASCII) for one in (low, high)):
        return _ranged(name, str(int(low) + 1), str(int(high) - 1))
    return All(
        (
            Test(field=name, operator="above", value=low.strip()),
            Test(field=name, operator="below", value=high.strip()),
        )
    )


def _ranged(name: str, low: str, high: str) -> Expression:
    """Whole numbers and days between two ends, both of them included; none when they are the wrong way round."""
    first, last = (int(one) if one.lstrip("+-").isdigit() else one for one in (low, high))
    if first > last:  # type: ignore[operator]  # both are of one kind
        return All((Test(field=name, operator="above", value=low), Test(field=name, operator="below", value=low)))
    if first == last:
        return Test(field=name, operator="is", value=low)
    return Test(field=name, operator="between", value=low, high=high)


def _day(name: str, wanted: str | float, *, up: bool) -> str:
    """The day of a time in Unix seconds (milliseconds beyond 1e11), or the first that begins not before it."""
    text = str(wanted).strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return dt.date.fromisoformat(text).isoformat()
        seconds = float(text)
        seconds = seconds / 1000 if abs(seconds) >= _MILLISECONDS else seconds
        days = math.ceil(seconds / _DAY_S) if up else math.floor(seconds / _DAY_S)
        return (dt.date(1970, 1, 1) + dt.timedelta(days)).isoformat()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name} is a date in Unix seconds, not {text[:40]!r}", field=name) from error


def _read_text(name: str, kind: str, wanted: str) -> Test:
    if kind == "exact":
        return Test(field=name, operator="is", value=_unquoted(wanted))
    pattern = wanted if kind == "regex" else _unquoted(wanted)
    starts, ends = kind == "startsWith", kind == "endsWith"
    if pattern.startswith("^"):
        pattern, starts = pattern[1:], True
    if re.search(r"(?<!\\)(?:\\\\)*\$\Z", pattern):
        pattern, ends = pattern[:-1], True
    text, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\" and at + 1 < len(pattern) and not pattern[at + 1].isalnum():
            letter, at = pattern[at + 1], at + 1
        elif letter in "\\^$*+?()[]{}|":
            raise InputError(
                f"{wanted[:64]!r} is a regular expression, which is not searched for here",
                hint="text alone, with ^ before it or $ behind it; a sign that is meant as such has \\ before it",
                field=name,
            )
        text.append(letter)
        at += 1
    operator = "is" if starts and ends else "starts" if starts else "ends" if ends else "contains"
    return Test(field=name, operator=operator, value="".join(text))  # type: ignore[arg-type]


_LITERAL: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.)|$)", re.DOTALL)


def _unquoted(text: str) -> str:
    """What a quoted literal of JavaScript means."""

    def letter(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        if code:
            return chr(int(code, 16))
        return {"n": "\n", "r": "\r", "t": "\t"}.get(found[3] or "", found[3] or "\\")

    return _LITERAL.sub(letter, text)


def _quoted(text: str) -> str:
    """Text as it stands between the quotes of a literal."""
    made = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return made.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def encode_filter(expression: Expression) -> str:
    """Conditions as this JSON, without needless spaces.

    Raises:
        InputError: a condition has no meaning, or there are too many.
    """
    check_expression(expression)
    while isinstance(expression, (All, AnyOf)) and len(expression.parts) == 1:
        expression = expression.parts[0]
    parts = expression.parts if isinstance(expression, All) else (expression,)
    text = json.dumps(_write_all(parts), ensure_ascii=False, separators=(",", ":"))
    if len(text.encode("utf-8", "replace")) > MAX_FILTER_BYTES:
        raise InputError(f"a filter has at most {MAX_FILTER_BYTES} bytes")
    return text


def _write_all(parts: tuple[Expression, ...]) -> list[dict[str, Any]]:
    written = []
    for number, part in enumerate(parts):
        one = _write(part)
        # There, what is denied takes along all that stands before it in its list.
        written.append({"type": "AND", "args": [one]} if number and one.get("not") else one)
    return written


def _write(expression: Expression) -> dict[str, Any]:
    if isinstance(expression, Test):
        return _write_test(expression)
    if isinstance(expression, Not):
        one = _write(expression.part)
        if one.get("not"):
            one = {"type": "AND", "args": [one]}
        return one | {"not": True}
    if not expression.parts:
        raise InputError("an empty list of conditions within others cannot be written")
    if len(expression.parts) == 1:
        return _write(expression.parts[0])
    kind = "AND" if isinstance(expression, All) else "OR"
    return {"type": kind, "args": _write_all(expression.parts)}


def _filter(name: str, kind: str, wanted: str | float) -> dict[str, Any]:
    return {"type": "filter", "searchOn": _PATHS[name], "searchType": kind, "searchFor": wanted}


def _write_test(test: Test) -> dict[str, Any]:
    field = FIELDS_BY_NAME.get(test.field)
    if test.field == _FLAG:
        return _filter(test.field, "exactValue", int(test.value.strip().casefold() == "yes"))
    if field is None or not field.column:
        text = test.value if test.operator == "is" else re.sub(r"([\\^$.*+?()\[\]{}|/])", r"\\\1", test.value)
        return _filter(test.field, _TEXT_TYPES[test.operator], _quoted(text))
    if field.kind == "date":
        return _write_days(test)
    low = _number(test.value)
    if test.operator != "between":
        kind = {"is": "exactValue", "above": "greaterThan", "below": "lessThan"}[test.operator]
        return _filter(test.field, kind, low)
    low, high = sorted((low, _number(test.high)))
    if low == high:
        return _filter(test.field, "exactValue", low)
    if field.kind == "integer" and isinstance(low, int) and isinstance(high, int):
        return _filter(test.field, "between", f"{low - 1};{high + 1}")
    ends = [_filter(test.field, "exactValue", end) for end in (low, high)]
    return {"type": "OR", "args": [_filter(test.field, "between", f"{low!r};{high!r}"), *ends]}


def _write_days(test: Test) -> dict[str, Any]:
    first, last = sorted((_second(test.value), _second(test.high if test.operator == "between" else test.value)))
    if test.operator == "above":
        return _filter(test.field, "greaterThan", first + _DAY_S - 1)
    if test.operator == "below":
        return _filter(test.field, "lessThan", first)
    return _filter(test.field, "between", f"{first - 1};{last + _DAY_S}")


def _second(day: str) -> int:
    seconds = (dt.date.fromisoformat(day.strip()) - dt.date(1970, 1, 1)).days * _DAY_S
    if seconds >= _MILLISECONDS - _DAY_S:
        raise InputError(f"{day.strip()} is too late to be written in seconds")
    return seconds


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def filter_schema() -> dict[str, Any]:
    """JSON Schema of the common filters: conditions, and one level of lists of them; deeper ones are read too."""
    numbers = [name for name, field in FIELDS_BY_NAME.items() if field.column and field.kind != "date"]
    texts = [name for name in (*TEXT_FIELDS, *FIELDS_BY_NAME) if operators_of(name)[0] == "contains"]

    def condition(names: list[str], kinds: list[str], wanted: dict[str, Any]) -> dict[str, Any]:
        properties = {
            "type": {"const": "filter"},
            "searchOn": {"enum": [_PATHS[name] for name in names]},
            "searchType": {"enum": kinds},
            "searchFor": wanted,
            "not": {"type": "boolean"},
        }
        needed = ["type", "searchOn", "searchType", "searchFor"]
        return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}

    leaf = {
        "anyOf": [
            condition(texts, list(_TEXT_TYPES.values()), {"type": "string", "pattern": "^[A-Za-z0-9]{1,40}$"}),
            condition(
                numbers,
                ["exactValue", "lessThan", "greaterThan"],
                {"type": "number", "minimum": -1_000_000_000, "maximum": 1_000_000_000},
            ),
        ]
    }
    properties = {
        "type": {"enum": ["AND", "OR"]},
        "args": {"type": "array", "items": leaf, "minItems": 1, "maxItems": 8},
        "not": {"type": "boolean"},
    }
    inner = {"type": "object", "properties": properties, "required": ["type", "args"], "additionalProperties": False}
    return {"type": "array", "items": {"anyOf": [leaf, inner]}, "maxItems": 8}


def only_here(expression: Expression) -> tuple[str, ...]:
    """The fields of an expression that the package cannot look at: those of this catalogue alone, lists, tags."""
    if isinstance(expression, Test):
        # Tags are one text on the wire, with commas: a piece can be found, a whole tag cannot be told.
        is_foreign = _PATHS[expression.field].startswith("etdb.") or expression.field in (*_LISTS, "nsfw")
        is_foreign = is_foreign or (expression.field == "tags" and expression.operator != "contains")
        return (expression.field,) if is_foreign else ()
    parts = (expression.part,) if isinstance(expression, Not) else expression.parts
    return tuple(dict.fromkeys(name for part in parts for name in only_here(part)))


assert {field.name for field in FIELDS} <= set(_PATHS)
