"""Where a file's bytes are in its tree: offset, leaf and node arithmetic without any I/O.

The layout is *balanced*: leaves from left to right, every interior node but the last of its level full, all leaves at
one depth. Level 0 are the leaves; the root is the only node of the top level.
"""

from __future__ import annotations

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.profile import ImportProfile
from etdb.ipfs.unixfs import MAX_FILE_BYTES

__all__ = ["FileGeometry", "LeafSpan", "file_geometry"]


class LeafSpan(Struct, frozen=True, kw_only=True):
    """A run of a file's bytes that lies in one leaf.

    Attributes:
        index: number of the leaf from the left.
        offset: first byte in the file.
        length: bytes.
    """

    index: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length


class FileGeometry(Struct, frozen=True, kw_only=True):
    """The shape of the tree of a file of ``size_bytes``; make it with :func:`file_geometry`.

    Attributes:
        size_bytes: the content.
        leaf_bytes: content of each leaf but the last.
        width: most children of a node.
        level_counts: nodes of each level, leaves first; the last is 1.
    """

    size_bytes: int
    leaf_bytes: int
    width: int
    level_counts: tuple[int, ...]

    @property
    def leaf_count(self) -> int:
        """Number of leaves: at least one, also of an empty file."""
        return self.level_counts[0]

    @property
    def depth(self) -> int:
        """Levels of interior nodes: 0 when the file is a single leaf."""
        return len(self.level_counts) - 1

    def leaf(self, index: int) -> LeafSpan:
        """The whole leaf ``index``."""
        if not 0 <= index < self.leaf_count:
            raise IndexError(f"leaf {index} of {self.leaf_count}")
        offset = index * self.leaf_bytes
        return LeafSpan(index=index, offset=offset, length=min(self.leaf_bytes, self.size_bytes - offset))

    def leaf_index_at(self, offset: int) -> int:
        """The leaf that holds the byte at ``offset``."""
        if not 0 <= offset < self.size_bytes:
            raise IndexError(f"offset {offset} of {self.size_bytes}")
        return offset // self.leaf_bytes

    def leaves_of_range(self, start: int, stop: int) -> range:
        """Numbers of the leaves that hold bytes ``start <= offset < stop`` (cut to the file)."""
        start, stop = max(0, start), min(stop, self.size_bytes)
        return range(0) if start >= stop else range(start // self.leaf_bytes, (stop - 1) // self.leaf_bytes + 1)

    def children(self, level: int, index: int) -> range:
        """Numbers, on the level below, of the children of node ``index`` of ``level >= 1``."""
        first = index * self.width
        return range(first, min(first + self.width, self.level_counts[level - 1]))

    def parent(self, index: int) -> int:
        """Number, on the level above, of the parent of node ``index`` of any level."""
        return index // self.width

    def node_span(self, level: int, index: int) -> tuple[int, int]:
        """The bytes ``(start, stop)`` of the file below node ``index`` of ``level``."""
        span = self.leaf_bytes * self.width**level
        return index * span, min((index + 1) * span, self.size_bytes)


def file_geometry(size_bytes: int, profile: ImportProfile) -> FileGeometry:
    """The tree that ``profile`` makes of a file of ``size_bytes``.

    Raises:
        FormatError: the size is negative or not believable.
    """
    if not 0 <= size_bytes <= MAX_FILE_BYTES:
        raise FormatError(f"a file of {size_bytes} bytes is outside 0 to {MAX_FILE_BYTES}")
    counts = [max(1, -(-size_bytes // profile.leaf_bytes))]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // profile.width))
    return FileGeometry(
        size_bytes=size_bytes, leaf_bytes=profile.leaf_bytes, width=profile.width, level_counts=tuple(counts)
    )
