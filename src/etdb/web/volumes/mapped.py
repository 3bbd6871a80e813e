"""An MRC file mapped where it is: slices and boxes of it without reading the rest."""

from __future__ import annotations

import io
import math
import mmap
import os
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.blocks.files import OpenPlace
from etdb.em import MRC_HEADER_BYTES, MrcLook, read_mrc
from etdb.em.contrast import Levels, robust_levels, spread_indices
from etdb.em.planes import PlaneLayout, decode_plane, plane_layout
from etdb.errors import FormatError, InputError
from etdb.ipfs import Cid
from etdb.web.volumes.volume import MAX_TOUCHED_BYTES, Axis, Shape, VolumeFacts, binned, too_much

__all__ = ["MappedVolume", "file_identity", "map_volume", "mrc_facts"]

_HEAD_BYTES: Final = 4 << 20
_SAMPLED_PLANES: Final = 5
_PLAIN: Final = frozenset({0, 1, 2, 6, 7, 12})
"""Modes whose values numpy reads where they lie."""
_PAGE_BYTES: Final = 4_096
_SAMPLED_FROM_BYTES: Final = 64 << 20
"""Slices across the sections of a larger volume, when they are binned, are made of every n-th row and section: the mean
of all would read the whole file for one slice."""
_BOX_SECTIONS: Final = 2
_BOX_ROWS: Final = 4
"""Of so many sections and rows at most is a value of a coarser level made."""


class MappedVolume(Struct, frozen=True, kw_only=True):
    """An MRC file that is mapped; its mapping ends with the last slice that is cut from it.

    Attributes:
        cid: of the file.
        facts: what is told of it.
        layout: how its planes lie.
        values: the whole as an array over the file, where its values lie as numpy reads them; None otherwise.
        data: the file's bytes.
        file: its device and inode.
    """

    cid: Cid
    facts: VolumeFacts
    layout: PlaneLayout
    values: NDArray[Any] | None
    data: mmap.mmap
    file: tuple[int, int]

    def plane(self, section: int) -> NDArray[Any]:
        """A section as ``(y, x)``."""
        if self.values is not None:
            plane: NDArray[Any] = self.values[section]
            return plane
        start = self.layout.plane_offset(section)
        return decode_plane(self.data[start : start + self.layout.plane_bytes], self.layout)

    def planes(self, axis: Axis, first: int, last: int, binning: int) -> Iterator[NDArray[Any]]:
        """See :class:`~etdb.web.volumes.volume.Volume`."""
        if _touched(self.facts.shape, self.layout, axis, last - first, binning) > MAX_TOUCHED_BYTES:
            raise too_much()
        for at in range(first, last):
            yield binned(self.plane(at), binning, binning) if axis == "z" else self._across(axis, at, binning)

    def _across(self, axis: Axis, at: int, binning: int) -> NDArray[Any]:
        sections, rows, _ = self.facts.shape
        is_sampled = binning > 1 and sections * self.layout.plane_bytes > _SAMPLED_FROM_BYTES
        chosen = _every(sections, binning) if is_sampled else range(sections)
        if axis == "y":
            if self.values is not None:
                cut = self.values[chosen.start : chosen.stop : chosen.step, at]
            else:
                cut = np.stack([self.plane(z)[at] for z in chosen])
            return binned(cut, 1 if is_sampled else binning, binning)
        down = _every(rows, binning) if is_sampled else range(rows)
        if self.values is not None:
            cut = self.values[chosen.start : chosen.stop : chosen.step, down.start : down.stop : down.step, at]
        else:
            cut = np.stack([self.plane(z)[down.start : down.stop : down.step, at] for z in chosen])
        return cut if is_sampled else binned(cut, binning, binning)

    def box(self, start: Shape, size: Shape, factors: Shape) -> NDArray[np.float32] | NDArray[Any]:
        """A box of a coarser level ``(z, y, x)``, from ``start``, of ``size``, both counted in that level's values.

        Each value is the mean of at most two of its sections, four of its rows and all of its columns. With factors
        of one it is what is stored.
        """
        z, y, x = (slice(s * f, (s + n) * f) for s, n, f in zip(start, size, factors, strict=True))
        if factors == (1, 1, 1):
            if self.values is not None:
                stored: NDArray[Any] = self.values[z, y, x]
                return stored
            # Copies: a view would keep all of its rows until the last section is there.
            return np.stack([self._part(section, y, x).copy() for section in range(z.start, z.stop)])
        sections, rows = spread_indices(factors[0], _BOX_SECTIONS), spread_indices(factors[1], _BOX_ROWS)
        out = np.zeros(size, np.float32)
        for n in range(size[0]):
            for section in sections:
                cut = self._part(z.start + n * factors[0] + section, y, x)
                for row in rows:
                    out[n] += binned(cut[row :: factors[1]], 1, factors[2])
        out /= np.float32(len(sections) * len(rows))
        return out

    def _part(self, section: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Some rows and columns of a section; of values that must be decoded only those rows are."""
        if self.values is not None:
            part: NDArray[Any] = self.values[section, rows, columns]
            return part
        count = min(rows.stop, self.layout.rows) - rows.start
        start = self.layout.plane_offset(section) + rows.start * self.layout.row_bytes
        data = self.data[start : start + count * self.layout.row_bytes]
        return decode_plane(data, msgspec.structs.replace(self.layout, rows=count))[:, columns]


def map_volume(cid: Cid, place: OpenPlace) -> MappedVolume:
    """Map the file at a place, which stays the caller's to close.

    Raises:
        InputError: it is no MRC file, or one that is not shown.
    """
    if place.length < MRC_HEADER_BYTES:
        raise InputError("this is not a volume that can be shown: it is shorter than a header")
    data = mmap.mmap(place.descriptor, place.offset + place.length, access=mmap.ACCESS_READ)
    try:
        look = read_mrc(io.BytesIO(data[:_HEAD_BYTES]), place.length)
        layout = plane_layout(look, unsigned_bytes=look.data_type == "uint8")
    except FormatError as error:
        raise InputError(f"this is not a volume that can be shown: {error.message}") from error
    if look.is_truncated or layout.plane_offset(look.sections) > place.length:
        raise InputError("this volume is cut off: its header tells of more than the file has")
    if layout.plane_bytes > MAX_TOUCHED_BYTES:
        raise InputError("this is not a volume that can be shown: its sections are too large")
    shape = look.sections, look.rows, look.columns
    values = None
    if look.mode in _PLAIN:
        mark: Any = "<" if layout.byte_order == "little" else ">"
        stored = np.dtype("u1") if layout.unsigned_bytes else layout.dtype.newbyteorder(mark)
        values = np.frombuffer(data, stored, math.prod(shape), layout.data_offset).reshape(shape)
    unset = mrc_facts(look, layout)
    volume = MappedVolume(cid=cid, facts=unset, layout=layout, values=values, data=data, file=file_identity(place))
    sampled = [volume.plane(section) for section in spread_indices(look.sections, _SAMPLED_PLANES)]
    return msgspec.structs.replace(volume, facts=msgspec.structs.replace(unset, levels=robust_levels(sampled)))


def mrc_facts(look: MrcLook, layout: PlaneLayout) -> VolumeFacts:
    """What a header tells, with the contrast left open."""
    shape = look.sections, look.rows, look.columns
    return VolumeFacts(
        kind="mrc",
        shape=shape,
        data_type=look.data_type,
        voxel_spacing_angstrom=look.voxel_spacing_angstrom,
        levels=Levels(0, 0),
        tilt_angles_deg=_tilts(look),
        finest_binning=_finest(shape, layout),
        data_offset=layout.data_offset,
        plane_bytes=layout.plane_bytes,
        byte_order=layout.byte_order,
    )


def file_identity(place: OpenPlace) -> tuple[int, int]:
    """The device and inode of an open file."""
    state = os.fstat(place.descriptor)
    return state.st_dev, state.st_ino


def _tilts(look: MrcLook) -> tuple[float, ...]:
    tilts = tuple(one.tilt_deg for one in look.per_section if one.tilt_deg is not None)
    return tilts if len(tilts) == look.sections else ()


def _every(extent: int, step: int) -> range:
    """Every n-th, the middle one of each group; the groups that are whole, or the one that there is."""
    step = min(step, extent)
    return range(step // 2, extent // step * step, step)


def _touched(shape: Shape, layout: PlaneLayout, axis: Axis, thickness: int, binning: int) -> int:
    """About how many bytes of the file a slice needs, pages at least."""
    if axis == "z":
        return thickness * layout.plane_bytes
    is_sampled = binning > 1 and shape[0] * layout.plane_bytes > _SAMPLED_FROM_BYTES
    sections = len(_every(shape[0], binning)) if is_sampled else shape[0]
    rows = thickness if axis == "y" else len(_every(shape[1], binning)) if is_sampled else shape[1]
    if layout.mode not in _PLAIN:
        return sections * layout.plane_bytes * thickness
    return sections * min(layout.plane_bytes, rows * max(_PAGE_BYTES, layout.row_bytes if axis == "y" else 0))


def _finest(shape: Shape, layout: PlaneLayout) -> Shape:
    def least(axis: Axis) -> int:
        binning = 1
        while _touched(shape, layout, axis, 1, binning) > MAX_TOUCHED_BYTES and binning < max(shape):
            binning *= 2
        return binning

    return least("x"), least("y"), 1
