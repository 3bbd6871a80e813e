"""What a portal knows: its catalogue seen through its selection, its numbers, and the store behind its files.

A portal is a view: which publishers, laboratories, species or words it shows comes from its settings and holds for
every page, facet, count and answer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Final, Literal

import msgspec

from etdb.blocks import BlockStore, DagReader
from etdb.catalogue import Catalogue, DatasetView, FacetValue, Page, Query
from etdb.errors import EtdbError, NotFoundError
from etdb.ipfs import DAG_PB, Cid, parse_cid
from etdb.web.fetching import FetchingStore
from etdb.web.shown import is_no_species
from etdb.web.volumes import VolumeShelf
from etdb.web.volumes.models import ModelShelf
from etdb.workspace import PortalSettings

__all__ = ["MISSING", "Availability", "Portal", "Statistics", "role_file"]

_COUNTED = ("publisher", "lab")
_ALL_VALUES = 1_000
_STATE_S = 1.0
_SHOWN_S = 10.0
_SHOWN_ROOTS = 4_096
_HELD_SIZES = 1_024

Availability = Literal["here", "elsewhere", "offered", "nobody", "not here"]
"""Where the files of a dataset are: on this machine; with others, not asked lately; with others, who gave some of it
lately; with nobody who could be reached; not here, and nobody can be asked."""
MISSING: Final = ("nobody", "not here")
"""Where they are when it is not worth asking for one."""
_SCANNED = 200


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a portal, at one block of the ledger. ``size_bytes`` is what the records say."""

    datasets: int
    species: int
    publishers: int
    labs: int
    size_bytes: int
    files: int
    height: int | None
    block_hash: str
    block_time_s: int | None


class Portal:
    """A catalogue and a store as one site shows them. Can be used from several threads.

    Args:
        catalogue: what is known of records.
        store: where the blocks of their files are.
        settings: what is shown, and how it is called.
        network: the ledger's name: local, regtest, testnet or main.
    """

    def __init__(self, catalogue: Catalogue, store: BlockStore, settings: PortalSettings, *, network: str) -> None:
        self.catalogue, self.store, self.settings, self.network = catalogue, store, settings, network
        self.reader = DagReader(store)
        self.volumes = VolumeShelf(self.reader)
        self.models = ModelShelf(self.reader)
        self.started_s = time.time()
        self._within = {
            name: values
            for name, values in (
                ("publisher", settings.publishers),
                ("lab", settings.labs),
                ("species", settings.species),
            )
            if values
        }
        self._lock = threading.Lock()
        self._state: tuple[float, str] | None = None
        self._numbers: tuple[str, Statistics] | None = None
        self._shown_roots: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()
        self._held_sizes: OrderedDict[tuple[str, str], int] = OrderedDict()

    @property
    def is_partial(self) -> bool:
        """Whether it shows a part of the catalogue."""
        return bool(self._within or self.settings.query)

    def state(self) -> str:
        """What every page depends on, as a word: of the fold and of what was observed, at most a second old."""
        with self._lock:
            if self._state is None or time.monotonic() - self._state[0] > _STATE_S:
                self._state = time.monotonic(), self.catalogue.state()
            return self._state[1]

    def fresh_state(self) -> str | None:
        """The state, when it was looked up within the last second; None when it has to be looked up."""
        known = self._state
        return known[1] if known is not None and time.monotonic() - known[0] <= _STATE_S else None

    def base_url(self, asked: str) -> str:
        """Where others reach this site: as its settings say, else as it was asked."""
        return (self.settings.url or asked).rstrip("/")

    def scan(self, query: Query) -> Iterator[DatasetView]:
        """All datasets of a query, the oldest on the ledger first, a page in memory at a time.

        Raises:
            InputError: see ``Catalogue.search``; before anything is given.
        """
        asked = msgspec.structs.replace(query, sort="oldest", limit=_SCANNED, cursor="", facets=())
        page = self.search(asked)

        def rest() -> Iterator[DatasetView]:
            following = page
            while True:
                yield from following.results
                if not following.next_cursor:
                    return
                following = self.search(msgspec.structs.replace(asked, cursor=following.next_cursor))

        return rest()

    def search(self, query: Query) -> Page:
        """A page of what this portal shows.

        Raises:
            InputError: see ``Catalogue.search``.
        """
        return self.catalogue.search(self._bounded(query))

    def get(self, dataset_id: str, *, revision: int | None = None) -> DatasetView:
        """A dataset by its id or the beginning of it; as a revision left it, when one is asked for.

        Raises:
            InputError: several begin so.
            NotFoundError: none does, or this portal does not show it.
        """
        found = self.catalogue.get(dataset_id, revision=revision)
        if self.is_partial and not self._shows(found):
            raise NotFoundError(f"{self.settings.name} does not show dataset {found.dataset_id}")
        return found

    def is_shown(self, root: Cid) -> bool:
        """Whether a CID is the location of a dataset that this portal shows; known for ten seconds."""
        now = time.monotonic()
        with self._lock:
            found = self._shown_roots.get(root.digest)
        if found is not None and now - found[0] < _SHOWN_S:
            return found[1]
        names = dict.fromkeys((str(root), str(Cid(codec=root.codec, digest=root.digest))))
        if root.codec == DAG_PB:
            names[str(Cid(version=0, codec=DAG_PB, digest=root.digest))] = None
        page = self.search(Query(terms={"location": tuple(names)}, limit=1_000))
        # A search does not tell capital letters from small ones; CIDs of version 0 do.
        is_shown = any(one.tomogram.location in names for one in page.results)
        with self._lock:
            self._shown_roots[root.digest] = now, is_shown
            if len(self._shown_roots) > _SHOWN_ROOTS:
                self._shown_roots.popitem(last=False)
        return is_shown

    def availability(self, view: DatasetView) -> Availability:
        """Where the files of a dataset are, as far as is known without asking anybody."""
        try:
            root = parse_cid(view.tomogram.location)
        except EtdbError:
            return "not here"
        if not isinstance(self.store, FetchingStore):
            return "here" if self.store.has(root) else "not here"
        if self.store.local.has(root):
            return "here"
        offer = self.store.offer(root)
        return offer.state if offer is not None else "elsewhere"

    def holds(self, view: DatasetView, path: str) -> bool:
        """Whether a file of a dataset is here, or its beginning is; nobody is asked."""
        try:
            root = parse_cid(view.tomogram.location)
            within = self.store.within(root, may_wait=False) if isinstance(self.store, FetchingStore) else nullcontext()
            with within:
                return self.store.has(self.reader.resolve(root, path)[-1])
        except EtdbError:
            return False

    def held_size(self, view: DatasetView, path: str) -> int | None:
        """Bytes of a file that is here, whatever its record says; None of one that is not. Nobody is asked."""
        key = view.tomogram.location, path
        with self._lock:
            known = self._held_sizes.get(key)
        if known is not None:
            return known
        try:
            root = parse_cid(view.tomogram.location)
            within = self.store.within(root, may_wait=False) if isinstance(self.store, FetchingStore) else nullcontext()
            with within:
                size = self.reader.file_size(self.reader.resolve(root, path)[-1])
        except EtdbError:
            return None
        with self._lock:
            self._held_sizes[key] = size
            if len(self._held_sizes) > _HELD_SIZES:
                self._held_sizes.popitem(last=False)
        return size

    def _shows(self, view: DatasetView) -> bool:
        newest = view if view.revision == view.revisions else self.catalogue.get(view.dataset_id)
        terms: dict[str, tuple[str, ...]] = {"location": (newest.tomogram.location,)}
        asked = Query(terms=terms, withdrawn=newest.withdrawn is not None, limit=1_000)
        return any(one.dataset_id == view.dataset_id for one in self.search(asked).results)

    def newest(self, count: int) -> tuple[DatasetView, ...]:
        """The newest datasets that have a picture, then others, up to ``count``."""
        pictured = self.search(Query(terms={"file_role": ("key_image", "thumbnail")}, limit=count)).results
        if len(pictured) >= count:
            return pictured
        known = {one.dataset_id for one in pictured}
        others = self.search(Query(limit=count)).results
        return (*pictured, *[one for one in others if one.dataset_id not in known][: count - len(pictured)])

    def values(self, facet: str, *, limit: int = _ALL_VALUES) -> tuple[FacetValue, ...]:
        """The values of a field with how many datasets have each, the commonest first."""
        return self.search(Query(facets=(facet,), facet_limit=limit, limit=1)).facets[facet]

    def species(self, *, limit: int = _ALL_VALUES) -> tuple[FacetValue, ...]:
        """The species, the commonest first; that there is none (``none: materials specimen``) is no species."""
        named = [one for one in self.values("species") if not is_no_species(one.value)]
        return tuple(named[:limit])

    def statistics(self) -> Statistics:
        """The numbers of now; counted once for each state of the catalogue."""
        state = self.state()
        with self._lock:
            if self._numbers is None or self._numbers[0] != state:
                self._numbers = state, self._count()
            return self._numbers[1]

    def similar(self, view: DatasetView, count: int) -> tuple[DatasetView, ...]:
        """Datasets of the same species, of the same laboratory first."""
        tomogram = view.tomogram
        asked: list[Query] = []
        if tomogram.species and tomogram.lab:
            asked.append(Query(terms={"species": (tomogram.species,), "lab": (tomogram.lab,)}, limit=count + 1))
        if tomogram.species:
            asked.append(Query(terms={"species": (tomogram.species,)}, limit=count + 1))
        found: dict[str, DatasetView] = {}
        for query in asked:
            found |= {one.dataset_id: one for one in self.search(query).results if one.dataset_id not in found}
        found.pop(view.dataset_id, None)
        return tuple(found.values())[:count]

    def _bounded(self, query: Query) -> Query:
        if not self.is_partial:
            return query
        return msgspec.structs.replace(query, within=self._within, within_text=self.settings.query)

    def _count(self) -> Statistics:
        page = self.search(Query(facets=_COUNTED, facet_limit=_ALL_VALUES, limit=1))
        tip = self.catalogue.tip()
        size_bytes, files = self.catalogue.totals(self._bounded(Query()))
        return Statistics(
            datasets=page.total,
            species=len(self.species()),
            publishers=len(page.facets["publisher"]),
            labs=len(page.facets["lab"]),
            size_bytes=size_bytes,
            files=files,
            height=tip.height if tip else None,
            block_hash=tip.block_hash if tip else "",
            block_time_s=self.catalogue.block_time(tip.height) if tip else None,
        )


def role_file(view: DatasetView, roles: Sequence[str], *, when: Callable[[str], bool] = lambda _path: True) -> str:
    """The path of the first file of the first of these roles that a dataset has; "" when it has none."""
    for role in roles:
        for entry in view.tomogram.files:
            if entry.role == role and when(entry.path):
                return entry.path
    return ""
