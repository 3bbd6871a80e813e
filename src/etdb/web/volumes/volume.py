"""What can be cut into slices, whatever file it is in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em.contrast import Levels
from etdb.errors import InputError
from etdb.ipfs import Cid

__all__ = ["AXES", "MAX_TOUCHED_BYTES", "Axis", "Shape", "Volume", "VolumeFacts", "binned", "too_much"]

Axis = Literal["x", "y", "z"]
Shape = tuple[int, int, int]
AXES: Final[dict[Axis, int]] = {"z": 0, "y": 1, "x": 2}
"""The axis of a slice as the dimension of an array ``(z, y, x)``."""
MAX_TOUCHED_BYTES: Final = 1 << 30
"""The most of a file that one slice is cut from."""


class VolumeFacts(Struct, frozen=True, kw_only=True):
    """What is told of a volume.

    Attributes:
        kind: "mrc" or "ome-zarr".
        shape: ``(z, y, x)``.
        data_type: of its values, as its format calls it.
        voxel_spacing_angstrom: along x, y, z; None when the file does not say.
        tilt_angles_deg: of its sections, when they are projections; else empty.
        levels: what is black and white unless asked otherwise.
        finest_binning: the least binning of a slice along x, y and z: of a finer one too much would be read.
        data_offset: of the first section in the file; 0 where sections do not lie in one file.
        plane_bytes: of a section in the file; 0 likewise.
        byte_order: "little" or "big".
    """

    kind: Literal["mrc", "ome-zarr"]
    shape: Shape
    data_type: str
    voxel_spacing_angstrom: tuple[float, float, float] | None
    levels: Levels
    tilt_angles_deg: tuple[float, ...] = ()
    finest_binning: Shape = (1, 1, 1)
    data_offset: int = 0
    plane_bytes: int = 0
    byte_order: str = "little"


class Volume(Protocol):
    """An open volume. Can be used from several threads."""

    @property
    def cid(self) -> Cid:
        """Of the file, or of the folder."""
        ...

    @property
    def facts(self) -> VolumeFacts:
        """What is told of it."""
        ...

    def planes(self, axis: Axis, first: int, last: int, binning: int) -> Iterator[NDArray[Any]]:
        """The planes ``first <= index < last`` that stand upright on an axis, one after another, as they are stored.

        Each has its dimensions in the order of ``(z, y, x)``. So many pixels of each side are one; what is left over
        at the end is cut off, unless it is all there is.

        Raises:
            InputError: more would be read than ``MAX_TOUCHED_BYTES``.
        """
        ...


def binned(plane: NDArray[Any], down: int, across: int) -> NDArray[Any]:
    """The mean of each ``(down, across)`` of a plane, as float32; as it is when both are 1."""
    down, across = (max(1, min(n, extent)) for n, extent in zip((down, across), plane.shape, strict=True))
    if down == across == 1:
        return plane
    rows, columns = plane.shape[0] // down, plane.shape[1] // across
    cut = plane[: rows * down, : columns * across]
    # Rows first, whole ones: several times as fast as a mean over both at once.
    summed = np.add.reduce(cut.reshape(rows, down, columns * across), axis=1, dtype=np.float32)
    total: NDArray[Any] = summed[:, 0::across].copy()
    for at in range(1, across):
        total += summed[:, at::across]
    total /= np.float32(down * across)
    return total


def too_much() -> InputError:
    """The refusal of a slice that too much would be read for."""
    return InputError(
        f"more than {MAX_TOUCHED_BYTES >> 20} MiB would be read for this slice",
        hint="raise the binning, or take fewer slices together",
    )
