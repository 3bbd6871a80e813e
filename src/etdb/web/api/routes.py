"""The API's operations as routes: documents as JSON, kept by clients while the catalogue stays the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.web.api.answers import DATASET_OPERATIONS
from etdb.web.api.export import EXPORT_OPERATIONS
from etdb.web.api.ledger import LEDGER_OPERATIONS
from etdb.web.api.openapi import openapi_document
from etdb.web.api.operations import Operation, Reply
from etdb.web.api.problems import CORS, problem_response
from etdb.web.api.volumes import VOLUME_OPERATIONS
from etdb.web.portal import Portal

__all__ = ["BASE", "OPERATIONS", "api_routes"]

BASE: Final = "/api/v1"
OPERATIONS: Final = (*DATASET_OPERATIONS, *VOLUME_OPERATIONS, *LEDGER_OPERATIONS, *EXPORT_OPERATIONS)
MAX_QUERY_BYTES: Final = 16_384
_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "If-None-Match, Content-Type",
    "access-control-max-age": "86400",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_WHILE_SAME: Final = "no-cache"
_METHODS: Final = ["GET", "HEAD", "OPTIONS"]


def api_routes() -> list[Route]:
    """Every operation, and the description of all of them."""
    return [
        Route(f"{BASE}/openapi.json", _describe, methods=_METHODS),
        *(Route(BASE + one.path, _respond(one), methods=_METHODS, name=one.name) for one in OPERATIONS),
        Route("/api/{rest:path}", _nothing, methods=_METHODS),
    ]


def _respond(operation: Operation) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=CORS | _PREFLIGHT)
        portal: Portal = request.app.state.portal
        try:
            _refuse_unknown(request, operation)
            etag = f'"{portal.state()}"' if operation.depends_on_state else ""
            headers = CORS | ({"etag": etag, "cache-control": _WHILE_SAME} if etag else {})
            if etag and etag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            return _response(operation, operation.answer(request, portal), headers)
        except EtdbError as error:
            return problem_response(error, CORS)

    return respond


def _response(operation: Operation, reply: Reply, headers: dict[str, str]) -> Response:
    if reply.is_immutable:
        headers = headers | {"cache-control": _FOREVER}
    elif operation.live:
        headers = headers | {"cache-control": "no-store"}
    headers |= reply.headers
    if reply.pieces is not None:
        return StreamingResponse(reply.pieces, media_type=reply.media_type, headers=headers)
    body = reply.body if reply.document is None else _json(reply.document)
    return Response(body, media_type=reply.media_type, headers=headers)


def _json(document: Any) -> bytes:
    """A document as JSON; what is no Unicode, which a ledger may hold, by its escapes."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(document), separators=(",", ":")).encode()


def _refuse_unknown(request: Request, operation: Operation) -> None:
    if len(request.url.query) > MAX_QUERY_BYTES:
        raise InputError(f"a question has at most {MAX_QUERY_BYTES} bytes")
    known = {one.name for one in operation.parameters if one.place == "query"}
    if unknown := set(request.query_params) - known:
        raise InputError(
            f"there is no parameter {min(unknown)[:64]!r}", hint="parameters: " + (", ".join(sorted(known)) or "none")
        )


def _describe(request: Request) -> Response:
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=CORS | _PREFLIGHT)
    portal: Portal = request.app.state.portal
    body = msgspec.json.encode(openapi_document(portal.settings.name, OPERATIONS, BASE))
    return Response(body, media_type="application/json", headers=CORS | {"cache-control": _WHILE_SAME})


def _nothing(request: Request) -> Response:
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=CORS | _PREFLIGHT)
    return problem_response(NotFoundError("there is nothing at this address", hint=f"see {BASE}/openapi.json"), CORS)
