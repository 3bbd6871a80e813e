"""What is asked and how it goes: a line of JSON for each request, and counts for Prometheus.

Who asked is not written down unless that is wanted: an address is a person's.
"""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etdb.web.wanted import Wanted

__all__ = ["RequestWatch", "Watched"]

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MAX_LOGGED_PATH: Final = 2_000
_CLASSES: Final = (
    ("/api", "api"),
    ("/oip/", "oip"),
    ("/alexandria/", "oip"),
    ("/ipfs/", "gateway"),
    ("/routing/", "routing"),
    ("/static/", "static"),
    ("/metrics", "machine"),
    ("/healthz", "machine"),
    ("/readyz", "machine"),
    ("/feed.atom", "machine"),
    ("/sitemap.xml", "machine"),
    ("/robots.txt", "machine"),
    ("/oembed", "machine"),
)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    time: str
    method: str
    path: str
    status: int
    ms: float
    bytes: int
    client: str = ""


class RequestWatch:
    """Counts requests, and writes a line for each where that is wanted. Can be used from several threads.

    Args:
        write: is given each line, with its end; None writes none.
        with_addresses: whether lines say who asked.
    """

    def __init__(self, write: Callable[[bytes], None] | None = None, *, with_addresses: bool = False) -> None:
        self._write, self._with_addresses = write, with_addresses
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str, str], int] = {}
        self._durations: dict[str, list[float]] = {}
        self._encoder = msgspec.json.Encoder()

    def note(self, method: str, path: str, *, status: int, seconds: float, count_bytes: int, client: str = "") -> None:
        """A request was answered; status 0 when the client or the answer broke off before there was one."""
        name = route_class(path)
        key = (name, method if method in _METHODS else "other", f"{status // 100}xx" if status else "none")
        with self._lock:
            self._requests[key] = self._requests.get(key, 0) + 1
            row = self._durations.setdefault(name, [0.0] * (len(BUCKETS_S) + 2))
            row[bisect_left(BUCKETS_S, seconds)] += 1
            row[-1] += seconds
        if self._write is not None:
            now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
            shown = path[:MAX_LOGGED_PATH].encode("utf-8", "replace").decode()
            who = client if self._with_addresses else ""
            line = _Line(now, method[:16], shown, status, round(seconds * 1000, 3), count_bytes, who)
            self._write(self._encoder.encode(line) + b"\n")

    def note_content(
        self, wanted: Wanted, status: int, seconds: float, count_bytes: int, connection: socket.socket
    ) -> None:
        """Content was sent by the lane for bytes, which knows no requests of this kind."""
        client = ""
        if self._with_addresses:
            with suppress(OSError):
                client = str(connection.getpeername()[0])
        method = "HEAD" if wanted.is_head else "GET"
        sent = 0 if wanted.is_head else count_bytes
        self.note(method, wanted.url_path, status=status, seconds=seconds, count_bytes=sent, client=client)

    def metrics(self) -> str:
        """The counts in Prometheus' text format."""
        with self._lock:
            requests, durations = dict(self._requests), {name: list(row) for name, row in self._durations.items()}
        lines = [
            "# HELP etdb_http_requests_total requests that were answered",
            "# TYPE etdb_http_requests_total counter",
        ]
        for (name, method, status), number in sorted(requests.items()):
            labels = f'route="{name}",method="{method}",status="{status}"'
            lines.append(f"etdb_http_requests_total{{{labels}}} {number}")
        lines += [
            "# HELP etdb_http_request_seconds from a request to the last byte handed over",
            "# TYPE etdb_http_request_seconds histogram",
        ]
        for name, row in sorted(durations.items()):
            total = 0
            for limit, within in zip((*map(str, BUCKETS_S), "+Inf"), row[:-1], strict=True):
                total += round(within)
                lines.append(f'etdb_http_request_seconds_bucket{{route="{name}",le="{limit}"}} {total}')
            lines.append(f'etdb_http_request_seconds_sum{{route="{name}"}} {row[-1]:.6f}')
            lines.append(f'etdb_http_request_seconds_count{{route="{name}"}} {total}')
        return "\n".join(lines) + "\n"


def route_class(path: str) -> str:
    """Which part of the site answers a path: of few, whatever is asked."""
    for beginning, name in _CLASSES:
        if path.startswith(beginning):
            return name
    return "page"


class Watched:
    """Notes each request that passes (ASGI)."""

    def __init__(self, app: ASGIApp, *, watch: RequestWatch) -> None:
        self._app, self._watch = app, watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = count = 0
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, count
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                count += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        except Exception:
            status = status or 500
            raise
        finally:
            self._watch.note(
                scope["method"],
                scope["path"],
                status=status,
                seconds=time.perf_counter() - began,
                count_bytes=count,
                client=_client(scope),
            )


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
