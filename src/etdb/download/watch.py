"""Looks after what is being fetched: who is overdue is stopped, and the rest is asked for elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from etdb.download.sources import Attempt, Source, is_overdue

__all__ = ["Watch"]

LOOK_S = 0.1
IDLE_LOOKS = 20


class Watch:
    """A thread that is there while attempts are.

    Args:
        sources: gives those that could be asked instead.
        clock: seconds.
    """

    def __init__(self, sources: Callable[[], Sequence[Source]], clock: Callable[[], float] = time.monotonic) -> None:
        self._sources, self._clock = sources, clock
        self._attempts: set[Attempt] = set()
        self._lock = threading.Lock()
        self._is_running = False

    def begin(self, attempt: Attempt) -> None:
        """Look after it from now on."""
        with self._lock:
            self._attempts.add(attempt)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="etdb-watch", daemon=True).start()

    def end(self, attempt: Attempt) -> None:
        """It is over."""
        with self._lock:
            self._attempts.discard(attempt)

    def look(self) -> int:
        """Stop what is overdue; gives how many are left."""
        now, sources = self._clock(), self._sources()
        with self._lock:
            attempts = [one for one in self._attempts if not one.stop.is_set]
        for attempt in attempts:
            if is_overdue(attempt, sources, now):
                attempt.stop.set()
        return len(attempts)

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(LOOK_S)
            idle = 0 if self.look() else idle + 1
            if idle >= IDLE_LOOKS:
                with self._lock:
                    if not self._attempts:
                        self._is_running = False
                        return
