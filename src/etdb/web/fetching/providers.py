"""Whom a portal asks: the gateways of its settings, and those that routing servers name, by the sources of a download.

A download ends; a portal runs for months. So what is known of sources (who lied, who is slow, who was named for which
dataset) is begun anew after an hour: a laboratory that was mended is asked again, and memory stays bounded.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from etdb.blocks.gateway import GatewayStore
from etdb.blocks.port import BlockStore
from etdb.blocks.routing import ask_routers
from etdb.download import SourcePool
from etdb.download.ending import Ending
from etdb.errors import InputError, SourceError
from etdb.ipfs import Cid
from etdb.web.wanted import PORTAL_VIA

__all__ = ["MAX_DATASETS", "Providers"]

MAX_DATASETS: Final = 1024
"""Datasets whose sources are remembered."""
MAX_NAMED: Final = 8
"""Gateways of one dataset that are asked on the word of routing servers."""
MAX_NAMED_KEPT: Final = 64
"""Such gateways of all datasets: each is asked for whatever nobody else has. With more, all begins anew."""
ANEW_S: Final = 3600.0
DATASET_ANEW_S: Final = 300.0
"""Who has a dataset is asked again after this long."""
SILENCE_S: Final = 8.0
SLOWEST_BYTES_PER_S: Final = 64 * 1024
ROUTING_S: Final = 5.0
ROUTERS_REST_S: Final = 30.0
"""When no routing server answers, none is asked for this long."""
PATIENCE_S: Final = 1.5
"""How long sources that cannot be reached are given to come back, for one block: somebody looks at an empty page."""
TRIES_S: Final = 6.0
"""After this long all are not asked once more."""


class Providers:
    """Gives blocks of datasets from elsewhere. Can be used from several threads.

    Args:
        gateways: that are always asked.
        routers: routing servers.
        allow_private: call addresses of this machine and of private networks on the word of routing servers.
        note: told in a sentence of who gave wrong bytes.

    Raises:
        InputError: not the address of a gateway.
    """

    def __init__(
        self,
        gateways: Sequence[str],
        routers: Sequence[str] = (),
        *,
        allow_private: bool = False,
        note: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateways = [_gateway(url, public_only=False) for url in dict.fromkeys(gateways)]
        self._routers, self._allow_private, self._note, self._clock = tuple(routers), allow_private, note, clock
        self._named: dict[str, GatewayStore] = {}
        self._ending = Ending()
        self._routers_rest_until = 0.0
        self._waited = threading.local()
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._since = self._clock()
        self._close_named()
        self._pool = SourcePool(self._gateways, finder=self, sleep=self._pause, ending=self._ending)
        self._datasets: OrderedDict[bytes, tuple[float, SourcePool]] = OrderedDict()
        self._named_liars = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nobody to ask."""
        return not self._gateways and not self._routers

    @property
    def banned(self) -> tuple[str, ...]:
        """Who gave wrong bytes of late, and is not asked."""
        with self._lock:
            return tuple(dict.fromkeys(one.name for one in self._pool.banned))

    def get(self, root: Cid, cid: Cid) -> bytes:
        """A block of a dataset, checked.

        Raises:
            NotFoundError: nobody has it.
            SourceError: nobody who may have it can be reached.
            VerificationError, FormatError: what came was wrong.
        """
        pool = self._of(root)
        self._waited.seconds, self._waited.since = 0.0, time.monotonic()
        try:
            return pool.get(cid)
        finally:
            self._name_liars(pool)

    def find(self, root: Cid, step: int) -> Sequence[BlockStore] | None:
        """See :class:`~etdb.download.pool.SourceFinder`."""
        if step > 0 or not self._routers:
            return None
        if self._clock() < self._routers_rest_until:
            return []
        answers = ask_routers(self._routers, root, allow_private=self._allow_private, timeout_s=ROUTING_S)
        if all(one.error is not None for one in answers):
            self._routers_rest_until = self._clock() + ROUTERS_REST_S
        urls = dict.fromkeys(url for one in answers for provider in one.providers for url in provider.urls)
        return [store for url in list(urls)[:MAX_NAMED] if (store := self._named_store(url)) is not None]

    def close(self) -> None:
        """Break off what is under way, and let go of connections."""
        self._ending.set(SourceError("the portal ends"))
        with self._lock:
            self._close_named()
        for store in self._gateways:
            store.close()

    def _close_named(self) -> None:
        for store in self._named.values():
            store.close()  # whoever is using it goes on
        self._named.clear()

    def _of(self, root: Cid) -> SourcePool:
        now = self._clock()
        with self._lock:
            if now - self._since > ANEW_S or len(self._named) > MAX_NAMED_KEPT:
                self._begin()
            found = self._datasets.get(root.digest)
            if found is None or now - found[0] > DATASET_ANEW_S:
                found = now, self._pool.for_dataset(root)
                self._datasets[root.digest] = found
            self._datasets.move_to_end(root.digest)
            if len(self._datasets) > MAX_DATASETS:
                self._datasets.popitem(last=False)
            return found[1]

    def _named_store(self, url: str) -> GatewayStore | None:
        with self._lock, suppress(InputError):
            if url not in self._named:
                self._named[url] = _gateway(url, public_only=not self._allow_private)
            return self._named[url]
        return None

    def _pause(self, seconds: float) -> None:
        waited = self._waited.seconds + seconds
        if waited > PATIENCE_S or time.monotonic() - self._waited.since > TRIES_S:
            raise SourceError("nobody who may have it can be reached now", hint="try again later")
        self._waited.seconds = waited
        self._ending.wait(seconds)

    def _name_liars(self, pool: SourcePool) -> None:
        banned = pool.banned
        if len(banned) > self._named_liars:
            with self._lock:
                new, self._named_liars = banned[self._named_liars :], len(banned)
            for one in new:
                self._note(f"{one.name} gave wrong bytes and is not asked for an hour: {one.reason}")


def _gateway(url: str, *, public_only: bool) -> GatewayStore:
    return GatewayStore(
        url,
        timeout_s=SILENCE_S,
        slowest_bytes_per_s=SLOWEST_BYTES_PER_S,
        public_only=public_only,
        headers={"Via": f"1.1 {PORTAL_VIA}"},
    )
