"""Volumes that are open: MRC files of the store, mapped where they are, never read whole.

What a slice is cut from is not hashed each time: whoever looks can have each slice's bytes checked against the file's
CID instead (a CAR with ``entity-bytes``; the viewer does it). A file whose size, time or inode changed since it was
added is not mapped.
"""

from __future__ import annotations

import io
import mmap
import threading
from collections import OrderedDict
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.blocks import DagReader
from etdb.blocks.files import OpenPlace
from etdb.em import MrcLook, read_mrc
from etdb.em.contrast import Levels, robust_levels, spread_indices
from etdb.em.planes import PlaneLayout, decode_plane, plane_layout
from etdb.errors import FormatError, InputError, NotFoundError
from etdb.ipfs import Cid

__all__ = ["Volume", "VolumeShelf"]

MAX_OPEN: Final = 32
_HEAD_BYTES: Final = 4 << 20
_SAMPLED_PLANES: Final = 5
_PACKED: Final = 101
_PLAIN: Final = frozenset({0, 1, 2, 6, 7, 12})
"""Modes whose values numpy reads where they lie."""


@runtime_checkable
class _Placing(Protocol):
    def open_unchecked(self, cid: Cid, *, as_block: bool) -> OpenPlace | None: ...


class Volume(Struct, frozen=True, kw_only=True):
    """An open volume; arrays are ``(z, y, x)``.

    Attributes:
        cid: of the file.
        look: what its header says.
        layout: how its planes lie.
        levels: what is shown black and white unless asked otherwise, from a few planes.
        values: the whole as an array over the file, where its values lie as numpy reads them; None otherwise.
    """

    cid: Cid
    look: MrcLook
    layout: PlaneLayout
    levels: Levels
    values: NDArray[Any] | None
    data: mmap.mmap

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
        return decode_plane(self.data[start : start + self.layout.plane_bytes], self.layout)


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
            raise NotFoundError(
                f"the file {cid} is not on this machine as it was published", hint="download it", cid=str(cid)
            )
        try:
            data = mmap.mmap(place.descriptor, place.offset + place.length, access=mmap.ACCESS_READ)
        finally:
            place.close()
        try:
            look = read_mrc(io.BytesIO(data[:_HEAD_BYTES]), place.length)
            layout = plane_layout(look, unsigned_bytes=look.data_type == "uint8")
        except FormatError as error:
            raise InputError(f"this is not a volume that can be shown: {error.message}") from error
        if look.is_truncated or layout.plane_offset(look.sections) > place.length:
            raise InputError("this volume is cut off: its header tells of more than the file has")
        values = None
        if look.mode in _PLAIN:
            stored = np.dtype("u1") if layout.unsigned_bytes else layout.dtype.newbyteorder(_mark(layout))
            count = look.sections * look.rows * look.columns
            values = np.frombuffer(data, stored, count, layout.data_offset).reshape(
                look.sections, look.rows, look.columns
            )
        volume = Volume(cid=cid, look=look, layout=layout, levels=Levels(0, 0), values=values, data=data)
        sampled = [volume.plane(section) for section in spread_indices(look.sections, _SAMPLED_PLANES)]
        return Volume(cid=cid, look=look, layout=layout, levels=robust_levels(sampled), values=values, data=data)


def _mark(layout: PlaneLayout) -> Any:
    return "<" if layout.byte_order == "little" else ">"
