"""A dataset's files as its manifest lists them, for a new directory over the same content; no file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from etdb.blocks import AddedFile
from etdb.blocks.reader import DagReader
from etdb.errors import FormatError
from etdb.ipfs import RAW, Cid, parse_cid, parse_node
from etdb.manifest import Manifest

__all__ = ["Blocks", "published_contents"]


class Blocks(Protocol):
    """What gives checked blocks."""

    def get(self, cid: Cid) -> bytes:
        """The block, checked against its CID."""


def published_contents(location: str, manifest: Manifest, blocks: Blocks) -> dict[str, AddedFile]:
    """The files below a location by path, each with what a directory must know to link it.

    Args:
        location: the dataset's root CID.
        manifest: of this very directory.
        blocks: where its nodes are: directories, and the root node of each file.

    Raises:
        FormatError: the directory and the manifest are not of one dataset.
        NotFoundError, SourceError: a node is nowhere.
    """
    reader = DagReader(blocks)
    contents = {}
    for one in manifest.files:
        cid: Cid | None = parse_cid(location)
        for name in one.path.split("/"):
            cid = reader.find(cid, name) if cid is not None and reader.is_directory(cid) else None
        if cid is None or str(cid) != one.cid:
            raise FormatError(f"the manifest of {location} lists {one.path[:200]!r} otherwise than its directory")
        contents[one.path] = AddedFile(
            cid=cid,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
            path=Path(one.path),
            tree_size=_tree_size(cid, one.size_bytes, blocks),
        )
    return contents


def _tree_size(cid: Cid, size_bytes: int, blocks: Blocks) -> int:
    """The bytes of all blocks of a file, as its root node says."""
    if cid.codec == RAW:
        return size_bytes
    block = blocks.get(cid)
    return len(block) + sum(link.tree_size or 0 for link in parse_node(block).links)
