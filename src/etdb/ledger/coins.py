"""Coins and fees as pure plans: sizes, fees, lanes, selection. Amounts are whole satoshi (1e-8 FLO)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from etdb.errors import EtdbError, InsufficientFundsError
from etdb.ledger.port import Coin

__all__ = [
    "ChainFullError",
    "Limits",
    "SendPlan",
    "lane_room",
    "plan_send",
    "select_coins",
    "transaction_size",
]

_INPUT_BYTES: Final = 148  # outpoint, signature of 72 and key of 33 with their lengths, sequence
_OUTPUT_BYTES: Final = 34  # a P2PKH output
_FRAME_BYTES: Final = 10  # version, two counts, lock time
MAX_LANES: Final = 200
"""Outputs of one fan-out: more would make it larger than blocks like."""


class ChainFullError(EtdbError):
    """Every coin already hangs on as many unconfirmed transactions as the ledger allows: a block must come first."""

    code = "chain-full"
    exit_status = 6


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger allows and what the user will pay.

    ``max_chain`` counts unconfirmed transactions that hang on each other (25 in old nodes, 1,250 in FLO Core
    0.15.2), ``max_chain_bytes`` their size. ``dust_sat`` is the least an output may hold.
    """

    max_chain: int = 25
    max_chain_bytes: int = 101_000
    dust_sat: int = 546
    fee_rate_sat_per_kb: int = 100_000
    max_fee_sat: int = 1_000_000_000
    data_limit_bytes: int = 1040

    def fee_sat(self, size_bytes: int) -> int:
        """The fee of a transaction of this size, rounded up."""
        return -(-size_bytes * self.fee_rate_sat_per_kb // 1000)


class SendPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What sending messages will take: transactions with the fan-out, if one is needed, and what they cost."""

    transactions: int
    bytes: int
    fee_sat: int
    fan_out_lanes: int
    available_sat: int


def transaction_size(inputs: int, outputs: int, data_bytes: int) -> int:
    """Bytes of a signed transaction at the most."""
    count_bytes = 1 if data_bytes < 253 else 3
    more_counts = 2 * (inputs >= 253) + 2 * (outputs >= 253)
    return _FRAME_BYTES + inputs * _INPUT_BYTES + outputs * _OUTPUT_BYTES + count_bytes + data_bytes + more_counts


def lane_room(coin: Coin, limits: Limits, size_bytes: int) -> int:
    """How many transactions of this size can hang on a coin before a block comes."""
    by_count = limits.max_chain - coin.chain_depth
    by_bytes = (limits.max_chain_bytes - coin.chain_bytes) // size_bytes
    by_amount = (coin.amount_sat - limits.dust_sat) // max(1, limits.fee_sat(size_bytes))
    return max(0, min(by_count, by_bytes, by_amount))


def plan_send(data_sizes: Sequence[int], coins: Sequence[Coin], limits: Limits) -> SendPlan:
    """What messages of these sizes take: one transaction each, and a fan-out where the coins are too few lanes."""
    sizes = [transaction_size(1, 1, size) for size in data_sizes]
    fee = sum(limits.fee_sat(size) for size in sizes)
    lanes = wanted_lanes(len(sizes), coins, limits)
    if lanes:
        fan_out = transaction_size(1, lanes + 1, 0)
        fee += limits.fee_sat(fan_out)
        sizes.append(fan_out)
    return SendPlan(
        transactions=len(sizes),
        bytes=sum(sizes),
        fee_sat=fee,
        fan_out_lanes=lanes,
        available_sat=sum(coin.amount_sat for coin in coins),
    )


def wanted_lanes(transactions: int, coins: Sequence[Coin], limits: Limits) -> int:
    """Into how many lanes coins should be split for this many full transactions; 0 when they are enough as they are."""
    full = transaction_size(1, 1, limits.data_limit_bytes)
    if sum(lane_room(coin, limits, full) for coin in coins) >= transactions:
        return 0
    a_lane = min(limits.max_chain, limits.max_chain_bytes // full) - 1  # the fan-out itself may be unconfirmed
    return min(MAX_LANES, -(-transactions // max(1, a_lane)))


def select_coins(
    coins: Sequence[Coin], target_sat: int, outputs: int, data_bytes: int, limits: Limits
) -> tuple[Coin, ...]:
    """The fewest coins that pay ``target_sat`` and the fee of spending them, the largest first.

    Raises:
        InsufficientFundsError: all of them together do not.
    """
    chosen: list[Coin] = []
    total = 0
    for coin in sorted(coins, key=lambda one: (-one.amount_sat, one.outpoint.txid, one.outpoint.vout)):
        chosen.append(coin)
        total += coin.amount_sat
        if total >= target_sat + limits.fee_sat(transaction_size(len(chosen), outputs, data_bytes)):
            return tuple(chosen)
    address = coins[0].address if coins else "the publisher's address"
    needed = target_sat + limits.fee_sat(transaction_size(max(1, len(chosen)), outputs, data_bytes))
    raise InsufficientFundsError(
        f"{address} holds {total} satoshi that can be spent now; {needed} are needed",
        hint="send coins to that address, or wait until its own are confirmed",
        have_sat=total,
        need_sat=needed,
    )
