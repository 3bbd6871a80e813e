"""Waiting: for blocks, which come at their own pace, and for a ledger that is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["Pace", "TimeIsUpError"]

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


class TimeIsUpError(Exception):
    """The time that may be waited is over. Never leaves the publisher."""


class Pace:
    """How long to wait, and how often to look.

    Args:
        timeout_s: how long after the first wait the last may end, or None for as long as it takes.
        poll_s: how often to look for a block.
        clock: seconds that only grow.
        sleep: waits for so many of them.
    """

    def __init__(
        self,
        *,
        timeout_s: float | None = None,
        poll_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._poll_s = poll_s
        self._clock = clock
        self._sleep = sleep
        self._timeout_s = timeout_s
        self._ends: float | None = None
        self._troubles = 0

    def rest(self) -> None:
        """Wait until it is time to look for a block again.

        Raises:
            TimeIsUpError: that would be too late.
        """
        self._troubles = 0
        self._wait(self._poll_s)

    def step_back(self) -> None:
        """Wait because something is wrong that may pass by itself: each time longer, up to a minute.

        Raises:
            TimeIsUpError: that would be too late.
        """
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._troubles)
        self._troubles = min(self._troubles + 1, 10)
        self._wait(pause)

    def _wait(self, seconds: float) -> None:
        if self._timeout_s is not None:
            if self._ends is None:
                self._ends = self._clock() + self._timeout_s
            left = self._ends - self._clock()
            if left <= 0:
                raise TimeIsUpError
            seconds = min(seconds, left)
        self._sleep(seconds)
