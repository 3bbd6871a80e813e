"""Reading files and directories out of a block store: paths, byte ranges, and the blocks of a part of a DAG.

Verified random access: every block comes through the store's ``get``, which checks it; sizes must agree from parent to
child. Memory is one leaf and a few parsed nodes, whatever the size of the file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from etdb.blocks.port import BlockStore
from etdb.errors import FormatError, NotFoundError
from etdb.ipfs import RAW, Cid, FilePart, PbLink, UnixFs, file_parts, parse_node, parse_unixfs
from etdb.ipfs.unixfs import DIRECTORY

__all__ = ["DagReader", "Scope"]

Scope = Literal["block", "entity", "all"]

MAX_DEPTH = 48
_CACHED_NODES = 64


class _Node(Struct, frozen=True, kw_only=True):
    unixfs: UnixFs
    links: tuple[PbLink, ...]
    parts: tuple[FilePart, ...]

    @property
    def size(self) -> int:
        return sum(part.length for part in self.parts)


class _Piece(Struct, frozen=True, kw_only=True):
    """A block met on the way through a file, or content inside a node (``cid`` None)."""

    cid: Cid | None
    offset: int
    length: int | None
    is_leaf: bool
    data: bytes = b""


class DagReader:
    """Reads UnixFS from a store. Can be used from several threads."""

    def __init__(self, store: BlockStore) -> None:
        self.store = store
        self._nodes: OrderedDict[bytes, _Node] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, root: Cid, path: str) -> list[Cid]:
        """The CIDs from the root to what ``path`` names, both included.

        Raises:
            NotFoundError: there is no such entry.
        """
        cids = [root]
        for name in path.split("/"):
            if not name:
                continue
            link = next((link for link in self.entries(cids[-1]) if link.name == name), None)
            if link is None:
                raise NotFoundError(f"there is no {name!r} in {cids[-1]}", cid=str(cids[-1]), name=name)
            cids.append(link.cid)
            if len(cids) > MAX_DEPTH:
                raise FormatError(f"the path {path[:200]!r} is deeper than {MAX_DEPTH} names")
        return cids

    def is_directory(self, cid: Cid) -> bool:
        """Whether it is a directory; a file otherwise."""
        return cid.codec != RAW and self._node(cid).unixfs.kind == DIRECTORY

    def entries(self, cid: Cid) -> tuple[PbLink, ...]:
        """The entries of a directory.

        Raises:
            NotFoundError: it is a file.
        """
        if not self.is_directory(cid):
            raise NotFoundError(f"{cid} is a file, not a directory", cid=str(cid))
        return self._node(cid).links

    def file_size(self, cid: Cid) -> int:
        """Bytes of a file.

        Raises:
            NotFoundError: it is a directory.
        """
        if cid.codec == RAW:
            return len(self.store.get(cid))
        if self.is_directory(cid):
            raise NotFoundError(f"{cid} is a directory, not a file", cid=str(cid))
        return self._node(cid).size

    def content(self, cid: Cid, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """The bytes ``start <= offset < stop`` of a file, a leaf at a time."""
        end = self.file_size(cid) if stop is None else stop
        for piece in self._pieces(cid, start, end):
            if piece.cid is None:
                data = piece.data
            elif piece.is_leaf:
                data = self._leaf(piece)
            else:
                continue
            first, last = max(0, start - piece.offset), min(len(data), end - piece.offset)
            if (first, last) == (0, len(data)):
                yield data
            elif first < last:
                yield memoryview(data)[first:last]

    def blocks(
        self, cid: Cid, scope: Scope = "all", start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[Cid, bytes]]:
        """The blocks of a DAG, depth first, repeated where the DAG repeats them.

        Args:
            cid: the root of this part.
            scope: the block alone; the file, or the directory without what is in it; or everything below.
            start: with ``entity``, only what the bytes from here need.
            stop: up to here, not included; None for the end.
        """
        if scope == "block":
            yield cid, self.store.get(cid)
        elif not self.is_directory(cid):
            end = self.file_size(cid) if stop is None else stop
            for piece in self._pieces(cid, start, end):
                if piece.cid is not None:
                    yield piece.cid, self._leaf(piece) if piece.is_leaf else self.store.get(piece.cid)
        elif scope == "entity":
            yield cid, self.store.get(cid)
        else:
            yield from self._whole(cid)

    def _whole(self, root: Cid) -> Iterator[tuple[Cid, bytes]]:
        stack = [(root, 0)]
        while stack:
            cid, depth = stack.pop()
            if depth > MAX_DEPTH:
                raise FormatError(f"the DAG {root} is deeper than {MAX_DEPTH} levels", cid=str(cid))
            if self.is_directory(cid):
                yield cid, self.store.get(cid)
                stack += [(link.cid, depth + 1) for link in reversed(self._node(cid).links)]
            else:
                yield from self.blocks(cid, "entity")

    def _pieces(self, root: Cid, start: int, stop: int) -> Iterator[_Piece]:
        """What bytes ``start`` to ``stop`` of a file need, in the order of the DAG; the root in any case."""
        stack: list[tuple[FilePart, int]] = [(FilePart(offset=0, length=-1, cid=root), 0)]
        while stack:
            part, depth = stack.pop()
            cid = part.cid
            if cid is None:
                yield _Piece(cid=None, offset=part.offset, length=part.length, is_leaf=True, data=part.data)
                continue
            length = None if part.length < 0 else part.length
            yield _Piece(cid=cid, offset=part.offset, length=length, is_leaf=cid.codec == RAW)
            if cid.codec == RAW:
                continue
            if depth > MAX_DEPTH:
                raise FormatError(f"the file {root} is deeper than {MAX_DEPTH} levels", cid=str(cid))
            node = self._node(cid)
            if not node.unixfs.is_file or (length is not None and node.size != length):
                raise FormatError(
                    f"the node {cid} at offset {part.offset} of {root} does not fit its parent's sizes",
                    cid=str(cid),
                    offset=part.offset,
                )
            for child in reversed(node.parts):
                offset = part.offset + child.offset
                if offset < stop and offset + child.length > start:
                    below = FilePart(offset=offset, length=child.length, cid=child.cid, data=child.data)
                    stack.append((below, depth + 1))

    def _leaf(self, piece: _Piece) -> bytes:
        assert piece.cid is not None
        data = self.store.get(piece.cid)
        if piece.length is not None and len(data) != piece.length:
            raise FormatError(
                f"the leaf {piece.cid} has {len(data)} bytes where {piece.length} were said",
                cid=str(piece.cid),
                offset=piece.offset,
            )
        return data

    def _node(self, cid: Cid) -> _Node:
        with self._lock:
            node = self._nodes.get(cid.digest)
            if node is not None:
                self._nodes.move_to_end(cid.digest)
                return node
        parsed = parse_node(self.store.get(cid))
        unixfs = parse_unixfs(parsed.data)
        if not unixfs.is_file and unixfs.kind != DIRECTORY:
            raise FormatError(f"{cid} is a UnixFS {unixfs.kind_name}, which is not read by this release", cid=str(cid))
        parts = tuple(file_parts(cid, parsed, unixfs)) if unixfs.is_file else ()
        node = _Node(unixfs=unixfs, links=parsed.links, parts=parts)
        with self._lock:
            self._nodes[cid.digest] = node
            if len(self._nodes) > _CACHED_NODES:
                self._nodes.popitem(last=False)
        return node
