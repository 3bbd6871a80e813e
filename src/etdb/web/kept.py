"""Answers that are kept while the catalogue stays as it is, and given again without asking it.

Kept is what says so itself: a whole answer of status 200 whose ETag begins with the state of the catalogue. A request
that was answered before then costs no thread, no query and no encoding. The key is all that such an answer may depend
on: the address asked, the name of this site that was used, and whether compressed bytes are taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["KeptAnswers"]

MAX_KEPT_BYTES: Final = 64 << 20
MAX_ANSWER_BYTES: Final = 1 << 20
_OWN_BYTES: Final = 1_024
"""What an answer takes beside its body, about."""
_NEVER: Final = ("/ipfs/", "/routing/", "/static/")

Headers = list[tuple[bytes, bytes]]
Key = tuple[object, ...]


class _Answer(msgspec.Struct, frozen=True):
    state: bytes
    etag: bytes
    headers: Headers
    body: bytes


class KeptAnswers:
    """Gives kept answers, and keeps those that pass (ASGI); used by one event loop.

    Args:
        app: what answers otherwise.
        state: the catalogue's state as it is now without looking it up, or None when it has to be looked up.
    """

    def __init__(self, app: ASGIApp, *, state: Callable[[], str | None]) -> None:
        self._app, self._state = app, state
        self._kept: OrderedDict[Key, _Answer] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or pass on and keep the answer."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or scope["path"].startswith(_NEVER):
            await self._app(scope, receive, send)
            return
        key, asked_etags, asks_again = _read(scope)
        state = self._state()
        answer = self._kept.get(key)
        if answer is not None and state is not None and answer.state == state.encode() and not asks_again:
            self._kept.move_to_end(key)
            await _give(answer, asked_etags, send, is_head=scope["method"] == "HEAD")
        elif scope["method"] == "GET" and not asked_etags:
            await self._pass(key, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        started: Message = {}

        async def keep(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
            elif started and not message.get("more_body") and len(message.get("body", b"")) <= MAX_ANSWER_BYTES:
                self._keep(key, started, message.get("body", b""))
                started = {}
            else:
                started = {}  # it comes in pieces, or is large
            await send(message)

        await self._app(scope, receive, keep)

    def _keep(self, key: Key, started: Message, body: bytes) -> None:
        headers: Headers = list(started["headers"])
        etag = next((value for name, value in headers if name == b"etag"), b"")
        state = etag[1:].rstrip(b'"').partition(b"-")[0]
        now = self._state()
        if started["status"] != 200 or now is None or state != now.encode():
            return
        self._forget(key)
        self._kept[key] = answer = _Answer(state, etag, headers, body)
        self._bytes += _size(key, answer)
        while self._bytes > MAX_KEPT_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        answer = self._kept.pop(key, None)
        if answer is not None:
            self._bytes -= _size(key, answer)


def _size(key: Key, answer: _Answer) -> int:
    return len(answer.body) + _OWN_BYTES + sum(len(part) for part in key if isinstance(part, (str, bytes)))


def _read(scope: Scope) -> tuple[Key, bytes, bool]:
    """The key, the ETags that the client has, and whether it wants the answer made anew."""
    host = etags = encodings = b""
    asks_again = False
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"if-none-match":
            etags = value
        elif name == b"accept-encoding":
            encodings = value
        elif name == b"range":
            asks_again = True
    key = (scope["path"], scope["query_string"], host, scope.get("scheme"), b"gzip" in encodings)
    return key, etags, asks_again


async def _give(answer: _Answer, etags: bytes, send: Send, *, is_head: bool) -> None:
    if etags and answer.etag in etags:
        headers = [(name, value) for name, value in answer.headers if name not in {b"content-length", b"content-type"}]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})
