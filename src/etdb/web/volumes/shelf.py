"""Volumes that are open: MRC files and OME-Zarr folders of the store, where they are, never read whole.

What a slice of an MRC file is cut from is not hashed each time: whoever looks can have each slice's bytes checked
against the file's CID instead (a CAR with ``entity-bytes``; the viewer does it). A file whose size, time or inode
changed since it was added is not shown. Chunks of an OME-Zarr come through the store, which hashes them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from etdb.blocks import DagReader
from etdb.blocks.files import PlacingStore
from etdb.errors import NotFoundError
from etdb.ipfs import Cid
from etdb.web.volumes.fetched import FetchedVolume, FetchingStore, fetch_volume
from etdb.web.volumes.mapped import MappedVolume, file_identity, map_volume
from etdb.web.volumes.multiscale import ChunkCache, MultiscaleVolume, open_multiscale
from etdb.web.wanted import BusyError

__all__ = ["VolumeShelf"]

_V = TypeVar("_V", MappedVolume, MultiscaleVolume, FetchedVolume)
MAX_OPEN: Final = 32
MAX_OPENING: Final = 4
"""Volumes that are opened at the same time: for each, sections are read to find its contrast. Who comes then waits."""
_WAIT_S: Final = 20


class VolumeShelf:
    """Opens volumes and keeps those that were looked at last. Can be used from several threads.

    Args:
        reader: of the store.
    """

    def __init__(self, reader: DagReader) -> None:
        self._reader = reader
        self._open: OrderedDict[Cid, MappedVolume | MultiscaleVolume | FetchedVolume] = OrderedDict()
        self._chunks = ChunkCache()
        self._lock = threading.Lock()
        self._opening = threading.BoundedSemaphore(MAX_OPENING)

    def volume(self, cid: Cid) -> MappedVolume | MultiscaleVolume | FetchedVolume:
        """The volume in a file, or in a folder; what is not on this machine is read through the store.

        Raises:
            NotFoundError: it is not here.
            InputError: it is no volume, or one that is not shown.
            BusyError: too many others are being opened.
        """
        found = self._kept(cid)
        if isinstance(found, MultiscaleVolume):
            return found
        if found is None and self._reader.is_directory(cid):
            with self._turn():
                return self._keep(open_multiscale(cid, self._reader, self._chunks))
        if isinstance(found, FetchedVolume):
            return found
        try:
            return self.mapped(cid)
        except NotFoundError:
            if not isinstance(self._reader.store, FetchingStore):
                raise
            with self._turn():
                return self._keep(fetch_volume(cid, self._reader))

    def mapped(self, cid: Cid) -> MappedVolume:
        """The volume in a file, which is looked at each time: what shrinks while it is mapped must not be read.

        Raises:
            NotFoundError: the file is not here as it was published.
            InputError: it is no MRC file, or one that is not shown.
            BusyError: too many others are being opened.
        """
        store = self._reader.store
        place = store.open_unchecked(cid, as_block=False) if isinstance(store, PlacingStore) else None
        if place is None:
            with self._lock:
                self._open.pop(cid, None)
            raise NotFoundError(
                f"the file {cid} is not on this machine as it was published", hint="download it", cid=str(cid)
            )
        try:
            found = self._kept(cid)
            if isinstance(found, MappedVolume) and found.file == file_identity(place):
                return found
            with self._turn():
                return self._keep(map_volume(cid, place))
        finally:
            place.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """So many at a time: what each takes of the memory and the line is bounded, so all of them are."""
        if not self._opening.acquire(timeout=_WAIT_S):
            raise BusyError("too many volumes are being opened", hint="try again in some seconds")
        try:
            yield
        finally:
            self._opening.release()

    def _kept(self, cid: Cid) -> MappedVolume | MultiscaleVolume | FetchedVolume | None:
        with self._lock:
            found = self._open.get(cid)
            if found is not None:
                self._open.move_to_end(cid)
            return found

    def _keep(self, opened: _V) -> _V:
        with self._lock:
            self._open[opened.cid] = opened
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)
        return opened
