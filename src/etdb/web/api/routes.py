"""The API's operations as routes: documents as JSON, kept by clients while the catalogue stays the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.web.api.answers import OPERATIONS as DATASET_OPERATIONS
from etdb.web.api.openapi import openapi_document
from etdb.web.api.operations import Operation, Reply
from etdb.web.api.problems import problem_response
from etdb.web.api.volumes import VOLUME_OPERATIONS
from etdb.web.portal import Portal

__all__ = ["BASE", "api_routes"]

BASE: Final = "/api/v1"
OPERATIONS: Final = (*DATASET_OPERATIONS, *VOLUME_OPERATIONS)
_CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag, Link",
    "x-content-type-options": "nosniff",
}
_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "If-None-Match, Content-Type",
    "access-control-max-age": "86400",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_WHILE_SAME: Final = "no-cache"


def api_routes() -> list[Route]:
    """Every operation, and the description of all of them."""
    routes = [Route(BASE + one.path, _respond(one), methods=["GET", "OPTIONS"], name=one.name) for one in OPERATIONS]
    return [
        Route(f"{BASE}/openapi.json", _describe, methods=["GET", "OPTIONS"]),
        *routes,
        Route(f"{BASE}/{{rest:path}}", _nothing, methods=["GET", "OPTIONS"]),
    ]


def _respond(operation: Operation) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_CORS | _PREFLIGHT)
        portal: Portal = request.app.state.portal
        etag = f'"{portal.state()}"' if operation.depends_on_state else ""
        headers = _CORS | ({"etag": etag, "cache-control": _WHILE_SAME} if etag else {})
        try:
            _refuse_unknown(request, operation)
            if etag and etag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            reply = operation.answer(request, portal)
        except EtdbError as error:
            return problem_response(error, _CORS)
        if reply.is_immutable:
            headers["cache-control"] = _FOREVER
        return Response(_body(reply), media_type=reply.media_type, headers=headers | reply.headers)

    return respond


def _body(reply: Reply) -> bytes:
    return reply.body if reply.document is None else msgspec.json.encode(reply.document)


def _refuse_unknown(request: Request, operation: Operation) -> None:
    known = {one.name for one in operation.parameters if one.place == "query"}
    if unknown := set(request.query_params) - known:
        raise InputError(
            f"there is no parameter {min(unknown)[:64]!r}", hint="parameters: " + (", ".join(sorted(known)) or "none")
        )


def _describe(request: Request) -> Response:
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=_CORS | _PREFLIGHT)
    portal: Portal = request.app.state.portal
    body = msgspec.json.encode(openapi_document(portal.settings.name, OPERATIONS, BASE))
    return Response(body, media_type="application/json", headers=_CORS | {"cache-control": _WHILE_SAME})


def _nothing(_request: Request) -> Response:
    return problem_response(NotFoundError("there is nothing at this address", hint=f"see {BASE}/openapi.json"), _CORS)
