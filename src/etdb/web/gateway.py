"""The trustless gateway as an ASGI application: ``GET`` and ``HEAD /ipfs/{cid}[/path]``, and who has a CID.

What it answers is in ``etdb.web.answers``; this is the general way to send it. Most bytes go out another way, see
``etdb.web.bytelane``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from etdb.blocks import BlockStore
from etdb.blocks.files import OpenPlace
from etdb.errors import EtdbError, NotFoundError
from etdb.web.answers import CROSS_ORIGIN, Answer, GatewayAnswers, error_answer, preflight_answer
from etdb.web.providers import ProviderAnswers
from etdb.web.wanted import Wanted

__all__ = ["gateway_app", "gateway_routes", "provider_routes"]

_PIECE_BYTES = 256 * 1024
_END = object()
_log = logging.getLogger(__name__)


def gateway_app(store: BlockStore, *, check: bool = True) -> Starlette:
    """The gateway as an ASGI application of its own.

    Args:
        store: what is served.
        check: see :class:`~etdb.web.answers.GatewayAnswers`.
    """
    answers, providers = GatewayAnswers(store, check=check), ProviderAnswers(store)
    app = Starlette(routes=[*gateway_routes(answers), *provider_routes(providers)])
    app.state.gateway, app.state.providers = answers, providers
    return app


def gateway_routes(answers: GatewayAnswers) -> list[Route]:
    """The gateway's routes, to be put into a larger application.

    An application whose ``state.gateway`` is the same ``answers`` has its bytes sent the fast way by ``serve``.
    """

    async def respond(request: Request) -> Response:
        if request.method == "OPTIONS":
            return _response(preflight_answer(), is_head=False)
        wanted = Wanted(
            is_head=request.method == "HEAD",
            cid=request.path_params["cid"],
            path=request.path_params.get("path", ""),
            url_path=request.scope["path"],
            query=dict(request.query_params),
            headers=dict(request.headers),
        )
        try:
            answer = await asyncio.to_thread(answers.answer, wanted)
        except EtdbError as error:
            answer = error_answer(error)
        return _response(answer, is_head=wanted.is_head)

    methods = ["GET", "HEAD", "OPTIONS"]
    return [
        Route("/ipfs/{cid}", respond, methods=methods),
        Route("/ipfs/{cid}/{path:path}", respond, methods=methods),
    ]


def provider_routes(providers: ProviderAnswers) -> list[Route]:
    """Delegated Routing: who has a CID. Of peers and names this gateway knows nothing, and says so with 501.

    So it does to announcements. Paths that the specification does not know are 400.
    """

    async def respond(request: Request) -> Response:
        if request.method == "OPTIONS":
            return _response(preflight_answer(), is_head=False)
        accept = request.headers.get("accept", "")
        try:
            answer = await asyncio.to_thread(
                providers.answer, request.path_params["cid"], dict(request.query_params), accept
            )
        except EtdbError as error:
            answer = error_answer(error)
        return _response(answer, is_head=request.method == "HEAD")

    async def not_made(request: Request) -> Response:
        if request.method == "OPTIONS":
            return _response(preflight_answer(), is_head=False)
        is_known = request.path_params["path"].partition("/")[0] in {"providers", "peers", "ipns"}
        return Response(status_code=501 if is_known else 400, headers=CROSS_ORIGIN)

    return [
        Route("/routing/v1/providers/{cid}", respond, methods=["GET", "HEAD", "OPTIONS"]),
        Route("/routing/v1/{path:path}", not_made, methods=["GET", "HEAD", "PUT", "POST", "OPTIONS"]),
    ]


def _response(answer: Answer, *, is_head: bool) -> Response:
    pieces = None if answer.pieces is None else _read_places(answer.pieces)
    if answer.place is not None:
        if not is_head:
            pieces = _read_place(answer.place)
        else:
            answer.place.close()
    if pieces is not None and not is_head:
        return _Stream(pieces, answer.body, answer.headers, answer.status)
    response = Response(b"" if is_head else bytes(answer.body), status_code=answer.status, headers=answer.headers)
    if "content-length" not in answer.headers:
        # No length is known of what was not made.
        del response.headers["content-length"]
    return response


def _read_places(pieces: Iterator[bytes | memoryview | OpenPlace]) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        if isinstance(piece, OpenPlace):
            yield from _read_place(piece)
        else:
            yield piece


def _read_place(place: OpenPlace) -> Iterator[bytes]:
    offset, end = place.offset, place.offset + place.length
    try:
        while offset < end:
            piece = os.pread(place.descriptor, min(_PIECE_BYTES, end - offset), offset)
            if not piece:
                raise NotFoundError("a file became shorter while it was sent")
            offset += len(piece)
            yield piece
    finally:
        place.close()


class _Stream(Response):
    """A body that comes in pieces from an iterator which blocks: one piece is sent while a thread makes the next."""

    def __init__(self, pieces: Iterator[Any], first: Any, headers: dict[str, str], status: int = 200) -> None:
        super().__init__(status_code=status, headers=headers)
        if "content-length" not in headers:
            del self.headers["content-length"]
        self._pieces, self._first = pieces, first

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.ensure_future(_until_gone(receive))
        piece, coming = self._first, self._next()
        try:
            while piece is not _END and not gone.done():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await coming
                if piece is not _END:
                    coming = self._next()
            if piece is _END:
                await send({"type": "http.response.body", "body": b""})
        except EtdbError as error:
            # The status is out: only breaking the connection off tells the client that the body is not whole.
            _log.warning("broke off a response: %s", error.message)
        finally:
            gone.cancel()
            with suppress(Exception):
                await coming

    def _next(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(None, next, self._pieces, _END)


async def _until_gone(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
