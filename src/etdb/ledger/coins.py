"""Coins and fees as pure plans: sizes, fees, lanes, selection. Amounts are whole satoshi (1e-8 FLO)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from etdb.errors import EtdbError, InsufficientFundsError
from etdb.ledger.port import Coin, Outpoint

__all__ = [
    "ChainFullError",
    "Limits",
    "SendPlan",
    "lane_room",
    "plan_send",
    "room_now",
    "select_coins",
    "transaction_size",
    "wanted_lanes",
]

_INPUT_BYTES: Final = 148  # outpoint, signature of 72 and key of 33 with their lengths, sequence
_OUTPUT_BYTES: Final = 34  # a P2PKH output
_FRAME_BYTES: Final = 10  # version, two counts, lock time
BLOCK_BYTES: Final = 750_000
"""Of transactions that one block is taken to hold: about 590 that are full of text."""
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
    min_relay_sat_per_kb: int = 1000

    def fee_sat(self, size_bytes: int) -> int:
        """The fee of a transaction of this size, rounded up."""
        return -(-size_bytes * self.fee_rate_sat_per_kb // 1000)


_ONE_COIN: Final = Coin(outpoint=Outpoint("00" * 32, 0), amount_sat=10_000_000_000, address="")
"""What a plan takes an address to hold when it holds nothing yet: it will be sent one coin."""


class SendPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What sending messages will take: transactions with the fan-out, if one is needed, and what they cost.

    ``blocks`` are those that must come until all of them are confirmed, when nobody else uses the ledger and
    everything is handed over at once.
    """

    transactions: int
    bytes: int
    fee_sat: int
    fan_out_lanes: int
    available_sat: int
    blocks: int


def transaction_size(inputs: int, outputs: int, data_bytes: int) -> int:
    """Bytes of a signed transaction at the most."""
    count_bytes = 1 if data_bytes < 253 else 3
    more_counts = 2 * (inputs >= 253) + 2 * (outputs >= 253)
    return _FRAME_BYTES + inputs * _INPUT_BYTES + outputs * _OUTPUT_BYTES + count_bytes + data_bytes + more_counts


def lane_room(coin: Coin, limits: Limits, size_bytes: int) -> int:
    """How many transactions of this size can hang on a coin before a block comes, if it uses its family up alone."""
    by_count = limits.max_chain - coin.chain_depth
    by_bytes = (limits.max_chain_bytes - coin.chain_bytes) // size_bytes
    by_amount = (coin.amount_sat - limits.dust_sat) // max(1, limits.fee_sat(size_bytes))
    return max(0, min(by_count, by_bytes, by_amount))


def plan_send(data_sizes: Sequence[int], coins: Sequence[Coin], limits: Limits) -> SendPlan:
    """What messages of these sizes take: one transaction each, and a fan-out where the coins are too few lanes."""
    sizes = [transaction_size(1, 1, size) for size in data_sizes]
    fee = sum(limits.fee_sat(size) for size in sizes)
    paying = coins or (_ONE_COIN,)
    lanes = wanted_lanes(len(sizes), paying, limits)
    blocks = _count_blocks(sizes, paying, lanes, limits)
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
        blocks=blocks,
    )


def _count_blocks(sizes: Sequence[int], coins: Sequence[Coin], lanes: int, limits: Limits) -> int:
    """Blocks until all are confirmed: one for what the unconfirmed may carry already, then as much as lanes allow."""
    if not sizes:
        return 0
    in_a_block = max(1, BLOCK_BYTES * len(sizes) // sum(sizes))
    now = _a_lane(limits) - 1 if lanes else room_now(coins, limits)
    later = lanes * _a_lane(limits) if lanes else sum(_whole_lane(coin, limits) for coin in coins)
    rest = len(sizes) - min(now, in_a_block)
    return 1 + max(0, -(-rest // max(1, min(later, in_a_block))))


def room_now(coins: Sequence[Coin], limits: Limits) -> int:
    """How many full transactions can hang on these coins before a block comes: each family has one limit."""
    families: dict[str, list[Coin]] = {}
    for coin in coins:
        name = coin.family if coin.chain_depth else f"{coin.outpoint.txid}:{coin.outpoint.vout}"
        families.setdefault(name, []).append(coin)
    return sum(_family_room(coins_of, limits) for coins_of in families.values())


def _family_room(coins: Sequence[Coin], limits: Limits) -> int:
    size = _full_size(limits)
    used, used_bytes = max(coin.chain_depth for coin in coins), max(coin.chain_bytes for coin in coins)
    together = min(limits.max_chain - used, (limits.max_chain_bytes - used_bytes) // size)
    return max(0, min(together, sum(lane_room(coin, limits, size) for coin in coins)))


def wanted_lanes(transactions: int, coins: Sequence[Coin], limits: Limits) -> int:
    """Into how many lanes coins should be split for this many full transactions; 0 when they are enough as they are.

    A coin that is not confirmed yet counts as the lane that it will be: a block is waited for rather than splitting
    what is split already.
    """
    lane = _a_lane(limits)
    lanes = [_whole_lane(coin, limits) for coin in coins]
    wanted = min(MAX_LANES, -(-transactions // lane))
    if sum(lanes) >= transactions or sum(one == lane for one in lanes) >= wanted:
        return 0
    return wanted


def _whole_lane(coin: Coin, limits: Limits) -> int:
    """Full transactions that a coin carries from block to block, once it is confirmed."""
    confirmed = msgspec.structs.replace(coin, chain_depth=0, chain_bytes=0)
    return lane_room(confirmed, limits, _full_size(limits))


def _full_size(limits: Limits) -> int:
    return transaction_size(1, 1, limits.data_limit_bytes)


def _a_lane(limits: Limits) -> int:
    """Full transactions that a confirmed coin carries until a block must come."""
    return max(1, min(limits.max_chain, limits.max_chain_bytes // _full_size(limits)))


def select_coins(
    coins: Sequence[Coin], target_sat: int, outputs: int, data_bytes: int, limits: Limits, *, address: str = ""
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
    address = address or (coins[0].address if coins else "the publisher's address")
    needed = target_sat + limits.fee_sat(transaction_size(max(1, len(chosen)), outputs, data_bytes))
    raise InsufficientFundsError(
        f"{address} holds {total} satoshi that can be spent now; {needed} are needed",
        hint="send coins to that address, or wait until its own are confirmed",
        address=address,
        have_sat=total,
        need_sat=needed,
    )
