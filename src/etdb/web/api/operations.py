"""An operation of the API as data: its path, what may be asked, what it answers; routes and OpenAPI are made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct, field
from starlette.requests import Request

from etdb.web.portal import Portal

__all__ = ["Operation", "Parameter", "Reply"]


class Parameter(Struct, frozen=True, kw_only=True):
    """Something that may stand in the query or the path; ``schema`` is JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    place: Literal["query", "path"] = "query"
    example: Any = None
    is_list: bool = False


class Reply(Struct, frozen=True, kw_only=True):
    """An answer: a document to be written as JSON, or bytes of another type."""

    document: Any = None
    body: bytes = b""
    media_type: str = "application/json"
    is_immutable: bool = False
    headers: dict[str, str] = {}


class Operation(Struct, frozen=True, kw_only=True):
    """What can be asked at a path.

    ``gives`` is the type of the document, or the media type of bytes. ``answer`` raises ``EtdbError``.
    """

    name: str
    path: str
    summary: str
    answer: Callable[[Request, Portal], Reply]
    gives: Any
    parameters: tuple[Parameter, ...] = ()
    tag: str = "datasets"
    depends_on_state: bool = True
