"""The port of all block stores: what can be asked of a place that holds IPLD blocks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from etdb.errors import FormatError, NotFoundError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, verify_block

__all__ = ["BlockStore", "block_too_large", "identity_block", "not_in_store"]


@runtime_checkable
class BlockStore(Protocol):
    """Blocks by CID. Every adapter passes ``etdb.testing.blocks.BlockStoreContract``.

    Blocks are found by their hash: the version and the codec of the CID that asks do not matter. All methods can be
    called from several threads.
    """

    @property
    def name(self) -> str:
        """What errors call this store: a URL, a path, or "memory"."""
        ...

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """The block, checked against its CID.

        Raises:
            NotFoundError: it is not in this store.
            VerificationError: what the store has under this CID are other bytes; never given out.
            FormatError: it is larger than ``max_bytes``.
            SourceError: the store cannot be reached.
        """
        ...

    def has(self, cid: Cid) -> bool:
        """Whether the store knows the block. Only :meth:`get` says that its bytes are still right."""
        ...

    def close(self) -> None:
        """Let go of files and connections; may be called twice."""
        ...


def identity_block(cid: Cid, max_bytes: int = MAX_BLOCK_BYTES) -> bytes | None:
    """The content of an identity CID, which every store has; None for others."""
    if not cid.is_identity:
        return None
    verify_block(cid, cid.digest)
    if len(cid.digest) > max_bytes:
        raise block_too_large(cid, len(cid.digest), max_bytes)
    return cid.digest


def not_in_store(cid: Cid, store: str) -> NotFoundError:
    """The error of a block that a store does not have."""
    return NotFoundError(f"the IPLD block {cid} is not in {store}", cid=str(cid), source=store)


def block_too_large(cid: Cid, size: int, max_bytes: int) -> FormatError:
    """The error of a block above the caller's limit."""
    return FormatError(f"the IPLD block {cid} has {size} bytes; {max_bytes} are the limit", cid=str(cid))
