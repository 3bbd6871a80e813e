"""What a trustless gateway answers, whoever carries it: a request's parts in, status, headers and a body out.

Sources: https://specs.ipfs.tech/http-gateways/trustless-gateway/ and path-gateway. Raw blocks and CARs for those who
check, files with ranges and directories as JSON for those who look. Only what is in the store is served; the store
hashes every block again before it is sent, unless it was told that the files' sizes and times are enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import msgspec
from msgspec import Struct

from etdb.blocks import BlockStore, DagReader
from etdb.blocks.files import OpenPlace
from etdb.blocks.reader import Scope as DagScope
from etdb.errors import EtdbError, FormatError, InputError, NotFoundError
from etdb.ipfs import RAW, Cid, encode_car_header, encode_car_section, parse_cid

__all__ = ["Answer", "GatewayAnswers", "Wanted", "error_answer"]

_IMMUTABLE = "public, max-age=29030400, immutable"
_RAW = "application/vnd.ipld.raw"
_CAR = "application/vnd.ipld.car"
_CAR_PIECE_BYTES = 64 * 1024
"""Small blocks leave together."""
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


class Wanted(Struct, frozen=True, kw_only=True):
    """A request.

    Attributes:
        is_head: only the headers are wanted.
        cid: the text behind ``/ipfs/``.
        path: what follows it, unquoted.
        url_path: the whole path as it was sent.
        query: of each name the last value.
        headers: by lower-case name.
    """

    is_head: bool
    cid: str
    path: str
    url_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class Answer(Struct, kw_only=True):
    """A response. Without ``content-length`` the body is as long as its pieces.

    Attributes:
        headers: by lower-case name.
        body: a body in one piece, or its beginning.
        pieces: what follows; reading it may raise, when only breaking off tells the client.
        place: the body is this part of a file, unread; whoever sends it closes it.
    """

    status: int
    headers: dict[str, str]
    body: bytes | memoryview = b""
    pieces: Iterator[bytes | memoryview] | None = None
    place: OpenPlace | None = None


@runtime_checkable
class _UncheckedStore(Protocol):
    def open_unchecked(self, cid: Cid, *, as_block: bool) -> OpenPlace | None: ...


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
        self._unchecked = store if not check and isinstance(store, _UncheckedStore) else None

    def answer(self, wanted: Wanted) -> Answer:
        """The response to a request; it blocks while files are read.

        Raises:
            EtdbError: see :func:`error_answer`.
        """
        try:
            root = parse_cid(wanted.cid)
        except FormatError as error:
            raise InputError(error.message, hint=error.hint) from None
        kind = _wanted_format(wanted)
        cids = self.reader.resolve(root, wanted.path)
        common = {
            "cache-control": _IMMUTABLE,
            "x-ipfs-path": wanted.url_path,
            "x-ipfs-roots": ",".join(map(str, cids)),
            "x-content-type-options": "nosniff",
            "access-control-allow-origin": "*",
        }
        if kind == "raw":
            return self._raw(wanted, cids[-1], common)
        if kind == "car":
            return self._car(wanted, cids, common)
        if self.reader.is_directory(cids[-1]):
            return self._directory(wanted, cids[-1], common)
        return self._file(wanted, cids[-1], common)

    def _raw(self, wanted: Wanted, cid: Cid, headers: dict[str, str]) -> Answer:
        etag = f'"{cid}.raw"'
        headers |= {"etag": etag, "content-type": _RAW, "content-disposition": f'attachment; filename="{cid}.bin"'}
        if _is_unchanged(wanted, etag):
            return Answer(status=304, headers=headers)
        place = self._unchecked.open_unchecked(cid, as_block=True) if self._unchecked else None
        if place is not None:
            headers["content-length"] = str(place.length)
            return Answer(status=200, headers=headers, place=place)
        block = self.store.get(cid)
        headers["content-length"] = str(len(block))
        return Answer(status=200, headers=headers, body=block)

    def _car(self, wanted: Wanted, cids: list[Cid], headers: dict[str, str]) -> Answer:
        scope, start, stop = self._car_part(wanted, cids[-1])
        etag = f'W/"{cids[-1]}.car.{scope}.{start}.{stop}"'
        headers |= {
            "etag": etag,
            "content-type": f"{_CAR}; version=1; order=dfs; dups=y",
            "content-disposition": f'attachment; filename="{cids[-1]}.car"',
            "accept-ranges": "none",
        }
        if _is_unchanged(wanted, etag):
            return Answer(status=304, headers=headers)
        pieces = self._car_pieces(self.reader.blocks_on_way(cids[0], wanted.path), cids[-1], scope, start, stop)
        # The header and the first block before the status: what is not here is a 404, not a broken stream. A CAR has
        # no block when all of its content stands in its root, an identity CID.
        first = next(pieces) + next(pieces, b"")
        return Answer(status=200, headers=headers, body=first, pieces=pieces)

    def _car_part(self, wanted: Wanted, cid: Cid) -> tuple[DagScope, int, int | None]:
        name = wanted.query.get("dag-scope", "all")
        span = wanted.query.get("entity-bytes")
        scopes: dict[str, DagScope] = {"block": "block", "entity": "entity", "all": "all"}
        if name not in scopes:
            raise InputError(f"dag-scope={name!r} is not block, entity or all")
        if span is None:
            return scopes[name], 0, None
        found = re.fullmatch(r"(-?\d{1,18}):(\*|-?\d{1,18})", span)
        if found is None:
            raise InputError(f"entity-bytes={span!r} is not from:to")
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
        joined: list[bytes] = []
        size = 0
        for cid, block in self._car_blocks(way, target, scope, start, stop):
            joined += (encode_car_section(cid, len(block)), block)
            size += len(block)
            if size >= _CAR_PIECE_BYTES:
                yield b"".join(joined)
                joined, size = [], 0
        if joined:
            yield b"".join(joined)

    def _car_blocks(
        self, way: list[Cid], target: Cid, scope: DagScope, start: int, stop: int | None
    ) -> Iterator[tuple[Cid, bytes]]:
        for cid in way:
            if not cid.is_identity:
                yield cid, self.store.get(cid)
        yield from self.reader.blocks(target, scope, start, stop)

    def _directory(self, wanted: Wanted, cid: Cid, headers: dict[str, str]) -> Answer:
        etag = f'"DirIndex-{cid}"'
        headers |= {"etag": etag, "content-type": "application/json"}
        if _is_unchanged(wanted, etag):
            return Answer(status=304, headers=headers)
        entries = [
            {"name": link.name, "cid": str(link.cid), "tree_size_bytes": link.tree_size}
            for link in self.reader.entries(cid)
        ]
        body = msgspec.json.encode({"cid": str(cid), "entries": entries})
        headers["content-length"] = str(len(body))
        return Answer(status=200, headers=headers, body=body)

    def _file(self, wanted: Wanted, cid: Cid, headers: dict[str, str]) -> Answer:
        etag = f'"{cid}"'
        suffix = "." + wanted.path.rsplit(".", 1)[-1].lower() if "." in wanted.path else ""
        headers |= {
            "etag": etag,
            "content-type": _LOOKED_AT.get(suffix, _OTHER) if not self.reader.is_symlink(cid) else _SYMLINK,
            "accept-ranges": "bytes",
            "content-security-policy": "sandbox; default-src 'none'",
        }
        if _is_unchanged(wanted, etag):
            return Answer(status=304, headers=headers)
        # A file of one leaf has no node that says its size: the leaf is read for it, once.
        leaf = self.store.get(cid) if cid.codec == RAW else None
        size = self.reader.file_size(cid) if leaf is None else len(leaf)
        part = _wanted_range(wanted, size, etag)
        if part is None:
            start, stop, status = 0, size, 200
        elif part[0] >= part[1]:
            return Answer(status=416, headers={**headers, "content-range": f"bytes */{size}", "content-length": "0"})
        else:
            start, stop, status = *part, 206
            headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        headers["content-length"] = str(stop - start)
        if wanted.is_head or start == stop:
            return Answer(status=status, headers=headers)
        place = self._unchecked.open_unchecked(cid, as_block=False) if self._unchecked else None
        if place is not None:
            part_of_it = msgspec.structs.replace(place, offset=place.offset + start, length=stop - start)
            return Answer(status=status, headers=headers, place=part_of_it)
        if leaf is not None:
            return Answer(status=status, headers=headers, body=memoryview(leaf)[start:stop])
        pieces = self.reader.content(cid, start, stop)
        return Answer(status=status, headers=headers, body=next(pieces, b""), pieces=pieces)


def error_answer(error: EtdbError) -> Answer:
    """An error for strangers: what happened, without the paths of this machine."""
    if isinstance(error, NotFoundError):
        words = "this gateway does not have it"
    elif isinstance(error, InputError):
        words = error.message
    else:
        words = "this gateway cannot serve it as it should be"
    body = msgspec.json.encode({"error": error.code, "message": words})
    headers = {"content-type": "application/json", "cache-control": "no-store", "access-control-allow-origin": "*"}
    headers["content-length"] = str(len(body))
    return Answer(status=error.http_status, headers=headers, body=body)


def _wanted_format(wanted: Wanted) -> str:
    name = wanted.query.get("format")
    if name is not None:
        if name not in {"raw", "car"}:
            raise InputError(f"format={name[:40]!r} is not raw or car")
        return name
    accept = wanted.headers.get("accept", "").lower()
    return "raw" if _RAW in accept else "car" if _CAR in accept else "file"


def _wanted_range(wanted: Wanted, size: int, etag: str) -> tuple[int, int] | None:
    """The single range of the request as ``(start, stop)``; None for the whole; empty when it cannot be met."""
    found = re.fullmatch(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", wanted.headers.get("range", ""))
    if found is None or not (found[1] or found[2]) or wanted.headers.get("if-range", etag) != etag:
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    stop = min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return start, stop


def _is_unchanged(wanted: Wanted, etag: str) -> bool:
    given = [tag.strip().removeprefix("W/") for tag in wanted.headers.get("if-none-match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given
