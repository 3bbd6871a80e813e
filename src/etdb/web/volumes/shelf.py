"""Volumes that are open: MRC files of the store, mapped where they are, never read whole.

What a slice is cut from is not hashed each time: whoever looks can have each slice's bytes checked against the file's
CID instead (a CAR with ``entity-bytes``; the viewer does it). A file whose size, time or inode changed since it was
added is not mapped.

A file that is elsewhere is read plane by plane through the store, which hashes every block. That suits slices along z;
along x and y every slice needs the whole file, so such a file must be small.
"""

from __future__ import annotations

import functools
import io
import mmap
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.blocks import DagReader
from etdb.blocks.files import OpenPlace
from etdb.em import MrcLook, read_mrc
from etdb.em.contrast import Levels, robust_levels, spread_indices
from etdb.em.planes import PlaneLayout, decode_plane, plane_layout
from etdb.errors import FormatError, InputError
from etdb.ipfs import Cid

__all__ = ["Volume", "VolumeShelf"]

MAX_OPEN: Final = 32
_HEAD_BYTES: Final = 4 << 20
_SAMPLED_PLANES: Final = 5
MAX_READ_ACROSS_BYTES: Final = 64 << 20
"""The largest file that is not mapped and is still cut along x or y."""
MAX_READ_SLICE_BYTES: Final = 256 << 20
"""The most that is read for one slice of a file that is not mapped."""
_PACKED: Final = 101
_PLAIN: Final = frozenset({0, 1, 2, 6, 7, 12})
"""Modes whose values numpy reads where they lie."""


@runtime_checkable
class _Placing(Protocol):
    def open_unchecked(self, cid: Cid, *, as_block: bool) -> OpenPlace | None: ...


@runtime_checkable
class _Fetching(Protocol):
    """A store that brings blocks from elsewhere, for datasets that it knows."""

    def within(self, cid: Cid) -> AbstractContextManager[object]: ...


class Volume(Struct, frozen=True, kw_only=True):
    """An open volume; arrays are ``(z, y, x)``.

    Attributes:
        cid: of the file.
        look: what its header says.
        layout: how its planes lie.
        levels: what is shown black and white unless asked otherwise, from a few planes.
        values: the whole as an array over the file, where its values lie as numpy reads them; None otherwise.
        read: gives the bytes from one offset to another.
        is_mapped: the file is on this machine; otherwise each plane is fetched when it is wanted.
    """

    cid: Cid
    look: MrcLook
    layout: PlaneLayout
    levels: Levels
    values: NDArray[Any] | None
    read: Callable[[int, int], bytes]
    is_mapped: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sections, rows, columns."""
        return self.look.sections, self.look.rows, self.look.columns

    @property
    def is_stack(self) -> bool:
        """Whether its sections are projections, not slices of a volume."""
        return any(one.tilt_deg is not None for one in self.look.per_section)

    def plane(self, section: int) -> NDArray[Any]:
        """A section as ``(y, x)``."""
        if self.values is not None:
            plane: NDArray[Any] = self.values[section]
            return plane
        start = self.layout.plane_offset(section)
        return decode_plane(self.read(start, start + self.layout.plane_bytes), self.layout)

    def verify_readable(self, planes: int, *, is_across: bool) -> None:
        """Whether a slice that needs so many planes is cut; of a mapped file each is.

        Raises:
            InputError: too much would be fetched for it.
        """
        needed = self.look.sections if is_across else planes
        limit = MAX_READ_ACROSS_BYTES if is_across else MAX_READ_SLICE_BYTES
        if not self.is_mapped and needed * self.layout.plane_bytes > limit:
            raise InputError(
                "this portal does not hold the file of this volume, and would have to fetch "
                + ("all of it for a slice along x or y" if is_across else "too much for so thick a slice"),
                hint="look along z, at fewer slices together, or download it",
            )


class VolumeShelf:
    """Opens volumes and keeps those that were looked at last. Can be used from several threads.

    Args:
        reader: of the store.
    """

    def __init__(self, reader: DagReader) -> None:
        self._reader = reader
        self._open: OrderedDict[Cid, Volume] = OrderedDict()
        self._lock = threading.Lock()

    def volume(self, cid: Cid) -> Volume:
        """The volume in a file.

        Raises:
            NotFoundError: the file is not here.
            InputError: it is no MRC file, or one that is not shown.
        """
        with self._lock:
            found = self._open.get(cid)
            if found is not None:
                self._open.move_to_end(cid)
                return found
        opened = self._open_volume(cid)
        with self._lock:
            self._open[cid] = opened
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)  # its mapping ends with the last slice that is cut from it
        return opened

    def _open_volume(self, cid: Cid) -> Volume:
        store = self._reader.store
        place = store.open_unchecked(cid, as_block=False) if isinstance(store, _Placing) else None
        if place is None:
            size_bytes, read = self._reading(cid)
            return _volume(cid, io.BufferedReader(_Forward(read, size_bytes)), size_bytes, read, None)
        try:
            data = mmap.mmap(place.descriptor, place.offset + place.length, access=mmap.ACCESS_READ)
        finally:
            place.close()
        return _volume(cid, io.BytesIO(data[:_HEAD_BYTES]), place.length, lambda start, stop: data[start:stop], data)

    def _reading(self, cid: Cid) -> tuple[int, Callable[[int, int], bytes]]:
        """The size of a file that is not mapped, and what reads of it."""
        store = self._reader.store
        within = store.within(cid) if isinstance(store, _Fetching) else nullcontext()

        def read(start: int, stop: int) -> bytes:
            with within:
                return b"".join(self._reader.content(cid, start, stop))

        with within:
            return self._reader.file_size(cid), read


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


def _volume(cid: Cid, head: Any, size_bytes: int, read: Callable[[int, int], bytes], data: mmap.mmap | None) -> Volume:
    try:
        look = read_mrc(head, size_bytes)
        layout = plane_layout(look, unsigned_bytes=look.data_type == "uint8")
    except FormatError as error:
        raise InputError(f"this is not a volume that can be shown: {error.message}") from error
    if look.is_truncated or layout.plane_offset(look.sections) > size_bytes:
        raise InputError("this volume is cut off: its header tells of more than the file has")
    values = None
    if look.mode in _PLAIN and data is not None:
        stored = np.dtype("u1") if layout.unsigned_bytes else layout.dtype.newbyteorder(_mark(layout))
        count = look.sections * look.rows * look.columns
        values = np.frombuffer(data, stored, count, layout.data_offset).reshape(look.sections, look.rows, look.columns)
    make = functools.partial(
        Volume, cid=cid, look=look, layout=layout, values=values, read=read, is_mapped=data is not None
    )
    volume = make(levels=Levels(0, 0))
    # What must be fetched is looked at once: in the middle, where the specimen is.
    at = spread_indices(look.sections, _SAMPLED_PLANES) if data is not None else (look.sections // 2,)
    volume.verify_readable(1, is_across=False)
    return make(levels=robust_levels([volume.plane(section) for section in at]))


def _mark(layout: PlaneLayout) -> Any:
    return "<" if layout.byte_order == "little" else ">"
