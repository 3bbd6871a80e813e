"""A request to the gateway, and how it says what it wants: format, part, name, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal
from urllib.parse import quote, urlencode

from msgspec import Struct

from etdb.errors import EtdbError, InputError, NotFoundError

__all__ = [
    "CAR_TYPE",
    "PORTAL_VIA",
    "RAW_TYPE",
    "BusyError",
    "Format",
    "NotAcceptableError",
    "NotKeptError",
    "Wanted",
    "car_parameter",
    "content_location",
    "disposition",
    "is_unchanged",
    "wanted_format",
    "wanted_range",
    "wants_json",
]

RAW_TYPE: Final = "application/vnd.ipld.raw"
CAR_TYPE: Final = "application/vnd.ipld.car"
PORTAL_VIA: Final = "etdb-portal"
"""How a portal that fetches names itself in ``Via`` (RFC 9110, 7.6.3): others then give it only what they hold, so that
portals which name each other do not ask in circles."""
_NOT_MADE: Final = frozenset({"tar", "json", "cbor", "dag-json", "dag-cbor", "ipns-record"})
"""Formats of the specifications that a gateway may leave out, as this one does."""
_TYPES_NOT_MADE: Final = frozenset(
    {
        "application/x-tar",
        "application/vnd.ipld.dag-json",
        "application/vnd.ipld.dag-cbor",
        "application/vnd.ipfs.ipns-record",
    }
)
_MAX_NAME: Final = 255

Format = Literal["raw", "car", "file"]


class NotAcceptableError(InputError):
    """A format that exists, but is not made here."""

    code = "not-acceptable"
    http_status = 406


class NotKeptError(NotFoundError):
    """Only what is kept here was wanted (``Cache-Control: only-if-cached``), and it is not."""

    code = "not-kept"
    http_status = 412


class BusyError(EtdbError):
    """As much of this is under way as may be."""

    code = "busy"
    http_status = 429


class Wanted(Struct, frozen=True, kw_only=True):
    """A request.

    Attributes:
        is_head: only the headers are wanted.
        cid: the text behind ``/ipfs/``.
        path: what follows it, unquoted.
        url_path: the whole path, unquoted.
        query: of each name the last value.
        headers: by lower-case name.
    """

    is_head: bool
    cid: str
    path: str
    url_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def quoted_path(self) -> str:
        """The whole path as a header can hold it."""
        return quote(self.url_path, safe="/:@!$&'()*+,;=~", errors="surrogateescape")


def wanted_format(wanted: Wanted) -> Format:
    """What the answer should be; ``format=`` counts before ``Accept`` (IPIP-523).

    Raises:
        InputError: no such format.
        NotAcceptableError: not made here.
    """
    name = wanted.query.get("format")
    if name == "raw":
        return "raw"
    if name == "car":
        return "car"
    if name in _NOT_MADE:
        raise NotAcceptableError(f"this gateway does not make format={name}", hint="raw and car are made")
    if name is not None:
        raise InputError(f"format={name[:40]!r} is not raw or car")
    accepted = {kind: quality for kind, quality, _ in _accepted(wanted) if quality > 0}
    raw, car = accepted.get(RAW_TYPE, 0.0), accepted.get(CAR_TYPE, 0.0)
    if raw or car:
        return "raw" if raw >= car else "car"
    if accepted and accepted.keys() <= _TYPES_NOT_MADE:
        raise NotAcceptableError(
            "this gateway makes none of the types that were asked for", hint="raw and car are made"
        )
    return "file"


def wants_json(wanted: Wanted) -> bool:
    """Whether a program asks, and not a person."""
    accepted = {kind for kind, quality, _ in _accepted(wanted) if quality > 0}
    return "application/json" in accepted and "text/html" not in accepted


def _accepted(wanted: Wanted) -> Iterator[tuple[str, float, dict[str, str]]]:
    """The media types of ``Accept``, each with how much it is wanted and its parameters (RFC 9110, 12.5.1)."""
    accept = wanted.headers.get("accept")
    for one in accept.split(",") if accept else ():
        kind, *pieces = (piece.strip() for piece in one.split(";"))
        named = (piece.partition("=") for piece in pieces)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in named}
        quality = re.fullmatch(r"[01](?:\.\d{0,3})?", parameters.get("q", "1"))
        yield kind.lower(), float(quality[0]) if quality else 0.0, parameters


def car_parameter(wanted: Wanted, name: str) -> str | None:
    """A parameter of a CAR: from the query, else from the type that ``Accept`` names (IPIP-412)."""
    if f"car-{name}" in wanted.query:
        return wanted.query[f"car-{name}"]
    found = (one[name] for kind, quality, one in _accepted(wanted) if kind == CAR_TYPE and quality and name in one)
    return next(found, None)


def content_location(wanted: Wanted, kind: Format) -> str | None:
    """The URL that alone says what ``Accept`` had a part in, so that caches keep formats apart; else None."""
    if "vnd.ipld." not in wanted.headers.get("accept", ""):
        return None
    accepted = {one: named.keys() - {"q"} for one, quality, named in _accepted(wanted) if quality > 0}
    given = {one: named for one, named in accepted.items() if one in {RAW_TYPE, CAR_TYPE}}
    own = RAW_TYPE if kind == "raw" else CAR_TYPE
    if not given or (wanted.query.get("format") == kind and given == {own: set()}):
        return None
    query = {**wanted.query, "format": kind}
    for name in ("version", "order", "dups") if kind == "car" else ():
        value = car_parameter(wanted, name)
        if value is not None:
            query[f"car-{name}"] = value
    return f"{wanted.quoted_path}?{urlencode(query, errors='surrogateescape')}"


def disposition(wanted: Wanted, name: str, *, is_attachment: bool) -> str:
    """The header ``Content-Disposition``: the name that was asked for, else ``name``."""
    kind = "attachment" if is_attachment or wanted.query.get("download") == "true" else "inline"
    # The last part only, and nothing that a file system or a header could take for more than a name.
    shown = _plain_name(wanted.query.get("filename", "")) or _plain_name(name) or "file"
    plain = shown
    if not shown.isascii() or '"' in shown or "%" in shown:
        plain = "".join(letter if letter.isascii() and letter not in '"%' else "_" for letter in shown)
    exact = "" if plain == shown else f"; filename*=UTF-8''{quote(shown, safe='')}"
    return f'{kind}; filename="{plain}"{exact}'


def _plain_name(text: str) -> str:
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:_MAX_NAME].lstrip(". ")


def wanted_range(wanted: Wanted, size: int, etag: str) -> tuple[int, int] | None:
    """The single range of the request as ``(start, stop)``; None for the whole; empty when it cannot be met.

    Several ranges are answered with the whole, as RFC 9110 (14.2) allows.
    """
    found = re.fullmatch(r"bytes=\s*(\d{0,40})-(\d{0,40})\s*", wanted.headers.get("range", ""))
    if found is None or not (found[1] or found[2]) or wanted.headers.get("if-range", etag) != etag:
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    stop = min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return start, stop


def is_unchanged(wanted: Wanted, etag: str) -> bool:
    """Whether the client has it already."""
    given = [tag.strip().removeprefix("W/") for tag in wanted.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given
