"""Asking an ASGI application without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from starlette.types import ASGIApp, Message

__all__ = ["Answered", "Ask", "ask", "asking", "document"]

Ask = Callable[..., "Answered"]
"""Takes an address and what ``ask`` takes."""


class Answered(Struct, frozen=True):
    """What came: ``headers`` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(
    app: ASGIApp,
    address: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    client: str = "127.0.0.1",
) -> Answered:
    """One request; the address begins with its path, and may have a query."""
    path, _, query = address.partition("?")
    given = {"host": "portal.test"} | dict(headers or {})
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": (client, 4711),
        "server": ("portal.test", 80),
        "state": {},
    }
    started: Message = {}
    pieces: list[bytes] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in started["headers"]}
    return Answered(started["status"], found, b"".join(pieces))


def asking(app: ASGIApp) -> Ask:
    """What asks an application, for callers without an event loop."""

    def one(address: str, **given: Any) -> Answered:
        return asyncio.run(ask(app, address, **given))

    return one


def document(answer: Answered) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.body)
