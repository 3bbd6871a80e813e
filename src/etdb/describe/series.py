"""Which files of a dataset speak of a tilt series, and of which axis.

IMOD's two-axis series end in `a` and `b` (https://bio3d.colorado.edu/imod/doc/tomoguide.html): `ts1a.st`, `ts1b.st`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from msgspec import Struct

from etdb.em import AcquisitionLog, TiltAngles, tilt_range
from etdb.sources import SourceDataset, SourceFile

__all__ = ["Series", "find_series"]

_SUFFIXES = re.compile(r"(\.(gz|bz2|mdoc|mrc|mrcs|st|ali|preali|rawtlt|tlt|xtilt|txt|log|tif|tiff))+$", re.IGNORECASE)
# Two images in a stack are a check or an accident.
FEWEST_SECTIONS = 3


class Series(Struct, frozen=True, kw_only=True):
    """The files that speak of tilt series, by kind. `second_axis` are the paths of those that are of the second axis.

    `axes` is 0 when nothing speaks of a tilt series. `pair` are the names of the two series of a two-axis dataset.
    """

    stacks: tuple[SourceFile, ...]
    mdocs: tuple[SourceFile, ...]
    frame_mdocs: tuple[SourceFile, ...]
    angles: tuple[SourceFile, ...]
    logs: tuple[SourceFile, ...]
    aligned: tuple[SourceFile, ...]
    second_axis: frozenset[str]
    axes: int
    pair: tuple[str, str] = ("", "")


def find_series(dataset: SourceDataset) -> Series:
    """Sort out the files. An mdoc of one position's frames or of a montage is none of a series."""
    stacks = tuple(f for f in dataset.files if f.role == "tilt_series" and f.header is not None)
    mdocs = [f for f in dataset.files if f.mdoc is not None and not f.mdoc.is_montage]
    tilted = tuple(f for f in mdocs if f.mdoc is not None and tilt_range(f.mdoc.tilt_angles_deg) is not None)
    angles = tuple(f for f in dataset.files if isinstance(f.look, TiltAngles) and f.tilt_angles_deg)
    logs = tuple(f for f in dataset.files if isinstance(f.look, AcquisitionLog))
    aligned = tuple(f for f in dataset.files if f.role == "aligned_series" and f.header is not None)
    tilted_paths = {f.path for f in tilted}
    stems = {_stem(f.path) for f in (*stacks, *tilted, *angles)}
    pairs = sorted((stem, second) for stem in stems if (second := _second_axis(stem)) in stems)
    seconds = {second for _, second in pairs}
    speaking = (*stacks, *mdocs, *angles, *logs)
    return Series(
        stacks=stacks,
        mdocs=tilted,
        frame_mdocs=tuple(f for f in mdocs if f.path not in tilted_paths),
        angles=angles,
        logs=logs,
        aligned=aligned,
        second_axis=frozenset(f.path for f in speaking if _stem(f.path) in seconds),
        axes=2 if pairs else 1 if any(_is_series(f) for f in (*stacks, *tilted, *angles, *aligned)) else 0,
        pair=pairs[0] if pairs else ("", ""),
    )


def _is_series(file: SourceFile) -> bool:
    if file.header is not None:
        return file.header.sections >= FEWEST_SECTIONS
    angles = file.mdoc.tilt_angles_deg if file.mdoc is not None else file.tilt_angles_deg
    return tilt_range(angles) is not None


def _second_axis(stem: str) -> str:
    """`ts1b` for `ts1a`. A letter by itself, or behind a mark (`grid_a`), tells one sample from another."""
    is_first = len(stem) > 1 and stem[-2].isalnum() and stem[-1] in "aA"
    return stem[:-1] + chr(ord(stem[-1]) + 1) if is_first else ""


def _stem(path: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.with_name(_SUFFIXES.sub("", pure.name) or pure.name))
