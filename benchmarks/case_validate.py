"""Datasets validated a second: a generated lab of tilt series, mdoc files, angles and tomograms; all checks.

The reference opens the headers of the same MRC files with `mrcfile` and does nothing with them: what a script that
only looks at voxel sizes would do.
"""

from __future__ import annotations

import datetime as dt
import resource
from pathlib import Path

import mrcfile
import numpy as np

from benchmarks.measure import Figure, Settings, by_turns, rate
from etdb.sources import FolderSource
from etdb.validate import Duplicates, Terms, validate_source

_DATASETS = 2000
_TILTS = tuple(range(-60, 61, 3))
_SIDE = 48
_TOML = """\
title = "Cell {number:04d}, whole, single axis"
species = "Bdellovibrio bacteriovorus"
microscope = "Polara"
"""
_SECTION = """
[ZValue = {n}]
TiltAngle = {tilt}.003
ExposureDose = 2.5
PixelSpacing = 4.3
Magnification = 22500
TargetDefocus = -6
RotationAngle = 175.3
DateTime = 14-Jan-14  07:{n:02}:00
"""


def run(settings: Settings) -> list[Figure]:
    count = min(settings.limit or _DATASETS, _DATASETS)
    lab = settings.folder / "lab"
    for number in range(count):
        _make(lab / f"ts{number:04d}", number)
    terms = Terms(today=dt.date(2026, 11, 30))
    found: list[int] = []

    def validate() -> None:
        duplicates = Duplicates(terms)
        looked = list(validate_source(FolderSource(lab), terms, places=duplicates.places))
        found.append(sum(len(one.findings) for one in looked) + len(duplicates.find()))
        assert len(looked) == count

    def headers() -> None:
        for path in (*lab.glob("*/*.mrc"), *lab.glob("*/*.rec")):
            with mrcfile.open(path, header_only=True) as opened:
                assert float(opened.voxel_size.x) > 0

    ours, reference = by_turns(settings.turns, lambda: rate(count, validate), lambda: rate(count, headers))
    assert set(found) == {0}, found
    return [
        Figure(
            name="datasets validated",
            unit="datasets/s",
            ours=ours,
            reference=reference,
            reference_name="`mrcfile` opens the headers of the same files, nothing else",
            note=f"{count} datasets of 5 files: all checks, 6 planes of each image file, contents compared; "
            "bound by reading headers and texts, in Python",
            peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )
    ]


def _make(folder: Path, number: int) -> None:
    folder.mkdir(parents=True)
    noise = np.random.default_rng(number)
    tilts = noise.integers(1, 1000, (len(_TILTS), _SIDE, _SIDE)).astype("int16")
    volume = noise.random((_SIDE // 4, _SIDE // 2, _SIDE // 2), dtype="float32")
    for name, planes, spacing, is_volume in (("cell.mrc", tilts, 4.3, False), ("cell.rec", volume, 8.6, True)):
        with mrcfile.new(folder / name) as file:
            file.set_data(planes)
            file.voxel_size = spacing
            file.set_volume() if is_volume else file.set_image_stack()
    (folder / "dataset.toml").write_text(_TOML.format(number=number), encoding="utf-8")
    (folder / "cell.rawtlt").write_text("".join(f"{tilt}.00\n" for tilt in _TILTS), encoding="utf-8")
    sections = "".join(_SECTION.format(n=n, tilt=tilt) for n, tilt in enumerate(_TILTS))
    head = f"PixelSpacing = 4.3\nVoltage = 300\nImageFile = cell.mrc\nImageSize = {_SIDE} {_SIDE}\n\n"
    head += "[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 2]\n"
    (folder / "cell.mrc.mdoc").write_text(head + sections, encoding="utf-8")
