"""Checks of OME-Zarr volumes: their metadata, and the MRC files of the same volumes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from etdb.em import MrcLook, ZarrLevel, ZarrVolume
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check, some
from etdb.validate.subject import Subject, plain_name, spacing_of

__all__ = ["full_size", "zarr_name"]

SAME: Final = 1e-3
# Scales of an OME-Zarr halve the size and round it as they like: up, down, or to the nearest.
_ROUNDING: Final = 1.0
_REAL: Final = re.compile(r"u?int(8|16|32|64)|float(16|32|64)")
_BYTES: Final = {"int8", "uint8"}
_SPATIAL: Final = frozenset({"x", "y", "z"})


@check(
    "zarr-size",
    "error",
    "An OME-Zarr volume and its MRC file are not of one size",
    hint="make the OME-Zarr again from the MRC file",
    curators="MRC<->Zarr: volume size equal",
)
def zarr_size(subject: Subject) -> Iterator[Told]:
    """Full resolution against the MRC file of the same name."""
    for file, volume, mrc, look in _twins(subject):
        shape = _spatial(volume, volume.levels[0])
        if shape != (look.sections, look.rows, look.columns):
            text = f"{shape} here, {(look.sections, look.rows, look.columns)} in {mrc.path} (z, y, x)"
            yield Told(file.path, text, {"zarr": shape, "mrc": [look.sections, look.rows, look.columns]})


@check(
    "zarr-spacing",
    "warning",
    "An OME-Zarr volume and its MRC file have other spacings",
    hint="correct the one that is wrong: the scales in the OME-Zarr's metadata, or the MRC header",
    curators="voxel spacing vs metadata",
)
def zarr_spacing(subject: Subject) -> Iterator[Told]:
    """Full resolution against the MRC file of the same name."""
    for file, volume, mrc, look in _twins(subject):
        spacing = spacing_of(look)
        said = _along(volume, volume.levels[0], "x")
        if spacing is not None and said is not None and not math.isclose(said, spacing[0], rel_tol=SAME):
            text = f"{said:g} angstrom here, {spacing[0]:g} in {mrc.path}"
            yield Told(file.path, text, {"zarr": said, "mrc": spacing[0]})


@check(
    "zarr-axes",
    "error",
    "An OME-Zarr volume does not say its axes as z, y, x",
    hint="write the multiscales metadata again: axes z, y, x of the type space, one scale a level",
    curators="zattrs path/axes",
)
def zarr_axes(subject: Subject) -> Iterator[Told]:
    """Axes against the arrays' dimensions."""
    for file, volume in subject.zarrs:
        spatial = [axis for axis in volume.axes if axis in _SPATIAL]
        wrong = [level.path for level in volume.levels if len(level.shape) != len(volume.axes)]
        if spatial != ["z", "y", "x"] or wrong or not volume.levels:
            text = f"axes {', '.join(volume.axes) or 'none'}; {len(volume.levels)} levels"
            yield Told(file.path, text + (f", {', '.join(wrong)} of other dimensions" if wrong else ""))


@check(
    "zarr-scales",
    "error",
    "The scales of an OME-Zarr volume do not fit its levels",
    hint="write the coordinateTransformations again: a level half as large has twice the spacing",
    curators="voxel spacings per scale",
    better="against the sizes of the levels",
)
def zarr_scales(subject: Subject) -> Iterator[Told]:
    """Spacing times size is the same length on every level, to one voxel of it."""
    for file, volume in subject.zarrs:
        for level in volume.levels[1:]:
            for axis in ("z", "y", "x"):
                fine, coarse = _along(volume, volume.levels[0], axis), _along(volume, level, axis)
                sizes = [_size(volume, one, axis) for one in (volume.levels[0], level)]
                if not fine or not coarse or None in sizes:
                    continue
                first, second = (size or 0 for size in sizes)
                if abs(first * fine - second * coarse) > _ROUNDING * coarse * (1 + SAME):
                    text = f"level {level.path}, {axis}: {first} x {fine:g} is not {second} x {coarse:g} angstrom"
                    yield Told(file.path, text, {"level": level.path, "axis": axis, "spacing_angstrom": coarse})
                    break


@check(
    "zarr-type",
    "warning",
    "An OME-Zarr volume cannot hold the values of its MRC file",
    hint="values were rounded or cut off: make it again in the MRC file's type, or say in the notes what was done",
    curators="Zarr: dtype",
    better="against the MRC file: a type that holds all of its values is good",
)
def zarr_type(subject: Subject) -> Iterator[Told]:
    """The type of the finest level. The sign of an MRC file's bytes is often not told: bytes are bytes."""
    for file, volume, mrc, look in _twins(subject):
        said = volume.levels[0].data_type
        if not (_REAL.fullmatch(said) and _REAL.fullmatch(look.data_type)) or {said, look.data_type} == _BYTES:
            continue
        if not np.can_cast(look.data_type, said, "safe"):
            yield Told(file.path, f"{said} here, {look.data_type} in {mrc.path}", {"zarr": said, "mrc": look.data_type})


@check(
    "zarr-only",
    "info",
    "A volume is here as OME-Zarr only",
    hint="many programs of tomography read MRC only: put the MRC file beside it, if there is one",
    curators="MRC and Zarr both exist",
)
def zarr_only(subject: Subject) -> Iterator[Told]:
    """An OME-Zarr image without an MRC file of its name; one of a tilt series has its size too."""
    paired = {file.path for file, *_ in _twins(subject)}
    stacks = {(plain_name(file.path), look.columns, look.rows, look.sections) for file, look in subject.stacks}
    for file, volume in subject.zarrs:
        if file.role != "reconstruction" or file.path in paired or not volume.levels:
            continue
        if (zarr_name(volume), *(full_size(volume) or ())) not in stacks:
            yield Told(file.path, f"there is no MRC file of {volume.folder or 'it'}")


@check(
    "zarr-partly",
    "info",
    "Some tomograms of a dataset are here as OME-Zarr too, others not",
    hint="viewers that read OME-Zarr show those only: make it of all of them, or of none",
    curators="MRC and Zarr both exist",
    better="only told where a dataset does not do the same for all",
)
def zarr_partly(subject: Subject) -> Iterator[Told]:
    """Reconstructions without an OME-Zarr, where others have one."""
    paired = {mrc.path for _, _, mrc, _ in _twins(subject)}
    volumes = [file.path for file, look in subject.volumes if look.sections > 1 and file.role == "reconstruction"]
    left = [path for path in volumes if path not in paired]
    if paired and left:
        yield Told("", f"{len(left)} of {len(volumes)} have none: {some(left)}", {"files": left[:1000]})


def _twins(subject: Subject) -> Iterator[tuple[SourceFile, ZarrVolume, SourceFile, MrcLook]]:
    """OME-Zarr volumes with the MRC file of the same name, or with the only one where there is one of each."""
    volumes = [(file, look) for file, look in subject.volumes if look.sections > 1]
    zarrs = [(file, volume) for file, volume in subject.zarrs if volume.levels and not volume.is_labels]
    for file, volume in zarrs:
        named = [one for one in volumes if plain_name(one[0].path) == zarr_name(volume)]
        if not named and len(volumes) == len(zarrs) == 1 and volumes[0][0].role == file.role:
            named = volumes
        if named:
            yield file, volume, *named[0]


def zarr_name(volume: ZarrVolume) -> str:
    """What an OME-Zarr volume is called, as `plain_name` calls an MRC file."""
    return plain_name(volume.folder.removesuffix(".zarr").removesuffix(".ome"))


def full_size(volume: ZarrVolume) -> tuple[int, int, int] | None:
    """The finest level's size as (x, y, z); None when its axes do not tell."""
    x, y, z = (_size(volume, volume.levels[0], axis) for axis in "xyz")
    return (x, y, z) if x and y and z else None


def _spatial(volume: ZarrVolume, level: ZarrLevel) -> tuple[int | None, ...]:
    return tuple(_size(volume, level, axis) for axis in ("z", "y", "x"))


def _size(volume: ZarrVolume, level: ZarrLevel, axis: str) -> int | None:
    at = volume.axes.index(axis) if axis in volume.axes else -1
    return level.shape[at] if 0 <= at < len(level.shape) else None


def _along(volume: ZarrVolume, level: ZarrLevel, axis: str) -> float | None:
    at = volume.axes.index(axis) if axis in volume.axes else -1
    return level.spacing_angstrom[at] if 0 <= at < len(level.spacing_angstrom) else None
