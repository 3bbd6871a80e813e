"""The verifying walk: from a root CID to every file and leaf below it, trusting nothing that was not hashed.

:class:`DagWalk` is a protocol object. It says which nodes it :attr:`~DagWalk.wanted`, takes their bytes from wherever
the caller found them, and gives events. Raw leaves are never asked for: each is an event with its place in its file,
so that a downloader fetches them as it likes, in ranges, and checks each with :func:`verify_leaf`.

What is checked: each node against its CID; the sizes that a node says against those that its parent said; names;
limits. What cannot be checked: ``tree_size`` (Tsize) of directories and of files with nodes, which is advice only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from etdb.errors import FormatError, InputError, VerificationError
from etdb.ipfs.cid import MAX_BLOCK_BYTES, RAW, Cid, verify_block
from etdb.ipfs.dagpb import MAX_LINKS, PbNode, parse_node
from etdb.ipfs.directory import verify_entry_name
from etdb.ipfs.unixfs import DIRECTORY, MAX_FILE_BYTES, UnixFs, parse_unixfs

__all__ = [
    "DagWalk",
    "DirectoryFound",
    "FileFound",
    "FilePart",
    "InlineFound",
    "LeafFound",
    "WalkEvent",
    "WalkLimits",
    "file_parts",
    "group_leaves",
    "verify_leaf",
]


class WalkLimits(Struct, frozen=True, kw_only=True):
    """What a DAG of someone else may cost.

    Attributes:
        max_depth: levels of nodes from the root, directories and files together.
        max_links: links of one node.
        max_nodes: nodes in all, each place counted.
        max_node_bytes: bytes of one node.
        max_entries: files and directories in all.
        max_leaves: raw leaves and inline pieces in all; each is an event, so this bounds memory.
        max_size_bytes: content of all files together.
    """

    max_depth: int = 48
    max_links: int = MAX_LINKS
    max_nodes: int = 1 << 20
    max_node_bytes: int = MAX_BLOCK_BYTES
    max_entries: int = 1 << 20
    max_leaves: int = 1 << 22
    max_size_bytes: int = MAX_FILE_BYTES


class DirectoryFound(Struct, frozen=True, kw_only=True):
    """A directory; ``path`` is "" for the root. ``names`` are its entries in their order."""

    path: str
    cid: Cid
    names: tuple[str, ...]


class FileFound(Struct, frozen=True, kw_only=True):
    """A file. ``size_bytes`` is None for a raw leaf whose link does not say a size, and for a raw root."""

    path: str
    cid: Cid
    size_bytes: int | None


class LeafFound(Struct, frozen=True, kw_only=True):
    """A raw leaf of a file: ``length`` bytes at ``offset`` that hash to ``cid``; length None when nobody says it."""

    path: str
    offset: int
    length: int | None
    cid: Cid


class InlineFound(Struct, frozen=True, kw_only=True):
    """Content that stood in a node, verified: write it at ``offset``."""

    path: str
    offset: int
    data: bytes


WalkEvent = DirectoryFound | FileFound | LeafFound | InlineFound


class _Place(Struct, frozen=True):
    """Where a node belongs: its path, and its offset and size in a file (size None: not inside a file yet)."""

    path: str
    depth: int
    offset: int
    size: int | None


class FilePart(Struct, frozen=True, kw_only=True):
    """One child or one inline piece of a file's node: ``length`` bytes at ``offset`` from the node's start."""

    offset: int
    length: int
    cid: Cid | None
    data: bytes = b""


class _Opened(Struct, frozen=True):
    """A node that was read once, for all its places: a small DAG can name the same node a million times."""

    node: PbNode
    unixfs: UnixFs
    parts: tuple[FilePart, ...]


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
                    raise _size_lie(place, cid, f"{len(cid.digest)} bytes stand where {length} were said")
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
        return _Opened(node, unixfs, tuple(file_parts(cid, node, unixfs)) if unixfs.is_file else ())

    def _open_node(self, cid: Cid, opened: _Opened, place: _Place, events: list[WalkEvent]) -> None:
        unixfs = opened.unixfs
        if unixfs.is_file:
            size = sum(part.length for part in opened.parts) if place.size is None else place.size
            if place.size is None:
                self._count_file(place.path, cid, size, events)
            elif _file_size(cid, unixfs) != size:
                raise _size_lie(place, cid, f"its node says {unixfs.file_size} bytes, its parent {size}")
            for part in opened.parts:
                at = place.offset + part.offset
                if part.cid is None:
                    self._count_leaf()
                    events.append(InlineFound(path=place.path, offset=at, data=part.data))
                else:
                    self._visit(part.cid, _Place(place.path, place.depth + 1, at, part.length), None, events)
        elif unixfs.kind == DIRECTORY and place.size is None:
            self._open_directory(cid, opened.node, place, events)
        else:
            raise FormatError(
                f"{place.path!r}: a UnixFS {unixfs.kind_name} is not read by this release",
                cid=str(cid),
                path=place.path,
            )

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


def file_parts(cid: Cid, node: PbNode, unixfs: UnixFs) -> Iterator[FilePart]:
    """The pieces of a file's node in order, after its own sizes were found to agree.

    Raises:
        FormatError: links and block sizes differ in number, sizes do not add up, or a child would be empty.
    """
    if len(node.links) != len(unixfs.block_sizes):
        raise FormatError(
            f"the node {cid} has {len(node.links)} links and {len(unixfs.block_sizes)} block sizes", cid=str(cid)
        )
    total = len(unixfs.data) + sum(unixfs.block_sizes)
    if total != _file_size(cid, unixfs):
        raise FormatError(f"the node {cid} says {unixfs.file_size} bytes; its parts add up to {total}", cid=str(cid))
    if 0 in unixfs.block_sizes:
        raise FormatError(f"the node {cid} has a child without content", cid=str(cid))
    offset = 0
    if unixfs.data:
        yield FilePart(offset=0, length=len(unixfs.data), cid=None, data=unixfs.data)
        offset = len(unixfs.data)
    for link, size in zip(node.links, unixfs.block_sizes, strict=True):
        yield FilePart(offset=offset, length=size, cid=link.cid)
        offset += size


def verify_leaf(leaf: LeafFound, content: bytes | bytearray | memoryview, *, source: str = "") -> None:
    """Check bytes that came for a leaf: the hash, and the length that its file says.

    Raises:
        VerificationError: fields ``cid``, ``offset``, ``path`` and ``source``.
    """
    try:
        verify_block(leaf.cid, content, source=source)
    except VerificationError as error:
        raise VerificationError(
            f"{error.message} ({leaf.path!r} at offset {leaf.offset})",
            hint=error.hint,
            cid=str(leaf.cid),
            offset=leaf.offset,
            path=leaf.path,
            source=source,
        ) from None
    if leaf.length is not None and len(content) != leaf.length:
        place = _Place(leaf.path, 0, leaf.offset, leaf.length)
        raise _size_lie(place, leaf.cid, f"the leaf has {len(content)} bytes where {leaf.length} were said")


def group_leaves(leaves: Iterable[LeafFound], max_bytes: int) -> Iterator[Sequence[LeafFound]]:
    """Neighbouring leaves of one file in groups of at most ``max_bytes`` (at least one leaf): one request each.

    Leaves of unknown length stand alone.
    """
    group: list[LeafFound] = []
    size = 0
    for leaf in leaves:
        fits = (
            group
            and leaf.length is not None
            and group[-1].length is not None
            and leaf.path == group[-1].path
            and leaf.offset == group[-1].offset + group[-1].length
            and size + leaf.length <= max_bytes
        )
        if group and not fits:
            yield group
            group, size = [], 0
        group.append(leaf)
        size += leaf.length or 0
    if group:
        yield group


def _file_size(cid: Cid, unixfs: UnixFs) -> int:
    if unixfs.file_size is not None:
        return unixfs.file_size
    if unixfs.block_sizes:
        raise FormatError(f"the node {cid} does not say the size of its file", cid=str(cid))
    return len(unixfs.data)


def _size_lie(place: _Place, cid: Cid, what: str) -> FormatError:
    return FormatError(
        f"{place.path!r} at offset {place.offset}: {what} ({cid})",
        hint="the dataset itself is wrong; no other source can mend it",
        cid=str(cid),
        offset=place.offset,
        path=place.path,
    )
