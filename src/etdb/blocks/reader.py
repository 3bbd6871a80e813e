"""Reading files and directories out of a block store: paths, byte ranges, and the blocks of a part of a DAG.

Verified random access: every block comes through the store's ``get``, which checks it; sizes must agree from parent to
child. Memory is one leaf and a few parsed nodes, whatever the size of the file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from etdb.errors import FormatError, NotFoundError
from etdb.ipfs import (
    RAW,
    Cid,
    DagScope,
    FilePart,
    HamtShard,
    PbLink,
    UnixFs,
    file_parts,
    link_target,
    parse_node,
    parse_shard,
    parse_unixfs,
)
from etdb.ipfs.unixfs import DIRECTORY, HAMT_SHARD, SYMLINK

__all__ = ["BlockSource", "DagReader", "Scope"]

Scope = DagScope

MAX_DEPTH = 48
MAX_ENTRIES = 1 << 20
"""The most entries of one directory that are listed."""
MAX_REPEATED_NODES = 1 << 16
"""How often nodes may come again on the way through a whole DAG: sixty levels of a node that links twice to the next
would otherwise take longer than anyone lives."""
_CACHED_LINKS = 1 << 17


class BlockSource(Protocol):
    """What gives checked blocks: every block store, and whoever asks several of them."""

    def get(self, cid: Cid) -> bytes:
        """The block, checked against its CID."""
        ...


class _Node(Struct, frozen=True, kw_only=True):
    """A parsed node.

    Attributes:
        unixfs: what its data says.
        links: all of them.
        by_name: the entries of a plain directory.
        parts: the content of a file, and the target of a symbolic link.
        shard: of a sharded directory.
    """

    unixfs: UnixFs
    links: tuple[PbLink, ...]
    by_name: dict[str, Cid]
    parts: tuple[FilePart, ...]
    shard: HamtShard | None

    @property
    def size(self) -> int:
        return sum(part.length for part in self.parts)

    @property
    def is_directory(self) -> bool:
        return self.unixfs.kind in {DIRECTORY, HAMT_SHARD}


class _Piece(Struct, frozen=True, kw_only=True):
    """A block met on the way through a file, or content inside a node (``cid`` None)."""

    cid: Cid | None
    offset: int
    length: int | None
    is_leaf: bool
    data: bytes = b""


class _Repeats:
    """Counts how often nodes come again; leaves are not looked at, there are a thousand times as many."""

    def __init__(self, root: Cid) -> None:
        self._root, self._seen, self._left = root, set[bytes](), MAX_REPEATED_NODES

    def count(self, cid: Cid) -> None:
        """One more node.

        Raises:
            FormatError: too many were there before.
        """
        if cid.codec == RAW:
            return
        if cid.digest not in self._seen:
            self._seen.add(cid.digest)
        elif self._left:
            self._left -= 1
        else:
            raise FormatError(f"the DAG {self._root} repeats its nodes more than {MAX_REPEATED_NODES} times")


class DagReader:
    """Reads UnixFS from a store. Can be used from several threads."""

    def __init__(self, store: BlockSource) -> None:
        self.store = store
        self._nodes: OrderedDict[bytes, _Node] = OrderedDict()
        self._cached_links = 0
        self._lock = threading.Lock()

    def resolve(self, root: Cid, path: str) -> list[Cid]:
        """The CIDs from the root to what ``path`` names, both included.

        A symbolic link on the way is not followed: nothing is below it.

        Raises:
            NotFoundError: there is no such entry.
        """
        return [cids[-1] for cids in self._way(root, path)]

    def blocks_on_way(self, root: Cid, path: str) -> list[Cid]:
        """The nodes that show that ``path`` leads where :meth:`resolve` says, without the last one.

        They are more than the directories: inside a sharded one every shard between its root and the name.

        Raises:
            NotFoundError: there is no such entry.
        """
        return [cid for cids in self._way(root, path) for cid in cids][:-1]

    def find(self, directory: Cid, name: str) -> Cid | None:
        """One entry of a directory; of a sharded one only the shards on its way are read.

        Raises:
            NotFoundError: it is no directory.
        """
        cids = self._step(directory, name)
        return cids[-1] if cids else None

    def is_directory(self, cid: Cid) -> bool:
        """Whether it is a directory; a file or a symbolic link otherwise."""
        return cid.codec != RAW and self._node(cid).is_directory

    def is_symlink(self, cid: Cid) -> bool:
        """Whether it is a symbolic link; its content is its target, which nobody here follows."""
        return cid.codec != RAW and self._node(cid).unixfs.kind == SYMLINK

    def entries(self, cid: Cid) -> tuple[PbLink, ...]:
        """The entries of a directory; of a sharded one in the order of their names.

        Raises:
            NotFoundError: it is a file.
        """
        node = self._directory(cid)
        if node.shard is None:
            return node.links
        found = [
            PbLink(cid=link.cid, name=link.name, tree_size=link.tree_size)
            for shard in self._shards(node.shard)
            for link in shard.links
            if link.name is not None
        ]
        return tuple(sorted(found, key=lambda link: link.name.encode("utf-8")))

    def file_size(self, cid: Cid) -> int:
        """Bytes of a file, or of the target of a symbolic link.

        Raises:
            NotFoundError: it is a directory.
        """
        if cid.codec == RAW:
            return len(self.store.get(cid))
        node = self._node(cid)
        if node.is_directory:
            raise NotFoundError(f"{cid} is a directory, not a file", cid=str(cid))
        return node.size

    def content(self, cid: Cid, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """The bytes ``start <= offset < stop`` of a file, a leaf at a time."""
        end = self.file_size(cid) if stop is None else stop
        for piece in self._pieces(cid, start, end):
            if piece.cid is None:
                data = piece.data
            elif piece.is_leaf:
                data = self.block(piece.cid, piece.length)
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
        """The blocks of a DAG, depth first, repeated where the DAG repeats them; identity CIDs are no blocks.

        Args:
            cid: the root of this part.
            scope: the block alone; the file, or the directory without what is in it; or everything below.
            start: with ``entity``, only what the bytes from here need.
            stop: up to here, not included; None for the end.
        """
        for name, length in self.walk(cid, scope, start, stop):
            yield name, self.block(name, length)

    def block(self, cid: Cid, length: int | None = None) -> bytes:
        """A block, checked against its CID, and against the length that its parent says."""
        data = self.store.get(cid)
        if length is not None and len(data) != length:
            raise FormatError(f"the leaf {cid} has {len(data)} bytes where {length} were said", cid=str(cid))
        return data

    def walk(
        self, cid: Cid, scope: Scope = "all", start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[Cid, int | None]]:
        """As :meth:`blocks`, but leaves are not read: each block's CID, and of a leaf the length that its parent says.

        The length is None of inner nodes, which were read and checked, and of a leaf without a parent.
        """
        for name, length in self._walk(cid, scope, start, stop):
            if not name.is_identity:
                yield name, length

    def _walk(self, cid: Cid, scope: Scope, start: int, stop: int | None) -> Iterator[tuple[Cid, int | None]]:
        if scope == "block" or cid.codec == RAW:
            yield cid, None
        elif not self.is_directory(cid):
            yield from self._walk_file(cid, start, stop, _Repeats(cid))
        elif scope == "entity":
            shard = self._node(cid).shard
            yield from [(cid, None)] if shard is None else ((one.cid, None) for one in self._shards(shard))
        else:
            yield from self._walk_all(cid)

    def _walk_file(self, cid: Cid, start: int, stop: int | None, repeats: _Repeats) -> Iterator[tuple[Cid, int | None]]:
        if cid.codec == RAW:
            yield cid, None
            return
        end = self.file_size(cid) if stop is None else stop
        for piece in self._pieces(cid, start, end):
            if piece.cid is None:
                continue
            repeats.count(piece.cid)
            yield piece.cid, piece.length if piece.is_leaf else None

    def _walk_all(self, root: Cid) -> Iterator[tuple[Cid, int | None]]:
        # What is to be visited: the CID, its depth, and the buckets that led to it inside a sharded directory.
        stack: list[tuple[Cid, int, bytes]] = [(root, 0, b"")]
        repeats = _Repeats(root)
        while stack:
            cid, depth, prefix = stack.pop()
            if depth > MAX_DEPTH:
                raise FormatError(f"the DAG {root} is deeper than {MAX_DEPTH} levels", cid=str(cid))
            repeats.count(cid)
            node = self._shard_node(cid) if prefix else self._node(cid) if cid.codec != RAW else None
            if node is None or not node.is_directory:
                yield from self._walk_file(cid, 0, None, repeats)
                continue
            yield cid, None
            if node.shard is None:
                stack += [(link.cid, depth + 1, b"") for link in reversed(node.links)]
                continue
            node.shard.verify_place(prefix)
            stack += [
                (link.cid, depth + 1, prefix + bytes([link.bucket]) if link.name is None else b"")
                for link in reversed(node.shard.links)
            ]

    def _way(self, root: Cid, path: str) -> Iterator[list[Cid]]:
        """The root, and for each name of the path the shards that lead to it and what it names."""
        cid, depth = root, 0
        yield [root]
        for name in path.split("/"):
            if not name:
                continue
            cids = self._step(cid, name)
            if not cids:
                raise NotFoundError(f"there is no {name[:255]!r} in {cid}", cid=str(cid), name=name)
            depth += 1
            if depth >= MAX_DEPTH:
                raise FormatError(f"the path {path[:200]!r} is deeper than {MAX_DEPTH} names")
            yield cids
            cid = cids[-1]

    def _step(self, directory: Cid, name: str) -> list[Cid]:
        """What ``name`` is in a directory, behind the shards that lead to it; nothing when it is not there."""
        node = self._directory(directory)
        if node.shard is None:
            cid = node.by_name.get(name)
            return [] if cid is None else [cid]
        shard, cids, prefix = node.shard, [], b""
        while True:
            shard.verify_place(prefix)
            found = shard.find(name, len(prefix))
            if found is None:
                return []
            cids.append(found.cid)
            if found.name is not None:
                return cids
            prefix += bytes([found.bucket])
            shard = self._below(found.cid)

    def _shards(self, root: HamtShard) -> Iterator[HamtShard]:
        """All shards of a directory, depth first, each where it belongs."""
        entries = 0
        stack = [(root.cid, b"")]
        while stack:
            cid, prefix = stack.pop()
            shard = self._below(cid)
            shard.verify_place(prefix)
            entries += len(shard.links)
            if entries > MAX_ENTRIES:
                raise FormatError(f"the directory {root.cid} has more than {MAX_ENTRIES} entries", cid=str(root.cid))
            yield shard
            stack += [(link.cid, prefix + bytes([link.bucket])) for link in reversed(shard.links) if link.name is None]

    def _below(self, cid: Cid) -> HamtShard:
        shard = self._shard_node(cid).shard
        assert shard is not None
        return shard

    def _shard_node(self, cid: Cid) -> _Node:
        node = self._node(cid) if cid.codec != RAW else None
        if node is None or node.shard is None:
            raise FormatError(f"{cid} stands where a shard of a directory belongs", cid=str(cid))
        return node

    def _directory(self, cid: Cid) -> _Node:
        node = self._node(cid) if cid.codec != RAW else None
        if node is None or not node.is_directory:
            raise NotFoundError(f"{cid} is a file, not a directory", cid=str(cid))
        return node

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
            is_whole_link = length is None and node.unixfs.kind == SYMLINK
            if not (node.unixfs.is_file or is_whole_link) or (length is not None and node.size != length):
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

    def _node(self, cid: Cid) -> _Node:
        # An identity CID carries its content where others have a hash: it must not be taken for that hash.
        key = None if cid.is_identity else cid.digest
        if key is not None:
            with self._lock:
                node = self._nodes.get(key)
                if node is not None:
                    self._nodes.move_to_end(key)
                    return node
        node = _parse(cid, self.store.get(cid))
        if key is not None:
            with self._lock:
                self._remember(key, node)
        return node

    def _remember(self, key: bytes, node: _Node) -> None:
        if key in self._nodes:
            return
        self._nodes[key] = node
        self._cached_links += len(node.links) + 1
        while self._cached_links > _CACHED_LINKS and len(self._nodes) > 1:
            _, old = self._nodes.popitem(last=False)
            self._cached_links -= len(old.links) + 1


def _parse(cid: Cid, block: bytes) -> _Node:
    parsed = parse_node(block)
    unixfs = parse_unixfs(parsed.data)
    parts: tuple[FilePart, ...] = ()
    shard = None
    if unixfs.is_file:
        parts = tuple(file_parts(cid, parsed, unixfs))
    elif unixfs.kind == SYMLINK:
        target = link_target(cid, parsed, unixfs).encode("utf-8")
        parts = (FilePart(offset=0, length=len(target), cid=None, data=target),)
    elif unixfs.kind == HAMT_SHARD:
        shard = parse_shard(cid, parsed, unixfs)
    # Backwards, so that the first of two equal names counts.
    by_name = {link.name: link.cid for link in reversed(parsed.links)} if unixfs.kind == DIRECTORY else {}
    return _Node(unixfs=unixfs, links=parsed.links, by_name=by_name, parts=parts, shard=shard)
