"""What a trustless gateway answers, whoever carries it: a request's parts in, status, headers and a body out.

Sources: https://specs.ipfs.tech/http-gateways/trustless-gateway/ and path-gateway. Raw blocks and CARs for those who
check, files with ranges and directories as JSON for those who look. Only what is in the store is served; the store
hashes every block again before it is sent, unless it was told that the files' sizes and times are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from etdb.blocks import BlockStore, DagReader
from etdb.blocks.files import OpenPlace, PlacingStore
from etdb.blocks.port import not_in_store
from etdb.errors import EtdbError, FormatError, InputError, NotFoundError
from etdb.ipfs import RAW, Cid, parse_cid
from etdb.web.cars import CarWriter
from etdb.web.directory import PAGE_POLICY, directory_json, directory_page
from etdb.web.wanted import (
    PORTAL_VIA,
    RAW_TYPE,
    BusyError,
    Format,
    NotKeptError,
    Wanted,
    content_location,
    disposition,
    is_unchanged,
    wanted_format,
    wanted_range,
    wants_json,
)

__all__ = ["CROSS_ORIGIN", "Answer", "GatewayAnswers", "error_answer", "preflight_answer"]

_IMMUTABLE = "public, max-age=29030400, immutable"
_LISTING = "public, max-age=604800, stale-while-revalidate=2678400"
"""A page of a directory may look otherwise one day; its entries never change."""
_INDEX = "index.html"
_CONTENT_POLICY = "sandbox; default-src 'none'"
_RETRY_S = "5"
CROSS_ORIGIN: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "Content-Type, Range, User-Agent, X-Requested-With",
    "access-control-expose-headers": (
        "Content-Range, Content-Length, X-Ipfs-Path, X-Ipfs-Roots, X-Chunked-Output, X-Stream-Output"
    ),
}
"""What is served is public and is known by its content: pages from elsewhere may read it."""
_Piece = bytes | memoryview | OpenPlace
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


class Answer(Struct, kw_only=True):
    """A response. Without ``content-length`` the body is as long as its pieces.

    Attributes:
        headers: by lower-case name.
        body: a body in one piece, or its beginning.
        pieces: what follows; reading it may raise, when only breaking off tells the client. Whoever takes a place
            closes it.
        place: the body is this part of a file, unread; whoever sends it closes it.
    """

    status: int
    headers: dict[str, str]
    body: bytes | memoryview = b""
    pieces: Iterator[bytes | memoryview | OpenPlace] | None = None
    place: OpenPlace | None = None


class _Asking(Protocol):
    """A context for what is fetched while a request is answered."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def begun(self, *, may_wait: bool) -> None: ...


@runtime_checkable
class _FetchingStore(Protocol):
    def within(self, cid: Cid, *, may_wait: bool = True) -> _Asking: ...


class GatewayAnswers:
    """Answers from a store. Can be used from several threads.

    Args:
        store: what is served.
        check: hash everything once more before it is sent. Without it, files whose size, time and inode are what they
            were when they were added are sent as they are.
    """

    def __init__(self, store: BlockStore, *, check: bool = True) -> None:
        self.store = store
        self.reader = DagReader(store)
        self._fetching = store if isinstance(store, _FetchingStore) else None
        self._unchecked = store if not check and isinstance(store, PlacingStore) else None
        self._cars = CarWriter(self.reader, self._open_leaf if self._unchecked else None)

    def answer(self, wanted: Wanted, *, may_wait: bool = True) -> Answer:
        """The response to a request; it blocks while files are read.

        Args:
            wanted: the request.
            may_wait: whether it may also wait for what must be fetched from elsewhere; otherwise that is not found.

        Raises:
            EtdbError: see :func:`error_answer`.
        """
        try:
            root = parse_cid(wanted.cid)
        except FormatError as error:
            raise InputError(error.message, hint=error.hint) from None
        if wanted.headers.get("service-worker") == "script" and wanted.url_path == f"/ipfs/{wanted.cid}":
            raise InputError("a service worker of a whole gateway is not given out", hint="end the path with a slash")
        kind = wanted_format(wanted)
        only_kept = "only-if-cached" in wanted.headers.get("cache-control", "")
        try:
            if self._fetching is None:
                return self._found(wanted, root, kind)
            may_fetch = not only_kept and PORTAL_VIA not in wanted.headers.get("via", "")
            asking = self._fetching.within(root, may_wait=may_wait and may_fetch)
            with asking:
                answer = self._found(wanted, root, kind)
        except NotFoundError as error:
            if only_kept:
                raise NotKeptError(error.message) from None
            raise
        if answer.pieces is not None:
            answer.pieces = _carried(answer.pieces, asking, may_fetch=may_fetch)
        return answer

    def _found(self, wanted: Wanted, root: Cid, kind: Format) -> Answer:
        cids = self.reader.resolve(root, wanted.path)
        common = {
            "cache-control": _IMMUTABLE,
            "x-ipfs-path": wanted.quoted_path,
            "x-ipfs-roots": ",".join(map(str, cids)),
            "x-content-type-options": "nosniff",
            "content-security-policy": _CONTENT_POLICY,
            **CROSS_ORIGIN,
        }
        location = None if kind == "file" else content_location(wanted, kind)
        if location is not None:
            common["content-location"] = location
        if kind == "raw":
            return self._raw(wanted, cids[-1], common)
        if kind == "car":
            return self._car(wanted, root, cids[-1], common)
        if self.reader.is_directory(cids[-1]):
            return self._directory(wanted, cids[-1], common)
        return self._file(wanted, cids[-1], common)

    def _open_leaf(self, cid: Cid) -> OpenPlace | None:
        return self._unchecked.open_unchecked(cid, as_block=True) if self._unchecked else None

    def _has_already(self, wanted: Wanted, etag: str, cid: Cid) -> bool:
        """Whether the client has it. Who names no tag, or asks for what is kept, also asks whether it is here."""
        if not is_unchanged(wanted, etag):
            return False
        asks_for_kept = "only-if-cached" in wanted.headers.get("cache-control", "")
        if (asks_for_kept or wanted.headers["if-none-match"].strip() == "*") and not self.store.has(cid):
            raise not_in_store(cid, self.store.name)
        return True

    def _raw(self, wanted: Wanted, cid: Cid, headers: dict[str, str]) -> Answer:
        etag = f'"{cid}.raw"'
        headers |= {
            "etag": etag,
            "content-type": RAW_TYPE,
            "content-disposition": disposition(wanted, f"{cid}.bin", is_attachment=True),
            "accept-ranges": "bytes",
        }
        if self._has_already(wanted, etag, cid):
            return Answer(status=304, headers=headers)
        place = self._open_leaf(cid)
        block = b"" if place is not None else self.store.get(cid)
        size = place.length if place is not None else len(block)
        answer, start, stop = _part(wanted, size, etag, headers)
        if place is not None and answer.status != 416:
            answer.place = msgspec.structs.replace(place, offset=place.offset + start, length=stop - start)
        elif place is not None:
            place.close()
        elif start < stop:
            answer.body = block if stop - start == size else memoryview(block)[start:stop]
        return answer

    def _car(self, wanted: Wanted, root: Cid, target: Cid, headers: dict[str, str]) -> Answer:
        part = self._cars.part(wanted, target)
        etag = f'W/"{target}.car.{part.tag}"'
        headers |= {
            "etag": etag,
            "content-type": part.content_type,
            "content-disposition": disposition(wanted, f"{target}.car", is_attachment=True),
            "accept-ranges": "none",
        }
        if self._has_already(wanted, etag, target):
            return Answer(status=304, headers=headers)
        pieces = self._cars.pieces(root, wanted.path, target, part)
        # The header and the first block before the status: what is not here is a 404, not a broken stream. A CAR has
        # no block when all of its content stands in its root, an identity CID.
        first = b"".join(piece for piece in islice(pieces, 2) if isinstance(piece, bytes))
        return Answer(status=200, headers=headers, body=first, pieces=pieces)

    def _directory(self, wanted: Wanted, cid: Cid, headers: dict[str, str]) -> Answer:
        headers["vary"] = "accept"
        if wants_json(wanted):
            etag, content_type, make = f'"DirIndex-json_CID-{cid}"', "application/json", directory_json
            body = None if is_unchanged(wanted, etag) else make(self.reader, cid)
        elif not wanted.url_path.endswith("/"):
            # Links of a page are seen from its folder.
            query = urlencode(wanted.query, errors="surrogateescape")
            location = f"{wanted.quoted_path}/{'?' if query else ''}{query}"
            return Answer(status=301, headers={**headers, "location": location, "content-length": "0"})
        else:
            index = self.reader.find(cid, _INDEX)
            if index is not None and not self.reader.is_directory(index):
                return self._file(wanted, index, headers, etag=f'"{cid}"', content_type="text/html; charset=utf-8")
            etag, content_type = f'"DirIndex-1_CID-{cid}"', "text/html; charset=utf-8"
            headers |= {"cache-control": _LISTING, "content-security-policy": PAGE_POLICY}
            body = None if is_unchanged(wanted, etag) else directory_page(self.reader, cid, wanted)
        headers |= {"etag": etag, "content-type": content_type}
        if body is None:
            return Answer(status=304, headers=headers)
        headers["content-length"] = str(len(body))
        return Answer(status=200, headers=headers, body=body)

    def _file(
        self, wanted: Wanted, cid: Cid, headers: dict[str, str], *, etag: str = "", content_type: str = ""
    ) -> Answer:
        etag = etag or f'"{cid}"'
        suffix = "." + wanted.path.rsplit(".", 1)[-1].lower() if "." in wanted.path else ""
        is_symlink = self.reader.is_symlink(cid)
        headers |= {
            "etag": etag,
            "content-type": _SYMLINK if is_symlink else content_type or _LOOKED_AT.get(suffix, _OTHER),
            "accept-ranges": "bytes",
        }
        if wanted.query.get("filename") or wanted.query.get("download"):
            name = wanted.path.rstrip("/").rsplit("/", 1)[-1] or str(cid)
            headers["content-disposition"] = disposition(wanted, name, is_attachment=False)
        if self._has_already(wanted, etag, cid):
            return Answer(status=304, headers=headers)
        # A file of one leaf has no node that says its size: the leaf is read for it, once.
        leaf = self.store.get(cid) if cid.codec == RAW else None
        size = self.reader.file_size(cid) if leaf is None else len(leaf)
        answer, start, stop = _part(wanted, size, etag, headers)
        if wanted.is_head or start == stop:
            return answer
        place = self._unchecked.open_unchecked(cid, as_block=False) if self._unchecked else None
        if place is not None:
            answer.place = msgspec.structs.replace(place, offset=place.offset + start, length=stop - start)
        elif leaf is not None:
            answer.body = memoryview(leaf)[start:stop]
        else:
            pieces = self.reader.content(cid, start, stop)
            answer.body, answer.pieces = next(pieces, b""), pieces
        return answer


def _carried(pieces: Iterator[_Piece], asking: _Asking, *, may_fetch: bool) -> Iterator[_Piece]:
    """Pieces that are read in the context of their request, by whichever thread."""
    asking.begun(may_wait=may_fetch)
    try:
        while True:
            with asking:
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _part(wanted: Wanted, size: int, etag: str, headers: dict[str, str]) -> tuple[Answer, int, int]:
    """The answer without its body, and which bytes the body is; none with status 416."""
    span = wanted_range(wanted, size, etag)
    if span is None:
        return Answer(status=200, headers={**headers, "content-length": str(size)}), 0, size
    start, stop = span
    if start >= stop:
        headers = {**headers, "content-range": f"bytes */{size}", "content-length": "0"}
        return Answer(status=416, headers=headers), 0, 0
    headers = {**headers, "content-range": f"bytes {start}-{stop - 1}/{size}", "content-length": str(stop - start)}
    return Answer(status=206, headers=headers), start, stop


def preflight_answer() -> Answer:
    """To a browser that asks whether a page from elsewhere may ask."""
    return Answer(status=204, headers={**CROSS_ORIGIN, "cache-control": "public, max-age=86400"})


def error_answer(error: EtdbError) -> Answer:
    """An error for strangers: what happened, without the paths of this machine."""
    if isinstance(error, NotKeptError):
        words = "this gateway does not keep it"
    elif isinstance(error, NotFoundError):
        words = "this gateway does not have it"
    elif isinstance(error, (InputError, BusyError)):
        words = error.message
    elif error.code == "not-offered":
        words = "nobody offers it at the moment"
    else:
        words = "this gateway cannot serve it as it should be"
    body = msgspec.json.encode({"error": error.code, "message": words})
    headers = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **CROSS_ORIGIN,
    }
    headers["content-length"] = str(len(body))
    if isinstance(error, BusyError):
        headers["retry-after"] = _RETRY_S
    return Answer(status=error.http_status, headers=headers, body=body)
