"""The tree of a file, made from the digests of its leaves alone: no leaf is kept or copied.

:class:`DagBuilder` takes one leaf after the other and gives each interior node as soon as it is full;
:class:`FileDag` makes the same nodes again from the table of digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.cid import DAG_PB, RAW, Cid, cid_of
from etdb.ipfs.dagpb import PbLink, encode_node
from etdb.ipfs.geometry import FileGeometry, file_geometry
from etdb.ipfs.profile import UNIXFS_V1_2025, ImportProfile
from etdb.ipfs.unixfs import encode_file_data, leaf_frame

__all__ = ["DIGEST_BYTES", "DagBuilder", "FileDag", "IpldBlock", "leaf_cid", "leaf_digest"]

DIGEST_BYTES = 32


class IpldBlock(Struct, frozen=True, kw_only=True):
    """A block with its name. ``tree_size`` is the bytes of it and of all blocks below it."""

    cid: Cid
    data: bytes
    tree_size: int


class _Child(Struct, frozen=True):
    cid: Cid
    content_bytes: int
    tree_size: int


def leaf_digest(content: bytes | bytearray | memoryview, profile: ImportProfile) -> bytes:
    """The SHA-256 of the leaf that holds ``content``; the frame of a dag-pb leaf is hashed, never joined to it."""
    if profile.raw_leaves:
        return hashlib.sha256(content).digest()
    head, tail = leaf_frame(len(content))
    state = hashlib.sha256(head)
    state.update(content)
    state.update(tail)
    return state.digest()


def leaf_cid(digest: bytes, profile: ImportProfile) -> Cid:
    """The CID of a leaf. A raw leaf has version 1 in every profile, for version 0 cannot say raw."""
    if profile.raw_leaves:
        return Cid(version=1, codec=RAW, digest=digest)
    return Cid(version=profile.cid_version, codec=DAG_PB, digest=digest)


class DagBuilder:
    """Leaves in, interior nodes out; memory is one node for each level.

    Call :meth:`add_leaf` for each leaf from left to right (an empty file has one empty leaf), then :meth:`finish`.
    """

    def __init__(self, profile: ImportProfile = UNIXFS_V1_2025) -> None:
        self._profile = profile
        self._open: list[list[_Child]] = [[]]
        self._last_length: int | None = None

    def add_leaf(self, digest: bytes, length: int) -> list[IpldBlock]:
        """Take the next leaf's digest and its bytes of content; gives the nodes that it completed.

        Raises:
            ValueError: a short leaf in the middle, or a leaf that is too long: mistakes of the caller.
        """
        profile = self._profile
        if self._last_length not in {None, profile.leaf_bytes} or not 0 <= length <= profile.leaf_bytes:
            raise ValueError("every leaf but the last is full, and none is longer")
        self._last_length = length
        tree_size = length if profile.raw_leaves else length + sum(map(len, leaf_frame(length)))
        done: list[IpldBlock] = []
        self._add(0, _Child(leaf_cid(digest, profile), length, tree_size), done)
        return done

    def finish(self) -> tuple[Cid, int, list[IpldBlock]]:
        """Close the tree: the root's CID, the size of the tree, and the nodes that were still open.

        Raises:
            ValueError: there was no leaf.
        """
        done: list[IpldBlock] = []
        level = 0
        while True:
            children = self._open[level]
            is_top = level == len(self._open) - 1
            if is_top and len(children) == 1:
                return children[0].cid, children[0].tree_size, done
            if is_top and not children:
                raise ValueError("a file has at least one leaf")
            if children:
                self._close(level, done)
            level += 1

    def _add(self, level: int, child: _Child, done: list[IpldBlock]) -> None:
        if level == len(self._open):
            self._open.append([])
        self._open[level].append(child)
        if len(self._open[level]) == self._profile.width:
            self._close(level, done)

    def _close(self, level: int, done: list[IpldBlock]) -> None:
        children = self._open[level]
        self._open[level] = []
        sizes = [child.content_bytes for child in children]
        data = encode_node(
            (PbLink(cid=child.cid, tree_size=child.tree_size) for child in children),
            encode_file_data(sum(sizes), sizes),
        )
        cid = cid_of(data, codec=DAG_PB, version=self._profile.cid_version)
        tree_size = len(data) + sum(child.tree_size for child in children)
        done.append(IpldBlock(cid=cid, data=data, tree_size=tree_size))
        self._add(level + 1, _Child(cid, sum(sizes), tree_size), done)


class FileDag:
    """The whole tree of a file, from its size and the digests of its leaves (32 bytes each, joined).

    Attributes:
        profile: how it was cut.
        geometry: where each byte is.
        root: the file's CID.
        tree_size: bytes of all its blocks, what a directory's link says.

    Raises:
        FormatError: the number of digests does not fit the size.
    """

    def __init__(
        self, digests: bytes | bytearray | memoryview, size_bytes: int, profile: ImportProfile = UNIXFS_V1_2025
    ) -> None:
        self.profile = profile
        self.geometry: FileGeometry = file_geometry(size_bytes, profile)
        if len(digests) != self.geometry.leaf_count * DIGEST_BYTES:
            raise FormatError(
                f"{len(digests)} bytes of digests do not fit a file of {size_bytes} bytes in profile {profile.name}"
            )
        self._digests = digests
        builder = DagBuilder(profile)
        self._nodes: list[IpldBlock] = []
        for index in range(self.geometry.leaf_count):
            self._nodes += builder.add_leaf(self._digest(index), self.geometry.leaf(index).length)
        self.root, self.tree_size, rest = builder.finish()
        self._nodes += rest

    @property
    def size_bytes(self) -> int:
        """Bytes of content."""
        return self.geometry.size_bytes

    def nodes(self) -> Iterator[IpldBlock]:
        """The interior nodes, children before their parents; none for a file of one leaf."""
        return iter(self._nodes)

    def leaf_cid(self, index: int) -> Cid:
        """The CID of leaf ``index``."""
        return leaf_cid(self._digest(index), self.profile)

    def _digest(self, index: int) -> bytes:
        return bytes(self._digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES])
