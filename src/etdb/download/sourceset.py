"""The sources of a run, shared by all of its datasets: whom to ask next, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from etdb.blocks.port import BlockStore
from etdb.download.ending import Ending
from etdb.download.sources import Attempt, Source, plan_source
from etdb.download.watch import Watch
from etdb.errors import EtdbError, FormatError, NotFoundError, SourceError, StorageError, VerificationError
from etdb.ipfs import Cid

__all__ = ["NOT_RETRIEVED", "BannedSource", "SlowError", "SourceSet"]

MAX_WAIT_S = 120.0
"""How long a source may ask us to wait, where nobody else has it."""
NOT_RETRIEVED = 504
"""How a gateway says that it could not find the content in its own network."""


class BannedSource(Struct, frozen=True, kw_only=True):
    """A source that gave wrong bytes, and which."""

    name: str
    reason: str


class SlowError(Exception):
    """The source was stopped, because somebody else would be faster."""


class SourceSet:
    """The sources, and who was banned.

    Args:
        stores: in the order of preference.
        clock: seconds.
        ending: when the run ends, so does what is being asked for.
    """

    def __init__(self, stores: Sequence[BlockStore], clock: Callable[[], float], ending: Ending) -> None:
        self.sources = [Source(store) for store in stores]
        self.banned: list[BannedSource] = []
        self.clock = clock
        self.lock = threading.Lock()
        self.watch = Watch(lambda: tuple(self.sources), clock)
        self.ending = ending
        self._running: set[Attempt] = set()
        ending.call(self._stop_all)

    def add(self, stores: Sequence[BlockStore], *, is_last: bool) -> None:
        """Take up more stores, but nobody twice, and nobody again who was banned."""
        with self.lock:
            known = {one.store.name for one in self.sources} | {one.name for one in self.banned}
            for store in stores:
                if store.name not in known:
                    known.add(store.name)
                    self.sources.append(Source(store, is_last=is_last))

    @contextmanager
    def attempt(self, source: Source, size: int, tried: set[int], *, is_watched: bool = True) -> Iterator[Attempt]:
        """What is asked of a source, as a context: it is watched, measured, and its failure noted.

        Raises:
            SlowError: it was stopped, because others would be faster.
        """
        attempt = Attempt(source, size, self.clock(), tried)
        is_watched = is_watched and len(self.sources) > 1
        if is_watched:
            self.watch.begin(attempt)
        with self.lock:
            self._running.add(attempt)
        if self.ending.error is not None:
            attempt.stop.set()
        try:
            with attempt.stop:
                yield attempt
        except (NotFoundError, StorageError, VerificationError):
            raise
        except OSError as error:
            now = self.clock()
            with self.lock:
                if attempt.stop.is_set:
                    source.was_slow(attempt.done_bytes, now - attempt.began, attempt.connections)
                    raise SlowError from error
                self._note_failure(source, error, now)
            raise
        else:
            with self.lock:
                source.succeeded(attempt.done_bytes, self.clock() - attempt.began, attempt.connections)
        finally:
            with self.lock:
                self._running.discard(attempt)
            if is_watched:
                self.watch.end(attempt)

    def _stop_all(self) -> None:
        with self.lock:
            running = tuple(self._running)
        for attempt in running:
            attempt.stop.set()

    def _note_failure(self, source: Source, error: OSError, now: float) -> None:
        name = source.store.name
        known = error if isinstance(error, EtdbError) else SourceError(f"{name}: {error.strerror or error}")
        after_s = known.fields.get("retry_after_s")
        if known.fields.get("status") == NOT_RETRIEVED:
            source.last_error = known
        elif isinstance(after_s, float):
            source.waits(known, now + after_s)
        else:
            source.failed(known, now)

    def take(self, tried: set[int], lacking: Collection[int]) -> Source | None:
        """Choose whom to ask; it counts as asked, and as busy until :meth:`release`."""
        with self.lock:
            source = plan_source(self.sources, self.clock(), tried=tried, lacking=lacking)
            if source is not None:
                source.busy += 1
                tried.add(id(source))
            return source

    def release(self, source: Source) -> None:
        """It is done with what it was asked."""
        with self.lock:
            source.busy -= 1

    def told_to_wait_s(self) -> float | None:
        """How long until the first source that asked for time may be asked again; None when that is no use."""
        now = self.clock()
        with self.lock:
            waits = [one.not_before - now for one in self.sources if one.is_told_to_wait]
        waits = [one for one in waits if 0 < one <= MAX_WAIT_S]
        return min(waits) if waits else None

    def may_ask_again(self) -> None:
        """The first of those who asked for time has had it."""
        with self.lock:
            waiting = [one for one in self.sources if one.is_told_to_wait]
            for one in waiting:
                if one.not_before == min(other.not_before for other in waiting):
                    one.not_before, one.is_told_to_wait = 0.0, False

    def ban(self, source: Source, error: VerificationError) -> None:
        """It gave wrong bytes: it is asked no more."""
        with self.lock:
            if source in self.sources:
                self.sources.remove(source)
                self.banned.append(BannedSource(name=source.store.name, reason=error.message))
            source.last_error = error

    def nobody(self, what: str, cid: Cid, missing: EtdbError | None) -> EtdbError:
        """The error when all have been asked for something in vain."""
        with self.lock:
            reached = [s for s in self.sources if s.last_error is not None and s.failures + s.is_told_to_wait]
            banned = self.banned[-1] if self.banned else None
        if reached and reached[-1].last_error is not None:
            last = reached[-1].last_error
            return SourceError(
                f"{what} cannot be fetched: {last.message}",
                hint=last.hint or "try again later, or name another gateway",
                cid=str(cid),
                source=reached[-1].store.name,
            )
        if banned is not None and missing is None:
            return VerificationError(
                f"{what}: no source gave the right bytes ({banned.name}: {banned.reason})",
                hint="name another gateway",
                cid=str(cid),
                source=banned.name,
            )
        if isinstance(missing, FormatError):
            return FormatError(f"{what}: {missing.message}", hint=missing.hint, cid=str(cid))
        return NotFoundError(f"{what}: no source has it", hint="name another gateway", cid=str(cid))
