"""What is known of a source while it is used: how fast it is, how much it is asked for, and when it may be asked again.

Each source is measured: the bytes that it gives in a second, all its connections together. Whoever is expected to be
done first is asked next, so that each gets a share by its speed; a slow one is asked for less at a time. The window of
each begins small and doubles, after a failure it is halved and grows by steps (as TCP's does, RFC 5681).
The decisions here are pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol, runtime_checkable

from etdb.blocks.http import Stop
from etdb.blocks.port import BlockStore
from etdb.errors import EtdbError
from etdb.ipfs import MAX_BLOCK_BYTES

__all__ = ["Attempt", "RangeSource", "Source", "is_overdue", "plan_source"]

FAILURES_UNTIL_LEFT, SECONDS_UNTIL_LEFT = 5, 12.0
"""Both must be reached: several threads fail many times while a gateway is only restarted."""
REVIVE_S = 30.0
"""After that long a source that was left is asked once more."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
FIRST_WINDOW_BYTES, FULL_WINDOW_BYTES = 2 << 20, 16 << 20
LEAST_WINDOW_BYTES = 256 << 10
WINDOW_STEP_BYTES = 1 << 20
REQUEST_S = 2.0
"""What a source is asked for at once should come in this time."""
LEAST_MEASURED_BYTES = 32 << 10
NEW_WEIGHT = 0.3
PATIENCE_S, SILENCE_S = 1.0, 3.0
SLOWER_FACTOR, SLOWER_S = 1.5, 0.5
"""How much longer than elsewhere something may take: changing horses costs a request and part of a leaf."""


@runtime_checkable
class RangeSource(Protocol):
    """A store that can send many neighbouring leaves of a file in one go (``read_leaves``)."""

    read_leaves: object


class Source:
    """One store. The pool's lock guards its numbers.

    Attributes:
        is_last: asked only when the others cannot help: it is dear.
        rate: bytes a second of all its connections together; None before the first.
        window_bytes: the most that it is asked for at once.
        not_before: the time of the pool's clock before which it had better not be asked.
        is_told_to_wait: it said so itself, and is obeyed.
        has_ranges: many neighbouring leaves come in one go; so many times in a row they did not: `range_troubles`.
    """

    def __init__(self, store: BlockStore, *, is_last: bool = False) -> None:
        self.store = store
        self.is_last = is_last
        self.failures = self.busy = self.given = self.range_troubles = 0
        self.rate: float | None = None
        self.window_bytes = FIRST_WINDOW_BYTES
        self._has_stumbled = self._is_left = False
        self._failing_since = 0.0
        self.not_before = 0.0
        self.is_told_to_wait = False
        self.has_ranges = isinstance(store, RangeSource)
        self.last_error: EtdbError | None = None

    def is_usable(self, now: float) -> bool:
        """Whether it may be asked at all: not left, or left long ago, and not told to wait."""
        if now < self.not_before and self.is_told_to_wait:
            return False
        return not self._is_left or now >= self.not_before

    def request_bytes(self) -> int:
        """How much to ask for at once."""
        if self.rate is None:
            return self.window_bytes
        measured = int(self.rate / max(1, self.busy) * REQUEST_S)
        return min(self.window_bytes, max(measured, LEAST_WINDOW_BYTES))

    def succeeded(self, count: int, seconds: float, connections: int) -> None:
        """It gave so many bytes in so many seconds, over one of so many connections."""
        self.failures, self.not_before, self.is_told_to_wait, self._is_left = 0, 0.0, False, False
        self.given += 1
        step = WINDOW_STEP_BYTES if self._has_stumbled else self.window_bytes
        self.window_bytes = min(self.window_bytes + step, FULL_WINDOW_BYTES)
        self._measure(max(count, LEAST_MEASURED_BYTES) / max(seconds, 1e-6) * connections)

    def was_slow(self, count: int, seconds: float, connections: int) -> None:
        """It was stopped, because others are faster."""
        self._stumble()
        self._measure(max(count, 1) / max(seconds, 1e-6) * connections)

    def failed(self, error: EtdbError, now: float) -> None:
        """It could not be reached, or broke off."""
        if not self.failures:
            self._failing_since = now
        self.failures += 1
        self._is_left = self.failures >= FAILURES_UNTIL_LEFT and now - self._failing_since >= SECONDS_UNTIL_LEFT
        self._stumble()
        self.last_error = error
        pause = min(FIRST_PAUSE_S * 2 ** min(self.failures - 1, 16), LONGEST_PAUSE_S)
        self.not_before = now + (REVIVE_S if self._is_left else pause)

    def waits(self, error: EtdbError, until: float) -> None:
        """It said when it may be asked again: that is no failure."""
        self.last_error = error
        self._stumble()
        self.not_before, self.is_told_to_wait = until, True

    def _stumble(self) -> None:
        self._has_stumbled = True
        self.window_bytes = max(self.window_bytes // 2, MAX_BLOCK_BYTES)

    def _measure(self, rate: float) -> None:
        self.rate = rate if self.rate is None else (1 - NEW_WEIGHT) * self.rate + NEW_WEIGHT * rate


class Attempt:
    """Something that a source is being asked for.

    Attributes:
        size_bytes: how much is wanted.
        done_bytes: how much has come.
        began: time of the pool's clock; `moved` when the last bytes came.
        tried: who was asked for the same before.
    """

    def __init__(self, source: Source, size_bytes: int, now: float, tried: Collection[int]) -> None:
        self.source, self.size_bytes, self.tried = source, size_bytes, frozenset(tried)
        self.done_bytes = 0
        self.began = self.moved = now
        self.connections = source.busy
        self.stop = Stop()


def plan_source(
    sources: Iterable[Source], now: float, *, tried: Collection[int] = (), lacking: Collection[int] = ()
) -> Source | None:
    """Whom to ask next: who is expected to be done first; the first of equals.

    Args:
        sources: in the order of preference.
        now: the time.
        tried: ids of sources that are not asked.
        lacking: ids of sources that seem not to have the dataset: asked after the others.
    """
    usable = [one for one in sources if id(one) not in tried and one.is_usable(now)]
    if not usable:
        return None
    # Whoever was not measured yet is taken for as fast as the best, and so is found out.
    best = max((one.rate for one in usable if one.rate is not None), default=1.0)

    def cost(one: Source) -> tuple[int, float]:
        rank = 4 * (now < one.not_before) + 2 * one.is_last + (id(one) in lacking)
        return rank, (one.busy + 1) / (best if one.rate is None else max(one.rate, 1.0))

    return min(usable, key=cost)


def is_overdue(attempt: Attempt, others: Iterable[Source], now: float) -> bool:
    """Whether somebody else would bring the rest of an attempt much sooner, or it stands still and others are there."""
    elapsed = now - attempt.began
    others = [
        one
        for one in others
        if id(one) not in attempt.tried and one is not attempt.source and one.is_usable(now) and now >= one.not_before
    ]
    if not others or elapsed < PATIENCE_S:
        return False
    if now - attempt.moved >= SILENCE_S:
        return True
    rates = [one.rate / (one.busy + 1) for one in others if one.rate is not None]
    if not rates or not max(rates):
        return False
    rest = max(0, attempt.size_bytes - attempt.done_bytes)
    own_s = rest / (attempt.done_bytes / elapsed) if attempt.done_bytes else float("inf")
    return own_s > SLOWER_FACTOR * rest / max(rates) + SLOWER_S
