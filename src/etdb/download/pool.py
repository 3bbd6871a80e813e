"""Where bytes come from: several stores at once, none of them trusted.

A store that gives wrong bytes is banned for the whole run and reported. One that cannot be reached is tried again, then
left alone. Every byte is checked here before anybody uses it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from etdb.blocks.port import BlockStore, block_too_large
from etdb.errors import EtdbError, FormatError, NotFoundError, SourceError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, CarBlock, Cid, LeafFound, verify_leaf

__all__ = ["BannedSource", "RangeStore", "SourcePool"]

_BLOCK_COST_BYTES = 512
"""What a block takes beside its content: a source may send a million of four bytes."""

T = TypeVar("T")
FAILURES_UNTIL_LEFT = 5
RETRY_DELAYS_S = (0.2, 1.0, 3.0)


class BannedSource(Struct, frozen=True, kw_only=True):
    """A source that gave wrong bytes, and which."""

    name: str
    reason: str


@runtime_checkable
class RangeStore(Protocol):
    """A store that can also send many neighbouring leaves of a file in one go, such as a gateway."""

    def read_leaves(
        self, file_cid: Cid, leaves: Sequence[LeafFound], buffer: memoryview
    ) -> Iterator[tuple[LeafFound, memoryview]]:
        """Each leaf with its checked bytes, which lie in `buffer` until the next is asked for."""
        ...


@runtime_checkable
class CarStore(Protocol):
    """A store that can send a whole DAG in one go."""

    def fetch_car(self, cid: Cid, *, max_bytes: int) -> Iterator[CarBlock]:
        """Its blocks, each checked against its own CID."""
        ...


class _Source:
    def __init__(self, store: BlockStore) -> None:
        self.store = store
        self.failures = 0
        self.busy = 0
        self.given = 0
        self.has_ranges = isinstance(store, RangeStore)
        self.last_error: EtdbError | None = None


class SourcePool:
    """Stores that are asked in turn, the least busy first.

    Args:
        stores: in the order of preference.
        sleep: waits before another try; for tests.
    """

    def __init__(self, stores: Sequence[BlockStore], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sources = [_Source(store) for store in stores]
        self._banned: list[BannedSource] = []
        self._ahead: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._sleep = sleep

    @property
    def banned(self) -> tuple[BannedSource, ...]:
        """Who gave wrong bytes."""
        return tuple(self._banned)

    @property
    def used(self) -> tuple[str, ...]:
        """Who gave right ones."""
        return tuple(source.store.name for source in self._sources if source.given)

    @property
    def is_exhausted(self) -> bool:
        """Nobody is left to ask."""
        return not self._usable()

    @property
    def name(self) -> str:
        """All sources that are asked."""
        return ", ".join(source.store.name for source in self._sources) or "no source"

    def has(self, cid: Cid) -> bool:
        """Whether a source says that it has the block."""
        return any(source.store.has(cid) for source in self._usable())

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
        block = self._ahead.get(cid.digest)
        if block is None:
            block = self._ask(lambda source: source.store.get(cid), f"the IPLD block {cid}", cid)
        if len(block) > max_bytes:
            raise block_too_large(cid, len(block), max_bytes)
        return block

    def gather(self, root: Cid, max_bytes: int) -> None:
        """Bring the blocks of a small DAG in one request and keep them until :meth:`forget`.

        This only saves time: what does not come this way is asked for by itself.
        """
        source = self._take(set())
        if source is None:
            return
        try:
            if isinstance(source.store, CarStore):
                room = max_bytes + max_bytes // 4
                for block in source.store.fetch_car(root, max_bytes=room):
                    room -= len(block.data) + _BLOCK_COST_BYTES
                    if room < 0:
                        break
                    self._ahead[block.cid.digest] = block.data
                    source.given = max(source.given, 1)
        except VerificationError as error:
            self._ban(source, error)
        except (FormatError, NotFoundError, SourceError):
            return
        finally:
            self._release(source)

    @property
    def has_gathered(self) -> bool:
        """Whether anything was brought by :meth:`gather`."""
        return bool(self._ahead)

    def forget(self) -> None:
        """Let go of what was gathered."""
        self._ahead.clear()

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

        def read(source: _Source) -> None:
            if source.has_ranges and isinstance(source.store, RangeStore) and len(rest) > 1:
                before = len(rest)
                try:
                    for leaf, view in source.store.read_leaves(file_cid, tuple(rest), buffer):
                        write(leaf, view)
                        rest.popleft()
                except (SourceError, NotFoundError):
                    if len(rest) < before:
                        raise
                    # Perhaps it only has no ranges, or not under the file's name: then single leaves still come.
                    read_singly(source.store)
                    source.has_ranges = False
                return
            read_singly(source.store)

        def read_singly(store: BlockStore) -> None:
            while rest:
                block = memoryview(store.get(rest[0].cid))
                if len(block) != rest[0].length:  # the hash was checked by the store
                    verify_leaf(rest[0], block, source=store.name)
                write(rest[0], block)
                rest.popleft()

        self._ask(read, f"{leaves[0].path or file_cid} at offset {leaves[0].offset}", file_cid)

    def _ask(self, read: Callable[[_Source], T], what: str, cid: Cid) -> T:
        missing: NotFoundError | None = None
        for delay in (*RETRY_DELAYS_S, None):
            tried: set[int] = set()
            unreachable = False
            while (source := self._take(tried)) is not None:
                try:
                    result = read(source)
                except StorageError:
                    raise  # our own disk: no other source can help
                except VerificationError as error:
                    self._ban(source, error)
                except NotFoundError as error:
                    missing = error
                except OSError as error:
                    unreachable = True
                    self._fail(source, error)
                else:
                    source.failures = 0
                    source.given += 1
                    return result
                finally:
                    self._release(source)
            if not unreachable or delay is None:
                break
            self._sleep(delay)
        raise self._nobody(what, cid, missing)

    def _usable(self) -> list[_Source]:
        return [s for s in self._sources if s.failures < FAILURES_UNTIL_LEFT]

    def _take(self, tried: set[int]) -> _Source | None:
        with self._lock:
            free = [s for s in self._usable() if id(s) not in tried]
            if not free:
                return None
            source = min(free, key=lambda s: s.busy)  # the first of equals: the preferred
            source.busy += 1
            tried.add(id(source))
            return source

    def _release(self, source: _Source) -> None:
        with self._lock:
            source.busy -= 1

    def _ban(self, source: _Source, error: VerificationError) -> None:
        with self._lock:
            if source in self._sources:
                self._sources.remove(source)
                self._banned.append(BannedSource(name=source.store.name, reason=error.message))
            source.last_error = error

    def _fail(self, source: _Source, error: OSError) -> None:
        with self._lock:
            source.failures += 1
            source.last_error = (
                error
                if isinstance(error, EtdbError)
                else SourceError(f"{source.store.name}: {error.strerror or error}")
            )

    def _nobody(self, what: str, cid: Cid, missing: NotFoundError | None) -> EtdbError:
        with self._lock:
            reached = [s for s in self._sources if s.last_error is not None]
            banned = self._banned[-1] if self._banned else None
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
        return NotFoundError(f"{what}: no source has it", hint="name another gateway", cid=str(cid))
