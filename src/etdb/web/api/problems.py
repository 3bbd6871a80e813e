"""Errors of the API as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct
from starlette.responses import Response

from etdb.errors import EtdbError, InputError

__all__ = ["CORS", "Problem", "problem_response", "status_problem"]

CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag, Link, Retry-After",
    "x-content-type-options": "nosniff",
}
"""Of every answer of the API: pages from anywhere may read it, and nothing guesses its type."""


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong: ``code`` for programs, ``detail`` and ``hint`` for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""


def problem_response(error: EtdbError, headers: dict[str, str] | None = None) -> Response:
    """An error as a response; what is inside of this machine is not told."""
    is_told = isinstance(error, InputError)
    return _response(
        error.http_status,
        error.code,
        error.message if is_told else "this cannot be answered now",
        error.hint if is_told else "",
        headers,
    )


def status_problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem that has no error of ours: a method that is not allowed, a fault inside."""
    return _response(status, HTTPStatus(status).name.lower().replace("_", "-"), detail, "", headers)


def _response(status: int, code: str, detail: str, hint: str, headers: dict[str, str] | None) -> Response:
    problem = Problem(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, hint=hint
    )
    own = {"cache-control": "no-store", "x-content-type-options": "nosniff"} | (headers or {})
    body = msgspec.json.encode(_encodable(problem))
    return Response(body, status_code=status, media_type="application/problem+json", headers=own)


def _encodable(problem: Problem) -> Problem:
    """Without lone surrogates, which JSON cannot carry."""
    texts = {name: getattr(problem, name).encode("utf-8", "replace").decode() for name in ("detail", "hint")}
    return msgspec.structs.replace(problem, **texts)
