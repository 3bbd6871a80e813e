"""Where bytes come from: several stores at once, none of them trusted.

A store that gives a block whose hash is wrong is banned for the whole run and reported; what may be the fault of the
dataset itself is held against nobody. One that cannot be reached is left for a while,
one that is slow is asked for less, and what it owes is asked for elsewhere. Every byte is checked here before anybody
uses it. Who else could be asked is looked for when the known ones cannot help.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from etdb.blocks.port import BlockStore, block_too_large
from etdb.download.ending import Ending
from etdb.download.gathered import CarSource, Gathered
from etdb.download.sources import Attempt, Source
from etdb.download.sourceset import NOT_RETRIEVED, BannedSource, SlowError, SourceSet
from etdb.errors import EtdbError, FormatError, NotFoundError, SourceError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, LeafFound, SizeLieError, verify_leaf

__all__ = ["BannedSource", "RangeStore", "SourceFinder", "SourcePool"]

T = TypeVar("T")
RETRY_DELAYS_S = (0.2, 1.0, 3.0, 8.0)
MAX_WAITS = 20
LAST_RESORT_STEP = 2
MOST_RANGE_TROUBLES = 3
"""After so many ranges in a row that did not come, a source is asked for single leaves."""


@runtime_checkable
class RangeStore(Protocol):
    """A store that can also send many neighbouring leaves of a file in one go, such as a gateway."""

    def read_leaves(
        self, file_cid: Cid, leaves: Sequence[LeafFound], buffer: memoryview
    ) -> Iterator[tuple[LeafFound, memoryview]]:
        """Each leaf with its checked bytes, which lie in `buffer` until the next is asked for."""
        ...


class SourceFinder(Protocol):
    """Finds out who else has a dataset; every step goes further and costs more than the one before."""

    def find(self, root: Cid, step: int) -> Sequence[BlockStore] | None:
        """More stores, perhaps none; None when there is no such step.

        Step 0 asks nobody, step 1 asks others who has it, and from step 2 on it is a last resort.
        """
        ...


class SourcePool:
    """Stores that are asked in turn, each for its share.

    Args:
        stores: in the order of preference.
        finder: who else could be asked, found out for one dataset at a time.
        ending: what ends the run; waiting and asking end with it.
        sleep: waits before another try; for tests.
        clock: seconds; for tests.
    """

    def __init__(
        self,
        stores: Sequence[BlockStore],
        *,
        finder: SourceFinder | None = None,
        ending: Ending | None = None,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ending = ending or Ending()
        self._set = SourceSet(stores, clock, self._ending)
        self._finder, self._sleep = finder, sleep or self._ending.wait
        self._begin(None)

    def _begin(self, root: Cid | None) -> None:
        self._root = root
        self._lacking: set[int] = set()
        self._without_ranges: set[int] = set()
        self._suspects: dict[Cid, list[tuple[Source, VerificationError]]] = {}
        self._step = 0
        self._find_lock = threading.Lock()
        self._gathered = Gathered()

    def for_dataset(self, root: Cid) -> SourcePool:
        """The same sources, for one dataset: it remembers who does not have it, and who else was looked for."""
        view = object.__new__(SourcePool)
        view._set, view._finder, view._sleep, view._ending = self._set, self._finder, self._sleep, self._ending
        view._begin(root)
        return view

    @property
    def banned(self) -> tuple[BannedSource, ...]:
        """Who gave wrong bytes."""
        return tuple(self._set.banned)

    @property
    def used(self) -> tuple[str, ...]:
        """Who gave right ones."""
        return tuple(source.store.name for source in self._set.sources if source.given)

    @property
    def name(self) -> str:
        """All sources that are asked."""
        return ", ".join(source.store.name for source in self._set.sources) or "no source"

    def has(self, cid: Cid) -> bool:
        """Whether a source says that it has the block."""
        now = self._set.clock()
        return any(source.store.has(cid) for source in tuple(self._set.sources) if source.is_usable(now))

    def close(self) -> None:
        """The stores are their owner's."""

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """A block, from whoever has it: a pool is a block store over its stores.

        Raises:
            NotFoundError: no source has it.
            FormatError: it is larger than ``max_bytes``.
            VerificationError: every source that said it had it gave wrong bytes.
            SourceError: no source can be reached.
        """
        block = self._gathered.get(cid)
        if block is None:

            def read(source: Source, attempt: Attempt) -> bytes:
                found = source.store.get(cid)
                attempt.done_bytes = len(found)
                return found

            block = self._ask(read, f"the IPLD block {cid}", cid, MAX_BLOCK_BYTES // 2)
        if len(block) > max_bytes:
            raise block_too_large(cid, len(block), max_bytes)
        return block

    def seek(self) -> None:
        """Look for more sources of this dataset now: those that cost nothing, and all where none are known."""
        while self._find(LAST_RESORT_STEP if not self._set.sources else 1):
            pass

    def gather(self, max_bytes: int) -> None:
        """Bring the blocks of this small dataset in one request and keep them until :meth:`forget`.

        This only saves time: what does not come this way is asked for by itself.
        """
        tried = self._not_yet()
        while (
            self._root is not None
            and not self._gathered
            and (source := self._set.take(tried, self._lacking)) is not None
        ):
            self._ending.check()
            try:
                if not isinstance(source.store, CarSource):
                    continue
                with self._set.attempt(source, max_bytes, tried) as attempt:

                    def came(count: int, attempt: Attempt = attempt) -> None:
                        attempt.done_bytes += count
                        attempt.moved = self._set.clock()

                    self._gathered.fill(source.store, self._root, max_bytes, came)
            except (SlowError, SourceError):
                continue
            except FormatError:
                return
            except VerificationError as error:
                self._set.ban(source, error)
            except NotFoundError:
                self._lacking.add(id(source))
            finally:
                self._set.release(source)

    def forget(self) -> None:
        """Let go of what was gathered."""
        self._gathered.clear()

    def bring(
        self,
        file_cid: Cid,
        leaves: Sequence[LeafFound],
        buffer: memoryview,
        write: Callable[[LeafFound, memoryview], None],
    ) -> None:
        """Bring neighbouring leaves of known length: `write` gets each one in order, checked.

        When a source fails in the middle, the next goes on behind the last right leaf. Errors as `get`, and those of
        `write`.
        """
        rest = deque(leaves)
        size = sum(leaf.length or 0 for leaf in leaves)

        def read(source: Source, attempt: Attempt) -> None:
            # Nobody else could have the rest: one request is best.
            part = _within(rest, source.request_bytes() if len(self._set.sources) > 1 else size)
            attempt.size_bytes = sum(leaf.length or 0 for leaf in part)

            def done(leaf: LeafFound, view: memoryview) -> None:
                write(leaf, view)
                rest.popleft()
                attempt.done_bytes += len(view)
                attempt.moved = self._set.clock()

            if (
                source.has_ranges
                and id(source) not in self._without_ranges
                and isinstance(source.store, RangeStore)
                and len(part) > 1
            ):
                before = len(rest)
                try:
                    for leaf, view in source.store.read_leaves(file_cid, part, buffer):
                        done(leaf, view)
                    source.range_troubles = 0
                except VerificationError as error:
                    # Where a leaf lies in its file is what the dataset says. A block by itself is right or wrong.
                    self._without_ranges.add(id(source))
                    self._lacking.add(id(source))
                    _read_singly(source.store, (rest[0],), done)
                    self._suspects.setdefault(file_cid, []).append((source, error))
                except (SourceError, NotFoundError) as error:
                    if len(rest) < before or attempt.stop.is_set or "retry_after_s" in error.fields:
                        raise
                    # Perhaps it only has no ranges, or not under the file's name: then single leaves still come.
                    _read_singly(source.store, part, done)
                    source.range_troubles += 1
                    source.has_ranges = source.range_troubles < MOST_RANGE_TROUBLES and _is_trouble(error)
                return
            _read_singly(source.store, part, done)

        while rest:
            self._ask(read, f"{leaves[0].path or file_cid} at offset {leaves[0].offset}", file_cid, size)

    def settle(self, file_cid: Cid) -> None:
        """A file is complete, so its sizes are right: whoever gave other bytes for a part of it is banned."""
        for source, error in self._suspects.pop(file_cid, ()):
            self._set.ban(source, error)

    def _ask(self, read: Callable[[Source, Attempt], T], what: str, cid: Cid, size: int) -> T:
        """One after the other, until somebody gives it; then those who were slow, then all again after a pause."""
        missing: EtdbError | None = None
        delays = list(RETRY_DELAYS_S)
        waits = 0
        while True:
            self._ending.check()
            tried = self._not_yet()
            patient = False
            slow: set[int] = set()
            unreachable = False
            while True:
                self._ending.check()
                source = self._set.take(tried, self._lacking)
                if source is None and slow:
                    # Nobody else has it: whoever was too slow has all the time of its own deadline.
                    tried -= slow
                    slow, patient = set(), True
                    continue
                if source is None:
                    break
                try:
                    with self._set.attempt(source, size, tried, is_watched=not patient) as attempt:
                        result = read(source, attempt)
                except (StorageError, SizeLieError):
                    raise  # our own disk, or the dataset itself: no other source can help
                except SlowError:
                    slow.add(id(source))
                except (NotFoundError, FormatError) as error:
                    missing = error
                    self._lacking.add(id(source))
                except VerificationError as error:
                    self._set.ban(source, error)
                except SourceError as error:
                    if error.fields.get("status") == NOT_RETRIEVED:
                        missing = error
                        self._lacking.add(id(source))
                    else:
                        unreachable = unreachable or not source.is_told_to_wait
                except OSError:
                    unreachable = True
                else:
                    self._lacking -= {id(source)} - self._without_ranges
                    return result
                finally:
                    self._set.release(source)
            wait_s = self._set.told_to_wait_s()
            if self._find(LAST_RESORT_STEP):
                continue
            if wait_s is not None and waits < MAX_WAITS:
                waits += 1
                self._sleep(wait_s)
                self._set.may_ask_again()
            elif unreachable and delays:
                self._sleep(delays.pop(0))
            elif not self._find(None):
                raise self._set.nobody(what, cid, missing)

    def _not_yet(self) -> set[int]:
        """Sources of the last resort, as long as they were not prepared for this dataset."""
        if self._step > LAST_RESORT_STEP:
            return set()
        return {id(one) for one in tuple(self._set.sources) if one.is_last}

    def _find(self, until: int | None) -> bool:
        """Look further for sources, up to a step; whether that was done. Others who come meanwhile wait for it."""
        finder, root = self._finder, self._root
        if finder is None or root is None:
            return False
        seen = self._step
        with self._find_lock:
            if self._step != seen:
                return True
            if until is not None and self._step >= until:
                return False
            stores = finder.find(root, self._step)
            if stores is None:
                return False
            self._set.add(stores, is_last=self._step >= LAST_RESORT_STEP)
            self._step += 1
            return True


def _is_trouble(error: EtdbError) -> bool:
    """Whether a range did not come because the server was in trouble: it said nothing of ranges."""
    status = error.fields.get("status")
    return isinstance(error, SourceError) and (
        status is None or (isinstance(status, int) and status in {500, 502, 503})
    )


def _within(rest: deque[LeafFound], limit: int) -> tuple[LeafFound, ...]:
    """The first leaves of so many bytes together, at least one."""
    part: list[LeafFound] = []
    size = 0
    for leaf in rest:
        size += leaf.length or 0
        if part and size > limit:
            break
        part.append(leaf)
    return tuple(part)


def _read_singly(store: BlockStore, leaves: Sequence[LeafFound], done: Callable[[LeafFound, memoryview], None]) -> None:
    for leaf in leaves:
        block = memoryview(store.get(leaf.cid))
        if len(block) != leaf.length:  # the hash was checked by the store
            verify_leaf(leaf, block, source=store.name)
        done(leaf, block)
