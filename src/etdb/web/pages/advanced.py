"""Advanced search: rows of join, field, operator and value, read from a form and from a filter, made into one.

Rows are read from top to bottom: each is joined to all that stands above it. So NOT narrows, and what the rows mean is
said in words beside them. The page works without JavaScript; the server adds rows and drops them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct, structs
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from etdb.catalogue import All, AnyOf, Expression, Not, Query, Test, operators_of
from etdb.catalogue.expression import MAX_CONDITIONS, TEXT_FIELDS
from etdb.catalogue.fields import FIELDS_BY_NAME
from etdb.errors import EtdbError, InputError
from etdb.web.complexfilter import encode_filter, only_here, parse_filter
from etdb.web.pages.render import page
from etdb.web.pages.wording import OPERATOR_WORDS, condition_words, every_field, field_label
from etdb.web.portal import Portal

__all__ = ["Row", "advanced", "expression_of", "rows_of"]

MAX_ROWS: Final = 40
_BLANK_ROWS: Final = 3
_SUGGESTED: Final = 60
_SUGGESTING: Final = ("species", "lab", "microscopist", "microscope", "detector", "institution", "licence")


class Row(Struct, frozen=True, kw_only=True):
    """One line of the form. ``join`` is and, or, not (and not), or "or not"; of the first row only not counts."""

    join: str = "and"
    field: str = "any"
    operator: str = "contains"
    value: str = ""
    high: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether it asks for nothing."""
        return not self.value.strip() and not self.high.strip()

    @property
    def kind(self) -> str:
        """The type of its input."""
        field = FIELDS_BY_NAME.get(self.field)
        return "date" if field is not None and field.kind == "date" else "text"


_FIRST_JOINS: Final = (("and", "Find"), ("not", "NOT"))
_JOINS: Final = (("and", "AND"), ("or", "OR"), ("not", "NOT"), ("or-not", "OR NOT"))


def rows_from(pairs: Iterable[tuple[str, str]]) -> list[Row]:
    """The rows of a sent form: its names come once for each row, in order."""
    columns: dict[str, list[str]] = {name: [] for name in ("join", "field", "operator", "value", "high")}
    for name, value in pairs:
        if name in columns:
            columns[name].append(value)
    count = min(max(map(len, columns.values())), MAX_ROWS)

    def at(name: str, number: int, usual: str) -> str:
        return columns[name][number] if number < len(columns[name]) else usual

    return [
        Row(
            join=at("join", number, "and"),
            field=at("field", number, "any"),
            operator=at("operator", number, "contains"),
            value=at("value", number, ""),
            high=at("high", number, ""),
        )
        for number in range(count)
    ]


def expression_of(rows: Iterable[Row]) -> Expression | None:
    """What rows ask for, from top to bottom; None for blank ones alone.

    Raises:
        InputError: a row has no meaning; ``row`` counts from 1.
    """
    found: Expression | None = None
    for number, row in enumerate(rows, 1):
        if row.is_blank:
            continue
        try:
            one: Expression = _condition(row)
        except InputError as error:
            raise InputError(f"row {number}: {error.message}", hint=error.hint, row=number) from error
        if row.join in ("not", "or-not"):
            one = Not(one)
        kind = AnyOf if row.join in ("or", "or-not") else All
        if found is None:
            found = one
        elif isinstance(found, kind):
            found = kind((*found.parts, one))
        else:
            found = kind((found, one))
    return found


def _condition(row: Row) -> Test:
    if row.join not in dict(_JOINS):
        raise InputError(f"rows are joined by and, or, not, not by {row.join[:20]!r}")
    known = operators_of(row.field)
    operator = row.operator
    if operator not in known:
        words = ", ".join(OPERATOR_WORDS[one] for one in known)
        raise InputError(f"“{field_label(row.field)}” is not compared so", hint=f"it can be: {words}")
    if operator == "between" and not (row.value.strip() and row.high.strip()):
        raise InputError("“is between” needs both ends")
    test = Test(field=row.field, operator=operator, value=row.value, high=row.high if operator == "between" else "")  # type: ignore[arg-type]
    encode_filter(test)  # says what is wrong with it
    return test


def rows_of(expression: Expression) -> list[Row] | None:
    """Rows that mean an expression; None when no rows from top to bottom do."""
    if isinstance(expression, Test):
        return [Row(**structs.asdict(expression))]
    if isinstance(expression, Not):
        return [structs.replace(rows[0], join="not")] if (rows := _single(expression.part)) else None
    if not expression.parts:
        return []
    rows = rows_of(expression.parts[0])
    for part in expression.parts[1:]:
        inner = part.part if isinstance(part, Not) else part
        single = _single(inner)
        if rows is None or single is None:
            return None
        join = "and" if isinstance(expression, All) else "or"
        if isinstance(part, Not):
            join = "not" if join == "and" else "or-not"
        rows = [*rows, structs.replace(single[0], join=join)]
    return rows


def _single(expression: Expression) -> list[Row] | None:
    return rows_of(expression) if isinstance(expression, Test) else None


def advanced(request: Request, portal: Portal) -> Response:
    """The page, or the way to the results that it asks for."""
    asked = request.query_params
    pairs, act = asked.multi_items(), asked.get("do", "")
    sent = asked.get("filter", "").strip()
    trouble, hint, expression = "", "", None
    rows: list[Row] | None = rows_from(pairs) if "field" in asked else None
    try:
        if rows is None and sent:
            expression = parse_filter(sent)
            rows = rows_of(expression)
        else:
            rows = _changed(rows or [], act)
            expression = expression_of(rows)
        if expression is not None and act in ("search", "json"):
            made = urlencode({"filter": encode_filter(expression)}, errors="replace")
            return RedirectResponse(f"/datasets?{made}" if act == "search" else f"/advanced?{made}", status_code=303)
        total = portal.search(Query(condition=expression, limit=1)).total
    except EtdbError as error:
        if not isinstance(error, InputError):
            raise
        trouble, hint, total = error.message, error.hint or "", None
    is_foreign = rows is None and expression is not None
    shown = [*(rows or []), *[Row()] * (_BLANK_ROWS - len(rows or []))]
    return page(
        request,
        "advanced.html",
        status=400 if trouble else 200,
        rows=shown,
        is_foreign=is_foreign,
        fields=every_field(),
        operators=OPERATOR_WORDS,
        joins=_JOINS,
        first_joins=_FIRST_JOINS,
        trouble=trouble,
        hint=hint,
        total=total,
        words=condition_words(expression) if expression is not None else "",
        filter=encode_filter(expression) if expression is not None else sent,
        only_here=[field_label(name) for name in only_here(expression)] if expression is not None else [],
        suggestions=[(name, portal.values(name, limit=_SUGGESTED)) for name in _SUGGESTING],
        operators_by_field={name: operators_of(name) for name, _ in every_field()},
        max_rows=MAX_ROWS,
    )


def _changed(rows: list[Row], act: str) -> list[Row]:
    """The rows after one was added or dropped; blank ones at the end are dropped too."""
    if act.startswith("remove-") and act[7:].isdecimal() and int(act[7:][:4]) < len(rows):
        rows = [row for number, row in enumerate(rows) if number != int(act[7:])]
    while rows and rows[-1].is_blank:
        rows = rows[:-1]
    return [*rows, Row()] if act == "add" else rows


assert MAX_ROWS <= MAX_CONDITIONS
assert set(TEXT_FIELDS) <= {name for name, _ in every_field()}
