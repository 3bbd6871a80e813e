"""Properties of the header chain: any split, either way in, any order give what a chain that keeps everything gives."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb import flo

# All three rules within some dozen blocks, targets that differ by branch, and late blocks that may be easy.
RULES = (
    flo.DifficultyRule(from_height=0, every_blocks=4, over_blocks=4, faster_percent=75, slower_percent=300),
    flo.DifficultyRule(from_height=12, every_blocks=3, over_blocks=3, faster_percent=75, slower_percent=300),
    flo.DifficultyRule(from_height=24, every_blocks=1, over_blocks=2, faster_percent=20, slower_percent=30),
)
NET = msgspec.structs.replace(
    flo.TESTNET, checkpoints=(), difficulty=RULES, version_heights=(3, 6, 9), allows_easiest=False
)
EASY = msgspec.structs.replace(NET, allows_easiest=True)
GENESIS = flo.parse_block(flo.TESTNET.genesis_block).header
WRONG = ("prev_hash", "bits", "time_s", "version")


class Known(NamedTuple):
    header: flo.BlockHeader
    height: int
    work: int
    parent: str


class Everything:
    """A chain that keeps every header, written for being plain: what the other one must equal within its bounds."""

    def __init__(self, net: flo.Network) -> None:
        self.net = net
        self.known = {GENESIS.block_hash: Known(GENESIS, 0, GENESIS.work, "")}
        self.tip = GENESIS.block_hash

    def line(self, block_hash: str) -> list[Known]:
        found = []
        while block_hash:
            found.append(self.known[block_hash])
            block_hash = self.known[block_hash].parent
        return found[::-1]

    def required(self, parent: str, time_s: int) -> int | None:
        line = self.line(parent)
        times, bits = [one.header.time_s for one in line], [one.header.bits for one in line]
        return flo.required_bits(self.net, len(line), time_s, times, bits)

    def take(self, header: flo.BlockHeader) -> list[flo.HeaderEvent]:
        name = header.block_hash
        if name in self.known:
            return []
        reason = self.refusal(header)
        if reason is not None:
            return [flo.Refused(name, reason)]
        parent = self.known[header.prev_hash]
        self.known[name] = Known(header, parent.height + 1, parent.work + header.work, header.prev_hash)
        if self.known[name].work <= self.known[self.tip].work:
            return []
        old, new = [[one.header.block_hash for one in self.line(tip)] for tip in (self.tip, name)]
        self.tip = name
        shared = sum(1 for one, other in zip(old, new, strict=False) if one == other)
        back: list[flo.HeaderEvent] = [flo.Rollback(shared - 1)] if shared < len(old) else []
        return back + [flo.Extend(height, new[height]) for height in range(shared, len(new))]

    def refusal(self, header: flo.BlockHeader) -> flo.Refusal | None:
        if header.prev_hash not in self.known:
            return flo.Refusal.ORPHAN
        height = self.known[header.prev_hash].height + 1
        if header.bits != self.required(header.prev_hash, header.time_s):
            return flo.Refusal.BITS
        recent = sorted(one.header.time_s for one in self.line(header.prev_hash)[-11:])
        if header.time_s <= recent[len(recent) // 2]:
            return flo.Refusal.TOO_OLD
        least = {2: 3, 3: 6, 4: 9}
        if any(header.version < version and height >= at for version, at in least.items()):
            return flo.Refusal.VERSION
        return None


@st.composite
def stories(draw) -> tuple[flo.Network, list[flo.BlockHeader]]:
    """Headers as strangers might send them: mostly a chain, with branches, wrong ones, repeats and another order."""
    net = draw(st.sampled_from([NET, EASY]))
    world, headers = Everything(net), [GENESIS]
    for nonce in range(draw(st.integers(1, 60))):
        place = len(headers) - 1 - draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 2, 5, 9]))
        parent = headers[max(place, 0)].block_hash
        if parent not in world.known:
            parent = world.tip
        time_s = world.known[parent].header.time_s + draw(st.sampled_from([1, 20, 40, 40, 60, 90, 400]))
        made = flo.BlockHeader(
            version=4,
            prev_hash=parent,
            merkle_root="00" * 32,
            time_s=time_s,
            bits=world.required(parent, time_s) or 0,
            nonce=nonce,
        )
        if draw(st.integers(0, 12)) == 0:
            field = draw(st.sampled_from(WRONG))
            values = {"prev_hash": "ab" * 32, "bits": 0x1E0FFFFE, "time_s": time_s - 500, "version": nonce % 4}
            made = msgspec.structs.replace(made, **{field: values[field]})
        world.take(made)
        headers.append(made)
    story = headers[1:]
    for _ in range(draw(st.integers(0, 3))):
        at, to = draw(st.integers(0, len(story) - 1)), draw(st.integers(0, len(story) - 1))
        story.insert(to, story[at] if draw(st.booleans()) else story.pop(at))
    return net, story


@settings(max_examples=40)
@given(stories(), st.data())
def test_any_way_in_gives_what_a_chain_that_keeps_everything_gives(given_story, data):
    net, story = given_story
    world = Everything(net)
    wanted = [event for header in story for event in world.take(header)]
    one_by_one = flo.HeaderChain(net)
    assert [event for header in story for event in one_by_one.feed(header)] == wanted
    raw = b"".join(header.encode() for header in story)
    many, pieces = flo.HeaderChain(net), flo.HeaderChain(net)
    assert many.feed_many(raw) == wanted
    events, at = [], 0
    while at < len(raw):
        size = data.draw(st.sampled_from([40, 80, 161, 1000]))
        way = data.draw(st.sampled_from([pieces.feed, pieces.feed_many]))
        events += way(raw[at : at + size])
        at += size
    assert events == wanted
    pause = data.draw(st.integers(0, len(story))) * flo.HEADER_BYTES
    before = flo.HeaderChain(net)
    events = before.feed_many(raw[:pause])
    rested = flo.HeaderChain.from_state(net, before.state())
    assert events + rested.feed_many(raw[pause:]) == wanted
    for chain in (one_by_one, many, pieces, rested):
        assert chain.tip_hash == world.tip
        assert chain.work == world.known[world.tip].work
        assert chain.side_headers == one_by_one.side_headers
        assert chain is rested or chain.state() == one_by_one.state()


@settings(max_examples=40)
@given(stories(), st.integers(2, 12), st.integers(1, 6))
def test_narrow_bounds_change_nothing_but_what_they_say(given_story, depth, aside):
    """Both ways in agree, and the events stay the history of one chain."""
    net, story = given_story
    chains = [flo.HeaderChain(net, max_rollback=depth, max_side_headers=aside) for _ in range(2)]
    raws = [header.encode() for header in story]
    first = [event for raw in raws for event in chains[0].feed(raw)]
    assert chains[1].feed_many(b"".join(raws)) == first
    line = [GENESIS.block_hash]
    for event in first:
        match event:
            case flo.Extend(height, block_hash):
                assert height == len(line)
                line.append(block_hash)
            case flo.Rollback(height):
                assert len(line) - 1 - depth <= height < len(line) - 1
                del line[height + 1 :]
    assert line[-1] == chains[0].tip_hash == chains[1].tip_hash
    assert chains[0].side_headers <= aside


@settings(max_examples=25)
@given(st.lists(st.integers(-90, 200), min_size=1, max_size=150), st.sampled_from([3_000_000, 425_950, 208_400]))
def test_the_run_equals_the_rules_on_the_main_network(steps, height):
    """The fast way with the real rules, across the heights where they change; times wander, so some are refused."""
    net = msgspec.structs.replace(flo.MAIN, checkpoints=())
    start = [msgspec.structs.replace(GENESIS, bits=0x1C00FFFF, version=4)]
    for _ in range(99):
        last = start[-1]
        start.append(msgspec.structs.replace(last, prev_hash=last.block_hash, time_s=last.time_s + 40))
    times, bits = [one.time_s for one in start], [one.bits for one in start]
    headers, at, previous = [], height, start[-1].block_hash
    for nonce, step in enumerate(steps):
        time_s = times[-1] + 40 + step
        required = flo.required_bits(net, at + 1, time_s, times, bits) or 0
        header = msgspec.structs.replace(start[-1], prev_hash=previous, time_s=time_s, bits=required, nonce=nonce)
        headers.append(header)
        if time_s > sorted(times[-11:])[5]:
            times.append(time_s)
            bits.append(required)
            at, previous = at + 1, header.block_hash
    slow, fast = flo.HeaderChain(net, start, height), flo.HeaderChain(net, start, height)
    wanted = [event for header in headers for event in slow.feed(header)]
    assert fast.feed_many(b"".join(header.encode() for header in headers)) == wanted
    assert fast.height == at
    assert fast.state() == slow.state()
