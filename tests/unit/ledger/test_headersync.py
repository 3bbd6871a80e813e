"""The work of headers, checked behind: what is not checked yet, what is, and a source that lied about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import pytest

from etdb.flo import REGTEST, BlockHeader, HeaderChain, mine, parse_header
from etdb.ledger import node_headers
from etdb.ledger.headersync import WorkCheck, check_some_work, has_work
from etdb.ledger.node_errors import NodeChainError
from etdb.ledger.node_headers import HeaderFollower
from etdb.ledger.node_store import NodeStore
from etdb.ledger.port import BlockRef

NOW_S = 1_700_000_000


def next_header(previous: bytes, mark: int, *, works: bool = True) -> bytes:
    """A header that follows another one, with or without the work that it claims."""
    before = parse_header(previous)
    header = BlockHeader(
        version=0x20000000,
        prev_hash=before.block_hash,
        merkle_root=f"{mark:064x}",
        time_s=before.time_s + 40,
        bits=before.bits,
        nonce=0,
    )
    if works:
        return mine(header).encode()
    nonce = next(nonce for nonce in range(1000) if not has_work(_with(header, nonce), REGTEST))
    return _with(header, nonce)


def _with(header: BlockHeader, nonce: int) -> bytes:
    return msgspec.structs.replace(header, nonce=nonce).encode()


def extend(headers: list[bytes], count: int, *, mark: int = 0, bad: int = -1) -> list[bytes]:
    """These headers and some more; the one at this height without work."""
    found = list(headers)
    while len(found) < len(headers) + count:
        found.append(next_header(found[-1], mark, works=len(found) != bad))
    return found


GENESIS = [REGTEST.genesis_block[:80]]
GOOD = extend(GENESIS, 60)


class Source:
    """Says what it is told to say."""

    where = "http://node"

    def __init__(self, headers: list[bytes]) -> None:
        self.said = headers

    def headers(self, start_height: int, count: int, *, with_blocks: bool = False) -> list[bytes]:
        return self.said[start_height : start_height + count]

    def tip(self) -> BlockRef:
        return BlockRef(len(self.said) - 1, parse_header(self.said[-1]).block_hash)


@pytest.fixture
def store(tmp_path):
    with closing(NodeStore(tmp_path / "node.sqlite", REGTEST.genesis_hash)) as store:
        yield store


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def many(monkeypatch):
    """So that the headers of these tests are too many to be checked on the way."""
    monkeypatch.setattr(node_headers, "_FEW", 5)


def follow(store: NodeStore, headers: list[bytes], network=REGTEST) -> HeaderFollower:
    follower = HeaderFollower(Source(headers), store, network, 0)
    follower.follow(NOW_S)
    return follower


def held(store: NodeStore) -> list[bytes]:
    return store.headers(0, 1000)


def test_few_headers_are_checked_on_the_way(store):
    follow(store, GOOD)
    assert held(store) == GOOD
    assert store.work_checked() == 60
    with pytest.raises(NodeChainError, match="breaks the rules"):
        follow(store, extend(GOOD, 3, bad=62))
    assert held(store)[:61] == GOOD


def test_many_are_checked_behind(store, pool, many):
    follow(store, GOOD)
    assert held(store) == GOOD
    assert store.work_checked() == 0
    done = []
    while check_some_work(store, REGTEST, pool, most=25):
        done.append(store.work_checked())
    assert done == [25, 50, 60]
    follow(store, extend(GOOD, 2))  # and now a few more on the way
    assert store.work_checked() == 62


@pytest.mark.parametrize("bad", [1, 25, 26, 45, 60])
def test_a_lie_takes_down_what_was_built_on_it_and_is_not_taken_again(store, pool, many, bad):
    lie = [*GOOD[:bad], *extend(GOOD[:bad], 61 - bad, mark=1, bad=bad)[bad:]]
    follow(store, lie)
    assert held(store) == lie
    while check_some_work(store, REGTEST, pool, most=25):
        pass
    assert held(store) == GOOD[:bad]
    assert store.work_checked() == bad - 1
    with pytest.raises(NodeChainError, match=f"http://node gives a header of height {bad} .* has not the work"):
        follow(store, lie)
    assert held(store) == GOOD[:bad]
    follow(store, GOOD)  # another source, or the same one when it says the truth
    while check_some_work(store, REGTEST, pool):
        pass
    assert (held(store), store.work_checked()) == (GOOD, 60)


def test_headers_without_work_take_nothing_back(store, pool, many):
    """However many: what would take the place of a chain is checked at once."""
    follow(store, GOOD)
    lie = extend(GOOD[:40], 40, mark=1, bad=41)
    with pytest.raises(NodeChainError, match="breaks the rules"):
        follow(store, lie)
    assert held(store) == GOOD


def test_a_better_chain_is_checked_before_it_counts_and_only_as_far_as_that(store, pool, many):
    follow(store, GOOD)
    check_some_work(store, REGTEST, pool, most=30)
    better = extend(GOOD[:50], 20, mark=1)
    follow(store, better)
    assert held(store) == better
    assert store.work_checked() == 30  # between 31 and 49 nothing was
    while check_some_work(store, REGTEST, pool):
        pass
    assert store.work_checked() == 69
    best = extend(better[:60], 20, mark=2)
    follow(store, best)
    assert (held(store), store.work_checked()) == (best, 79)


def test_only_what_takes_something_back_is_checked_at_once(store, pool, many, monkeypatch):
    """Who stood on a block that the others left, and was away for long, does not wait for the work of all of it."""
    monkeypatch.setattr(node_headers, "MAX_HEADERS", 8)
    follow(store, GOOD[:51])
    check_some_work(store, REGTEST, pool)
    assert store.work_checked() == 50
    better = extend(GOOD[:49], 40, mark=1)
    follow(store, better)
    assert held(store) == better
    assert store.work_checked() == 55  # the first eight from block 48 on


def test_a_chain_that_changed_meanwhile_is_not_marked(store, many):
    follow(store, GOOD)
    better = extend(GOOD[:50], 20, mark=1)

    class Late(ThreadPoolExecutor):
        def map(self, work, shares):
            found = list(super().map(work, shares))
            follow(store, better)
            return iter(found)

    with Late(1) as pool:
        assert check_some_work(store, REGTEST, pool)
    assert store.work_checked() == 0


def test_what_a_checkpoint_holds_needs_no_check(store, pool, many):
    network = msgspec.structs.replace(REGTEST, checkpoints=((20, parse_header(GOOD[20]).block_hash),))
    assert [network.known_height(height) for height in (0, 19, 20, 60)] == [0, 0, 20, 20]
    follow(store, GOOD[:11], network)
    assert not check_some_work(store, network, pool)
    assert store.work_checked() == 0
    follow(store, GOOD, network)
    assert store.work_checked() == 20
    assert check_some_work(store, network, pool, most=15)
    assert store.work_checked() == 35


def test_the_state_after_a_lie_goes_on_as_if_it_had_never_been(store, pool, many):
    follow(store, extend(GOOD[:31], 20, mark=1, bad=31))
    while check_some_work(store, REGTEST, pool):
        pass
    chain = HeaderChain.from_state(REGTEST, store.header_state())
    assert (chain.height, chain.tip_hash, chain.side_headers) == (30, parse_header(GOOD[30]).block_hash, 0)


def test_a_thread_catches_up_and_ends(store, tmp_path, many):
    follow(store, GOOD)
    check = WorkCheck(lambda: NodeStore(tmp_path / "node.sqlite", REGTEST.genesis_hash), REGTEST, threads=2)
    check.start()
    check.start()  # it is at work already, or done
    check.wait()
    assert not check.is_running
    assert store.work_checked() == 60
    follow(store, extend(GOOD, 9))
    check.start()
    check.stop()
    check.start()
    check.wait()
    assert store.work_checked() == 69


def test_a_store_that_cannot_be_opened_ends_the_thread_quietly(store, tmp_path, many):
    follow(store, GOOD)
    (tmp_path / "other").write_bytes(b"no database")
    check = WorkCheck(lambda: NodeStore(tmp_path / "other", REGTEST.genesis_hash), REGTEST)
    check.start()
    check.wait()
    assert store.work_checked() == 0
