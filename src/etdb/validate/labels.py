"""Checks of segmentations: sizes, values, and whether their labels are the instances of the points beside them.

Voxels are read as in the checks of images: by default of some planes, with `full` of all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em import MrcLook, plane_layout
from etdb.errors import FormatError
from etdb.sources import SourceFile
from etdb.validate.annotations import annotation_name, volume_sizes
from etdb.validate.finding import Told, check, some
from etdb.validate.planes import walk_planes
from etdb.validate.subject import Subject

MAX_LABELS: Final = 65_536
_FLOAT_MODES: Final = (2, 12)
_INTEGER_MODES: Final = (0, 1, 6, 7)


class _Labels(Struct, frozen=True, kw_only=True):
    """The values of a segmentation, but for 0, as far as they were seen; `is_complete` when nothing was left out."""

    path: str
    seen: frozenset[int]
    is_complete: bool
    fractions: tuple[int, ...] = ()


@check(
    "segmentation-size",
    "info",
    "A segmentation is of another size than every tomogram of its dataset",
    hint="say in its notes of which volume it is, or of which part of it",
    curators="segmentation mask: of the tomogram's dimensions",
)
def size(subject: Subject) -> Iterator[Told]:
    """Columns, rows and sections against those of the reconstructions, MRC and OME-Zarr."""
    sizes = {one for _, one, _ in volume_sizes(subject)}
    for file, look in _masks(subject):
        mine = (look.columns, look.rows, look.sections)
        if sizes and mine not in sizes:
            yield Told(file.path, f"{mine} here, {some(sorted(sizes))} (x, y, z)", {"size": mine})


@check(
    "segmentation-values",
    "warning",
    "A segmentation has values that are not whole numbers",
    hint="probabilities are no labels: choose a threshold, or give the file another role in dataset.toml",
    curators="segmentation mask: datatype",
    better="the values are read: floating-point files whose values are whole are good",
)
def values(subject: Subject) -> Iterator[Told]:
    """Of files in floating-point modes."""
    for one in _all_labels(subject):
        if one.fractions:
            yield Told(one.path, f"in planes {some(one.fractions)} (from 0)", {"sections": one.fractions[:1000]})


@check(
    "segmentation-labels",
    "warning",
    "The list of labels of an OME-Zarr segmentation has values twice, or below 1",
    hint="each label has one line in image-label, and 0 is the background: write the metadata again",
    curators="label sets unique; label values positive",
)
def listed(subject: Subject) -> Iterator[Told]:
    """`label-value` of the colours in `image-label`."""
    for file, volume in subject.zarrs:
        twice = [value for value, times in Counter(volume.label_values).items() if times > 1]
        below = sorted({value for value in volume.label_values if value < 1})
        if twice or below:
            parts = [f"{some(twice)} twice"] if twice else []
            text = "; ".join([*parts, f"{some(below)} below 1"] if below else parts)
            yield Told(file.path, text, {"twice": twice[:1000], "below": below[:1000]})


@check(
    "segmentation-instances",
    "warning",
    "The labels of a segmentation are not the instances of the points beside it",
    hint="one of the two was made anew: write both from the same instances",
    curators="label sets matching",
    better="values of the voxels themselves, not their number alone",
)
def instances(subject: Subject) -> Iterator[Told]:
    """`instance_id` against voxels and lists of labels of the same name. A mask of 0 and 1 tells no instances."""
    for file, look in subject.points:
        ids = frozenset(look.instance_ids) - {0}
        for other in _all_labels(subject) if ids else ():
            is_of_it = annotation_name(other.path) == annotation_name(file.path)
            if not is_of_it or (other.seen <= {1} and len(ids) > 1):
                continue
            strange = sorted(other.seen - ids)
            lacking = sorted(ids - other.seen) if other.is_complete else []
            if strange or lacking:
                parts = [f"{some(strange)} only in {other.path}"] if strange else []
                text = "; ".join([*parts, f"{some(lacking)} only here"] if lacking else parts)
                numbers = {"segmentation": other.path, "only_there": strange[:1000], "only_here": lacking[:1000]}
                yield Told(file.path, text, numbers)


def _masks(subject: Subject) -> list[tuple[SourceFile, MrcLook]]:
    return [(file, look) for file, look in subject.volumes if file.role == "segmentation"]


def _all_labels(subject: Subject) -> list[_Labels]:
    """Read once for all checks of this module: floating-point files, and all where points tell of instances."""

    def read() -> list[_Labels]:
        has_instances = any(look.instance_ids for _, look in subject.points)
        wanted = (*_FLOAT_MODES, *_INTEGER_MODES) if has_instances else _FLOAT_MODES
        found = [_read(file, look, full=subject.full) for file, look in _masks(subject) if look.mode in wanted]
        for _, volume in subject.zarrs:
            if volume.label_values:
                seen = frozenset(volume.label_values) - {0}
                found.append(_Labels(path=volume.folder, seen=seen, is_complete=True))
        return found

    return subject.once("labels", read)


def _read(file: SourceFile, look: MrcLook, *, full: bool) -> _Labels:
    seen: set[int] = set()
    fractions: list[int] = []
    is_complete = full
    try:
        for section, blocks in walk_planes(file, look, plane_layout(look), full=full):
            for block in blocks:
                whole = np.isfinite(block) & (block == np.rint(block))
                if not bool(whole.all()):
                    fractions += [section] if section not in fractions[-1:] else []
                elif len(seen) <= MAX_LABELS:
                    seen |= _distinct(block)
    except (EOFError, OSError, FormatError):
        is_complete = False  # that it breaks off is told by other checks
    is_complete = is_complete and not fractions and len(seen) <= MAX_LABELS
    labels = frozenset() if fractions else frozenset(seen - {0})
    return _Labels(path=file.path, seen=labels, is_complete=is_complete, fractions=tuple(fractions))


def _distinct(block: NDArray[Any]) -> set[int]:
    low, high = int(block.min()), int(block.max())
    if low >= 0 and high < MAX_LABELS:  # counting is many times quicker than sorting
        return set(np.flatnonzero(np.bincount(block.ravel().astype(np.intp))).tolist())
    return {int(value) for value in np.unique(block)}
