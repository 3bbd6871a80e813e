"""The question of a request: filters, words, order and page, the same in the list and in the exports."""

from __future__ import annotations

import re
from typing import Final

from msgspec import structs
from starlette.requests import Request

from etdb.catalogue import FACETS, FIELDS, MAX_PAGE, SORTS, Field, Query, parse_query
from etdb.errors import InputError
from etdb.web.api.operations import Parameter, asked_flag, asked_whole
from etdb.web.complexfilter import filter_schema, parse_filter

__all__ = ["EXPORT_PARAMETERS", "LIST_PARAMETERS", "wanted_query"]

_PLAIN: Final = frozenset({"q", "filter", "sort", "limit", "cursor", "facets", "files", "withdrawn"})
_USUAL_PAGE: Final = 20
_NUMBER: Final = r"-?[0-9]{1,19}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"
_FACET: Final = "|".join(FACETS)
_DATE: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"


def _schema(field: Field) -> dict[str, str]:
    if field.terms:
        return {"type": "string"}
    one = _DATE if field.kind == "date" else _NUMBER
    return {"type": "string", "pattern": rf"^(({one})?(\.\.({one})?)?)$"}


_FILTERS: Final = tuple(
    Parameter(
        name=field.name,
        description=field.help + (f", in {field.unit}" if field.unit else "") + (" (MIN..MAX)" if field.column else ""),
        schema=_schema(field),
        is_list=field.terms,
    )
    for field in FIELDS
)
_PATTERNS: Final = {one.name: re.compile(one.schema["pattern"]) for one in _FILTERS if "pattern" in one.schema}
_SELECTION: Final = (
    Parameter(name="q", description="Words to look for in all fields; `-word` leaves out.", example="flagella"),
    *_FILTERS,
    Parameter(
        name="filter",
        description="Conditions joined by AND, OR and NOT, as the JSON of complex-filter; /advanced makes it.",
        schema=filter_schema(),
        example=[
            {"type": "filter", "searchOn": "artifact.details.lab", "searchType": "contains", "searchFor": "Sample"}
        ],
        is_json=True,
    ),
    Parameter(
        name="withdrawn", description="Only datasets that their owner withdrew.", schema={"enum": ["true", "false"]}
    ),
)
LIST_PARAMETERS: Final = (
    *_SELECTION,
    Parameter(name="sort", description="The order.", schema={"type": "string", "enum": [one.name for one in SORTS]}),
    Parameter(
        name="limit", description="Datasets a page.", schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
    ),
    Parameter(name="cursor", description="`next_cursor` of the page before."),
    Parameter(
        name="facets",
        description="Facets to count, with commas: " + ", ".join(FACETS) + ".",
        schema={"type": "string", "pattern": f"^(({_FACET})(,({_FACET}))*)?$"},
        example="species,lab",
    ),
    Parameter(name="files", description="Whether files are listed.", schema={"enum": ["true", "false"]}),
)
EXPORT_PARAMETERS: Final = _SELECTION


def wanted_query(request: Request) -> Query:
    """The query of a request.

    Raises:
        InputError: a name or value in it has no meaning.
    """
    asked = request.query_params
    conditions = asked.get("filter", "").strip()
    filters = [(name, value) for name, value in asked.multi_items() if name not in _PLAIN]
    for name, value in filters:
        if name in _PATTERNS and not _PATTERNS[name].fullmatch(value):
            raise InputError(f"{name} is MIN..MAX, MIN.., ..MAX or one value, not {value[:64]!r}", field=name)
    query = parse_query(
        filters,
        text=asked.get("q", ""),
        sort=asked.get("sort", ""),
        limit=asked_whole(request, "limit", _USUAL_PAGE, 1, MAX_PAGE),
        cursor=asked.get("cursor", ""),
        facets=tuple(name for name in asked.get("facets", "").split(",") if name),
        withdrawn=asked_flag(request, "withdrawn"),
    )
    return structs.replace(query, condition=parse_filter(conditions)) if conditions else query
