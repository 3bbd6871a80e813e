"""The blocks of a small dataset that came in one request and wait in memory until they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from etdb.ipfs import CarBlock, Cid

__all__ = ["BLOCK_COST_BYTES", "CarSource", "Gathered"]

BLOCK_COST_BYTES = 512
"""What a block takes beside its content: a source may send a million of four bytes."""


@runtime_checkable
class CarSource(Protocol):
    """A store that can send a whole DAG in one go."""

    def fetch_car(self, cid: Cid, *, max_bytes: int) -> Iterator[CarBlock]:
        """Its blocks, each checked against its own CID."""
        ...


class Gathered:
    """Checked blocks in memory, up to a limit."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def get(self, cid: Cid) -> bytes | None:
        """A block, if it is here."""
        return None if cid.is_identity else self._blocks.get(cid.digest)

    def fill(self, store: CarSource, root: Cid, max_bytes: int, came: Callable[[int], None]) -> None:
        """Take what a store sends of a DAG, as long as there is room.

        ``came`` is told of the bytes of each block.

        Raises:
            NotFoundError, SourceError, VerificationError: as ``fetch_car``; what came before is kept.
        """
        room = max_bytes
        for block in store.fetch_car(root, max_bytes=max_bytes):
            room -= len(block.data) + BLOCK_COST_BYTES
            if room < 0:
                break
            self._blocks[block.cid.digest] = block.data
            came(len(block.data))

    def clear(self) -> None:
        """Let go of all."""
        self._blocks.clear()
