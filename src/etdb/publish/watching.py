"""Following the blocks that hold our transactions, without asking for each of them."""

from __future__ import annotations

from typing import Final, Literal

from etdb.ledger import BlockRef, Ledger
from etdb.publish.journal import Journal

__all__ = ["BlockWatch"]

_MOST_BLOCKS: Final = 200
"""More new blocks than these at once are not read one by one."""


class BlockWatch:
    """Looks for new blocks and notes which of our transactions they hold.

    Attributes:
        height: of the newest block that was seen.
        blocks_seen: how many came since the first look.
    """

    def __init__(self, journal: Journal, ledger: Ledger, address: str) -> None:
        self._journal = journal
        self._ledger = ledger
        self._address = address
        self._last: BlockRef | None = None
        self.height = 0
        self.blocks_seen = 0

    def look(self) -> Literal["same", "grown", "changed"]:
        """What became of the chain: nothing, blocks on top that were read, or more than that.

        After "changed" (a reorganisation, a message of our address that the journal does not know, many blocks, the
        first look) everything must be looked at.
        """
        tip = self._ledger.tip()
        if tip == self._last or tip is None:
            return "same"
        last, self._last = self._last, tip
        self.height = tip.height
        if last is None:
            return "changed"
        self.blocks_seen += max(1, tip.height - last.height)
        if not 0 < tip.height - last.height <= _MOST_BLOCKS or self._ledger.block_ref(last.height) != last:
            return "changed"
        return self._read(last, tip)

    def is_still(self) -> bool:
        """Whether the chain that was looked at last holds yet, blocks on top apart."""
        last = self._last
        return (self._ledger.tip() if last is None else self._ledger.block_ref(last.height)) == last

    def missed_any(self) -> bool:
        """Whether one of a few transactions that wait is not known any more, or is in a block that was read already.

        If one is, the ledger may have forgotten all of them.
        """
        waiting = list(self._journal.waiting())
        some = {waiting[0], waiting[len(waiting) // 2], waiting[-1]} if waiting else set()
        states = [self._ledger.status(txid) for txid in some]
        return any(one.state == "unknown" or (one.height is not None and one.height <= self.height) for one in states)

    def _read(self, last: BlockRef, tip: BlockRef) -> Literal["grown", "changed"]:
        waiting = self._journal.waiting()
        previous = last.block_hash
        for block in self._ledger.blocks(last.height + 1):
            if block.previous_hash != previous:
                self._last = None
                return "changed"
            previous = block.ref.block_hash
            others = []
            buried = []
            for message in block.messages:
                ours = waiting.pop(message.txid, None)
                if ours is not None:
                    buried.append(ours.seq)
                elif self._address in message.sender:
                    others.append(message.txid)
            if buried:
                self._journal.bury(buried, block.ref.height)
            if any(self._journal.find_transaction(txid) is None for txid in others):
                return "changed"
            if block.ref.height >= tip.height:
                break
        for txid, one in waiting.items():
            height = self._ledger.status(txid).height if one.part < 0 else None  # splits of coins are no messages
            if height is not None:
                self._journal.bury([one.seq], height)
        return "grown"
