"""What a site brings itself: its logo and its colour."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from etdb.errors import NotFoundError
from etdb.web.static import static_files

__all__ = ["logo", "theme"]

MAX_LOGO_BYTES: Final = 1 << 20
_TYPES: Final = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""An SVG opened by itself is a document: it runs nothing and loads nothing."""


class _Logo(Struct, frozen=True):
    data: bytes
    media_type: str
    etag: str


def logo(request: Request) -> Response:
    """The picture that ``[portal] logo`` names, or the one that ships."""
    named = request.app.state.portal.settings.logo
    found = _read(named) if named else None
    if found is None:
        icon = static_files()["icon.svg"]
        found = _Logo(icon.data, icon.media_type, f'"{icon.digest}"')
    headers = {
        "etag": found.etag,
        "cache-control": "public, max-age=3600",
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
    }
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)


def _read(name: str) -> _Logo | None:
    path = Path(name)
    media_type = _TYPES.get(path.suffix.lower())
    if media_type is None:
        return None
    try:
        seen = path.stat()
        return _load(path, media_type, seen.st_mtime_ns, seen.st_size)
    except (OSError, NotFoundError):
        return None  # a site without its logo is still a site


@functools.lru_cache(maxsize=4)
def _load(path: Path, media_type: str, _mtime_ns: int, _size: int) -> _Logo:
    with path.open("rb") as file:
        data = file.read(MAX_LOGO_BYTES + 1)
    if len(data) > MAX_LOGO_BYTES:
        raise NotFoundError(f"{path} is larger than {MAX_LOGO_BYTES} bytes")
    return _Logo(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:16]}"')


def theme(request: Request) -> Response:
    """The site's own colour; a stylesheet of its own, since pages hold no style.

    The colour is mixed towards black or white until words in it can be read on either ground.
    """
    accent = request.app.state.portal.settings.accent
    css = ""
    if accent:
        light, dark = _readable(accent, 0.0), _readable(accent, 1.0)
        css = (
            f":root{{--accent:{light};--accent-strong:{_mixed(light, 0.0, 0.25)};--on-accent:#ffffff}}\n"
            "@media (prefers-color-scheme: dark){"
            f":root{{--accent:{dark};--accent-strong:{_mixed(dark, 1.0, 0.25)};--on-accent:#06151a}}}}\n"
        )
    return Response(css or "\n", media_type="text/css; charset=utf-8", headers={"cache-control": "no-cache"})


_CONTRAST: Final = 5.0
"""WCAG 2.2 asks for 4.5 of text."""
_GROUNDS: Final = {0.0: "#e6f1f1", 1.0: "#17323a"}


def _readable(colour: str, towards: float) -> str:
    for step in range(21):
        mixed = _mixed(colour, towards, step / 20)
        if _contrast(mixed, _GROUNDS[towards]) >= _CONTRAST:
            return mixed
    return "#ffffff" if towards else "#000000"


def _channels(colour: str) -> list[float]:
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def _mixed(colour: str, towards: float, share: float) -> str:
    made = [one + (towards - one) * share for one in _channels(colour)]
    return "#" + "".join(f"{round(one * 255):02x}" for one in made)


def _luminance(colour: str) -> float:
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)
