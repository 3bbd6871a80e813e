"""The files that pages need: known by their content, so that browsers keep them for ever."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import Final

from msgspec import Struct

__all__ = ["StaticFile", "static_file", "static_files", "static_url"]

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".json": "application/json",
}


class StaticFile(Struct, frozen=True, kw_only=True):
    """One file: its bytes, its media type, and the beginning of its SHA-256."""

    data: bytes
    media_type: str
    digest: str


@functools.cache
def static_files() -> dict[str, StaticFile]:
    """All of them, by their path below this package."""
    found: dict[str, StaticFile] = {}
    pending = [("", resources.files(__package__))]
    while pending:
        prefix, folder = pending.pop()
        for entry in folder.iterdir():
            suffix = "." + entry.name.rsplit(".", 1)[-1]
            if entry.is_dir():
                pending.append((f"{prefix}{entry.name}/", entry))
            elif suffix in _TYPES:
                data = entry.read_bytes()
                digest = hashlib.sha256(data).hexdigest()[:12]
                found[prefix + entry.name] = StaticFile(data=data, media_type=_TYPES[suffix], digest=digest)
    return found


def static_file(name: str) -> StaticFile | None:
    """A file by its path."""
    return static_files().get(name)


class _StaticUrl:
    """The URL of a static file, which changes with its content."""

    def __call__(self, name: str) -> str:
        return f"/static/{name}?v={static_files()[name].digest}"

    @functools.cached_property
    def version(self) -> str:
        """A word for all static files together."""
        joined = "".join(f"{name}{one.digest}" for name, one in sorted(static_files().items()))
        return hashlib.sha256(joined.encode()).hexdigest()[:8]


static_url = _StaticUrl()
