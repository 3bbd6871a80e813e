"""Whom to ask, for how much, and when to ask somebody else: decisions without a clock or a network."""

import pytest

from etdb.blocks import MemoryStore
from etdb.download.sources import Attempt, Source, is_overdue, plan_source
from etdb.download.watch import Watch
from etdb.errors import SourceError

MIB = 1 << 20
ERROR = SourceError("no answer")


def source(name="s", rate=None, busy=0, **fields):
    one = Source(MemoryStore(), **fields)
    one.name, one.rate, one.busy = name, rate, busy
    return one


def test_the_first_of_equals_is_asked_and_then_the_least_busy():
    a, b = source("a"), source("b")
    assert plan_source([a, b], 0) is a
    a.busy = 1
    assert plan_source([a, b], 0) is b
    b.busy = 1
    assert plan_source([a, b], 0) is a


def test_each_gets_a_share_by_its_speed():
    fast, slow = source("fast", rate=30.0 * MIB), source("slow", rate=10.0 * MIB)
    for _ in range(8):
        plan_source([slow, fast], 0).busy += 1
    assert (fast.busy, slow.busy) == (6, 2)


def test_who_was_not_measured_is_found_out():
    known, unknown = source("known", rate=50.0 * MIB, busy=1), source("unknown")
    assert plan_source([known, unknown], 0) is unknown


def test_the_order_of_last_choices():
    dead, lacking, last, good = source("dead"), source("lacking"), source("last", is_last=True), source("good", busy=9)
    dead.failed(ERROR, now=0)
    everybody, tried = [dead, lacking, last, good], set()
    order = []
    while (one := plan_source(everybody, 0.1, tried=tried, lacking={id(lacking)})) is not None:
        order.append(one.name)
        tried.add(id(one))
    assert order == ["good", "lacking", "last", "dead"]


def test_failures_leave_a_source_for_a_while_and_never_for_ever():
    one = source()
    pauses = []
    for now in (100.0, 100.5, 101.5, 104.5, 112.5):
        one.failed(ERROR, now=now)
        pauses.append(one.not_before - now)
    assert pauses == [0.25, 0.5, 1, 2, 30]
    assert not one.is_usable(113)
    assert one.is_usable(143)
    one.busy = 1
    one.succeeded(MIB, 0.1, 1)
    assert one.is_usable(113)
    assert one.failures == 0


def test_many_failures_at_once_are_a_restart_and_not_a_death():
    one = source()
    for _ in range(2000):
        one.failed(ERROR, now=100.0)
    assert one.is_usable(100.1)


def test_who_asks_for_time_gets_it():
    one = source()
    one.waits(ERROR, until=60.0)
    assert one.failures == 0
    assert plan_source([one], 59.0) is None
    assert plan_source([one], 60.0) is one


def test_a_window_doubles_until_there_is_trouble_and_then_grows_by_steps():
    one = source(busy=1)
    sizes = [one.request_bytes()]
    for _ in range(4):
        one.succeeded(8 * MIB, 0.001, 1)
        sizes.append(one.request_bytes())
    assert sizes == [2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB, 16 * MIB]
    one.failed(ERROR, now=0)
    assert one.request_bytes() == 8 * MIB
    one.succeeded(8 * MIB, 0.001, 1)
    assert one.request_bytes() == 9 * MIB
    for _ in range(10):
        one.failed(ERROR, now=0)
    assert one.request_bytes() == 2 * MIB


def test_a_slow_source_is_asked_for_little():
    one = source(rate=float(MIB), busy=2)
    one.window_bytes = 16 * MIB
    assert one.request_bytes() == MIB
    one.rate = 10.0
    assert one.request_bytes() == 256 << 10


@pytest.mark.parametrize(
    ("done", "moved", "now", "other", "overdue"),
    [
        (0, 0.0, 0.5, {"rate": 100.0 * MIB}, False),  # just begun
        (MIB, 1.9, 2.0, {"rate": 100.0 * MIB}, True),  # half a MiB a second, where another gives a hundred
        (MIB, 1.9, 2.0, {"rate": 0.4 * MIB}, False),  # the other is no better
        (MIB, 1.9, 2.0, {}, False),  # nobody knows the other, and this one moves
        (MIB, 1.0, 4.5, {}, True),  # stands still, and somebody is there
        (MIB, 1.0, 4.5, None, False),  # stands still, and nobody is there
        (7 * MIB, 1.9, 2.0, {"rate": 100.0 * MIB}, False),  # nearly done
    ],
)
def test_when_an_attempt_is_overdue(done, moved, now, other, overdue):
    slow = source("slow", busy=1)
    attempt = Attempt(slow, 8 * MIB, 0.0, {id(slow)})
    attempt.done_bytes, attempt.moved = done, moved
    others = [] if other is None else [source("other", **other)]
    assert is_overdue(attempt, [slow, *others], now) is overdue


def test_nobody_is_stopped_for_one_who_was_tried_or_rests():
    slow, tried, resting = source("slow"), source("tried", rate=1e9), source("resting", rate=1e9)
    resting.failed(ERROR, now=0)
    resting.not_before = 100
    attempt = Attempt(slow, MIB, 0.0, {id(slow), id(tried)})
    assert not is_overdue(attempt, [slow, tried, resting], 50)


def test_the_watch_stops_what_is_overdue_and_goes_away():
    now = [0.0]
    slow, other = source("slow"), source("other")
    watch = Watch(lambda: [slow, other], lambda: now[0])
    attempt = Attempt(slow, MIB, 0.0, {id(slow)})
    watch.begin(attempt)
    assert not attempt.stop.is_set
    now[0] = 10.0
    watch.look()
    assert attempt.stop.is_set
    watch.end(attempt)
    assert watch.look() == 0
