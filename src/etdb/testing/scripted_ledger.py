"""A ledger that a test writes, block by block, and may take back: the reorganisations that real chains seldom show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from etdb.errors import NotFoundError, RefusedError
from etdb.ledger import BlockRef, Coin, InclusionEvidence, LedgerBlock, LedgerMessage, Outpoint, TxStatus
from etdb.ledger.port import one_by_one

__all__ = ["ScriptedLedger"]

_NO_BLOCK = "0" * 64


class ScriptedLedger:
    """Blocks of messages in memory. It implements the reading side of ``etdb.ledger.Ledger``.

    A message's transaction id is the hash of its text, its salt and its place, unless the test gives one.

    Args:
        network_name: what it calls itself.
        interval_s: seconds from block to block.
    """

    def __init__(self, network_name: str = "scripted", *, interval_s: int = 40) -> None:
        self.network_name = network_name
        self.chain: list[LedgerBlock] = []
        self.reads = 0
        self.before_block: Callable[[int], None] | None = None
        self._interval_s = interval_s
        self._salt = 0

    def txid_of(self, data: bytes) -> str:
        """A fresh transaction id for a text."""
        self._salt += 1
        return hashlib.sha256(f"{self._salt}:".encode() + data).hexdigest()

    def add_block(
        self,
        messages: Sequence[bytes | tuple[str, bytes] | tuple[str, bytes, str]] = (),
        *,
        senders: Sequence[str] = (),
        time_s: int | None = None,
    ) -> list[str]:
        """Append a block; the transaction ids of its messages.

        A message is a text, or its transaction id and text, or these and who sent it; else ``senders`` sent it.
        """
        placed = [(self.txid_of(one), one) if isinstance(one, bytes) else one for one in messages]
        height = len(self.chain)
        previous = self.chain[-1].ref.block_hash if self.chain else _NO_BLOCK
        self._salt += 1
        text = f"{height}:{previous}:{self._salt}:{[one[0] for one in placed]}"
        self.chain.append(
            LedgerBlock(
                ref=BlockRef(height, hashlib.sha256(text.encode()).hexdigest()),
                previous_hash=previous,
                time_s=1_700_000_000 + height * self._interval_s if time_s is None else time_s,
                messages=tuple(
                    LedgerMessage(txid=one[0], position=place + 1, data=one[1], sender=tuple(one[2:]) or tuple(senders))
                    for place, one in enumerate(placed)
                ),
            )
        )
        return [one[0] for one in placed]

    def take_back(self, count: int) -> list[LedgerBlock]:
        """Remove the newest blocks, as a reorganisation does; what was removed."""
        if not count:
            return []
        removed = self.chain[-count:]
        del self.chain[-count:]
        return removed

    def tip(self) -> BlockRef | None:
        return self.chain[-1].ref if self.chain else None

    def block_ref(self, height: int) -> BlockRef | None:
        return self.chain[height].ref if 0 <= height < len(self.chain) else None

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Blocks as they are when each is read: ``before_block`` may change the chain under the reader's feet."""
        height = start_height
        while height < len(self.chain):
            if self.before_block is not None:
                self.before_block(height)
                if height >= len(self.chain):
                    return
            self.reads += 1
            yield self.chain[height]
            height += 1

    def status(self, txid: str) -> TxStatus:
        for block in self.chain:
            if any(message.txid == txid for message in block.messages):
                depth = len(self.chain) - block.ref.height
                return TxStatus(txid=txid, state="confirmed", height=block.ref.height, confirmations=depth)
        return TxStatus(txid=txid, state="unknown")

    def raw(self, txid: str) -> bytes:
        raise NotFoundError(f"a scripted ledger has texts, not transactions: {txid}")

    def spender(self, outpoint: Outpoint) -> str | None:  # noqa: ARG002  # the port's
        return None

    def evidence(self, txid: str) -> InclusionEvidence:
        raise NotFoundError(f"a scripted ledger proves nothing: {txid}")

    def coins(self, address: str) -> list[Coin]:  # noqa: ARG002  # the port's
        return []

    def submit_many(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        return one_by_one(self.submit, raws)

    def submit(self, raw: bytes) -> str:  # noqa: ARG002  # the port's
        raise RefusedError("a scripted ledger takes nothing", reason="scripted")

    def settle(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open."""
