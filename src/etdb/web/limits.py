"""How much one client may ask: a bucket of requests for each address, which fills again with time.

A network of IPv6 (/64) counts as one address: whoever has one address of it has all. Files under ``/ipfs`` have limits
of their own, and what a watcher or a browser's cache asks is not counted.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from typing import Final

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from etdb.errors import InputError
from etdb.web.api.problems import CORS, problem_response

__all__ = ["Buckets", "Limited", "TooManyRequestsError"]

MAX_ADDRESSES: Final = 10_000
"""Buckets that are kept; beyond them the one not asked for longest begins anew."""
EXPORT_COST: Final = 25
_FREE: Final = ("/ipfs/", "/routing/", "/static/", "/healthz", "/readyz", "/metrics")
_COSTLY: Final = ("/api/v1/export/", "/alexandria/v2/artifact/get/type")


class TooManyRequestsError(InputError):
    """A client asks more than its share: ``retry_after_s`` says when to come again."""

    code = "too-many-requests"
    http_status = 429


class _Bucket(msgspec.Struct):
    tokens: float
    at_s: float


class Buckets:
    """Tokens by address; used by one thread.

    Args:
        per_second: tokens that come again each second.
        at_once: the most that a bucket holds.
    """

    def __init__(self, per_second: float, at_once: float) -> None:
        self._per_second, self._at_once = per_second, at_once
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, cost: float, now_s: float) -> float:
        """Take tokens; 0, or how many seconds to wait for them (nothing is taken then)."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = _Bucket(self._at_once, now_s)
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(address)
            bucket.tokens = min(self._at_once, bucket.tokens + (now_s - bucket.at_s) * self._per_second)
            bucket.at_s = now_s
        cost = min(cost, self._at_once)
        if bucket.tokens < cost:
            return (cost - bucket.tokens) / self._per_second
        bucket.tokens -= cost
        return 0.0


class Limited:
    """Answers 429 to who asks too much, and passes all else on (ASGI)."""

    def __init__(self, app: ASGIApp, *, buckets: Buckets) -> None:
        self._app, self._buckets = app, buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request's cost from its client's bucket."""
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        cost = EXPORT_COST if scope["path"].startswith(_COSTLY) else 1
        wait_s = self._buckets.take(_who(scope), cost, time.monotonic())
        if not wait_s:
            await self._app(scope, receive, send)
            return
        seconds = max(1, math.ceil(wait_s))
        error = TooManyRequestsError(
            "this address asks more than its share", hint=f"come again in {seconds} s", retry_after_s=seconds
        )
        await problem_response(error, {**CORS, "retry-after": str(seconds)})(scope, receive, send)


def _who(scope: Scope) -> str:
    client = scope.get("client")
    host = str(client[0]) if client else ""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
