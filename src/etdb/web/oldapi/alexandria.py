"""The older API (``/alexandria/v2``), as oip-js and the first web site of ETDB-Caltech used it.

Its server's source is lost; what is known is what its clients ask and read (oip-js 1.1.34, etdb-react 2019).
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from etdb.catalogue import ANYWHERE, DatasetView, Expression, Query, Test
from etdb.errors import EtdbError
from etdb.web.oldapi.lists import (
    DAEMON_HEADERS,
    DaemonError,
    Make,
    answered,
    daemon_json,
    error_response,
    respond,
    views_of,
)
from etdb.web.portal import Portal

__all__ = ["alexandria_routes"]

MAX_QUESTION_BYTES: Final = 16_384
_BASE: Final = "/alexandria/v2"
_USUAL: Final = 20
_MOST: Final = 1_000
_FOUND: Final = 100
_SEARCHED: Final = {
    "*": ANYWHERE,
    "title": "title",
    "artifact.info.title": "title",
    "description": "description",
    "txid": ANYWHERE,
    "address": "publisher",
    "publisher": "publisher",
}
_ASKS: Final = {
    "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
    "access-control-allow-headers": "Content-Type",
}


def alexandria_routes() -> list[Route]:
    """All that is answered below ``/alexandria/v2``."""
    made: tuple[tuple[str, Make], ...] = (
        ("/artifact/get/type", _by_type),
        ("/artifact/get", _one),
        ("/research/tomogram/summary", _summary),
        ("/publisher/get/all", _publishers),
        ("/promoter/get/all", _nobody),
        ("/retailer/get/all", _nobody),
        ("/info", _info),
    )
    return [
        *(Route(_BASE + path, answered(make), methods=["GET", "HEAD"]) for path, make in made),
        Route(f"{_BASE}/search", _posted(_search), methods=["POST", "OPTIONS"]),
        Route(f"{_BASE}/searchTxComment", _posted(_search_text), methods=["POST", "OPTIONS"]),
    ]


def _posted(make: Callable[[Request, Portal, dict[str, Any]], Response]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=DAEMON_HEADERS | _ASKS)
        try:
            asked = await _body(request)
            return await run_in_threadpool(make, request, request.app.state.portal, asked)
        except EtdbError as error:
            return error_response(error)

    return answer


async def _body(request: Request) -> dict[str, Any]:
    """A small JSON object.

    Raises:
        DaemonError: it is none, or larger.
    """
    data = b""
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > MAX_QUESTION_BYTES:
                raise DaemonError("the question is too long")
    except ClientDisconnect as error:
        raise DaemonError("the question is not whole") from error
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DaemonError("the question is not a JSON object") from error


def _document(portal: Portal, view: DatasetView) -> dict[str, Any]:
    publisher = view.tomogram.publisher
    return {
        "oip042": {"artifact": portal.catalogue.artifact(view.dataset_id, revision=view.revision)},
        "txid": view.dataset_id,
        "publisher": publisher,
        "publisherName": view.publisher_name or publisher,
    }


def _by_type(request: Request, portal: Portal) -> Response:
    """A page of artifacts, or with ``results=*`` all of them, written while they are read."""
    asked = request.query_params
    query = _typed(asked.get("t", "*"), asked.get("st", "*"), asked.get("pub", ""))
    number = asked.get("results", str(_USUAL))
    if number == "*":
        total = portal.search(msgspec.structs.replace(query, limit=1)).total if query else 0
        pieces = _all(portal, query, total) if query else iter([b'{"total":0,"count":0,"pages":0,"results":[]}'])
        return StreamingResponse(pieces, media_type="application/json", headers=DAEMON_HEADERS)
    limit = min(_whole(number, "results"), _MOST)
    page = _whole(asked.get("page", "1"), "page")
    if query is None or limit == 0:
        return respond(request, {"total": 0, "count": 0, "pages": 0, "results": []})
    offset = (max(page, 1) - 1) * limit
    found = portal.search(msgspec.structs.replace(query, limit=limit, offset=offset))
    results = [_document(portal, one) for one in found.results]
    pages = math.ceil(found.total / limit)
    return respond(request, {"total": found.total, "count": len(results), "pages": pages, "results": results})


def _all(portal: Portal, query: Query, total: int) -> Iterator[bytes]:
    yield b'{"total":%d,"count":%d,"pages":1,"results":[' % (total, total)
    separator = b""
    for view in portal.scan(query):
        yield separator + daemon_json(_document(portal, view))
        separator = b","
    yield b"]}"


def _typed(kind: str, subtype: str, publisher: str) -> Query | None:
    """The question for a type; None for types that are not here."""
    if kind.lower() not in {"*", "research"} or subtype.lower() not in {"*", "tomogram"}:
        return None
    return Query(terms={"publisher": (publisher,)} if publisher else {})


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise DaemonError(f"{name} is a number")
    return int(text)


def _one(request: Request, portal: Portal) -> Response:
    views = views_of(portal, request.query_params.get("id", "").lower())
    if not views:
        return respond(request, {"error": "no such artifact"}, status=404)
    return respond(request, _document(portal, views[0]))


def _summary(request: Request, portal: Portal) -> Response:
    numbers = portal.statistics()
    document = {
        "total": numbers.datasets,
        "species": numbers.species,
        "publishers": {one.value: one.count for one in portal.values("publisher")},
    }
    return respond(request, document)


def _publishers(request: Request, portal: Portal) -> Response:
    """Who published: with the name that an address gave itself, else with the address."""
    documents = []
    for one in portal.values("publisher"):
        name = portal.catalogue.publisher_name(one.value) or one.value
        documents.append(_publisher(one.value, name))
    return respond(request, documents)


def _publisher(address: str, name: str) -> dict[str, Any]:
    return {
        "publisher-data": {"alexandria-publisher": {"name": name, "address": address}},
        "name": name,
        "address": address,
    }


def _nobody(request: Request, _portal: Portal) -> Response:
    return respond(request, [])


def _info(request: Request, portal: Portal) -> Response:
    numbers = portal.statistics()
    document = {
        "name": portal.settings.name,
        "version": importlib.metadata.version("etdb"),
        "artifacts": numbers.datasets,
        "publishers": numbers.publishers,
        "block": numbers.height,
    }
    return respond(request, document)


def _text_of(asked: dict[str, Any], name: str, usual: str = "") -> str:
    value = asked.get(name, usual)
    if not isinstance(value, str):
        raise DaemonError(f"{name} is text")
    return value


def _search(request: Request, portal: Portal, asked: dict[str, Any]) -> Response:
    """Artifacts, or publishers by their address; what is searched on is one of few fields."""
    words, on = _text_of(asked, "search-for"), _text_of(asked, "search-on", "*")
    protocol = _text_of(asked, "protocol", "media")
    if protocol == "publisher":
        found = [one.value for one in portal.values("publisher") if one.value == words]
        listed = [_publisher(one, portal.catalogue.publisher_name(one) or one) for one in found]
        return respond(request, {"status": "success", "response": listed})
    if protocol != "media":
        return respond(request, {"status": "success", "response": []})
    field = _SEARCHED.get(on)
    if field is None:
        raise DaemonError(f"there is no search on {on[:64]!r}")
    condition: Expression = Test(field=field, operator="contains", value=words)
    results = portal.search(Query(condition=condition, limit=_FOUND)).results
    return respond(request, {"status": "success", "response": [_document(portal, one) for one in results]})


def _search_text(request: Request, portal: Portal, asked: dict[str, Any]) -> Response:
    """Messages by the beginning of their record's id, which is what its clients look for."""
    words = _text_of(asked, "search").lower()
    found = (*portal.catalogue.messages_like(words, limit=10), *portal.catalogue.parts_of(words, limit=_MOST))
    listed = {one.txid: one.data.decode("utf-8", "replace") for one in found}
    return respond(request, [{"Hash": txid, "Message": text} for txid, text in listed.items()])
