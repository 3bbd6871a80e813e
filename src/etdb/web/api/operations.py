"""An operation of the API as data: its path, what may be asked, what it answers; routes and OpenAPI are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from msgspec import Struct, field
from starlette.requests import Request

from etdb.errors import InputError
from etdb.web.portal import Portal

__all__ = ["DATASET_ID", "Operation", "Parameter", "Reply", "asked_base", "asked_flag", "asked_whole"]


class Parameter(Struct, frozen=True, kw_only=True):
    """Something that may stand in the query or the path; ``schema`` is JSON Schema (``is_json``: of its JSON)."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    place: Literal["query", "path"] = "query"
    example: Any = None
    is_list: bool = False
    is_json: bool = False


class Reply(Struct, frozen=True, kw_only=True):
    """An answer: a document to be written as JSON, bytes of another type, or pieces of them one after the other."""

    document: Any = None
    body: bytes = b""
    pieces: Iterator[bytes] | None = None
    media_type: str = "application/json"
    is_immutable: bool = False
    headers: dict[str, str] = {}


class Operation(Struct, frozen=True, kw_only=True):
    """What can be asked at a path.

    ``gives`` is the type of the document, or the media type of bytes, ``also_gives`` other media types. ``answer``
    raises ``EtdbError``. An answer that ``depends_on_state`` is the same while the catalogue is; one that is ``live``
    is never kept. ``refusals`` are statuses that it has beside those that all have.
    """

    name: str
    path: str
    summary: str
    answer: Callable[[Request, Portal], Reply]
    gives: Any
    also_gives: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    tag: str = "datasets"
    depends_on_state: bool = True
    live: bool = False
    refusals: dict[int, str] = {}


DATASET_ID: Final = Parameter(
    name="dataset_id",
    place="path",
    description="The dataset's id, or any beginning of it that no other shares; also the id of a revision.",
    schema={"type": "string", "pattern": "^[0-9a-f]{1,64}$"},
)


def asked_base(request: Request, portal: Portal) -> str:
    """What stands before the addresses of this site."""
    return portal.base_url(str(request.base_url))


def asked_whole(request: Request, name: str, usual: int, low: int, high: int) -> int:
    """A whole number of the query.

    Raises:
        InputError: it is none, or not in these bounds.
    """
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
        raise InputError(f"{name} is a whole number from {low} to {high}, not {text[:40]!r}")
    return int(text)


def asked_flag(request: Request, name: str) -> bool:
    """A flag of the query, false when it is not there.

    Raises:
        InputError: it is neither true nor false.
    """
    value = request.query_params.get(name, "false")
    if value not in {"true", "false"}:
        raise InputError(f"{name} is true or false, not {value[:40]!r}")
    return value == "true"
