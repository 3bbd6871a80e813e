"""A trustless gateway over a block store: ``GET`` and ``HEAD /ipfs/{cid}[/path]``.

Sources: https://specs.ipfs.tech/http-gateways/trustless-gateway/ and path-gateway. Raw blocks and CARs for those who
check, files with ranges and directories as JSON for those who look. Only what is in the store is served; the store
hashes every block again before it is sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from etdb.blocks import BlockStore, DagReader
from etdb.blocks.reader import Scope as DagScope
from etdb.errors import EtdbError, FormatError, InputError, NotFoundError
from etdb.ipfs import Cid, encode_car_header, encode_car_section, parse_cid

__all__ = ["gateway_app", "gateway_routes"]

_IMMUTABLE = "public, max-age=29030400, immutable"
_RAW = "application/vnd.ipld.raw"
_CAR = "application/vnd.ipld.car"
_OTHER = "application/octet-stream"
_SYMLINK = "inode/symlink"
_LOOKED_AT = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}
"""What a browser may show; all else is a download: a dataset's HTML must not run in the portal's name."""
_END = object()
_log = logging.getLogger(__name__)


def gateway_app(store: BlockStore) -> Starlette:
    """The gateway as an ASGI application of its own."""
    return Starlette(routes=gateway_routes(store))


def gateway_routes(store: BlockStore) -> list[Route]:
    """The gateway's routes, to be put into a larger application."""
    gateway = _Gateway(store)
    return [Route("/ipfs/{cid}", gateway.answer), Route("/ipfs/{cid}/{path:path}", gateway.answer)]


class _Stream(Response):
    """A body that comes in pieces from an iterator which blocks: one piece is sent while a thread makes the next."""

    def __init__(self, pieces: Iterator[Any], first: Any, headers: dict[str, str], status: int = 200) -> None:
        super().__init__(status_code=status, headers=headers)
        if "content-length" not in headers:
            del self.headers["content-length"]
        self._pieces, self._first = pieces, first

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.ensure_future(_until_gone(receive))
        piece, coming = self._first, self._next()
        try:
            while piece is not _END and not gone.done():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await coming
                if piece is not _END:
                    coming = self._next()
            if piece is _END:
                await send({"type": "http.response.body", "body": b""})
        except EtdbError as error:
            # The status is out: only breaking the connection off tells the client that the body is not whole.
            _log.warning("broke off a response: %s", error.message)
        finally:
            gone.cancel()
            with suppress(Exception):
                await coming

    def _next(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(None, next, self._pieces, _END)


class _Gateway:
    def __init__(self, store: BlockStore) -> None:
        self.store = store
        self.reader = DagReader(store)

    async def answer(self, request: Request) -> Response:
        try:
            return await asyncio.to_thread(self._answer, request)
        except EtdbError as error:
            return _error_response(error)

    def _answer(self, request: Request) -> Response:
        try:
            root = parse_cid(request.path_params["cid"])
        except FormatError as error:
            raise InputError(error.message, hint=error.hint) from None
        path = request.path_params.get("path", "")
        kind = _wanted_format(request)
        cids = self.reader.resolve(root, path)
        common = {
            "cache-control": _IMMUTABLE,
            "x-ipfs-path": request.url.path,
            "x-ipfs-roots": ",".join(map(str, cids)),
            "x-content-type-options": "nosniff",
            "access-control-allow-origin": "*",
        }
        if kind == "raw":
            return self._raw(request, cids[-1], common)
        if kind == "car":
            return self._car(request, cids, path, common)
        if self.reader.is_directory(cids[-1]):
            return self._directory(request, cids[-1], common)
        return self._file(request, cids[-1], path, common)

    def _raw(self, request: Request, cid: Cid, headers: dict[str, str]) -> Response:
        etag = f'"{cid}.raw"'
        headers |= {"etag": etag, "content-type": _RAW, "content-disposition": f'attachment; filename="{cid}.bin"'}
        if _is_unchanged(request, etag):
            return Response(status_code=304, headers=headers)
        block = self.store.get(cid)
        return Response(block, headers=headers)

    def _car(self, request: Request, cids: list[Cid], path: str, headers: dict[str, str]) -> Response:
        scope, start, stop = self._car_part(request, cids[-1])
        etag = f'W/"{cids[-1]}.car.{scope}.{start}.{stop}"'
        headers |= {
            "etag": etag,
            "content-type": f"{_CAR}; version=1; order=dfs; dups=y",
            "content-disposition": f'attachment; filename="{cids[-1]}.car"',
            "accept-ranges": "none",
        }
        if _is_unchanged(request, etag):
            return Response(status_code=304, headers=headers)
        pieces = self._car_pieces(self.reader.blocks_on_way(cids[0], path), cids[-1], scope, start, stop)
        # The header and the first block before the status: what is not here is a 404, not a broken stream. A CAR has
        # no block when all of its content stands in its root, an identity CID.
        first = next(pieces) + next(pieces, b"")
        return _head_or(request, _Stream(pieces, first, headers))

    def _car_part(self, request: Request, cid: Cid) -> tuple[DagScope, int, int | None]:
        name = request.query_params.get("dag-scope", "all")
        wanted = request.query_params.get("entity-bytes")
        scopes: dict[str, DagScope] = {"block": "block", "entity": "entity", "all": "all"}
        if name not in scopes:
            raise InputError(f"dag-scope={name!r} is not block, entity or all")
        if wanted is None:
            return scopes[name], 0, None
        found = re.fullmatch(r"(-?\d{1,18}):(\*|-?\d{1,18})", wanted)
        if found is None:
            raise InputError(f"entity-bytes={wanted!r} is not from:to")
        if self.reader.is_directory(cid):
            return "entity", 0, None
        size = self.reader.file_size(cid)
        first = int(found[1])
        last = size - 1 if found[2] == "*" else int(found[2])
        start = max(0, size + first) if first < 0 else first
        stop = min(size, (size + last if last < 0 else last) + 1)
        return "entity", start, max(start, stop)

    def _car_pieces(
        self, way: list[Cid], target: Cid, scope: DagScope, start: int, stop: int | None
    ) -> Iterator[bytes]:
        yield encode_car_header([target])
        for cid in way:
            if not cid.is_identity:
                block = self.store.get(cid)
                yield encode_car_section(cid, len(block)) + block
        for cid, block in self.reader.blocks(target, scope, start, stop):
            yield encode_car_section(cid, len(block)) + block

    def _directory(self, request: Request, cid: Cid, headers: dict[str, str]) -> Response:
        etag = f'"DirIndex-{cid}"'
        headers |= {"etag": etag, "content-type": "application/json"}
        if _is_unchanged(request, etag):
            return Response(status_code=304, headers=headers)
        entries = [
            {"name": link.name, "cid": str(link.cid), "tree_size_bytes": link.tree_size}
            for link in self.reader.entries(cid)
        ]
        return Response(msgspec.json.encode({"cid": str(cid), "entries": entries}), headers=headers)

    def _file(self, request: Request, cid: Cid, path: str, headers: dict[str, str]) -> Response:
        etag = f'"{cid}"'
        suffix = "." + path.rsplit(".", 1)[-1].lower() if "." in path else ""
        headers |= {
            "etag": etag,
            "content-type": _LOOKED_AT.get(suffix, _OTHER) if not self.reader.is_symlink(cid) else _SYMLINK,
            "accept-ranges": "bytes",
            "content-security-policy": "sandbox; default-src 'none'",
        }
        if _is_unchanged(request, etag):
            return Response(status_code=304, headers=headers)
        size = self.reader.file_size(cid)
        part = _wanted_range(request, size, etag)
        if part is None:
            start, stop, status = 0, size, 200
        elif part[0] >= part[1]:
            return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
        else:
            start, stop, status = *part, 206
            headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        headers["content-length"] = str(stop - start)
        if request.method == "HEAD" or start == stop:
            return Response(status_code=status, headers=headers)
        pieces = self.reader.content(cid, start, stop)
        return _Stream(pieces, next(pieces, b""), headers, status)


def _wanted_format(request: Request) -> str:
    name = request.query_params.get("format")
    if name is not None:
        if name not in {"raw", "car"}:
            raise InputError(f"format={name[:40]!r} is not raw or car")
        return name
    accept = request.headers.get("accept", "").lower()
    return "raw" if _RAW in accept else "car" if _CAR in accept else "file"


def _wanted_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The single range of the request as ``(start, stop)``; None for the whole; empty when it cannot be met."""
    found = re.fullmatch(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", request.headers.get("range", ""))
    if found is None or found[0].strip() == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    stop = min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return start, stop


def _is_unchanged(request: Request, etag: str) -> bool:
    given = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given


def _head_or(request: Request, response: _Stream) -> Response:
    if request.method != "HEAD":
        return response
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    head = Response(headers=headers)
    del head.headers["content-length"]
    return head


def _error_response(error: EtdbError) -> Response:
    """An error for strangers: what happened, without the paths of this machine."""
    if isinstance(error, NotFoundError):
        words = "this gateway does not have it"
    elif isinstance(error, InputError):
        words = error.message
    else:
        words = "this gateway cannot serve it as it should be"
    body = msgspec.json.encode({"error": error.code, "message": words})
    headers = {"content-type": "application/json", "cache-control": "no-store", "access-control-allow-origin": "*"}
    return Response(body, status_code=error.http_status, headers=headers)


async def _until_gone(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
