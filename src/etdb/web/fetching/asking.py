"""For which dataset blocks are wanted, and how much may be fetched for it: carried along while a request is answered.

A block is fetched only when it belongs to a dataset that the portal shows. Whoever walks a dataset from its root
reaches nothing else: every node was checked against the CID that led to it. So it is the root that is looked at.
"""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from typing import Final, Self

from etdb.ipfs import Cid

__all__ = ["MAX_REQUEST_BYTES", "MAX_REQUEST_WAIT_S", "Asking"]

MAX_REQUEST_BYTES: Final = 64 << 30
"""What is fetched for one request."""
MAX_REQUEST_WAIT_S: Final = 30
"""How long a request waits for blocks before its first byte."""
_now: ContextVar[tuple[Asking, object] | None] = ContextVar("asking", default=None)


class Asking:
    """What is asked for, as a context that can be entered again and again, from one thread after another.

    Args:
        root: where somebody began, the root of a dataset or not.
        may_wait: False to fetch nothing now: what is not here is not found.
    """

    def __init__(self, root: Cid, *, may_wait: bool = True) -> None:
        self.root, self.may_wait = root, may_wait
        self.deadline: float | None = time.monotonic() + MAX_REQUEST_WAIT_S
        self._left_bytes = MAX_REQUEST_BYTES
        self._lock = threading.Lock()

    @staticmethod
    def current() -> Asking | None:
        """What this thread asks for."""
        found = _now.get()
        return found[0] if found else None

    def __enter__(self) -> Self:
        _now.set((self, _now.get()))
        return self

    def __exit__(self, *_: object) -> None:
        found = _now.get()
        assert found is not None
        _now.set(found[1])  # type: ignore[arg-type]  # the type of a list that holds its own kind

    def begun(self, *, may_wait: bool) -> None:
        """The first byte is out: from now on each block has its own time, and is waited for when it may be."""
        self.deadline, self.may_wait = None, may_wait

    def spend(self, count: int) -> bool:
        """Count what was fetched; whether more may be."""
        with self._lock:
            self._left_bytes -= count
            return self._left_bytes > 0
