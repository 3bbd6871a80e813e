"""The threads of a download: they work through what its datasets supply, those that began first before the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from etdb.download.ending import Ending
from etdb.ipfs import MAX_BLOCK_BYTES

__all__ = ["Crew"]

Item = TypeVar("Item")
Work = Callable[[Item, memoryview], None]


class _Shift(Generic[Item]):
    """The supply of one dataset, and what is done with each item."""

    def __init__(self, supply: Iterator[Item], work: Work[Item]) -> None:
        self.supply, self.work = supply, work
        self.open_items = 0
        self.is_feeding = self.is_over = False
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.is_over and not self.open_items and not self.is_feeding


class Crew:
    """A number of threads, each with a buffer of one leaf: memory does not depend on how many datasets there are.

    Args:
        workers: how many threads.
        ending: what ends all work.
    """

    def __init__(self, workers: int, ending: Ending) -> None:
        self._changed = threading.Condition()
        self._shifts: list[_Shift[object]] = []
        self._ending = ending
        self._is_over = False
        self._threads = [
            threading.Thread(target=self._run, name=f"etdb-download-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_stopped(self) -> bool:
        """Whether something happened that ends all work."""
        return self._ending.error is not None

    def work_through(self, supply: Iterator[Item], work: Work[Item]) -> None:
        """Have the threads do the work on each item; returns when all of it is done.

        One thread at a time asks the supply for the next item; the others go on meanwhile. What the supply or the
        work raises ends the work of all datasets, and is raised here once no thread is at this supply any more.
        """
        shift = _Shift(supply, work)
        with self._changed:
            self._ending.check()
            self._shifts.append(shift)  # type: ignore[arg-type]
            self._changed.notify_all()
            try:
                while not shift.is_done:
                    self._changed.wait()
            except BaseException as error:  # an interrupt of the thread that waits
                self._fail(error)
                while shift.open_items or shift.is_feeding:
                    self._changed.wait()
                raise
            finally:
                self._shifts.remove(shift)  # type: ignore[arg-type]
        self._ending.check()

    def stop(self, error: BaseException) -> None:
        """End the work of all datasets with this error."""
        with self._changed:
            self._fail(error)

    def close(self) -> None:
        """Let the threads go."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _fail(self, error: BaseException) -> None:
        self._ending.set(error)
        for shift in self._shifts:
            shift.is_over = True
        self._changed.notify_all()

    def _run(self) -> None:
        buffer = memoryview(bytearray(MAX_BLOCK_BYTES))
        while (shift := self._await_shift()) is not None:
            item, error, is_end = None, None, False
            try:
                item = next(shift.supply)
            except StopIteration:
                is_end = True
            except BaseException as raised:  # noqa: BLE001 - raised again by the thread that waits
                error = raised
            with self._changed:
                shift.is_feeding = False
                shift.is_over = shift.is_over or is_end or self.is_stopped
                is_wanted = not is_end and error is None and not self.is_stopped
                shift.open_items += is_wanted
                if error is not None:
                    self._fail(error)
                self._changed.notify_all()
            if is_wanted:
                self._work_on(shift, item, buffer)

    def _work_on(self, shift: _Shift[object], item: object, buffer: memoryview) -> None:
        error = None
        try:
            shift.work(item, buffer)
        except BaseException as raised:  # noqa: BLE001 - raised again by the thread that waits
            error = raised
        with self._changed:
            shift.open_items -= 1
            if error is not None:
                self._fail(error)
            if shift.is_done:
                self._changed.notify_all()

    def _await_shift(self) -> _Shift[object] | None:
        """The first supply that nobody is asking just now; None when the crew may go."""
        with self._changed:
            while not self._is_over:
                for shift in self._shifts:
                    if not shift.is_feeding and not shift.is_over:
                        shift.is_feeding = True
                        return shift
                self._changed.wait()
            return None
