"""Blocks in memory: for tests, and for the few nodes of a plan."""

from __future__ import annotations

import threading

from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.ipfs import MAX_BLOCK_BYTES, RAW, Cid, cid_of, verify_block

__all__ = ["MemoryStore"]


class MemoryStore:
    """A block store in a dictionary."""

    name = "memory"

    def __init__(self) -> None:
        self._blocks: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def put(self, block: bytes, *, codec: int = RAW) -> Cid:
        """Keep a block; gives its CID."""
        cid = cid_of(block, codec=codec)
        with self._lock:
            self._blocks[cid.digest] = bytes(block)
        return cid

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        block = identity_block(cid, max_bytes)
        if block is None:
            block = self._blocks.get(cid.digest)
            if block is None:
                raise not_in_store(cid, self.name)
            if len(block) > max_bytes:
                raise block_too_large(cid, len(block), max_bytes)
            verify_block(cid, block, source=self.name)
        return block

    def has(self, cid: Cid) -> bool:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return cid.is_identity or cid.digest in self._blocks

    def close(self) -> None:
        """Nothing to let go of."""
