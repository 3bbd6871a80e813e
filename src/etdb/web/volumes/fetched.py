"""An MRC file that is not on this machine: read plane by plane through the store, which checks every block.

That suits slices along z. Along x and y every slice needs the whole file, so such a file must be small.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.blocks import DagReader
from etdb.em import MRC_HEADER_BYTES, read_mrc
from etdb.em.contrast import robust_levels
from etdb.em.planes import PlaneLayout, decode_plane, plane_layout
from etdb.errors import FormatError, InputError
from etdb.ipfs import Cid
from etdb.web.volumes.mapped import mrc_facts
from etdb.web.volumes.volume import Axis, VolumeFacts, binned

__all__ = ["MAX_READ_ACROSS_BYTES", "MAX_READ_SLICE_BYTES", "FetchedVolume", "FetchingStore", "fetch_volume"]

MAX_READ_ACROSS_BYTES: Final = 64 << 20
"""The largest file that is not mapped and is still cut along x or y."""
MAX_READ_SLICE_BYTES: Final = 256 << 20
"""The most that is read for one slice of a file that is not mapped."""


@runtime_checkable
class FetchingStore(Protocol):
    """A store that brings blocks from elsewhere, for datasets that it knows."""

    def within(self, cid: Cid) -> AbstractContextManager[object]:
        """Blocks below this CID may be brought while the ``with`` block runs."""
        ...


class FetchedVolume(Struct, frozen=True, kw_only=True):
    """An MRC file elsewhere.

    Attributes:
        cid: of the file.
        facts: what is told of it.
        layout: how its planes lie.
        read: gives the bytes from one offset to another, checked.
    """

    cid: Cid
    facts: VolumeFacts
    layout: PlaneLayout
    read: Callable[[int, int], bytes]

    def plane(self, section: int) -> NDArray[Any]:
        """A section as ``(y, x)``."""
        start = self.layout.plane_offset(section)
        return decode_plane(self.read(start, start + self.layout.plane_bytes), self.layout)

    def planes(self, axis: Axis, first: int, last: int, binning: int) -> Iterator[NDArray[Any]]:
        """See :class:`~etdb.web.volumes.volume.Volume`."""
        if axis == "z":
            if (last - first) * self.layout.plane_bytes > MAX_READ_SLICE_BYTES:
                raise _elsewhere("too much for so thick a slice")
            for at in range(first, last):
                yield binned(self.plane(at), binning, binning)
            return
        sections = self.facts.shape[0]
        if sections * self.layout.plane_bytes > MAX_READ_ACROSS_BYTES:
            raise _elsewhere("all of it for a slice along x or y")
        whole = [self.plane(z) for z in range(sections)]
        for at in range(first, last):
            cut = np.stack([plane[at] if axis == "y" else plane[:, at] for plane in whole])
            yield binned(cut, binning, binning)


def fetch_volume(cid: Cid, reader: DagReader) -> FetchedVolume:
    """The volume in a file that a store can bring.

    Raises:
        NotFoundError: nobody offers it now.
        InputError: it is no MRC file, or one that is not shown.
    """
    store = reader.store

    def read(start: int, stop: int) -> bytes:
        with store.within(cid) if isinstance(store, FetchingStore) else nullcontext():
            return b"".join(reader.content(cid, start, stop))

    with store.within(cid) if isinstance(store, FetchingStore) else nullcontext():
        size_bytes = reader.file_size(cid)
    if size_bytes < MRC_HEADER_BYTES:
        raise InputError("this is not a volume that can be shown: it is shorter than a header")
    try:
        look = read_mrc(io.BufferedReader(_Forward(read, size_bytes)), size_bytes)
        layout = plane_layout(look, unsigned_bytes=look.data_type == "uint8")
    except FormatError as error:
        raise InputError(f"this is not a volume that can be shown: {error.message}") from error
    if look.is_truncated or layout.plane_offset(look.sections) > size_bytes:
        raise InputError("this volume is cut off: its header tells of more than the file has")
    facts = mrc_facts(look, layout)
    volume = FetchedVolume(cid=cid, facts=facts, layout=layout, read=read)
    if layout.plane_bytes > MAX_READ_SLICE_BYTES:
        raise _elsewhere("too much for one slice")
    # One plane is looked at for the contrast, in the middle, where the specimen is.
    levels = robust_levels([volume.plane(look.sections // 2)])
    return msgspec.structs.replace(volume, facts=msgspec.structs.replace(facts, levels=levels))


def _elsewhere(what: str) -> InputError:
    return InputError(
        f"this portal does not hold the file of this volume, and would have to fetch {what}",
        hint="look along z, at fewer slices together, or download it",
    )


class _Forward(io.RawIOBase):
    """A file's beginning, read on; no more is fetched than is asked for."""

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._read, self._size_bytes, self._at = read, size_bytes, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size_bytes)
        data = self._read(self._at, stop) if stop > self._at else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
