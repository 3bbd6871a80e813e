"""The ledger's follower beside a server: one thread that brings the catalogue to the newest block, again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from etdb.errors import EtdbError, LockedError
from etdb.index import IndexReport

__all__ = ["FollowerState", "following"]

POLL_S = 2.0
AGAIN_S = 30.0
_log = logging.getLogger(__name__)

Follow = Callable[[Callable[[], bool]], Iterable[IndexReport]]
"""Follows the ledger: given what waits between two looks and answers True to end, gives a report for each change."""


class FollowerState:
    """How following goes; written by its thread, read by anyone.

    Attributes:
        is_following: this process follows, and nothing is wrong.
        is_followed_elsewhere: another process does; what it writes is shown.
        trouble: what is wrong, with names and paths of this machine: not for strangers.
        height: of the newest block.
    """

    def __init__(self) -> None:
        self.is_following = self.is_followed_elsewhere = False
        self.trouble = ""
        self.height: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the catalogue is brought to the newest block by anybody."""
        return self.is_following or self.is_followed_elsewhere

    @property
    def public_trouble(self) -> str:
        """What is wrong, for strangers."""
        return "" if self.is_ready or not self.trouble else "the ledger cannot be followed now"


@contextmanager
def following(follow: Follow, *, note: Callable[[str], None] = lambda _text: None) -> Iterator[FollowerState]:
    """Follow while the ``with`` block runs. What goes wrong is noted once, and tried again after a while.

    Args:
        follow: opens what it needs in the thread that calls it.
        note: called with a sentence about what somebody should know.
    """
    state, ended = FollowerState(), threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                for report in follow(lambda: ended.wait(POLL_S)):
                    state.is_following, state.is_followed_elsewhere = True, False
                    state.trouble, state.height = "", report.height
            except EtdbError as error:
                if error.message != state.trouble:
                    note(error.message)
                state.is_following, state.trouble = False, error.message
                state.is_followed_elsewhere = isinstance(error, LockedError)
            except Exception:  # noqa: BLE001 - a server goes on serving what it knows
                _log.exception("following the ledger broke off")
                state.is_following = state.is_followed_elsewhere = False
                state.trouble = "an error inside; the log says which"
            ended.wait(AGAIN_S)

    thread = threading.Thread(target=run, name="etdb-follower", daemon=True)
    thread.start()
    try:
        yield state
    finally:
        ended.set()
        thread.join(timeout=10)
