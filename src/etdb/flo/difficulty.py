"""Which target a block must have: FLO's three rules (FLO Core 0.15.2, pow.cpp), and the short form of targets."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from etdb.errors import FormatError
from etdb.flo.networks import DifficultyRule, Network

__all__ = ["bits_to_target", "context_headers", "required_bits", "retarget", "target_to_bits"]

_SIGN: Final = 0x00800000


@functools.lru_cache(maxsize=64)
def bits_to_target(bits: int) -> int:
    """The target that the short form stands for.

    Raises:
        FormatError: negative, zero or beyond 256 bits.
    """
    size, word = bits >> 24, bits & 0x007FFFFF
    target = word >> 8 * (3 - size) if size <= 3 else word << 8 * (size - 3)
    if bits & _SIGN or not target or target >> 256:
        raise FormatError(f"not a target: bits {bits:08x}")
    return target


def target_to_bits(target: int) -> int:
    """The short form of a target, which keeps its three leading bytes."""
    size = target.bit_length() + 7 >> 3
    word = target >> 8 * (size - 3) if size > 3 else target << 8 * (3 - size)
    if word & _SIGN:  # this bit would be a sign
        word >>= 8
        size += 1
    return size << 24 | word


def retarget(network: Network, rule: DifficultyRule, bits: int, taken_s: int) -> int:
    """The next target after blocks that took this long, in the short form.

    Args:
        network: whose easiest target is the limit.
        rule: the one that judges the new block.
        bits: the target of the block before it.
        taken_s: from the first block that is counted to the last one.

    Raises:
        FormatError: ``bits`` is no target.
    """
    target, limit = bits_to_target(bits), network.pow_limit
    if taken_s < rule.least_s:
        taken_s = rule.least_s
    elif taken_s > rule.most_s:
        taken_s = rule.most_s
    # Nodes drop the lowest bit of targets as wide as the limit, to stay within 256: the short form has no place for it.
    return target_to_bits(min(target * taken_s // rule.timespan_s, limit))


def required_bits(network: Network, height: int, time_s: int, times: Sequence[int], bits: Sequence[int]) -> int | None:
    """The target that a block must have, in the short form; None when the blocks at hand do not tell.

    Args:
        network: whose rules apply.
        height: of the block.
        time_s: its time, in Unix seconds.
        times: of the blocks before it, the last one directly.
        bits: the targets of the same blocks.
    """
    rule = network.difficulty_rule(height)
    if height % rule.every_blocks:
        if not network.allows_easiest:
            return bits[-1]
        return _required_where_easy(network, height, time_s, times, bits)
    if not network.retargets:
        return bits[-1]
    back = (
        rule.over_blocks if height != rule.over_blocks else rule.over_blocks - 1
    )  # the first block has none before it
    if len(times) <= back:
        return None
    return retarget(network, rule, bits[-1], times[-1] - times[-1 - back])


def context_headers(network: Network) -> int:
    """How many headers before a block decide its target at most."""
    return max(rule.over_blocks for rule in network.difficulty) + 1


@functools.lru_cache(maxsize=8)
def _easiest_bits(limit: int) -> int:
    return target_to_bits(limit)


def _required_where_easy(
    network: Network, height: int, time_s: int, times: Sequence[int], bits: Sequence[int]
) -> int | None:
    """Between two changes: the easiest target for a late block, otherwise that of the last block that was not late."""
    easiest, rule = _easiest_bits(network.pow_limit), network.difficulty_rule(height)
    if time_s > times[-1] + 2 * rule.timespan_s:
        return easiest
    back = (height - 1) % rule.every_blocks + 1  # to the last block that may have changed the target
    if rule.from_height <= height - back + 1 and len(bits) >= back and bits[-back:].count(easiest) == back:
        return easiest  # as in nearly all blocks of a chain that was made for tests
    for place in range(1, len(bits) + 1):
        of_height = height - place
        every = network.difficulty_rule(of_height + 1).every_blocks
        if of_height == 0 or of_height % every == 0 or bits[-place] != easiest:
            return bits[-place]
    return None
