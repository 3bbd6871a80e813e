"""The header chain: real headers, each reason to refuse one, going back, its bounds, and its state."""

from __future__ import annotations

import msgspec
import pytest

from etdb import flo
from etdb.errors import FormatError, InputError, VerificationError

Extend, Rollback, Refused, Refusal = flo.Extend, flo.Rollback, flo.Refused, flo.Refusal
GENESIS = flo.parse_block(flo.REGTEST.genesis_block).header
FREE = msgspec.structs.replace(flo.MAIN, checkpoints=())
"""The main network's rules without its checkpoints: headers of the tests would not be among them."""


def following(previous: flo.BlockHeader, nonce: int = 0, **fields: object) -> flo.BlockHeader:
    header = flo.BlockHeader(
        version=0x20000000,
        prev_hash=previous.block_hash,
        merkle_root="11" * 32,
        time_s=previous.time_s + 40,
        bits=previous.bits,
        nonce=nonce,
    )
    return msgspec.structs.replace(header, **fields)


def row(previous: flo.BlockHeader, count: int, nonce: int = 0) -> list[flo.BlockHeader]:
    headers = [previous]
    for _ in range(count):
        headers.append(following(headers[-1], nonce))
    return headers[1:]


def joined(headers: list[flo.BlockHeader]) -> bytes:
    return b"".join(header.encode() for header in headers)


def grown(headers: list[flo.BlockHeader], first: int) -> list[flo.HeaderEvent]:
    return [Extend(height, header.block_hash) for height, header in enumerate(headers, first)]


def refused(header: flo.BlockHeader, reason: Refusal) -> list[flo.HeaderEvent]:
    return [Refused(header.block_hash, reason)]


FEEDS = pytest.mark.parametrize("feed", ["feed", "feed_many"])


def test_real_headers_are_taken(shared_vectors):
    networks = {"main": flo.MAIN, "testnet": flo.TESTNET, "regtest": flo.REGTEST}
    for case in shared_vectors("flo_headers.json")["blocks"]:
        net = networks[case["network"]]
        header = flo.parse_header(bytes.fromhex(case["header"]))
        chain = flo.HeaderChain(net, [header], case["height"], check_pow=True)
        assert (chain.height, chain.tip_hash) == (case["height"], case["hash"])
        assert chain.pow_checked == 1
        assert chain.feed(header) == []
        if case["height"] == 0:
            assert flo.HeaderChain(net).tip_hash == case["hash"]
    core = shared_vectors("flo_core_regtest.json")
    mined = flo.parse_block(bytes.fromhex(core["coinbase_block_hex"])).header
    chain = flo.HeaderChain(flo.REGTEST, check_pow=True)
    events = chain.feed(mined, now_s=mined.time_s)
    assert events == (grown([mined], 1) if mined.prev_hash == GENESIS.block_hash else refused(mined, Refusal.ORPHAN))


def test_blocks_of_fcoin_are_a_chain(own_vectors):
    headers = [
        flo.parse_block(bytes.fromhex(case["hex"])).header
        for case in own_vectors("flo_fcoin.json")["blocks"]
        if case["network"] == "regtest"
    ]
    chain = flo.HeaderChain(flo.REGTEST, check_pow=True)
    assert chain.tip == headers[0]
    assert chain.feed_many(joined(headers[1:])) == grown(headers[1:], 1)
    assert chain.pow_checked == len(headers)


@FEEDS
def test_a_chain_grows(feed):
    headers = row(GENESIS, 300)
    chain = flo.HeaderChain(flo.REGTEST)
    assert getattr(chain, feed)(joined(headers), now_s=headers[-1].time_s) == grown(headers, 1)
    assert (chain.height, chain.tip, chain.tip_hash) == (300, headers[-1], headers[-1].block_hash)
    assert chain.work == 301 * GENESIS.work
    assert chain.header_at(150) == headers[149]
    assert chain.header_at(301) is None
    assert chain.header_at(-1) is None
    assert getattr(chain, feed)(joined(headers[100:])) == []


@pytest.mark.parametrize("size", [1, 79, 80, 81, 1000])
@FEEDS
def test_bytes_come_in_any_split(feed, size):
    headers = row(GENESIS, 120)
    data, chain, events = joined(headers), flo.HeaderChain(flo.REGTEST), []
    for at in range(0, len(data), size):
        events += getattr(chain, feed)(data[at : at + size])
    assert events == grown(headers, 1)


@FEEDS
def test_the_branch_with_more_work_wins(feed):
    common, ours = row(GENESIS, 100), []
    ours = row(common[-1], 3, 1)
    theirs = row(common[-1], 4, 2)
    chain = flo.HeaderChain(flo.REGTEST)
    take = getattr(chain, feed)
    take(joined(common + ours))
    assert take(joined(theirs[:3])) == [], "as much work as ours, and later"
    assert chain.side_headers == 3
    assert take(joined(theirs[3:])) == [Rollback(100), *grown(theirs, 101)]
    assert chain.side_headers == 3
    more = row(ours[-1], 2, 1)
    assert take(joined(more)) == [Rollback(100), *grown(ours + more, 101)]
    assert chain.work == (1 + 100 + 5) * GENESIS.work


def test_less_headers_with_more_work_win():
    """Work counts, not height: three easy headers against two whose target fell."""
    start = row(msgspec.structs.replace(GENESIS, bits=0x1C00FFFF), 100)
    slow = [*start]
    fast = [*start]
    for headers, spacing_s, nonce, count in ((slow, 60, 1, 101), (fast, 20, 2, 100)):
        for _ in range(count):
            height = 3_000_000 + len(headers) - 99
            times, bits = [one.time_s for one in headers], [one.bits for one in headers]
            time_s = times[-1] + spacing_s
            required = flo.required_bits(FREE, height, time_s, times, bits)
            headers.append(following(headers[-1], nonce, time_s=time_s, bits=required))
    chain = flo.HeaderChain(FREE, start, 3_000_000)
    chain.feed_many(joined(slow[100:]))
    assert chain.height == 3_000_101
    events = chain.feed_many(joined(fast[100:]))
    assert events[0] == Rollback(3_000_000)
    assert (chain.height, chain.tip) == (3_000_100, fast[-1])


@FEEDS
def test_reasons_to_refuse(feed):
    headers = row(GENESIS, 150)
    chain = flo.HeaderChain(flo.REGTEST)
    take = getattr(chain, feed)
    take(joined(headers))
    tip = headers[-1]
    for height_back, previous in ((0, tip), (3, headers[-4])):
        for reason, fields in (
            (Refusal.ORPHAN, {"prev_hash": "ab" * 32}),
            (Refusal.BITS, {"bits": 0x1E0FFFF0}),
            (Refusal.BITS, {"bits": 0}),
            (Refusal.TOO_OLD, {"time_s": previous.time_s - 40 * 5}),
            (Refusal.TOO_NEW, {"time_s": tip.time_s + 7201}),
        ):
            wrong = following(previous, 7 + height_back, **fields)
            assert take(wrong.encode(), now_s=tip.time_s) == refused(wrong, reason), (reason, height_back)
    assert chain.side_headers == 0
    later = following(tip, time_s=tip.time_s + 7200)
    assert take(later.encode(), now_s=tip.time_s) == grown([later], 151)
    just = following(later, time_s=tip.time_s - 40 * 4 + 1)
    assert take(just.encode(), now_s=0 + tip.time_s) == grown([just], 152)
    unknown_now = following(just, time_s=0xFFFFFFFF)
    assert take(unknown_now.encode()) == grown([unknown_now], 153)


@FEEDS
def test_the_median_near_genesis(feed):
    first = following(GENESIS, time_s=GENESIS.time_s + 1000)
    chain = flo.HeaderChain(flo.REGTEST)
    take = getattr(chain, feed)
    same = following(GENESIS, 1, time_s=GENESIS.time_s)
    assert take(same.encode()) == refused(same, Refusal.TOO_OLD)
    assert take(first.encode()) == grown([first], 1)
    second = following(first, 1, time_s=first.time_s)  # of two, nodes take the later one as the median
    assert take(second.encode()) == refused(second, Refusal.TOO_OLD)


@FEEDS
def test_versions_that_are_too_low(feed):
    net = msgspec.structs.replace(flo.REGTEST, version_heights=(101, 102, 103))
    chain = flo.HeaderChain(net)
    take = getattr(chain, feed)
    old = []
    for height in range(1, 101):
        old.append(following(old[-1] if old else GENESIS, version=-1 if height % 2 else 1))
    assert take(joined(old)) == grown(old, 1)
    tip = old[-1]
    for height, least in ((101, 2), (102, 3), (103, 4), (104, 4)):
        low = following(tip, version=least - 1)
        assert take(low.encode()) == refused(low, Refusal.VERSION)
        tip = following(tip, version=least)
        assert take(tip.encode()) == grown([tip], height)


@FEEDS
def test_checkpoints_hold(feed):
    headers, other = row(GENESIS, 200), row(GENESIS, 200, 1)
    net = msgspec.structs.replace(flo.REGTEST, checkpoints=((120, headers[119].block_hash),))
    chain = flo.HeaderChain(net)
    take = getattr(chain, feed)
    events = take(joined(other))
    assert events[:119] == grown(other[:119], 1)
    assert events[119:120] == refused(other[119], Refusal.CHECKPOINT)
    assert {event.reason for event in events[120:]} == {Refusal.ORPHAN}
    # The chain that is known wins when it has more work: here at the checkpoint itself.
    assert take(joined(headers)) == [Rollback(0), *grown(headers, 1)]
    for place, reason in ((118, Refusal.CHECKPOINT), (50, Refusal.CHECKPOINT), (119, None)):
        aside = following(headers[place], 9)
        assert take(aside.encode()) == (refused(aside, reason) if reason else [])


def test_proof_of_work_is_a_switch():
    good = flo.mine(following(GENESIS))
    lazy = good
    while lazy.pow_hash <= flo.bits_to_target(lazy.bits):
        lazy = msgspec.structs.replace(lazy, nonce=lazy.nonce + 1)
    checked, linked = flo.HeaderChain(flo.REGTEST, check_pow=True), flo.HeaderChain(flo.REGTEST)
    assert checked.feed(lazy) == refused(lazy, Refusal.NO_WORK)
    assert checked.feed(good) == grown([good], 1)
    assert checked.pow_checked == 3
    assert linked.feed(lazy) == grown([lazy], 1)
    assert linked.pow_checked == 0


def test_proof_of_work_of_many():
    headers = [GENESIS]
    for _ in range(110):
        headers.append(flo.mine(following(headers[-1])))
    lazy = following(headers[-1])
    while lazy.pow_hash <= flo.bits_to_target(lazy.bits):
        lazy = msgspec.structs.replace(lazy, nonce=lazy.nonce + 1)
    counts = []
    for feed in ("feed", "feed_many"):
        chain = flo.HeaderChain(flo.REGTEST, check_pow=True)
        events = getattr(chain, feed)(joined([*headers[1:], lazy]))
        assert events == [*grown(headers[1:], 1), *refused(lazy, Refusal.NO_WORK)]
        counts.append(chain.pow_checked)
    assert counts[0] == 112


@FEEDS
def test_a_rollback_has_a_depth(feed):
    headers = row(GENESIS, 200)
    chain = flo.HeaderChain(flo.REGTEST, max_rollback=10)
    take = getattr(chain, feed)
    take(joined(headers))
    deep = following(headers[200 - 12], 1)
    assert take(deep.encode()) == refused(deep, Refusal.ORPHAN)
    edge = row(headers[200 - 11], 2, 1)
    assert take(edge[0].encode()) == []
    more = following(headers[-1])
    assert take(more.encode()) == grown([more], 201)
    assert take(edge[1].encode()) == refused(edge[1], Refusal.TOO_DEEP)


@FEEDS
def test_memory_has_a_bound(feed):
    chain = flo.HeaderChain(flo.REGTEST, max_rollback=20, max_side_headers=30)
    headers = row(GENESIS, 6000)
    take = getattr(chain, feed)
    for at in range(0, 6000, 500):
        take(joined(headers[at : at + 500]))
        assert chain.height == at + 500
        assert chain.header_at(chain.height - 20) is not None
    assert chain.header_at(5000) is None
    for nonce in range(1, 100):
        take(following(headers[-10], nonce).encode())
        assert chain.side_headers <= 30
    assert chain.side_headers == 30
    weak = following(headers[-15], 1)
    assert take(weak.encode()) == refused(weak, Refusal.CROWDED)
    strong = row(headers[-10], 10, 200)
    assert take(joined(strong)) == [Rollback(6000 - 9), *grown(strong, 6000 - 8)]
    assert chain.side_headers <= 30


def test_starts_that_are_none():
    headers = row(GENESIS, 5)
    with pytest.raises(VerificationError):
        flo.HeaderChain(flo.REGTEST, [headers[0], headers[2]], 10)
    with pytest.raises(VerificationError):
        flo.HeaderChain(FREE, headers, 10)  # regtest's target is easier than main's limit
    with pytest.raises(VerificationError):
        flo.HeaderChain(flo.MAIN, [flo.parse_block(flo.TESTNET.genesis_block).header], 0)
    with pytest.raises(VerificationError):
        flo.HeaderChain(flo.REGTEST, [msgspec.structs.replace(GENESIS, bits=0)], 0)
    lazy = following(GENESIS)
    while lazy.pow_hash <= flo.bits_to_target(lazy.bits):
        lazy = msgspec.structs.replace(lazy, nonce=lazy.nonce + 1)
    with pytest.raises(VerificationError):
        flo.HeaderChain(flo.REGTEST, [lazy], 7, check_pow=True)
    for start, height in (((), 5), (headers, 3), (headers, 1 << 31), (headers, -1)):
        with pytest.raises(InputError):
            flo.HeaderChain(flo.REGTEST, start, height)
    for bounds in ({"max_rollback": 0}, {"max_side_headers": 0}):
        with pytest.raises(InputError):
            flo.HeaderChain(flo.REGTEST, **bounds)


def test_what_a_start_leaves_unjudged():
    """One header says too little for the target and the median; from ``judged_from`` on, all is judged."""
    start = row(msgspec.structs.replace(GENESIS, bits=0x1C00FFFF), 1)
    chain = flo.HeaderChain(FREE, start, 3_000_000)
    assert chain.judged_from == 3_000_000 + 91
    odd = following(start[0], bits=0x1C00AAAA, time_s=start[0].time_s - 5000)
    assert chain.feed(odd) == grown([odd], 3_000_001)
    never = following(odd, bits=0x207FFFFF)
    assert chain.feed(never) == refused(never, Refusal.BITS)
    aside = following(odd.__class__(**{**msgspec.structs.asdict(start[0]), "nonce": 5}), bits=0x1C00FFFF)
    assert chain.feed(aside) == refused(aside, Refusal.ORPHAN)
    assert flo.HeaderChain(flo.MAIN).judged_from == 1


def test_a_chain_goes_on_from_its_state():
    headers, ours = row(GENESIS, 150), []
    chain = flo.HeaderChain(flo.REGTEST, max_rollback=20)
    ours, theirs = row(headers[-1], 2, 1), row(headers[-1], 3, 2)
    chain.feed_many(joined([*headers, *ours, *theirs[:2]]) + b"a piece")
    state = chain.state()
    again = flo.HeaderChain.from_state(flo.REGTEST, state, max_rollback=20)
    assert again.state() == state
    assert (again.height, again.work, again.tip, again.side_headers) == (152, chain.work, chain.tip, 2)
    assert again.judged_from == chain.judged_from
    assert again.feed(theirs[2]) == [Rollback(150), *grown(theirs, 151)]
    assert len(state) < 80 * 200


def test_states_that_are_none():
    chain = flo.HeaderChain(flo.REGTEST)
    chain.feed_many(joined(row(GENESIS, 5)))
    state = chain.state()
    for wrong in (b"", state[:-1], state + b"\0", state[:100], b"x" + state[1:]):
        with pytest.raises(FormatError):
            flo.HeaderChain.from_state(flo.REGTEST, wrong)
    for place in range(0, len(state), 7):
        with pytest.raises(FormatError):
            flo.HeaderChain.from_state(flo.REGTEST, state[:place] + bytes([state[place] ^ 1]) + state[place + 1 :])
    with pytest.raises(FormatError):
        flo.HeaderChain.from_state(flo.TESTNET, state)
    parsed = flo.parse_header_state(state)
    for changed in (
        {"headers": parsed.headers[::-1]},
        {"headers": ()},
        {"side": (following(GENESIS, prev_hash="ab" * 32).encode(),)},
        {"side": (following(GENESIS, bits=0).encode(),)},
        {"side": (b"short",)},
    ):
        with pytest.raises(FormatError):
            flo.parse_header_state(flo.encode_header_state(msgspec.structs.replace(parsed, **changed)))
