"""Slices of a volume: where, how thick, how coarse, how bright."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em.contrast import Levels, to_grey
from etdb.errors import InputError, NotFoundError
from etdb.web.volumes.volume import AXES, Axis, Volume

__all__ = ["MAX_BINNING", "MAX_EDGE", "MAX_THICKNESS", "SliceRequest", "cut_slice"]

MAX_THICKNESS: Final = 64
MAX_BINNING: Final = 64
MAX_EDGE: Final = 8_192


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
        NotFoundError: there is no such slice.
        InputError: it would be too much.
    """
    shape = volume.facts.shape
    extent = shape[AXES[asked.axis]]
    if not 0 <= asked.index < extent:
        raise NotFoundError(f"there is no slice {asked.index} along {asked.axis}: there are {extent}")
    if not 1 <= asked.thickness <= MAX_THICKNESS or not 1 <= asked.binning <= MAX_BINNING:
        raise InputError(f"thickness is 1 to {MAX_THICKNESS}, binning 1 to {MAX_BINNING}")
    first = max(0, asked.index - (asked.thickness - 1) // 2)
    last = min(extent, first + asked.thickness)
    if max(n for axis, n in enumerate(shape) if axis != AXES[asked.axis]) // asked.binning > MAX_EDGE:
        raise InputError(f"a slice of more than {MAX_EDGE} pixels a side is not sent whole", hint="raise the binning")
    gathered: NDArray[Any] | None = None
    for one in volume.planes(asked.axis, first, last, asked.binning):
        if gathered is None:
            gathered = one if last - first == 1 or asked.projection == "max" else one.astype(np.float32)
        elif asked.projection == "max":
            gathered = np.maximum(gathered, one)
        else:
            gathered += one
    assert gathered is not None
    if asked.projection == "mean" and last - first > 1:
        gathered = gathered / np.float32(last - first)
    upright = gathered.T if asked.axis == "x" else gathered
    return to_grey(np.ascontiguousarray(upright[::-1]), asked.levels or volume.facts.levels)
