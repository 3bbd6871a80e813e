"""``/neuroglancer/``: the client that the package ``neuroglancer`` carries, served by us.

So nothing is asked of another host. Only the files of its client are served; its Python code is never loaded. That
client expects the server of its own package: a token in the address and a stream of events. It gets a fixed token and
a script of ours (`static/neuroglancer.js`) in place of the stream, because the whole state stands in the address.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

__all__ = ["CLIENT", "has_neuroglancer", "neuroglancer_routes"]

CLIENT: Final = "/neuroglancer/v/portal/"
"""Where it is opened; "portal" is the token."""

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{eval}; worker-src 'self' blob:; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Its workers come from its own files, its decoders are WebAssembly, its panels set styles of elements. It reads from
this portal alone, and nothing that runs here can send elsewhere."""
_HEADERS: Final = {
    "content-security-policy": _POLICY.format(eval=""),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
_WORKER_HEADERS: Final = _HEADERS | {"content-security-policy": _POLICY.format(eval=" 'unsafe-eval'")}
"""Of scripts: it holds where one is a worker. The one that unpacks Blosc makes a function of a text (Emscripten)."""
_FOREVER: Final = "public, max-age=31536000, immutable"
INDEX: Final = "index.html"
_OUR_HEAD: Final = (
    b'<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><script src="/static/neuroglancer.js"></script>'
)


def neuroglancer_routes() -> list[Route]:
    """The client's files; without the package a page that says how to install it."""
    return [
        Route("/neuroglancer", _to_client),
        Route("/neuroglancer/", _to_client),
        Route(CLIENT + "{name:path}", _file),
    ]


def _to_client(_request: Request) -> Response:
    return RedirectResponse(CLIENT, status_code=307)


@functools.cache
def _folder() -> Path | None:
    spec = importlib.util.find_spec("neuroglancer")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "static" / "client"
        if (folder / INDEX).is_file():
            return folder
    return None


@functools.cache
def _names() -> frozenset[str]:
    folder = _folder()
    return frozenset(one.name for one in folder.iterdir() if one.suffix in _TYPES) if folder else frozenset()


def has_neuroglancer() -> bool:
    """Whether the client is installed."""
    return _folder() is not None


def _file(request: Request) -> Response:
    folder, name = _folder(), request.path_params.get("name") or INDEX
    if folder is None:
        return _not_found("Neuroglancer is not installed on this portal: pip install 'etdb[neuroglancer]'\n")
    if name not in _names():
        return _not_found("there is no such file\n")
    data = (folder / name).read_bytes()
    if name == INDEX:
        data = data.replace(b"<script", _OUR_HEAD + b"<script", 1)
    # All but the page carry a hash of their content in their names.
    kept = "no-cache" if name == INDEX else _FOREVER
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    suffix = Path(name).suffix
    headers = (_WORKER_HEADERS if suffix == ".js" else _HEADERS) | {"cache-control": kept, "etag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_TYPES[suffix], headers=headers)


def _not_found(words: str) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(words, status_code=404, media_type="text/plain; charset=utf-8", headers=headers)
