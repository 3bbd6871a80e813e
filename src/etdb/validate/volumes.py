"""Checks of volumes that are kept twice, of OME-Zarr metadata, and of models against the volume they are drawn on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from etdb.em import ImodModel, MrcLook, ZarrLevel, ZarrVolume
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check
from etdb.validate.subject import Subject, plain_name, spacing_of

SAME: Final = 1e-3
# Scales of an OME-Zarr halve the size and round it as they like: up, down, or to the nearest.
_ROUNDING: Final = 1.0
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
    "model-outside",
    "warning",
    "A model has points outside of the volume it is drawn on",
    hint="it was drawn on another volume, or on one that was trimmed since: transform or redraw it",
    curators="points inside tomogram",
)
def model_outside(subject: Subject) -> Iterator[Told]:
    """The points' box against the volume of the same name, or the size of the image that the model names."""
    for file, model in subject.models:
        size, where = _image_of(subject, file, model)
        if model.low is None or model.high is None or size is None:
            continue
        # IMOD draws to the outer edge of a pixel, half a pixel beyond its middle.
        outside = [
            axis
            for axis, low, high, count in zip("xyz", model.low, model.high, size, strict=True)
            if low < -0.5 or high > count + 0.5
        ]
        if outside:
            low, high = (tuple(round(value, 2) for value in end) for end in (model.low, model.high))
            text = f"from {low} to {high}, {where} is {size} (x, y, z)"
            yield Told(file.path, text, {"low": low, "high": high, "size": size, "axes": outside})


@check(
    "model-size",
    "info",
    "A model was drawn on a volume of another size",
    hint="say in its notes on which volume it was drawn, or transform it with `imodtrans` of IMOD",
    curators="counts consistent",
)
def model_size(subject: Subject) -> Iterator[Told]:
    """The size in the model against the volume of the same name, or against the only one."""
    for file, model in subject.models:
        volume = _volume_of(subject, file)
        if volume is None or not any(model.image_size):
            continue
        size = (volume[1].columns, volume[1].rows, volume[1].sections)
        if model.image_size != size:
            text = f"{model.image_size} in the model, {size} is {volume[0].path}"
            yield Told(file.path, text, {"model": model.image_size, "volume": size})


def _twins(subject: Subject) -> Iterator[tuple[SourceFile, ZarrVolume, SourceFile, MrcLook]]:
    """OME-Zarr volumes with the MRC file of the same name, or with the only one where there is one of each."""
    volumes = [(file, look) for file, look in subject.volumes if look.sections > 1]
    zarrs = [(file, volume) for file, volume in subject.zarrs if volume.levels and not volume.is_labels]
    for file, volume in zarrs:
        name = plain_name(volume.folder.removesuffix(".zarr").removesuffix(".ome"))
        named = [one for one in volumes if plain_name(one[0].path) == name]
        if not named and len(volumes) == len(zarrs) == 1:
            named = volumes
        if named:
            yield file, volume, *named[0]


def _volume_of(subject: Subject, file: SourceFile) -> tuple[SourceFile, MrcLook] | None:
    volumes = [(other, look) for other, look in subject.volumes if look.sections > 1]
    named = [one for one in volumes if plain_name(one[0].path) == plain_name(file.path.removesuffix(".mod"))]
    if named:
        return named[0]
    return volumes[0] if len(volumes) == 1 else None


def _image_of(subject: Subject, file: SourceFile, model: ImodModel) -> tuple[tuple[int, int, int] | None, str]:
    volume = _volume_of(subject, file)
    if volume is not None:
        return (volume[1].columns, volume[1].rows, volume[1].sections), volume[0].path
    return (model.image_size if all(model.image_size) else None), "the image that it names"


def _spatial(volume: ZarrVolume, level: ZarrLevel) -> tuple[int | None, ...]:
    return tuple(_size(volume, level, axis) for axis in ("z", "y", "x"))


def _size(volume: ZarrVolume, level: ZarrLevel, axis: str) -> int | None:
    at = volume.axes.index(axis) if axis in volume.axes else -1
    return level.shape[at] if 0 <= at < len(level.shape) else None


def _along(volume: ZarrVolume, level: ZarrLevel, axis: str) -> float | None:
    at = volume.axes.index(axis) if axis in volume.axes else -1
    return level.spacing_angstrom[at] if 0 <= at < len(level.spacing_angstrom) else None
