"""How many bytes the tree of a file takes, from the file's size alone: a manifest may tell of files that are not here.

A directory's link says that size. The digests do not matter for it, and all full subtrees of a level have the same one,
so that a file of any size takes as long as its tree is deep.
"""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

from etdb.ipfs import (
    DAG_PB,
    DIGEST_BYTES,
    Cid,
    ImportProfile,
    PbLink,
    encode_file_data,
    encode_node,
    file_geometry,
    leaf_cid,
    leaf_frame,
)

__all__ = ["file_tree_size"]

_DIGEST = bytes(DIGEST_BYTES)


class _Subtree(Struct, frozen=True):
    cid: Cid
    content_bytes: int
    tree_size: int

    @property
    def link_bytes(self) -> int:
        """What its link takes in a node."""
        link = PbLink(cid=self.cid, tree_size=self.tree_size)
        return len(encode_node([link], b"")) - len(encode_node([], b""))

    @property
    def size_field_bytes(self) -> int:
        """What the size of its content takes in a node's data."""
        return len(encode_file_data(0, [self.content_bytes])) - len(encode_file_data(0, []))


def file_tree_size(size_bytes: int, profile: ImportProfile) -> int:
    """The bytes of all blocks of a file of ``size_bytes``: the same as :class:`~etdb.ipfs.FileDag` finds.

    Raises:
        FormatError: the size is negative or not believable.
    """
    geometry = file_geometry(size_bytes, profile)
    full = _leaf(profile.leaf_bytes, profile)
    last = _leaf(geometry.leaf(geometry.leaf_count - 1).length, profile)
    for below, here in pairwise(geometry.level_counts):
        children_of_last = below - (here - 1) * profile.width
        last = _node(full, children_of_last, last, profile)
        full = _node(full, profile.width, full, profile)
    return last.tree_size


def _leaf(length: int, profile: ImportProfile) -> _Subtree:
    frame = 0 if profile.raw_leaves else sum(map(len, leaf_frame(length)))
    return _Subtree(leaf_cid(_DIGEST, profile), length, length + frame)


def _node(full: _Subtree, children: int, last: _Subtree, profile: ImportProfile) -> _Subtree:
    """The node above full subtrees and a last one."""
    others = children - 1
    content = others * full.content_bytes + last.content_bytes
    data = len(encode_file_data(content, [])) + others * full.size_field_bytes + last.size_field_bytes
    block = len(encode_node([], bytes(data))) + others * full.link_bytes + last.link_bytes
    cid = Cid(version=profile.cid_version, codec=DAG_PB, digest=_DIGEST)
    return _Subtree(cid, content, block + others * full.tree_size + last.tree_size)
