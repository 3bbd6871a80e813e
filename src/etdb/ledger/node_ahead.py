"""Blocks of a node by height, asked for before they are wanted: the node is at work while what it gave is read.

In a first synchronisation a header and its block come in one answer. That a block follows the one before it is looked
at here, all else by who reads it.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from etdb.flo import HEADER_BYTES, sha256d
from etdb.ledger.rpc import RpcClient

__all__ = ["BURIED", "BlocksAhead", "Request"]

BURIED: Final = 100
"""Only blocks so deep below the tip are asked for ahead: no node goes back further."""
_ASKED_BYTES: Final = 1 << 20
"""How much a request should bring; the blocks before say how many those are."""
_FEW_BLOCKS: Final = 16
_MANY_BLOCKS: Final = 200
_PATIENCE_S: Final = 1.0
_KEPT_BYTES: Final = 16 << 20
"""Of blocks that are given at once."""

Found = TypeVar("Found")
Fetch = Callable[[RpcClient, int, int], list[bytes]]
"""Whole blocks by height: from the first on, so many of them."""


class Request(threading.Thread, Generic[Found]):
    """A request that goes on by itself. It ends with the program: nobody waits for one that nobody wants any more."""

    def __init__(self, fetch: Callable[[], Found]) -> None:
        super().__init__(name="etdb-blocks", daemon=True)
        self._fetch: Callable[[], Found] | None = fetch
        self._found: list[Found] = []
        self._failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        """In the thread."""
        fetch, self._fetch = self._fetch, None  # it may know the request before it, with all that one found
        assert fetch is not None, "a thread runs once"
        try:
            self._found.append(fetch())
        except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
            self._failure = error

    def result(self) -> Found:
        """What was fetched; what went wrong is raised here."""
        self.join()
        if self._failure is not None:
            raise self._failure
        return self._found[0]


class BlocksAhead:
    """Blocks from a height on, in order.

    Args:
        start_height: of the first.
        last_height: of the last that is asked for.
        lanes: connections, with a request under way on each, and one that waits for it.
        fetch: asks for blocks.
    """

    def __init__(self, start_height: int, last_height: int, lanes: Sequence[RpcClient], fetch: Fetch) -> None:
        self.next_height = start_height
        self.last_height = last_height
        self._lanes = lanes
        self._fetch = fetch
        self._asked = start_height
        self._requests = 0
        self._at_once = _FEW_BLOCKS
        self._coming: deque[Request[list[bytes]]] = deque()
        self._waiting: deque[bytes] = deque()
        self._hash = b""
        self._has_ended = False

    def take(self, count: int) -> list[tuple[bytes, bytes]]:
        """The next blocks, each behind its hash in wire order: so many at most, fewer when they are large.

        None at the end, and when the next one does not follow the last: the node's chain has changed.

        Raises:
            NotFoundError: the node does not give a block.
            LedgerError: it cannot be reached, or answers nonsense.
        """
        taken: list[tuple[bytes, bytes]] = []
        size_bytes = 0
        while len(taken) < count and size_bytes < _KEPT_BYTES and self.next_height <= self.last_height:
            raw = self._next()
            if self._hash and raw[4:36] != self._hash:
                self.last_height = self.next_height - 1
                break
            self._hash = sha256d(raw[:HEADER_BYTES])
            taken.append((self._hash, raw))
            size_bytes += len(raw)
            self.next_height += 1
        self._ask()
        return taken

    def end(self) -> None:
        """Ask for nothing more. What is under way is waited for a moment, so that its lanes are free."""
        self._has_ended = True
        until = time.monotonic() + _PATIENCE_S
        for request in self._coming:
            request.join(max(0.0, until - time.monotonic()))

    def _next(self) -> bytes:
        if not self._waiting:
            self._ask()
            raws = self._coming.popleft().result()
            mean = sum(map(len, raws)) // len(raws) or 1
            # Hex takes twice the room. At the most twice as many as before: one large block says little of the next.
            self._at_once = max(1, min(_MANY_BLOCKS, 2 * self._at_once, _ASKED_BYTES // (2 * mean)))
            self._waiting.extend(raws)
            self._ask()
        return self._waiting.popleft()

    def _ask(self) -> None:
        while self._asked <= self.last_height and len(self._coming) < 2 * len(self._lanes):
            count = min(self._at_once, self.last_height - self._asked + 1)
            lane = self._lanes[self._requests % len(self._lanes)]
            before = self._coming[-len(self._lanes)] if len(self._coming) >= len(self._lanes) else None
            self._coming.append(Request(functools.partial(self._fetch_after, before, lane, self._asked, count)))
            self._asked += count
            self._requests += 1

    def _fetch_after(
        self, before: Request[list[bytes]] | None, lane: RpcClient, height: int, count: int
    ) -> list[bytes]:
        if before is not None:
            before.join()
        return [] if self._has_ended else self._fetch(lane, height, count)
