"""The store of a portal: the lab's files in place, then what is kept of others, then providers.

A block is fetched once, however many want it; only when it belongs to a dataset that the portal shows, so that the
portal is nobody's proxy; by a bounded number of threads; and what nobody has is not asked for again for some seconds.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from msgspec import Struct

from etdb.blocks import BlockStore
from etdb.blocks.cache import BlockCache
from etdb.blocks.files import OpenPlace, PlacingStore
from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.errors import EtdbError, NotFoundError, SourceError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, RAW, Cid, verify_block
from etdb.web.fetching.asking import Asking
from etdb.web.fetching.known import KnownBlocks
from etdb.web.fetching.offers import Offer, Offers
from etdb.web.fetching.providers import Providers
from etdb.web.wanted import BusyError

__all__ = ["MAX_FETCHES", "MAX_WANTED", "FetchNumbers", "FetchingStore", "NotOfferedError"]

MAX_FETCHES: Final = 16
"""Blocks that are fetched at the same time."""
MAX_WANTED: Final = 256
"""Blocks that are fetched or wait for it; who wants another is told to come again."""
BLOCK_WAIT_S: Final = 20.0
"""How long a request waits for one block."""
NOT_FOUND_S: Final = 30.0
"""How long a block that nobody has is not asked for."""
NOBODY_S: Final = 5.0
"""How long nothing of a dataset is asked for whose providers cannot be reached."""
MAX_REFUSED: Final = 8192


class NotOfferedError(SourceError):
    """A block of a dataset that is shown, which nobody gives now."""

    code = "not-offered"


class FetchNumbers(Struct, kw_only=True):
    """What was fetched since the start."""

    blocks: int = 0
    bytes: int = 0
    failures: int = 0
    cached: int = 0


class _Refused(Struct, frozen=True):
    until: float
    words: str


class FetchingStore:
    """A block store over three. Can be used from several threads.

    Args:
        local: the lab's own files; it stays the caller's.
        cache: what is kept of others.
        providers: who is asked; closed with this store.
        is_shown: whether a CID is the root of a dataset that the portal shows.
        clock: seconds; for tests.
    """

    def __init__(
        self,
        local: BlockStore,
        cache: BlockCache,
        providers: Providers,
        *,
        is_shown: Callable[[Cid], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.local, self.cache, self.providers = local, cache, providers
        self.numbers = FetchNumbers()
        self._is_shown, self._clock = is_shown, clock
        self._known, self._offers = KnownBlocks(), Offers()
        self._flights: dict[bytes, Future[bytes]] = {}
        self._refused: OrderedDict[bytes, _Refused] = OrderedDict()
        self._lock = threading.Lock()
        self._fetchers = ThreadPoolExecutor(MAX_FETCHES, thread_name_prefix="etdb-fetch")

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return "this portal"

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`.

        Raises:
            NotFoundError: it is not here, and belongs to no dataset of the portal as far as is known.
            NotOfferedError: it does, and nobody gives it now.
            BusyError: too much is being fetched.
        """
        block = identity_block(cid, max_bytes)
        if block is not None:
            return block
        asking = Asking.current()
        top = asking.root if asking is not None else self._known.top(cid)
        block, trouble = self._held(cid)
        if block is None:
            try:
                block = self._fetch(top, cid, asking)
            except EtdbError:
                if trouble is not None:
                    raise trouble from None  # the lab's file is not what it was: that says more
                raise
        if len(block) > max_bytes:
            raise block_too_large(cid, len(block), max_bytes)
        if cid.codec != RAW and self._is_shown(top):
            self._known.learn(top, block)
        return block

    def has(self, cid: Cid) -> bool:
        """Whether it is here; nobody is asked."""
        return self.local.has(cid) or self.cache.has(cid)

    def open_unchecked(self, cid: Cid, *, as_block: bool) -> OpenPlace | None:
        """See ``FilesInPlace``; what is kept of others always goes through a check."""
        return self.local.open_unchecked(cid, as_block=as_block) if isinstance(self.local, PlacingStore) else None

    def within(self, cid: Cid, *, may_wait: bool = True) -> Asking:
        """A context in which what lies below ``cid`` is read.

        Args:
            cid: where somebody begins: a dataset's root, or something below it that was seen before.
            may_wait: False to fetch nothing before the first byte.
        """
        top = self._known.top(cid)
        # The root of a dataset is its own, whoever links to it: else a stranger's providers would be asked for it.
        return Asking(cid if top != cid and self._is_shown(cid) else top, may_wait=may_wait)

    def offer(self, root: Cid) -> Offer | None:
        """What the last try said of a dataset; nobody is asked."""
        return self._offers.of(root)

    def close(self) -> None:
        """Break off what is being fetched."""
        self.providers.close()
        self._fetchers.shutdown(cancel_futures=True)
        self.cache.close()

    def _held(self, cid: Cid) -> tuple[bytes | None, EtdbError | None]:
        """The block, when it is here; and why not, when the lab's file is not what it was."""
        trouble: EtdbError | None = None
        try:
            return self.local.get(cid), None
        except NotFoundError:
            pass
        except (VerificationError, StorageError) as error:
            trouble = error
        try:
            block = self.cache.get(cid)
        except (NotFoundError, VerificationError):
            return None, trouble
        self.numbers.cached += 1
        return block, None

    def _fetch(self, top: Cid, cid: Cid, asking: Asking | None) -> bytes:
        if (asking is not None and not asking.may_wait) or not self._is_shown(top):
            raise not_in_store(cid, self.name)
        flight = self._flight(top, cid)
        limit = BLOCK_WAIT_S
        if asking is not None and asking.deadline is not None:
            limit = max(0.0, min(limit, asking.deadline - time.monotonic()))
        try:
            block = flight.result(limit)
        except TimeoutError:
            raise _not_offered(cid, "it does not come in time") from None
        if asking is not None and not asking.spend(len(block)):
            raise BusyError("too much would be fetched for one request", hint="ask for parts of it")
        return block

    def _flight(self, top: Cid, cid: Cid) -> Future[bytes]:
        """What brings the block: begun now, or on its way already."""
        with self._lock:
            flight = self._flights.get(cid.digest)
            if flight is not None:
                return flight
            for digest in (cid.digest, b"dataset" + top.digest):
                refused = self._refused.get(digest)
                if refused is not None and refused.until > self._clock():
                    raise _not_offered(cid, refused.words)
            if len(self._flights) >= MAX_WANTED:
                raise BusyError("this portal fetches as much as it may", hint="come again in some seconds")
            flight = self._fetchers.submit(self._bring, top, cid)
            self._flights[cid.digest] = flight
            return flight

    def _bring(self, top: Cid, cid: Cid) -> bytes:
        try:
            # Somebody may have brought it between a look into the cache and now.
            if self.cache.has(cid):
                with suppress(NotFoundError, VerificationError):
                    return self.cache.get(cid)
            block = self.providers.get(top, cid)
            verify_block(cid, block)
            self.cache.put(cid, block)
        except SourceError as error:
            raise self._refuse(b"dataset" + top.digest, NOBODY_S, top, cid, error) from error
        except EtdbError as error:
            raise self._refuse(cid.digest, NOT_FOUND_S, top, cid, error) from error
        else:
            self._offers.note(top, is_offered=True)
            with self._lock:
                self.numbers.blocks += 1
                self.numbers.bytes += len(block)
            return block
        finally:
            with self._lock:
                self._flights.pop(cid.digest, None)

    def _refuse(self, key: bytes, seconds: float, top: Cid, cid: Cid, error: EtdbError) -> NotOfferedError:
        """Remember for some seconds that asking is no use."""
        words = "those who may have it cannot be reached" if isinstance(error, SourceError) else "nobody has it"
        if isinstance(error, VerificationError):
            words = "whoever said to have it gave wrong bytes"
        self._offers.note(top, is_offered=False)
        with self._lock:
            self.numbers.failures += 1
            self._refused[key] = _Refused(self._clock() + seconds, words)
            self._refused.move_to_end(key)
            if len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)
        return _not_offered(cid, words)


def _not_offered(cid: Cid, words: str) -> NotOfferedError:
    return NotOfferedError(
        f"nobody offers the IPLD block {cid} at the moment: {words}", hint="try again later", cid=str(cid)
    )
