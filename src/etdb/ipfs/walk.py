"""The verifying walk: from a root CID to every file and leaf below it, trusting nothing that was not hashed.

:class:`DagWalk` is a protocol object. It says which nodes it :attr:`~DagWalk.wanted`, takes their bytes from wherever
the caller found them, and gives events. Raw leaves are never asked for: each is an event with its place in its file,
so that a downloader fetches them as it likes, in ranges, and checks each with
:func:`~etdb.ipfs.walkevents.verify_leaf`.

What is checked: each node against its CID; the sizes that a node says against those that its parent said; names, and
in sharded directories the bucket of each; limits. What cannot be checked: ``tree_size`` (Tsize) of directories and of
files with nodes, which is advice only.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from etdb.errors import FormatError, InputError
from etdb.ipfs.cid import MAX_BLOCK_BYTES, RAW, Cid, verify_block
from etdb.ipfs.dagpb import PbNode, parse_node
from etdb.ipfs.directory import link_target
from etdb.ipfs.fileparts import FilePart, content_size, file_parts
from etdb.ipfs.hamt import HamtShard, parse_shard
from etdb.ipfs.names import verify_entry_name
from etdb.ipfs.unixfs import DIRECTORY, HAMT_SHARD, SYMLINK, UnixFs, parse_unixfs
from etdb.ipfs.walkevents import (
    DirectoryFound,
    FileFound,
    InlineFound,
    LeafFound,
    SymlinkFound,
    WalkEvent,
    WalkLimits,
    size_lie,
)

__all__ = ["DagWalk"]


class _Place(Struct, frozen=True):
    """Where a node belongs.

    Attributes:
        path: of the file or directory that it is, or is a part of.
        depth: levels of nodes above it.
        offset: of its content in its file.
        size: of its content; None: it is not inside a file yet.
        prefix: the buckets that led to it inside a sharded directory; empty: it is not inside one.
    """

    path: str
    depth: int
    offset: int
    size: int | None
    prefix: bytes = b""


class _Opened(Struct, frozen=True):
    """A node that was read once, for all its places: a small DAG can name the same node a million times."""

    node: PbNode
    unixfs: UnixFs
    parts: tuple[FilePart, ...]
    shard: HamtShard | None


class DagWalk:
    """Walks a DAG whose nodes arrive in any order.

    Args:
        root: where to begin.
        limits: what it may cost.

    Use: while ``wanted`` is not empty, get those nodes and give each to :meth:`receive`; first take the events of
    :meth:`start`. ``done`` says that every node was seen.
    """

    def __init__(self, root: Cid, limits: WalkLimits | None = None) -> None:
        self.root = root
        self.limits = limits or WalkLimits()
        self._wanted: dict[bytes, tuple[Cid, list[_Place]]] = {}
        self._ready: deque[tuple[Cid, _Opened, _Place]] = deque()
        self._nodes = self._entries = self._leaves = self._bytes = 0
        self._started = False

    @property
    def wanted(self) -> tuple[Cid, ...]:
        """The nodes that the walk needs next, in the order of the DAG where it can."""
        return tuple(cid for cid, _ in self._wanted.values())

    @property
    def next_wanted(self) -> Cid | None:
        """The first of :attr:`wanted`, without a list of all of them."""
        return next((cid for cid, _ in self._wanted.values()), None)

    @property
    def done(self) -> bool:
        """Whether all nodes were received."""
        return self._started and not self._wanted

    def start(self) -> list[WalkEvent]:
        """Begin; events of a root that is a raw leaf or carries its content."""
        if self._started:
            return []
        self._started = True
        events: list[WalkEvent] = []
        self._visit(self.root, _Place("", 0, 0, None), None, events)
        self._work(events)
        return events

    def receive(self, cid: Cid, block: bytes, *, source: str = "") -> list[WalkEvent]:
        """Take a node that is :attr:`wanted`; others are ignored.

        Raises:
            VerificationError: the bytes are not what the CID says. The walk stays as it was: ask another source.
            FormatError: the DAG itself is wrong or beyond the limits: no source can mend that.
        """
        if not self._started:
            raise RuntimeError("start() comes first")
        waiting = self._wanted.get(cid.digest)
        if waiting is None:
            return []
        verify_block(waiting[0], block, source=source)
        opened = self._read_node(waiting[0], block)
        del self._wanted[cid.digest]
        self._ready.extend((waiting[0], opened, place) for place in waiting[1])
        events: list[WalkEvent] = []
        self._work(events)
        return events

    def _work(self, events: list[WalkEvent]) -> None:
        while self._ready:
            cid, opened, place = self._ready.popleft()
            self._open_node(cid, opened, place, events)

    def _visit(self, cid: Cid, place: _Place, claimed: int | None, events: list[WalkEvent]) -> None:
        """Meet a CID: ``claimed`` is the Tsize of a directory's link, which for a raw leaf is its length."""
        if cid.codec == RAW:
            if place.prefix:
                raise FormatError(f"a raw leaf where a shard of the directory {place.path!r} belongs", cid=str(cid))
            self._count_leaf()
            length = place.size
            if length is None:
                length = len(cid.digest) if cid.is_identity else claimed
                self._count_file(place.path, cid, length, events)
            if length is not None and length > MAX_BLOCK_BYTES:
                raise FormatError(
                    f"{place.path!r}: a leaf of {length} bytes at offset {place.offset} is larger than a block can be",
                    cid=str(cid),
                    offset=place.offset,
                )
            if cid.is_identity:
                if len(cid.digest) != length:
                    raise size_lie(
                        place.path, place.offset, cid, f"{len(cid.digest)} bytes stand where {length} were said"
                    )
                events.append(InlineFound(path=place.path, offset=place.offset, data=cid.digest))
            else:
                events.append(LeafFound(path=place.path, offset=place.offset, length=length, cid=cid))
            return
        self._nodes += 1
        if self._nodes > self.limits.max_nodes:
            raise FormatError(f"the DAG {self.root} has more than {self.limits.max_nodes} nodes")
        if place.depth > self.limits.max_depth:
            raise FormatError(f"the DAG {self.root} is deeper than {self.limits.max_depth} levels", cid=str(cid))
        if cid.is_identity:
            self._ready.append((cid, self._read_node(cid, cid.digest), place))
        else:
            self._wanted.setdefault(cid.digest, (cid, []))[1].append(place)

    def _read_node(self, cid: Cid, block: bytes) -> _Opened:
        if len(block) > self.limits.max_node_bytes:
            raise FormatError(f"the node {cid} has {len(block)} bytes; {self.limits.max_node_bytes} are the limit")
        node = parse_node(block, max_links=self.limits.max_links)
        unixfs = parse_unixfs(node.data)
        return _Opened(
            node,
            unixfs,
            parts=tuple(file_parts(cid, node, unixfs)) if unixfs.is_file else (),
            shard=parse_shard(cid, node, unixfs) if unixfs.kind == HAMT_SHARD else None,
        )

    def _open_node(self, cid: Cid, opened: _Opened, place: _Place, events: list[WalkEvent]) -> None:
        unixfs = opened.unixfs
        if opened.shard is not None and place.size is None:
            self._open_shard(opened.shard, place, events)
        elif place.prefix:
            raise FormatError(
                f"a UnixFS {unixfs.kind_name} where a shard of the directory {place.path!r} belongs", cid=str(cid)
            )
        elif unixfs.is_file:
            size = sum(part.length for part in opened.parts) if place.size is None else place.size
            if place.size is None:
                self._count_file(place.path, cid, size, events)
            elif content_size(cid, unixfs) != size:
                raise size_lie(
                    place.path, place.offset, cid, f"its node says {unixfs.file_size} bytes, its parent {size}"
                )
            for part in opened.parts:
                at = place.offset + part.offset
                if part.cid is None:
                    self._count_leaf()
                    events.append(InlineFound(path=place.path, offset=at, data=part.data))
                else:
                    self._visit(part.cid, _Place(place.path, place.depth + 1, at, part.length), None, events)
        elif unixfs.kind == DIRECTORY and place.size is None:
            self._open_directory(cid, opened.node, place, events)
        elif unixfs.kind == SYMLINK and place.size is None:
            self._count_entry()
            events.append(SymlinkFound(path=place.path, cid=cid, target=link_target(cid, opened.node, unixfs)))
        else:
            raise FormatError(
                f"a UnixFS {unixfs.kind_name} inside the file {place.path!r}", cid=str(cid), path=place.path
            )

    def _open_shard(self, shard: HamtShard, place: _Place, events: list[WalkEvent]) -> None:
        shard.verify_place(place.prefix)
        if not place.prefix:
            self._count_entry()
            events.append(DirectoryFound(path=place.path, cid=shard.cid, names=None))
        above = place.path + "/" if place.path else ""
        for link in shard.links:
            if link.name is None:
                prefix = place.prefix + bytes([link.bucket])
                self._visit(link.cid, _Place(place.path, place.depth + 1, 0, None, prefix), None, events)
            else:
                self._visit(link.cid, _Place(above + link.name, place.depth + 1, 0, None), link.tree_size, events)

    def _open_directory(self, cid: Cid, node: PbNode, place: _Place, events: list[WalkEvent]) -> None:
        self._count_entry()
        names = tuple(link.name for link in node.links)
        for name in names:
            try:
                verify_entry_name(name)
            except InputError as error:
                raise FormatError(f"the directory {cid}: {error.message}", cid=str(cid)) from None
        if len(set(names)) != len(names):
            raise FormatError(f"the directory {cid} has a name twice", cid=str(cid))
        events.append(DirectoryFound(path=place.path, cid=cid, names=names))
        prefix = place.path + "/" if place.path else ""
        for link in node.links:
            self._visit(link.cid, _Place(prefix + link.name, place.depth + 1, 0, None), link.tree_size, events)

    def _count_entry(self) -> None:
        self._entries += 1
        if self._entries > self.limits.max_entries:
            raise FormatError(f"the DAG {self.root} has more than {self.limits.max_entries} files and directories")

    def _count_leaf(self) -> None:
        self._leaves += 1
        if self._leaves > self.limits.max_leaves:
            raise FormatError(f"the DAG {self.root} has more than {self.limits.max_leaves} leaves")

    def _count_file(self, path: str, cid: Cid, size: int | None, events: list[WalkEvent]) -> None:
        self._count_entry()
        self._bytes += size or 0
        if self._bytes > self.limits.max_size_bytes:
            raise FormatError(f"the files of the DAG {self.root} have more than {self.limits.max_size_bytes} bytes")
        events.append(FileFound(path=path, cid=cid, size_bytes=size))
