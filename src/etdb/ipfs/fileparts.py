"""The pieces of one node of a file, once its own sizes agree."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.cid import Cid
from etdb.ipfs.dagpb import PbNode
from etdb.ipfs.unixfs import UnixFs

__all__ = ["FilePart", "content_size", "file_parts"]


class FilePart(Struct, frozen=True, kw_only=True):
    """One child or one inline piece of a file's node: ``length`` bytes at ``offset`` from the node's start."""

    offset: int
    length: int
    cid: Cid | None
    data: bytes = b""


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
    if total != content_size(cid, unixfs):
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


def content_size(cid: Cid, unixfs: UnixFs) -> int:
    """The bytes of content that a file's node says.

    Raises:
        FormatError: it has children and does not say.
    """
    if unixfs.file_size is not None:
        return unixfs.file_size
    if unixfs.block_sizes:
        raise FormatError(f"the node {cid} does not say the size of its file", cid=str(cid))
    return len(unixfs.data)
