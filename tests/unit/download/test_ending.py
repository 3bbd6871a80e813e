"""What ends a run: nobody goes on waiting, asking, or taking what is to be done."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from etdb.blocks.http import Stop
from etdb.download.crew import Crew
from etdb.download.ending import Ending
from etdb.download.pool import SourcePool
from etdb.errors import DiskFullError, SourceError
from etdb.ipfs import RAW, Cid

from .conftest import Counting

CID = Cid(codec=RAW, digest=bytes(32))
FULL = DiskFullError("no room")


class Waiting(Counting):
    """Begins, and then only an end of the run helps."""

    def __init__(self):
        super().__init__(None)
        self.has_begun = threading.Event()


class Busy(Waiting):
    def answer(self, cid):
        self.has_begun.set()
        raise SourceError("slow down", retry_after_s=100.0)


class Silent(Waiting):
    def answer(self, cid):
        stop = Stop.current()
        assert stop is not None
        self.has_begun.set()
        while not stop.is_set:
            threading.Event().wait(0.01)
        raise SourceError("stopped")


def raised_by(work: Callable[[], object], begun: threading.Event, ending: Ending) -> list[BaseException]:
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    assert begun.wait(30)
    ending.set(FULL)
    thread.join(30)
    assert not thread.is_alive()
    return errors


@pytest.mark.parametrize("kind", [Busy, Silent])
def test_who_waits_for_a_source_is_woken(kind):
    ending, store = Ending(), kind()
    pool = SourcePool([store], ending=ending)
    assert raised_by(lambda: pool.get(CID), store.has_begun, ending) == [FULL]


def test_nothing_is_asked_after_the_end():
    ending, store = Ending(), Busy()
    ending.set(FULL)
    ending.set(KeyboardInterrupt())
    with pytest.raises(DiskFullError):
        SourcePool([store], ending=ending).get(CID)
    assert store.asked == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_nothing_is_taken_after_the_end(when):
    ending, taken = Ending(), []
    crew = Crew(2, ending)

    def supply():
        for number in range(100_000):
            taken.append(number)
            if when == "meanwhile" and number == 10:
                ending.set(FULL)
            yield number

    if when == "before":
        crew.stop(FULL)
    with pytest.raises(DiskFullError):
        crew.work_through(supply(), lambda _item, _buffer: None)
    crew.close()
    assert len(taken) <= 11
