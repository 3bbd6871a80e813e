"""What stands before every answer: requests within limits, and safe headers.

The portal is for reading: a request needs no body. Absolute addresses in feeds and documents are made from the host
that was asked for, so that host must be one.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etdb.web.api.problems import Problem

__all__ = ["MAX_BODY_BYTES", "MAX_URL_BYTES", "SAFE_HEADERS", "Guard"]

MAX_URL_BYTES: Final = 8 * 1024
"""Path and query of a request."""
MAX_BODY_BYTES: Final = 64 * 1024
"""What a request may carry; nothing but questions is ever read of it."""
MAX_HEADER_BYTES: Final = 16 * 1024
"""Names and values of a request's headers together."""
SAFE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
"""Of every answer that says nothing else: it is what it is called, tells nobody, and does nothing."""
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_OWN_OPTIONS: Final = ("/ipfs/", "/routing/", "/api/", "/oip/", "/alexandria/")
"""Routes that answer OPTIONS themselves: pages from elsewhere may ask them."""
_ALLOWED: Final = "GET, HEAD, OPTIONS"


class Guard:
    """An ASGI middleware.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = _refusal(scope)
        if answer is None and scope["method"] == "OPTIONS" and not scope["path"].startswith(_OWN_OPTIONS):
            answer = Response(status_code=204, headers={"allow": _ALLOWED})
        await (answer or self._app)(scope, receive, send_safely)


def _refusal(scope: Scope) -> Response | None:
    """Why a request is not answered; None when it is."""
    headers = Headers(scope=scope)
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        return _problem(414, f"the address is longer than {MAX_URL_BYTES} bytes")
    if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEADER_BYTES:
        return _problem(431, f"the headers have more than {MAX_HEADER_BYTES} bytes")
    host = headers.get("host")
    if host is not None and _HOST.fullmatch(host) is None:
        return _problem(400, "the header Host is no name of a host")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return _problem(415, "the body of a request is not unpacked here")
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers:
        return _problem(411, "a request with a body says how long it is")
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY_BYTES:
        return _problem(413, f"a request has at most {MAX_BODY_BYTES} bytes")
    return None


def _problem(status: int, detail: str) -> Response:
    phrase = HTTPStatus(status).phrase
    problem = Problem(type="about:blank", title=phrase, status=status, code="request", detail=detail)
    headers = {"cache-control": "no-store", "connection": "close"}
    return Response(msgspec.json.encode(problem), status, headers, media_type="application/problem+json")
