"""What the verifying walk tells, what it may cost, and what to do with the leaves that it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from etdb.errors import FormatError, VerificationError
from etdb.ipfs.cid import MAX_BLOCK_BYTES, Cid, verify_block
from etdb.ipfs.dagpb import MAX_LINKS
from etdb.ipfs.unixfs import MAX_FILE_BYTES

__all__ = [
    "DirectoryFound",
    "FileFound",
    "InlineFound",
    "LeafFound",
    "SizeLieError",
    "SymlinkFound",
    "WalkEvent",
    "WalkLimits",
    "group_leaves",
    "size_lie",
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
    """A directory; ``path`` is "" for the root.

    ``names`` are its entries in their order; None when it is sharded: then they are known when the walk is over.
    """

    path: str
    cid: Cid
    names: tuple[str, ...] | None


class SymlinkFound(Struct, frozen=True, kw_only=True):
    """A symbolic link. ``target`` is text of a stranger: it may lead anywhere, so whoever makes links looks first."""

    path: str
    cid: Cid
    target: str


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


WalkEvent = DirectoryFound | FileFound | SymlinkFound | LeafFound | InlineFound


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
        raise size_lie(
            leaf.path, leaf.offset, leaf.cid, f"the leaf has {len(content)} bytes where {leaf.length} were said"
        )


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


class SizeLieError(FormatError):
    """A DAG whose sizes do not agree: it is so wherever it comes from."""


def size_lie(path: str, offset: int, cid: Cid, what: str) -> SizeLieError:
    """The error of a DAG whose sizes do not agree."""
    return SizeLieError(
        f"{path!r} at offset {offset}: {what} ({cid})",
        hint="the dataset itself is wrong; no other source can mend it",
        cid=str(cid),
        offset=offset,
        path=path,
    )
