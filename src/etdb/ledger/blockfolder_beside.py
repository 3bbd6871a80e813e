"""A node with its blocks folder beside it: the node says which chain holds, the folder gives what lies deep in it.

The folder is opened only when there is much to read: the first look at it takes the header of every block of the
chain, which costs as much as asking the node for a thirtieth of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from etdb.errors import NotFoundError
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_files import BlockFolderError
from etdb.ledger.blocksource import BlockSource
from etdb.ledger.port import BlockRef

__all__ = ["FolderBesideNode"]

_MUCH: Final = 5_000
_LOOK_SHARE: Final = 30
_MOST_MISSES: Final = 3
"""Times that the folder lacked what was asked for; then it is left alone."""
_BURIED: Final = 100
"""No node goes back further: so deep the folder and the node cannot differ for a while."""


class FolderBesideNode:
    """Both as one ``BlockSource``.

    Args:
        node: the node.
        open_folder: opens its blocks folder.
    """

    def __init__(self, node: BlockSource, open_folder: Callable[[], BlockFolder]) -> None:
        self._node = node
        self._open_folder = open_folder
        self._folder: BlockFolder | None = None
        self._buried = -1
        self._given = 0
        self._misses = 0

    @property
    def where(self) -> str:
        """The node."""
        return self._node.where

    def tip(self) -> BlockRef:
        """The node's newest block."""
        return self._node.tip()

    def headers(self, start_height: int, count: int, *, with_blocks: bool = False) -> list[bytes]:
        """Headers of the node's chain: those that are buried from the folder, the rest from the node.

        Raises:
            BlockFolderError: the folder is not of a node on the same chain.
        """
        if count > 1 and self._may_open:
            height = self._node.tip().height
            if _is_much(height - start_height, height):
                self._open()
        if count > 1 and self._folder is not None and start_height <= self._buried:
            try:
                count_there = min(count, self._buried - start_height + 1)
                return self._folder.headers(start_height, count_there, with_blocks=with_blocks)
            except NotFoundError:
                pass  # below where the folder's chain was read from
        return self._node.headers(start_height, count, with_blocks=with_blocks)

    def blocks(self, hashes: Sequence[str]) -> Iterator[bytes]:
        """Whole blocks, from the folder as long as it has them."""
        if self._may_open and self._given > _MUCH and _is_much(self._given, self._node.tip().height):
            self._open()
        done = 0
        if self._folder is not None:
            try:
                for raw in self._folder.blocks(hashes):
                    yield raw
                    done += 1
            except (NotFoundError, BlockFolderError):
                # Not written to the disk yet, pruned, or made anew: the node knows. To look for each new block in a
                # folder that was read to its end costs more than to ask for it.
                self._misses += 1
                if self._misses == _MOST_MISSES:
                    self._folder.close()
                    self._folder = None
        self._given += len(hashes) - done
        yield from self._node.blocks(hashes[done:])

    def close(self) -> None:
        """Let go of both."""
        if self._folder is not None:
            self._folder.close()
        self._node.close()

    @property
    def _may_open(self) -> bool:
        return self._folder is None and self._misses < _MOST_MISSES

    def _open(self) -> None:
        folder = self._open_folder()
        try:
            height = max(folder.tip().height - _BURIED, 0)
            ours = folder.headers(height, 1)
            theirs = self._node.headers(height, 1)
        except BaseException:
            folder.close()
            raise
        if theirs and ours != theirs:
            folder.close()
            raise BlockFolderError(
                f"{folder.where} and the node at {self.where} have different blocks at height {height}",
                hint="set blocks_folder under [node] to the folder of this node, or take it away",
                path=folder.where,
                height=height,
            )
        self._folder = folder
        self._buried = height if theirs else -1  # a node that is behind its own folder is read by its own word


def _is_much(count: int, height: int) -> bool:
    return count > max(_MUCH, height // _LOOK_SHARE)
