"""What waits for a block, mirrored: who spends what, and how much of the limits on chains is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.flo import Transaction, TxInput, TxOutput
from etdb.ledger import Outpoint
from etdb.ledger.mempool import MAX_TRANSACTIONS, Mempool

SCRIPT = b"s" * 25


def pay(*spends: tuple[str, int], outputs: int = 1, tag: int = 0) -> Transaction:
    return Transaction(
        inputs=tuple(TxInput(txid, vout) for txid, vout in spends),
        outputs=tuple(TxOutput(1000 + tag, SCRIPT) for _ in range(outputs)),
    )


def mirrored(*transactions: Transaction) -> Mempool:
    pool = Mempool()
    raws = {one.txid: one.encode() for one in transactions}
    pool.refresh(raws, lambda txids: [raws[txid] for txid in txids])
    return pool


def test_who_spends_and_what_is_made():
    parent = pay(("11" * 32, 0), outputs=2)
    child = pay((parent.txid, 1))
    pool = mirrored(parent, child)
    assert pool.spender(Outpoint("11" * 32, 0)) == parent.txid
    assert pool.spender(Outpoint(parent.txid, 1)) == child.txid
    assert pool.spender(Outpoint(parent.txid, 0)) is None
    assert {outpoint for outpoint, _ in pool.made(SCRIPT)} == {Outpoint(parent.txid, 0), Outpoint(child.txid, 0)}
    assert pool.made(b"other") == []
    assert (pool.raw(child.txid), pool.raw("22" * 32)) == (child.encode(), None)


def test_a_line_and_what_branches_off():
    """A chain of three with a side branch: all share the first, so all of the limit that it has left."""
    first = pay(("11" * 32, 0), outputs=2)
    second = pay((first.txid, 0))
    third = pay((second.txid, 0))
    side = pay((first.txid, 1))
    alone = pay(("22" * 32, 0))
    pool = mirrored(third, side, alone, second, first)
    size = len(first.encode()) + len(second.encode()) + len(third.encode()) + len(side.encode())
    for one in (first, second, third, side):
        use = pool.use(one.txid)
        assert (use.depth, use.bytes, use.family) == (4, size, first.txid)
    assert (pool.use(alone.txid).depth, pool.use(alone.txid).family) == (1, alone.txid)
    assert pool.use("33" * 32).depth == 0


def test_a_very_long_line():
    line = [pay(("11" * 32, 0))]
    for _ in range(1500):
        line.append(pay((line[-1].txid, 0)))
    pool = mirrored(*reversed(line))
    assert pool.use(line[-1].txid).depth == 1501


def test_what_the_node_forgets_is_forgotten():
    parent, other = pay(("11" * 32, 0)), pay(("22" * 32, 0))
    pool = mirrored(parent, other)
    pool.refresh([other.txid], lambda _txids: pytest.fail("nothing is new"))
    assert parent.txid not in pool
    assert pool.spender(Outpoint("11" * 32, 0)) is None
    assert pool.raw(parent.txid) is None
    assert pool.use(parent.txid).depth == 0
    assert other.txid in pool


def test_another_spender_takes_the_place_of_the_first():
    first, rival = pay(("11" * 32, 0)), pay(("11" * 32, 0), tag=1)
    pool = mirrored(first)
    pool.add(rival.encode(), rival)
    pool.refresh([rival.txid], lambda _txids: [])
    assert pool.spender(Outpoint("11" * 32, 0)) == rival.txid


def test_bytes_that_are_not_what_was_listed_are_not_believed():
    listed, other = pay(("11" * 32, 0)), pay(("22" * 32, 0))
    for raw in (None, b"", b"rubbish", other.encode()):
        pool = Mempool()
        pool.refresh([listed.txid], lambda _txids, raw=raw: [raw])
        assert listed.txid in pool  # the node says that it waits
        assert pool.raw(listed.txid) is None
        assert pool.made(SCRIPT) == []


def test_more_than_can_be_kept():
    asked = []
    pool = Mempool()
    txids = [f"{number:064x}" for number in range(MAX_TRANSACTIONS + 10)]
    pool.refresh(txids, lambda some: [asked.append(one) for one in some])
    assert len(asked) == MAX_TRANSACTIONS


@given(st.lists(st.lists(st.integers(0, 11), max_size=3), min_size=1, max_size=12))
def test_never_less_than_what_hangs_together(parents):
    """Beside a plain count over all ancestors and descendants: never less, and the same where lines do not meet."""
    made: list[Transaction] = []
    for number, asked in enumerate(parents):
        above = sorted({one for one in asked if one < number})
        spends = [(made[one].txid, number) for one in above] or [(f"{number + 1:064x}", 0)]
        made.append(pay(*spends, outputs=13, tag=number))
    ancestors: list[set[int]] = []
    for number, asked in enumerate(parents):
        line = {number}.union(*(ancestors[one] for one in asked if one < number))
        ancestors.append(line)
    pool = mirrored(*made)
    meets = any(len({one for one in asked if one < number}) > 1 for number, asked in enumerate(parents))
    for number, one in enumerate(made):
        line = ancestors[number]
        most = max(sum(above in other for other in ancestors) for above in line)
        exact = max(len(line), most)
        depth = pool.use(one.txid).depth
        assert depth >= exact
        assert meets or depth == exact


def test_what_could_not_be_fetched_is_asked_for_again():
    paid = pay(("11" * 32, 0))
    pool = Mempool()

    def fail(_txids):
        raise ConnectionError("busy")

    with pytest.raises(ConnectionError):
        pool.refresh([paid.txid], fail)
    asked = []
    for _ in range(2):
        pool.refresh([paid.txid], lambda txids: asked.append(txids) or [paid.encode()])
    assert asked == [[paid.txid]]
    assert pool.spender(Outpoint("11" * 32, 0)) == paid.txid


def test_a_tangle_of_lines_costs_little_and_takes_no_more():
    """No honest node has it: thousands of lines that all meet, again and again."""
    lines = [pay((f"{number:064x}", 0), outputs=1, tag=number) for number in range(1, 1501)]
    knots, before = [], lines[0]
    for one in lines[1:]:
        before = pay((before.txid, 0), (one.txid, 0))
        knots.append(before)
    pool = mirrored(*lines, *knots)
    assert pool.use(knots[-1].txid).depth > 10**6
