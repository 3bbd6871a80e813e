"""The query language of the daemon's search (a part of Elasticsearch's ``query_string``) as conditions on our fields.

Words and phrases in quotes; ``field:word``, ``field:"phrase"``, ``field:(a OR b)``; ``AND``, ``OR``, ``NOT`` with
``&&``, ``||``, ``!``; ``+`` and ``-`` before a clause; ranges ``field:[a TO b]``, ``field:>=a``; ``field:*`` for "has a
value"; ``word*`` for beginnings. Clauses that stand side by side are joined by OR, as there. Not read: regular
expressions, distances (``~``), wildcards within words.

Reference: Elasticsearch 6, "Query String Query"; the fields are those of OIP 0.42 artifacts.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Final

from etdb.catalogue import ANYWHERE, RANGES, All, AnyOf, Expression, Not, Test
from etdb.errors import InputError
from etdb.oip.wire import FIELDS, role_of

__all__ = ["parse_question"]

MAX_QUESTION: Final = 2_000
MAX_DEPTH: Final = 12
_EVERYTHING: Final = All(())
_NOTHING: Final = AnyOf(())
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<open>\() | (?P<close>\)) |
    (?P<operator>AND\b|OR\b|NOT\b|&&|\|\||!) |
    (?P<sign>[+-](?=\S)) |
    (?P<range>[\[{]\s*(?P<low>[^\s\]}]+)\s+TO\s+(?P<high>[^\s\]}]+)\s*[\]}]) |
    "(?P<phrase>(?:[^"\\]|\\.)*)" |
    (?P<field>(?:[\w@-]|\\.)+(?:\.(?:[\w@*-]|\\.)+)*):(?!\S*//) |
    (?P<compared>[<>]=?[^\s()]+) |
    (?P<word>(?:[^\s()"\[\]{}<>:\\]|\\.|:(?=//))+)
    )""",
    re.VERBOSE,
)
_DISTANCE: Final = re.compile(r"~[0-9.]*\Z")
_BOOST: Final = re.compile(r"\^[0-9.]+\Z")
_CONSTANT: Final = {
    "artifact.type": "research",
    "artifact.subtype": "tomogram",
    "meta.type": "oip042",
    "meta.deactivated": "false",
    "meta.blacklist.blacklisted": "false",
    "meta.latest": "true",
}
_OURS: Final = {
    "artifact.floaddress": "publisher",
    "artifact.timestamp": "timestamp_s",
    "meta.block": "height",
    "meta.time": "published_on",
    "meta.txid": ANYWHERE,
    "meta.originaltxid": ANYWHERE,
    "artifact.storage.files.subtype": "file_role",
    "artifact.storage.files.ctype": "media_type",
    "artifact.storage.files.fname": ANYWHERE,
    "artifact.storage.files.dname": ANYWHERE,
    "artifact.storage.files.fnotes": ANYWHERE,
    **{f"artifact.{one.section}.{wire}".lower(): one.name for one in FIELDS for wire in one.wire},
}
_DATES: Final = frozenset({"acquired_on", "published_on"})
_FLAGS: Final = frozenset({"tilt_constant_increment", "nsfw"})
_LOWEST, _HIGHEST = "-1e300", "1e300"
_WORDS: Final = {"&&": "AND", "||": "OR", "!": "NOT"}


def parse_question(text: str) -> Expression:
    """Read a question.

    Raises:
        InputError: it is too long, too deep, or not of this language.
    """
    if len(text) > MAX_QUESTION:
        raise InputError(f"a question has at most {MAX_QUESTION} characters")
    reader = _Reader(text)
    found = reader.clauses(_anywhere, depth=0)
    if reader.kind:
        raise InputError("a closing bracket stands alone")
    return found


Make = Callable[[str, str], Expression]
"""Makes a condition of a word, and how it was written: word, phrase, range or compared."""


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.kind, self.value, self.ends = "", "", ("", "")
        self._next()

    def _next(self) -> None:
        if not self._text[self._at :].strip():
            self.kind = ""
            return
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise InputError(f"{self._text[self._at : self._at + 40]!r} is not understood here")
        self._at = found.end()
        self.kind = found.lastgroup if found.lastgroup not in {"low", "high"} else "range"  # type: ignore[assignment]
        self.value = found[self.kind]
        self.ends = (found["low"] or "", found["high"] or "")

    def clauses(self, make: Make, *, depth: int) -> Expression:
        """Clauses until a closing bracket or the end: OR of ANDs; what stands side by side counts as OR."""
        if depth > MAX_DEPTH:
            raise InputError(f"brackets deeper than {MAX_DEPTH}")
        either: list[Expression] = []
        must: list[Expression] = []
        without: list[Expression] = []
        while self.kind not in ("", "close"):
            if (self.kind, _WORDS.get(self.value, self.value)) == ("operator", "OR"):
                self._next()
                continue
            sign, clause = self._joined(make, depth)
            (must if sign == "+" else without if sign == "-" else either).append(clause)
        wanted: list[Expression] = [*must]
        if either and not must:  # what must be decides; the others would only count for the order
            wanted.append(_any_of(either))
        wanted += [Not(one) for one in without]
        return wanted[0] if len(wanted) == 1 else All(tuple(wanted))

    def _joined(self, make: Make, depth: int) -> tuple[str, Expression]:
        sign, clause = self._one(make, depth)
        parts = [Not(clause) if sign == "-" else clause]
        while self._is_and():
            self._next()
            other_sign, other = self._one(make, depth)
            parts.append(Not(other) if other_sign == "-" else other)
        return (sign, clause) if len(parts) == 1 else ("", All(tuple(parts)))

    def _is_and(self) -> bool:
        return self.kind == "operator" and _WORDS.get(self.value, self.value) == "AND"

    def _one(self, make: Make, depth: int) -> tuple[str, Expression]:
        sign = ""
        while self.kind == "sign" or (self.kind == "operator" and _WORDS.get(self.value, self.value) == "NOT"):
            is_plus = self.kind == "sign" and self.value == "+"
            sign = "+" if is_plus else "" if sign == "-" else "-"
            self._next()
        return sign, self._clause(make, depth)

    def _clause(self, make: Make, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise InputError(f"brackets and fields deeper than {MAX_DEPTH}")
        kind, value = self.kind, self.value
        if kind in ("", "close", "operator"):
            raise InputError("a word is missing after an operator, or between brackets")
        if kind == "open":
            self._next()
            found = self.clauses(make, depth=depth + 1)
            if self.kind != "close":
                raise InputError("a bracket is not closed")
            self._next()
            return found
        if kind == "field":
            self._next()
            before = self.value if self.kind == "sign" else ""
            if before:  # of a number: field:-8
                self._next()
                if self.kind != "word":
                    raise InputError(f"a number is missing after {value}:{before}")
                self.value = before + self.value
            return self._clause(_on_field(_plain(value)), depth + 1)
        if kind == "range":
            value = " ".join(map(_plain, self.ends))
            value = f"[{value}" if self.value[0] == "[" else f"{{{value}"
        elif kind == "word":
            value = _BOOST.sub("", value)
        self._next()
        return make(value if kind in {"range", "word"} else _plain(value), kind)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _any_of(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _anywhere(value: str, kind: str) -> Expression:
    if kind in {"range", "compared"}:
        raise InputError("a range needs a field before it")
    if kind == "word":
        if value in {"*", "*.*"}:
            return _EVERYTHING
        value = _without_stars(value)
    return Test(field=ANYWHERE, operator="contains", value=value)


def _without_stars(value: str) -> str:
    """A word whose beginning or end is enough; every condition on text is met by pieces of words as well."""
    plain = _plain(value.strip("*"))
    if not plain or "*" in plain or "?" in plain or _DISTANCE.search(plain) or plain.startswith("/"):
        raise InputError(f"{value[:40]!r} is not understood: wildcards within words, regular expressions and distances")
    return plain


def _on_field(name: str) -> Make:
    key = name.lower()
    if key in {"*", "_all"}:
        return _anywhere
    if key == "_exists_":
        return lambda value, _kind: _has(_ours(value.lower()))
    if key in _CONSTANT:
        return lambda value, _kind: _EVERYTHING if value.strip("*").lower() in (_CONSTANT[key], "") else _NOTHING
    ours = _ours(key)
    return lambda value, kind: _test(ours, value, kind)


def _ours(key: str) -> str:
    """Our name of a field; "" for one that no record has here."""
    return _OURS.get(key) or _OURS.get(f"artifact.{key}") or _OURS.get(f"artifact.details.{key}") or ""


def _has(field: str) -> Expression:
    if not field:
        return _NOTHING
    if field == ANYWHERE:
        return _EVERYTHING
    if field in _FLAGS:
        return AnyOf(tuple(Test(field=field, operator="is", value=one) for one in ("yes", "no")))
    if field not in RANGES:
        return Test(field=field, operator="contains", value="")
    low, high = ("0001-01-01", "9999-12-31") if field in _DATES else (_LOWEST, _HIGHEST)
    return Test(field=field, operator="between", value=low, high=high)


def _test(field: str, value: str, kind: str) -> Expression:
    if value == "*" and kind == "word":
        return _has(field)
    if not field:
        return _NOTHING
    if kind in {"range", "compared"}:
        return _ranged(field, value, kind)
    value = _without_stars(value) if kind == "word" else value
    if field in _FLAGS:
        return Test(field=field, operator="is", value="yes" if value.lower() in {"1", "true", "yes"} else "no")
    if field == "file_role":
        role = role_of("tomogram", value)
        return Test(field=field, operator="is", value=role) if role else _NOTHING
    if field in RANGES:
        return Test(field=field, operator="is", value=_bound(field, value, high=False))
    return Test(field=field, operator="contains", value=value)


def _ranged(field: str, value: str, kind: str) -> Expression:
    if field not in RANGES:
        raise InputError(f"{field} has no order that a range could be of")
    if kind == "compared":
        sign, number = value[: 2 if value[1] == "=" else 1], value[2 if value[1] == "=" else 1 :]
        bound = _bound(field, _plain(number.strip('"')), high=sign.startswith(">"))
        test = Test(field=field, operator="above" if sign[0] == ">" else "below", value=bound)
        return AnyOf((test, Test(field=field, operator="is", value=bound))) if len(sign) == 2 else test
    low, high = value[1:].split(" ")
    ends = [_bound(field, low.strip('"'), high=False), _bound(field, high.strip('"'), high=True)]
    between = Test(field=field, operator="between", value=ends[0], high=ends[1])
    if value[0] == "[":
        return between
    return All((between, *(Not(Test(field=field, operator="is", value=end)) for end in ends)))


def _bound(field: str, text: str, *, high: bool) -> str:
    """A bound as our fields are compared: dates of the wire are Unix seconds, or milliseconds."""
    if field not in _DATES:
        return (_HIGHEST if high else _LOWEST) if text == "*" else text
    if text == "*":
        return "9999-12-31" if high else "0001-01-01"
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        seconds = int(text) / (1000 if abs(int(text)) >= 10**11 else 1)
        try:
            return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)).date().isoformat()
        except OverflowError:
            raise InputError(f"{text} is no date") from None
    return text
