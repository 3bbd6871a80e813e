"""Slices of a volume: where, how thick, how coarse, how bright. Pure but for the file that the volume maps."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em.contrast import Levels, to_grey
from etdb.errors import InputError, NotFoundError
from etdb.web.volumes.shelf import Volume

__all__ = ["MAX_THICKNESS", "SliceRequest", "cut_slice"]

Axis = Literal["x", "y", "z"]
MAX_THICKNESS: Final = 64
MAX_BINNING: Final = 64
MAX_EDGE: Final = 8_192
_DIMENSIONS: Final = {"z": 0, "y": 1, "x": 2}


class SliceRequest(Struct, frozen=True, kw_only=True):
    """Which slice.

    Attributes:
        axis: that the slice stands upright on. "z" shows x to the right and y upwards, as microscopists look at
            volumes; "y" shows x to the right and z upwards; "x" shows z to the right and y upwards, to lie beside the
            first.
        index: of its middle, from 0.
        thickness: how many slices are put together.
        projection: how: their mean, or the greatest value.
        binning: how many pixels of each side become one.
        levels: what is black and white; None for those of the volume.
    """

    axis: Axis = "z"
    index: int = 0
    thickness: int = 1
    projection: Literal["mean", "max"] = "mean"
    binning: int = 1
    levels: Levels | None = None


def cut_slice(volume: Volume, asked: SliceRequest) -> NDArray[np.uint8]:
    """A slice as 8-bit grey, ``(rows, columns)``, as it is drawn: the first row on top.

    Raises:
        InputError: there is no such slice, or it would be too much.
    """
    extent = volume.shape[_DIMENSIONS[asked.axis]]
    if not 0 <= asked.index < extent:
        raise NotFoundError(f"there is no slice {asked.index} along {asked.axis}: there are {extent}")
    if not 1 <= asked.thickness <= MAX_THICKNESS or not 1 <= asked.binning <= MAX_BINNING:
        raise InputError(f"thickness is 1 to {MAX_THICKNESS}, binning 1 to {MAX_BINNING}")
    first = max(0, asked.index - (asked.thickness - 1) // 2)
    last = min(extent, first + asked.thickness)
    if max(volume.shape) // asked.binning > MAX_EDGE:
        raise InputError(f"a slice of more than {MAX_EDGE} pixels a side is not sent whole", hint="raise the binning")
    gathered: NDArray[Any] | None = None
    for at in range(first, last):
        one = _binned(_one(volume, asked.axis, at), asked.binning)
        if gathered is None:
            gathered = one
        elif asked.projection == "max":
            gathered = np.maximum(gathered, one)
        else:
            gathered = gathered + one.astype(np.float32)
    assert gathered is not None
    if asked.projection == "mean" and last - first > 1:
        gathered = gathered / np.float32(last - first)
    upright = gathered.T if asked.axis == "x" else gathered
    return to_grey(np.ascontiguousarray(upright[::-1]), asked.levels or volume.levels)


def _one(volume: Volume, axis: Axis, at: int) -> NDArray[Any]:
    if axis == "z":
        return volume.plane(at)
    if volume.values is not None:
        found: NDArray[Any] = volume.values[:, at] if axis == "y" else volume.values[:, :, at]
        return found
    rows = [volume.plane(z)[at] if axis == "y" else volume.plane(z)[:, at] for z in range(volume.shape[0])]
    return np.stack(rows)


def _binned(plane: NDArray[Any], binning: int) -> NDArray[Any]:
    """The mean of each square of pixels; what is left over at the edges is cut off, unless it is all there is."""
    if binning == 1:
        return plane
    down, across = (max(1, min(binning, extent)) for extent in plane.shape)
    rows, columns = plane.shape[0] // down, plane.shape[1] // across
    cut = plane[: rows * down, : columns * across]
    binned: NDArray[Any] = cut.reshape(rows, down, columns, across).mean(axis=(1, 3), dtype=np.float32)
    return binned
