"""What ends a run before it is done: the error of whoever was first, and everybody who waits is woken."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Ending"]


class Ending:
    """Set once, by an error that no other dataset can be spared, or by the user.

    Attributes:
        error: why; None while the run goes on.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._is_set = threading.Event()
        self._lock = threading.Lock()
        self._called: list[Callable[[], None]] = []

    def set(self, error: BaseException) -> None:
        """End it; the first error counts."""
        with self._lock:
            self.error = self.error or error
            called = tuple(self._called)
        self._is_set.set()
        for one in called:
            one()

    def call(self, stop: Callable[[], None]) -> None:
        """Have this called when it ends."""
        with self._lock:
            self._called.append(stop)

    def check(self) -> None:
        """Go on only while nothing has happened.

        Raises:
            BaseException: what ended the run.
        """
        if self.error is not None:
            raise self.error

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than the run lasts. Raises as :meth:`check`."""
        self._is_set.wait(seconds)
        self.check()
