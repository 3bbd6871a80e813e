"""Errors of the API as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.responses import Response

from etdb.errors import EtdbError, InputError, NotFoundError

__all__ = ["Problem", "problem_response"]


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
    is_told = isinstance(error, (InputError, NotFoundError)) or error.http_status == HTTPStatus.TOO_MANY_REQUESTS
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(error.http_status).phrase,
        status=error.http_status,
        code=error.code,
        detail=error.message if is_told else "this cannot be answered now",
        hint=error.hint if is_told else "",
    )
    own = {"cache-control": "no-store", "x-content-type-options": "nosniff"} | (headers or {})
    return Response(
        msgspec.json.encode(problem),
        status_code=error.http_status,
        media_type="application/problem+json",
        headers=own,
    )
