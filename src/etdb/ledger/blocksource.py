"""Where headers and blocks come from, apart from what they mean: a node, or a folder of its block files.

What a source gives is only claimed. Who reads checks it: headers by ``etdb.flo.HeaderChain``, a block by the hash of
its header and its Merkle root. A source that follows a living chain may name another block at a height from one call
to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from etdb.ledger.port import BlockRef

__all__ = ["MAX_HEADERS", "BlockSource"]

MAX_HEADERS: Final = 2_000
"""The most headers that a caller should ask for at once."""


class BlockSource(Protocol):
    """A place that has blocks of one chain."""

    @property
    def where(self) -> str:
        """The source as people know it, for messages: a URL without secrets, or a folder."""

    def tip(self) -> BlockRef:
        """The newest block that it has.

        Raises:
            LedgerError: it cannot be reached, or has none.
        """

    def headers(self, start_height: int, count: int, *, with_blocks: bool = False) -> list[bytes]:
        """Headers of its chain from a height on, lowest first, 80 bytes each.

        Args:
            start_height: of the first, from 0.
            count: how many at most; fewer come when the chain ends before, none when it ends below ``start_height``.
            with_blocks: whether their blocks are asked for next. A source that gets both together at less cost may do
                so, give fewer headers at a time, and keep these blocks until headers are asked for again.

        Raises:
            LedgerError: it cannot be reached, or answers nonsense.
        """

    def blocks(self, hashes: Sequence[str]) -> Iterator[bytes]:
        """Whole blocks as they are stored, one for each hash, in the order asked.

        Raises:
            NotFoundError: it does not have a block (any more); those before it were given.
            LedgerError: it cannot be reached, or answers nonsense.
        """

    def close(self) -> None:
        """Let go of files and connections."""
