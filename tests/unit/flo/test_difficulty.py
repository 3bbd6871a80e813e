"""Targets: fcoin's own, and the edges of the three rules on each network."""

from __future__ import annotations

import random

import msgspec
import pytest

from etdb import flo

EASIEST = 0x1E0FFFFF
SMALL = msgspec.structs.replace(flo.TESTNET, checkpoints=())


def test_what_fcoin_makes_of_times(own_vectors):
    vectors = own_vectors("flo_witness.json")["retargets"]
    assert vectors["columns"] == ["network", "height", "bits", "span_s", "next_bits"]
    for name, height, bits, span_s, following in vectors["rows"]:
        net = flo.network(name)
        assert flo.retarget(net, net.difficulty_rule(height), bits, span_s) == following, (name, height, bits, span_s)
    assert len(vectors["rows"]) == 2 * 9 * 5 * 9


@pytest.mark.parametrize("target", [1, 0x7F, 0x80, 0xFFFF, 0x8000, 0x800000, 0xFFFFFF, 1 << 40, flo.MAIN.pow_limit])
def test_short_forms_keep_the_leading_bytes(target):
    again = flo.bits_to_target(flo.target_to_bits(target))
    assert again <= target
    assert target - again < max(1, target >> 15)
    assert flo.target_to_bits(again) == flo.target_to_bits(target)


def test_the_limit_has_this_short_form():
    assert flo.target_to_bits(flo.MAIN.pow_limit) == EASIEST
    assert flo.target_to_bits(flo.REGTEST.pow_limit) == 0x207FFFFF
    for net in (flo.MAIN, flo.TESTNET):
        rule = net.difficulty[0]
        assert flo.retarget(net, rule, EASIEST, 10 * rule.timespan_s) == EASIEST
        assert flo.bits_to_target(flo.retarget(net, rule, EASIEST, 1)) * 4 <= net.pow_limit + 3


def steady(count: int, bits: int = 0x1C00FFFF, spacing_s: int = 40) -> tuple[list[int], list[int]]:
    return [10**9 + spacing_s * n for n in range(count)], [bits] * count


@pytest.mark.parametrize(
    ("height", "known", "back"),
    [(90, 90, 89), (180, 180, 90), (208_440, 100, 15), (208_455, 100, 15), (426_000, 100, 6), (426_001, 100, 6)],
)
def test_how_far_each_rule_looks_back(height, known, back):
    """The block that the time is taken from decides, and no other one."""
    times, bits = steady(known)
    before = flo.required_bits(flo.MAIN, height, times[-1] + 40, times, bits)
    for place in range(1, known):
        moved = [*times]
        moved[place] += 20
        changed = flo.required_bits(flo.MAIN, height, times[-1] + 40, moved, bits) != before
        assert changed == (place in {known - 1, known - 1 - back}), place
    assert flo.required_bits(flo.MAIN, height, times[-1] + 40, times[known - back :], bits) is None
    assert flo.required_bits(flo.MAIN, height, times[-1] + 40, times[known - back - 1 :], bits) == before


@pytest.mark.parametrize("height", [1, 89, 91, 208_439, 208_441, 425_999])
def test_between_changes_the_target_stays(height):
    times, bits = steady(20)
    assert flo.required_bits(flo.MAIN, height, times[-1] + 10**6, times, [*bits[:-1], 0x1D00AAAA]) == 0x1D00AAAA


def test_a_late_block_of_the_test_network_may_be_easy():
    times, bits = steady(100)
    for height, limit_s in ((91, 7200), (50_001, 1200)):
        assert flo.required_bits(SMALL, height, times[-1] + limit_s, times, bits) == bits[-1]
        assert flo.required_bits(SMALL, height, times[-1] + limit_s + 1, times, bits) == EASIEST
    # From the third rule on, every block changes the target, and lateness counts like any other time.
    times_late = times[-1] + 10**6
    assert flo.required_bits(SMALL, 60_001, times_late, times, bits) != EASIEST
    assert flo.required_bits(flo.MAIN, 91, times_late, times, bits) == bits[-1]


def test_after_easy_blocks_the_target_is_that_of_the_last_one_that_was_not():
    times, bits = steady(100)
    assert flo.required_bits(SMALL, 195, times[-1] + 1, times, [*bits[:-3], 0x1C00BBBB, EASIEST, EASIEST]) == 0x1C00BBBB
    # Not beyond the last change: what that block has is the target, easy or not.
    assert flo.required_bits(SMALL, 182, times[-1] + 1, times, [*bits[:-2], EASIEST, EASIEST]) == EASIEST
    assert flo.required_bits(SMALL, 3, times[-1] + 1, times[:3], [0x1C00BBBB, EASIEST, EASIEST]) == 0x1C00BBBB
    assert flo.required_bits(SMALL, 195, times[-1] + 1, times[-2:], [EASIEST, EASIEST]) is None


def test_regtest_never_changes():
    times, bits = steady(100, 0x207FFFFF)
    for height in (1, 90, 208_440, 426_001):
        for late_s in (1, 10**6):
            assert flo.required_bits(flo.REGTEST, height, times[-1] + late_s, times, bits) == 0x207FFFFF


def test_checkpoints_are_in_order():
    for net in (flo.MAIN, flo.TESTNET):
        heights = [height for height, _ in net.checkpoints]
        assert heights == sorted(set(heights))


@pytest.mark.parametrize("around", [95, 50_000, 60_000])
def test_many_easy_blocks_are_passed_over_as_one_by_one(around):
    """At the changes of the rules too, and where the headers at hand end."""
    random_ = random.Random(around)

    def one_by_one(height, bits):
        for place in range(1, len(bits) + 1):
            of_height = height - place
            if of_height == 0 or of_height % SMALL.difficulty_rule(of_height + 1).every_blocks == 0:
                return bits[-place]
            if bits[-place] != EASIEST:
                return bits[-place]
        return None

    found = set()
    for height in range(around - 92, around + 92):
        if height < 1 or height % SMALL.difficulty_rule(height).every_blocks == 0:
            continue
        for hard in (None, 0, random_.randrange(90)):
            known = min(height, random_.choice((1, 20, 95)))
            bits = [EASIEST] * known
            if hard is not None and hard < known:
                bits[hard] = 0x1C00FFFF
            times = [1_600_000_000 + 40 * at for at in range(known)]
            expected = one_by_one(height, bits)
            assert flo.required_bits(SMALL, height, times[-1] + 40, times, bits) == expected, (height, known, hard)
            found.add(expected)
    assert found >= {EASIEST, 0x1C00FFFF} or around == 60_000
