"""Making the next block: which pending transactions go in, and a header with its proof of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from etdb.flo import (
    Block,
    BlockHeader,
    Network,
    Transaction,
    build_coinbase,
    merkle_root,
    mine,
    parse_header,
    parse_transaction,
)
from etdb.ledger.rules import MAX_SIGNATURE_OPERATIONS, median_time_s, signature_operations

__all__ = ["MAX_BLOCK_TRANSACTION_BYTES", "choose_pending", "next_block"]

MAX_BLOCK_TRANSACTION_BYTES: Final = 750_000
"""What goes into one block beside the coinbase: about 590 transactions that are full of text."""
_COINBASE_OPERATIONS: Final = 100
_BLOCK_VERSION: Final = 0x20000000


def choose_pending(waiting: Iterable[tuple[bytes, int]]) -> list[tuple[Transaction, int]]:
    """The oldest pending transactions that fit into one block, with their fees."""
    chosen: list[tuple[Transaction, int]] = []
    size, operations = 0, _COINBASE_OPERATIONS
    for raw, fee in waiting:
        transaction = parse_transaction(raw)
        size += len(raw)
        operations += signature_operations(transaction)
        if size > MAX_BLOCK_TRANSACTION_BYTES or operations > MAX_SIGNATURE_OPERATIONS:
            break
        chosen.append((transaction, fee))
    return chosen


def next_block(
    network: Network,
    *,
    height: int,
    previous_hash: str,
    times_s: Sequence[int],
    now_s: int,
    pays: bytes,
    flo_data: bytes,
    transactions: Sequence[tuple[Transaction, int]],
) -> Block:
    """A block that follows ``previous_hash``.

    Args:
        network: whose rules; quick only where work costs nothing.
        height: where it goes.
        previous_hash: the tip.
        times_s: the times of the last eleven blocks; this one's is later than their median.
        now_s: the clock, Unix seconds.
        pays: the script that the coinbase pays.
        flo_data: the coinbase's text.
        transactions: what goes in, with fees in satoshi.
    """
    value = network.subsidy_sat(height) + sum(fee for _, fee in transactions)
    all_of_them = (build_coinbase(height, value, pays, flo_data), *(one for one, _ in transactions))
    header = BlockHeader(
        version=_BLOCK_VERSION,
        prev_hash=previous_hash,
        merkle_root=merkle_root([one.txid for one in all_of_them]),
        time_s=max(now_s, median_time_s(times_s) + 1),
        bits=parse_header(network.genesis_block[:80]).bits,
        nonce=0,
    )
    return Block(mine(header), all_of_them)
