"""Who else has a dataset, when only its CID is known: routing servers first, then a node of IPFS for a while.

First come the CARs of plain web servers whose names follow from the CID. The next step asks routing servers and takes
the gateways that they name. The last, which only somebody who allowed it takes, starts the user's Kubo, tells it of the
peers that the servers named, and lets it look in the network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from etdb.blocks.addresses import is_public_host
from etdb.blocks.gateway import GatewayStore
from etdb.blocks.port import BlockStore
from etdb.blocks.remotecar import RemoteCar
from etdb.blocks.routing import RoutingAnswer, ask_routers
from etdb.blocks.temporary_kubo import KuboChoice, TemporaryKubo
from etdb.errors import EtdbError, InputError
from etdb.ipfs import Cid

__all__ = ["KnownProvider", "NetworkFinder", "peer_addresses"]

MAX_GATEWAYS = 8
"""The most gateways of one dataset that are used on the word of routing servers."""
GATEWAY_SILENCE_S = 15.0


class KnownProvider(Struct, frozen=True, kw_only=True):
    """Somebody who may have a CID: `name` is a URL or a peer id, `found_by` who said so, `transport` how to ask.

    `answer` is what came when it was asked: "has it", "does not have it", why it could not be asked, or "" for peers
    that only a node of IPFS can ask.
    """

    name: str
    found_by: str
    transport: str
    answer: str = ""
    addresses: tuple[str, ...] = ()


class NetworkFinder:
    """Finds sources, as :class:`~etdb.download.pool.SourceFinder` says. Can be used from several threads.

    Args:
        routers: routing servers.
        kubo: what a temporary Kubo is allowed; None allows none.
        allow_private: call addresses of this machine and of private networks on the word of routing servers.
        tell: told in a few words of what takes time.
        car_urls: of CAR files, with ``{cid}`` where the root of a dataset stands.
        scratch: where a CAR is kept for a while when its server has no ranges.
    """

    def __init__(
        self,
        routers: Sequence[str] = (),
        *,
        kubo: KuboChoice | None = None,
        allow_private: bool = False,
        tell: Callable[[str], None] | None = None,
        car_urls: Sequence[str] = (),
        scratch: Path | None = None,
    ) -> None:
        self._routers, self._choice, self._allow_private = tuple(routers), kubo, allow_private
        self._tell = tell or (lambda _: None)
        self._answers: dict[Cid, list[RoutingAnswer]] = {}
        self._car_urls, self._scratch = tuple(car_urls), scratch
        self._stores: dict[str, GatewayStore | RemoteCar] = {}
        self._kubo: TemporaryKubo | None = None
        self._kubo_store: GatewayStore | None = None
        self._kubo_error: EtdbError | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def find(self, root: Cid, step: int) -> Sequence[BlockStore] | None:
        """See :class:`~etdb.download.pool.SourceFinder`.

        Raises:
            ConfigurationError: a routing server's address is none; Kubo is allowed and does not start.
        """
        with self._lock:
            if step == 0:
                return self._cars(root)
            if step == 1:
                return self._gateways(root)
            if step == 2 and self._choice is not None:
                return [self._kubo_for(root)]
            return None

    def ask_routers(self, root: Cid) -> list[RoutingAnswer]:
        """What the routing servers say; each is asked once for a CID."""
        with self._lock:
            return self._ask(root)

    def ask_kubo(self, root: Cid) -> list[KnownProvider]:
        """Whom a temporary Kubo finds in the network.

        Raises:
            ConfigurationError: Kubo does not start.
        """
        with self._lock:
            self._kubo_for(root)
            assert self._kubo is not None
            found = self._kubo.find_providers(root)
        return [
            KnownProvider(name=peer, found_by="the IPFS network, by Kubo", transport="bitswap", addresses=addresses)
            for peer, addresses in found
        ]

    def close(self) -> None:
        """Let go of connections, and end Kubo."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            if self._kubo_store is not None:
                self._kubo_store.close()
            kubo, self._kubo = self._kubo, None
            if kubo is not None:
                kubo.close()

    def _ask(self, root: Cid) -> list[RoutingAnswer]:
        if root not in self._answers:
            self._answers[root] = ask_routers(self._routers, root, allow_private=self._allow_private)
        return self._answers[root]

    def _cars(self, root: Cid) -> list[BlockStore]:
        found: list[BlockStore] = []
        for url in (one.replace("{cid}", str(root)) for one in self._car_urls):
            if url not in self._stores:
                self._stores[url] = RemoteCar(url, scratch=self._scratch)
            found.append(self._stores[url])
        return found

    def _gateways(self, root: Cid) -> list[BlockStore]:
        urls = dict.fromkeys(url for one in self._ask(root) for provider in one.providers for url in provider.urls)
        found: list[BlockStore] = []
        for url in list(urls)[:MAX_GATEWAYS]:
            with suppress(InputError):
                if url not in self._stores:
                    self._stores[url] = GatewayStore(
                        url, timeout_s=GATEWAY_SILENCE_S, public_only=not self._allow_private
                    )
                found.append(self._stores[url])
        return found

    def _kubo_for(self, root: Cid) -> GatewayStore:
        if self._kubo_error is not None:
            raise self._kubo_error
        if self._kubo is None or self._kubo_store is None:
            self._tell("starting Kubo for a while, to look in the IPFS network")
            try:
                self._kubo = TemporaryKubo(self._choice or KuboChoice())
            except EtdbError as error:
                self._kubo_error = error
                raise
            self._kubo_store = self._kubo.store()
        self._kubo.connect(peer_addresses(self._ask(root), allow_private=self._allow_private))
        return self._kubo_store


def peer_addresses(answers: Sequence[RoutingAnswer], *, allow_private: bool) -> list[str]:
    """The multiaddrs at which peers that speak bitswap may be called, each ending in its peer id."""
    found = []
    for provider in (one for answer in answers for one in answer.providers if one.speaks_bitswap):
        for address in provider.addresses:
            words = address.split("/")
            if len(words) < 4 or words[1] not in {"ip4", "ip6", "dns", "dns4", "dns6"}:
                continue
            if allow_private or is_public_host(words[2]):
                found.append(address if "/p2p/" in address else f"{address}/p2p/{provider.peer_id}")
    return list(dict.fromkeys(found))
