"""The work behind the headers that were followed, checked while all else goes on.

Links, targets, times and checkpoints are judged as headers come. Proof of work costs a hundred times more than these
together, so a first synchronisation does not wait for it: threads of a limited number come after, what they have
checked is kept in the store, and until they are there a block's work is 'not checked yet'. A header without the work
that it claims takes down with it all that was built on it, and is not taken again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Final

from etdb.errors import EtdbError, VerificationError
from etdb.flo import HeaderChain, Network, parse_header, sha256d, verify_pow
from etdb.ledger.node_store import NodeStore

__all__ = ["MAX_ROLLBACK", "WorkCheck", "check_some_work", "has_work"]

MAX_ROLLBACK: Final = 1_000
"""Deeper than any node goes back: FLO Core stops at 100 blocks on main net."""
_AT_ONCE: Final = 128
"""Between two commits; so long, half a tenth of a second, who ends the program waits for it."""
_SHARE: Final = 32
_MAX_THREADS: Final = 2
_CONTEXT: Final = 200
"""Headers that the rules look back to, and some more."""


def has_work(raw: bytes, network: Network) -> bool:
    """Whether a header's hash meets its target (a matter of scrypt), and that the network's limit."""
    try:
        verify_pow(parse_header(raw), network)
    except VerificationError:
        return False
    return True


def check_some_work(store: NodeStore, network: Network, pool: Executor, *, most: int = _AT_ONCE) -> bool:
    """Check the headers that come next; what is found is in the store when this returns.

    A header without work is cut off with all above it, and remembered so that it is refused when it comes again.

    Args:
        store: the headers.
        network: whose rules apply.
        pool: where the hashing is done.
        most: how many headers.

    Returns:
        Whether there may be more to check.

    Raises:
        StorageError: the store cannot be used.
    """
    first, raws = _unchecked(store, network, most)
    if not raws:
        return False
    shares = [raws[at : at + _SHARE] for at in range(0, len(raws), _SHARE)]
    found = [
        one for share in pool.map(lambda share: [has_work(raw, network) for raw in share], shares) for one in share
    ]
    good = found.index(False) if False in found else len(found)
    with store.commit():
        if store.headers(first, len(raws)) != raws:
            return True  # another chain is better by now
        store.set_work_checked(first + good - 1)
        if good < len(raws):
            store.refuse_header(sha256d(raws[good]))
            store.cut(first + good - 1)
            store.keep_header_state(_chain_up_to(store, network, first + good - 1).state())
    return True


def _unchecked(store: NodeStore, network: Network, most: int) -> tuple[int, list[bytes]]:
    tip = store.tip()
    last = network.checkpoints[-1][0] if network.checkpoints else 0
    if tip is None or tip.height <= last:
        return 0, []  # the next checkpoint says more than their work would
    first = max(store.work_checked(), last) + 1
    return first, store.headers(first, most)


def _chain_up_to(store: NodeStore, network: Network, height: int) -> HeaderChain:
    low = max(store.low() or 0, height - MAX_ROLLBACK - _CONTEXT)
    raws = store.headers(low, height - low + 1)
    start = [parse_header(raws[0])] if low else []
    chain = HeaderChain(network, start, low, max_rollback=MAX_ROLLBACK)
    chain.feed_many(b"".join(raws[1:]))
    return chain


class WorkCheck:
    """A thread that checks work until it has caught up, and is started again when there is more.

    Args:
        open_store: opens the store once more, for this thread alone.
        network: whose rules apply.
        threads: how many hash side by side; by default half of the cores, two at the most.
    """

    def __init__(self, open_store: Callable[[], NodeStore], network: Network, *, threads: int = 0) -> None:
        self._open_store = open_store
        self._network = network
        self._threads = threads or max(1, min(_MAX_THREADS, (os.cpu_count() or 1) // 2))
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether it is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, unless it is at work; it ends by itself when all is checked."""
        if not self.is_running:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="work of headers", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until all that was there is checked."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """End it soon; what was checked is kept."""
        self._stopping.set()
        self.wait()

    def _run(self) -> None:
        # A store that cannot be used now is tried again with the next start; who reads it meets the same error.
        with (
            suppress(EtdbError),
            closing(self._open_store()) as store,
            ThreadPoolExecutor(self._threads) as pool,
        ):
            while not self._stopping.is_set() and check_some_work(store, self._network, pool):
                pass
