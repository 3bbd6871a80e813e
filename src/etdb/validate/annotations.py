"""Checks of models and of annotated points, against the volume that they belong to and in themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from etdb.em import ImodModel, MrcLook, unpacked_name
from etdb.errors import FormatError
from etdb.oip.strict_json import load_json
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check, some
from etdb.validate.subject import Subject, plain_name
from etdb.validate.volumes import full_size, zarr_name

__all__ = ["annotation_name", "volume_sizes"]

MAX_DESCRIPTION_BYTES: Final = 1 << 20
# What the CryoET Data Portal writes behind the name of an annotation.
_SHAPES: Final = re.compile(
    r"_(point|orientedpoint|instancesegmentation|(semantic|instance)?_?segmentation_?mask)$", re.IGNORECASE
)
_Size = tuple[int, int, int]


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
        yield from _outside(file, model.low, model.high, size, where)


@check(
    "model-size",
    "info",
    "A model was drawn on a volume of another size",
    hint="say in its notes on which volume it was drawn, or transform it with `imodtrans` of IMOD",
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


@check(
    "annotation-outside",
    "warning",
    "Annotated points lie outside of the volume",
    hint="their unit is voxels of the volume, not angstrom, and of this one, not of a binned copy: convert them",
    curators="points inside tomogram",
)
def annotation_outside(subject: Subject) -> Iterator[Told]:
    """The points' box against the volume of the same name, or all volumes where they are of one size."""
    sizes = volume_sizes(subject)
    for file, look in subject.points:
        named = [(size, path) for name, size, path in sizes if name == plain_name(annotation_name(file.path))]
        told = named or [(size, path) for _, size, path in sizes]
        if len({size for size, _ in told}) == 1:
            yield from _outside(file, look.low, look.high, *told[0])


@check(
    "annotation-rotation",
    "warning",
    "Annotated points have matrices that are no rotations",
    hint="three rows of length 1 at right angles, not mirrored (determinant 1): write the rotation again",
    curators="rotation matrices valid",
    better="to 0.001, so that four written digits are enough",
)
def annotation_rotation(subject: Subject) -> Iterator[Told]:
    """Lengths, angles and hand of `xyz_rotation_matrix`."""
    for file, look in subject.points:
        if look.improper:
            text = f"in lines {some(look.improper)}; {look.oriented} have a matrix"
            yield Told(file.path, text, {"lines": look.improper})


@check(
    "annotation-count",
    "warning",
    "An annotation's description counts other objects than its file of points",
    hint="points were lost or added since: correct object_count in the description, or bring the right file",
    curators="counts consistent: object_count against the points, or the instances",
)
def annotation_count(subject: Subject) -> Iterator[Told]:
    """`object_count` of the JSON of the same name."""
    here = {file.path: file for file in subject.dataset.files}
    for file, look in subject.points:
        beside = here.get(f"{annotation_name(file.path)}.json")
        stated = _stated_count(beside) if beside is not None else None
        count = len(look.instance_ids) or look.points
        if beside is not None and stated is not None and stated != count:
            text = f"{count} here, {stated} in {beside.path}"
            yield Told(file.path, text, {"count": count, "object_count": stated})


def annotation_name(path: str) -> str:
    """A path without what says of which shape the annotation is: `a/100-ribosome` of `a/100-ribosome_point.ndjson`."""
    pure = PurePosixPath(unpacked_name(path))
    return _SHAPES.sub("", str(pure.with_suffix("")))


def volume_sizes(subject: Subject) -> list[tuple[str, _Size, str]]:
    """The reconstructions, MRC and OME-Zarr: plain name, size (x, y, z) and path of each."""
    found = [
        (plain_name(file.path), (look.columns, look.rows, look.sections), file.path)
        for file, look in subject.volumes
        if file.role == "reconstruction" and look.sections > 1
    ]
    for file, volume in subject.zarrs:
        if file.role == "reconstruction" and volume.levels and (size := full_size(volume)) is not None:
            found.append((zarr_name(volume), size, volume.folder))
    return found


def _outside(
    file: SourceFile, low: tuple[float, ...], high: tuple[float, ...], size: _Size, where: str
) -> Iterator[Told]:
    # IMOD draws to the outer edge of a pixel, half a pixel beyond its middle.
    axes = [
        axis
        for axis, least, most, count in zip("xyz", low, high, size, strict=True)
        if least < -0.5 or most > count + 0.5
    ]
    if axes:
        low, high = (tuple(round(value, 2) for value in end) for end in (low, high))
        text = f"from {low} to {high}, {where} is {size} (x, y, z)"
        yield Told(file.path, text, {"low": low, "high": high, "size": size, "axes": axes})


def _stated_count(file: SourceFile) -> int | None:
    if file.size_bytes > MAX_DESCRIPTION_BYTES:
        return None
    try:
        with file.absolute.open("rb") as opened:
            document = load_json(opened.read(MAX_DESCRIPTION_BYTES))
    except (OSError, FormatError):
        return None  # it is some other JSON, or went away meanwhile
    count = document.get("object_count") if isinstance(document, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


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
