"""The SHA-256 of a whole file whose pieces become ready in any order.

A hash goes from the first byte to the last, a download does not. Each piece is read back and hashed when all before it
is ready, mostly while the system still holds it in memory, so that a large file is not read from the disk once more
when it is complete.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

__all__ = ["RunningHash"]


class RunningHash:
    """Hashes a file behind its workers. Can be used from several threads; one of them hashes at a time.

    Args:
        read: fills a buffer from an offset of the file; False when it cannot.
    """

    def __init__(self, read: Callable[[int, memoryview], bool]) -> None:
        self._read = read
        self._hash = hashlib.sha256()
        self._at = 0
        self._ready: dict[int, int] = {}
        self._is_broken = False
        self._state = threading.Lock()
        self._busy = threading.Lock()

    def ready(self, start: int, stop: int, buffer: memoryview) -> None:
        """The bytes from `start` to `stop` are in the file; go on as far as possible, with `buffer` to read into."""
        if stop > start:
            with self._state:
                self._ready[start] = stop
        # When another worker hashes, this piece waits for the next call; `digest` picks up what is left.
        if self._busy.acquire(blocking=False):
            try:
                self._advance(buffer)
            finally:
                self._busy.release()

    def digest(self, size_bytes: int) -> bytes | None:
        """The hash, when all pieces are ready and could be read; None otherwise."""
        with self._busy:
            self._advance(memoryview(bytearray(1 << 20)))
            return self._hash.digest() if self._at == size_bytes and not self._is_broken else None

    def _advance(self, buffer: memoryview) -> None:
        while not self._is_broken:
            with self._state:
                stop = self._ready.pop(self._at, None)
            if stop is None:
                return
            while self._at < stop:
                view = buffer[: min(len(buffer), stop - self._at)]
                if not self._read(self._at, view):
                    self._is_broken = True
                    return
                self._hash.update(view)
                self._at += len(view)
