"""The daemon's lists: its parameters, its answers, its errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from etdb.catalogue import DatasetView, Expression, Query
from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.oip import encode_go_json
from etdb.web.portal import Portal

__all__ = [
    "DAEMON_HEADERS",
    "DaemonError",
    "Make",
    "answered",
    "artifact_document",
    "daemon_json",
    "error_response",
    "found_list",
    "plain_list",
    "respond",
    "views_of",
]

MAX_LIMIT: Final = 1_000
MAX_DEEP: Final = 10_000
_USUAL_LIMIT: Final = 10
_END: Final = "end"
_SORTS: Final = {
    ("meta.time", "d"): "newest",
    ("meta.time", "a"): "oldest",
    ("meta.block", "d"): "newest",
    ("meta.block", "a"): "oldest",
    ("artifact.info.title", "a"): "title",
    ("artifact.details.speciesName", "a"): "species",
    ("artifact.details.microscopist", "a"): "microscopist",
    ("artifact.details.date", "d"): "date",
    ("artifact.details.date", "a"): "date-oldest",
}
DAEMON_HEADERS: Final = {
    "access-control-allow-origin": "*",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


Make = Callable[[Request, Portal], Response]
"""What makes the answer to a request."""


class DaemonError(InputError):
    """What the daemon answers 400 to."""


def respond(request: Request, document: Any, *, status: int = 200) -> Response:
    """A document as the daemon writes it; with ``pretty`` for people."""
    text = daemon_json(document)
    if request.query_params.get("pretty", "").lower() in {"1", "t", "true"}:
        text = msgspec.json.format(text, indent=2)
    return Response(text, status_code=status, media_type="application/json", headers=DAEMON_HEADERS)


def daemon_json(document: Any) -> bytes:
    """JSON as the daemon wrote it; what is no Unicode, which a ledger may hold, by its escapes."""
    try:
        return encode_go_json(document)
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def answered(make: Make) -> Callable[[Request], Response]:
    """An endpoint; what goes wrong is told in the daemon's form."""

    def answer(request: Request) -> Response:
        try:
            return make(request, request.app.state.portal)
        except EtdbError as error:
            return error_response(error)

    return answer


def error_response(error: EtdbError) -> Response:
    """An error in the daemon's form."""
    if isinstance(error, DaemonError):
        words = error.message
    elif isinstance(error, InputError):
        words = "invalid search request"
    else:
        words = "unable to execute search"
    body = {"error": words} | ({"detail": error.message[:300]} if isinstance(error, InputError) else {})
    return Response(
        daemon_json(body),
        status_code=400 if isinstance(error, InputError) else 500,
        media_type="application/json",
        headers=DAEMON_HEADERS | {"cache-control": "no-store"},
    )


def found_list(request: Request, portal: Portal, condition: Expression | None) -> Response:
    """The datasets that meet a condition, as a list of artifacts."""
    query = _asked(request, condition)
    if query is None:
        return plain_list(request, [], total=portal.search(Query(condition=condition, limit=1)).total)
    page = portal.search(query)
    results = [artifact_document(portal, view) for view in page.results]
    return plain_list(request, results, total=page.total, after=page.next_cursor)


def plain_list(request: Request, results: Sequence[Any], *, total: int | None = None, after: str = "") -> Response:
    """A list as all of them are. ``next`` is never empty after results: what follows the last page is an empty one."""
    following = quote_plus(json.dumps([after or _END], separators=(",", ":"))) if results else ""
    document = {
        "count": len(results),
        "total": len(results) if total is None else total,
        "results": list(results),
        "next": following,
    }
    return respond(request, document)


def artifact_document(portal: Portal, view: DatasetView) -> dict[str, Any]:
    """A dataset as the daemon's artifact: what stands on the ledger, with the edits up to this revision."""
    return {
        "artifact": portal.catalogue.artifact(view.dataset_id, revision=view.revision),
        "meta": {
            "block_hash": view.block_hash,
            "txid": view.content_id or view.dataset_id,
            "originalTxid": view.dataset_id,
            "block": view.height,
            "time": view.time_s,
            "type": "oip042",
        },
    }


def _asked(request: Request, condition: Expression | None) -> Query | None:
    """The common parameters; None for the page after the last."""
    asked = request.query_params
    limit = _whole(asked.get("limit", ""), _USUAL_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise DaemonError("invalid search request", hint=f"limit is from 1 to {MAX_LIMIT}")
    page = _whole(asked.get("page", ""), 0) if "limit" in asked else 0
    offset = max(0, page - 1) * limit
    if offset + limit > MAX_DEEP:
        raise DaemonError("page limit exceeded, use 'after' instead of 'page' for deep queries")
    cursor = _cursor(asked.get("after", ""))
    if cursor == _END:
        return None
    return Query(
        condition=condition,
        limit=limit,
        cursor=cursor,
        offset=0 if cursor else offset,
        sort=_sort(asked.get("sort", "")),
    )


def _whole(text: str, usual: int) -> int:
    """A number as the daemon reads it: what is none counts as not given."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else usual


def _cursor(text: str) -> str:
    if not text:
        return ""
    if text.startswith("%"):  # some clients send it on as it came
        text = unquote_plus(text)
    try:
        found = msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise DaemonError("invalid search request") from error
    return found[0] if found else ""


def _sort(text: str) -> str:
    if not text:
        return "newest"
    field, _, order = text.partition("$")[0].rpartition(":")
    found = _SORTS.get((field, order))
    if found is None:
        raise DaemonError("invalid search request", hint=f"no order by {text[:64]}")
    return found


def views_of(portal: Portal, beginning: str) -> list[DatasetView]:
    """The datasets whose id begins so; a dataset by a revision's id comes as that revision left it."""
    try:
        return [portal.get(beginning)]
    except NotFoundError:
        return []
    except InputError as error:
        candidates = [one for one in error.fields.get("candidates", []) if len(one) == 64]
        return [portal.get(one) for one in candidates]
