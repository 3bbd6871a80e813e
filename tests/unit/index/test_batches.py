"""How much of the ledger is in memory at a time: bounded by blocks, by messages and by bytes."""

from __future__ import annotations

from etdb.index import following
from etdb.ledger import BlockRef, LedgerBlock, LedgerMessage


def block(height: int, messages: int, size_bytes: int) -> LedgerBlock:
    texts = tuple(
        LedgerMessage(txid=f"{number:064x}", position=number, data=bytes(size_bytes), sender=())
        for number in range(messages)
    )
    return LedgerBlock(ref=BlockRef(height, f"{height:064x}"), previous_hash="", time_s=0, messages=texts)


def sizes(blocks: list[LedgerBlock]) -> list[int]:
    groups = list(following._batches(blocks))
    assert [one for group in groups for one in group] == blocks
    return [len(group) for group in groups]


def test_a_batch_ends_with_the_block_that_fills_it(monkeypatch):
    monkeypatch.setattr(following, "BATCH_BLOCKS", 4)
    monkeypatch.setattr(following, "BATCH_MESSAGES", 10)
    monkeypatch.setattr(following, "BATCH_BYTES", 1000)
    assert sizes([block(height, 1, 1) for height in range(9)]) == [4, 4, 1]
    assert sizes([block(height, 5, 1) for height in range(5)]) == [2, 2, 1]
    assert sizes([block(height, 1, 400) for height in range(5)]) == [3, 2]
    assert sizes([block(0, 1, 5000), block(1, 1, 1)]) == [1, 1]
    assert sizes([]) == []
