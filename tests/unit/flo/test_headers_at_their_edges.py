"""Headers where one block more or less decides: the rules' first heights, windows, and what is let go of."""

from __future__ import annotations

import msgspec
import pytest

from etdb import flo
from etdb.flo.header_window import HeaderWindow, header_work

GENESIS = flo.parse_block(flo.REGTEST.genesis_block).header
FREE = msgspec.structs.replace(flo.MAIN, checkpoints=())
HARD = msgspec.structs.replace(GENESIS, bits=0x1C00FFFF)
FEEDS = pytest.mark.parametrize("feed", ["feed", "feed_many"])


def after(previous: flo.BlockHeader, spacing_s: int = 40, **fields: object) -> flo.BlockHeader:
    header = msgspec.structs.replace(
        previous, version=0x20000000, prev_hash=previous.block_hash, time_s=previous.time_s + spacing_s, nonce=0
    )
    return msgspec.structs.replace(header, **fields)


def row(previous: flo.BlockHeader, spacings_s: list[int], nonce: int = 0) -> list[flo.BlockHeader]:
    headers = [previous]
    for spacing_s in spacings_s:
        headers.append(after(headers[-1], spacing_s, nonce=nonce))
    return headers[1:]


def joined(headers: list[flo.BlockHeader]) -> bytes:
    return b"".join(header.encode() for header in headers)


def grown(headers: list[flo.BlockHeader], first: int) -> list[flo.HeaderEvent]:
    return [flo.Extend(height, header.block_hash) for height, header in enumerate(headers, first)]


@FEEDS
def test_a_target_that_fell_to_nothing_is_refused(feed):
    """The next target after the hardest one is zero, which is no target; a source may not end us by it."""
    start = [msgspec.structs.replace(GENESIS, bits=0x01010000)]
    start += row(start[0], [1] * 100)
    chain = flo.HeaderChain(FREE, start, 3_000_000)
    rule = FREE.difficulty_rule(3_000_001)
    assert flo.retarget(FREE, rule, 0x01010000, 6) == 0
    none = after(start[-1], 1, bits=0)
    assert getattr(chain, feed)(none.encode()) == [flo.Refused(none.block_hash, flo.Refusal.BITS)]
    assert chain.tip == start[-1]


@FEEDS
def test_the_third_rule_begins_at_its_height(feed):
    start = row(HARD, [30] * 100)
    for height, changes in ((425_998, False), (425_999, True)):
        chain = flo.HeaderChain(FREE, start, height)
        third = flo.retarget(FREE, FREE.difficulty[-1], HARD.bits, 6 * 30)
        assert third != HARD.bits
        for bits, is_right in ((third, changes), (HARD.bits, not changes)):
            header = after(start[-1], 30, bits=bits)
            if not is_right:
                assert getattr(chain, feed)(header.encode()) == [flo.Refused(header.block_hash, flo.Refusal.BITS)]
        right = after(start[-1], 30, bits=third if changes else HARD.bits)
        assert getattr(chain, feed)(right.encode()) == grown([right], height + 1)


@FEEDS
def test_a_target_from_other_blocks_is_refused(feed):
    """The time is taken over six blocks from the last one, and the target is the last one's."""
    start = row(HARD, [40] * 92 + [47, 33, 44, 39, 35, 41, 38, 42])
    start[-2] = msgspec.structs.replace(start[-2], bits=0x1C00EEEE)
    start[-1] = after(start[-2], 42, bits=HARD.bits)
    rule, times = FREE.difficulty[-1], [one.time_s for one in start]

    def made(bits: int, last: int, first: int) -> int:
        return flo.retarget(FREE, rule, bits, times[last] - times[first])

    right = made(HARD.bits, -1, -7)
    wrongs = {made(0x1C00EEEE, -1, -7), made(HARD.bits, -2, -7), made(HARD.bits, -1, -8), made(HARD.bits, -1, -6)}
    assert right not in wrongs
    chain = flo.HeaderChain(FREE, start, 3_000_000)
    for bits in wrongs:
        wrong = after(start[-1], bits=bits)
        assert getattr(chain, feed)(wrong.encode()) == [flo.Refused(wrong.block_hash, flo.Refusal.BITS)], hex(bits)
    good = after(start[-1], bits=right)
    assert getattr(chain, feed)(good.encode()) == grown([good], 3_000_001)


@FEEDS
def test_the_median_is_of_eleven(feed):
    """A header twelve back, ahead of its time, has no say."""
    headers = row(GENESIS, [40] * 100)
    ahead = after(headers[-1], 5_000)
    behind = [after(ahead, time_s=headers[-1].time_s + 40)]
    behind += row(behind[0], [40] * 10)
    chain = flo.HeaderChain(flo.REGTEST)
    getattr(chain, feed)(joined([*headers, ahead, *behind]))
    assert chain.tip == behind[-1]
    median_s = behind[5].time_s
    old = after(behind[-1], time_s=median_s)
    assert getattr(chain, feed)(old.encode()) == [flo.Refused(old.block_hash, flo.Refusal.TOO_OLD)]
    just = after(behind[-1], time_s=median_s + 1)
    assert getattr(chain, feed)(just.encode()) == grown([just], 113)


@FEEDS
def test_the_lowest_version_is_taken_where_none_is_asked_for(feed):
    headers = [after(GENESIS, version=-(1 << 31))]
    headers += [after(headers[-1], version=-(1 << 31))]
    assert getattr(flo.HeaderChain(flo.REGTEST), feed)(joined(headers)) == grown(headers, 1)


def test_what_a_chain_holds_from_end_to_end():
    headers = row(GENESIS, [40] * 5)
    chain = flo.HeaderChain(flo.REGTEST, max_rollback=1, max_side_headers=1)
    chain.feed(joined(headers))
    assert (chain.header_at(0), chain.header_at(5), chain.header_at(6)) == (GENESIS, headers[-1], None)
    late = flo.HeaderChain(flo.REGTEST, headers, (1 << 31) - 1)
    assert (late.height, late.header_at((1 << 31) - 5)) == (2_147_483_647, headers[0])
    assert late.header_at((1 << 31) - 6) is None


def test_what_a_better_branch_replaces_is_let_go_of_too():
    """Few hard headers replace many easier ones, of which only so many are kept."""
    start = row(HARD, [40] * 100)
    branches = []
    for spacing_s, count in ((60, 10), (20, 9)):
        headers = [*start]
        for height in range(3_000_001, 3_000_001 + count):
            times, bits = [one.time_s for one in headers], [one.bits for one in headers]
            required = flo.required_bits(FREE, height, times[-1] + spacing_s, times, bits)
            headers.append(after(headers[-1], spacing_s, bits=required))
        branches.append(headers[100:])
    slow, fast = branches
    chain = flo.HeaderChain(FREE, start, 3_000_000, max_side_headers=9)
    chain.feed_many(joined(slow))
    assert chain.feed_many(joined(fast))[0] == flo.Rollback(3_000_000)
    assert chain.tip == fast[-1]
    assert chain.side_headers == 9


def test_branches_from_several_heights_are_kept_in_one_order():
    headers = row(GENESIS, [40] * 110)
    chain = flo.HeaderChain(flo.REGTEST)
    chain.feed_many(joined(headers))
    for fork, count, nonce in ((100, 2, 1), (101, 1, 2), (102, 1, 3)):
        chain.feed_many(joined(row(headers[fork], [40] * count, nonce)))
    assert chain.side_headers == 4
    state = chain.state()
    assert flo.HeaderChain.from_state(flo.REGTEST, state).state() == state


def test_what_is_cut_keeps_its_heights():
    window = HeaderWindow(1_000)
    raws = [one.encode() for one in row(GENESIS, [40] * 5)]
    for raw in raws:
        window.push_raw(raw)
    cut = window.cut(1_001)
    assert [(one.height, one.raw, one.work) for one in cut] == [(1_002 + n, raws[2 + n], 2 * (3 + n)) for n in range(3)]
    assert window.height == 1_001


def test_the_work_of_the_hardest_target():
    assert header_work(0x01010000) == 1 << 255
    assert header_work(GENESIS.bits) == 2


def test_regtest_keeps_the_target_of_the_last_block_where_others_change_it():
    times = [GENESIS.time_s + 40 * n for n in range(90)]
    bits = [GENESIS.bits] * 89 + [0x1C00FFFF]
    assert flo.required_bits(flo.REGTEST, 90, times[-1] + 40, times, bits) == 0x1C00FFFF
