"""What the files of a dataset tell about it: only what they agree on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from etdb.em import TiltRange, tilt_range
from etdb.sources import SourceDataset, SourceFile

__all__ = ["told_by_files"]

Told = dict[str, tuple[Any, str]]


def told_by_files(dataset: SourceDataset) -> Told:
    """The record's fields that the files tell, each with the file that told it.

    The rawest witness comes first: an mdoc, then the extended header, then the header, which a binned or aligned copy
    changes. Witnesses of one kind that disagree tell nothing.
    """
    told: Told = {}
    mdocs = [f for f in dataset.files if f.mdoc is not None and not f.mdoc.is_montage]
    series = [f for f in dataset.files if f.role == "tilt_series" and f.header is not None]
    volumes = [f for f in dataset.files if f.role == "reconstruction" and f.header is not None]
    fei = [f for f in series if f.header is not None and f.header.fei is not None]

    def first(field: str, *kinds: list[tuple[Any, SourceFile]]) -> None:
        for kind in kinds:
            found = _agreed(kind)
            if found is not None:
                told[field] = found
                return

    from_mdoc = _reader(mdocs, "mdoc")
    from_fei = _reader(fei, "header", "fei")
    first(
        "pixel_spacing_angstrom",
        from_mdoc("pixel_spacing_angstrom"),
        from_fei("pixel_spacing_angstrom"),
        [(_square(f), f) for f in series],
    )
    first("voltage_kv", from_mdoc("voltage_kv"), from_fei("voltage_kv"))
    first("magnification", from_mdoc("magnification"), from_fei("magnification"))
    first("voxel_spacing_angstrom", [(_cubic(f), f) for f in volumes])
    first("acquisition_software", from_mdoc("software"))
    days = [(f.mdoc.acquired_on, f) for f in mdocs if f.mdoc is not None and f.mdoc.acquired_on is not None]
    if days:
        day, file = min(days, key=lambda pair: pair[0])
        told["acquired_on"] = (day, file.path)
    _tell_tilts(told, dataset, mdocs, fei)
    return told


def _tell_tilts(told: Told, dataset: SourceDataset, mdocs: list[SourceFile], fei: list[SourceFile]) -> None:
    listed = [f for f in dataset.files if f.tilt_angles_deg]
    raw = [f for f in listed if f.path.lower().endswith(".rawtlt")]
    kinds = (
        [(tilt_range(f.tilt_angles_deg), f) for f in raw],
        [(tilt_range(f.mdoc.tilt_angles_deg), f) for f in mdocs if f.mdoc is not None],
        [(tilt_range(f.header.fei.tilt_angles_deg), f) for f in fei if f.header is not None and f.header.fei],
        [(tilt_range(f.tilt_angles_deg), f) for f in listed if f not in raw],
    )
    for kind in kinds:
        found = _agreed(kind)
        if found is None:
            continue
        tilts, path = found
        if not isinstance(tilts, TiltRange):
            continue
        told["tilt_min_deg"] = (tilts.min_deg, path)
        told["tilt_max_deg"] = (tilts.max_deg, path)
        told["tilt_constant_increment"] = (tilts.constant_increment, path)
        if tilts.step_deg is not None:
            told["tilt_step_deg"] = (tilts.step_deg, path)
        break
    # Frames of one position are no tilt series: their summed dose would say nothing.
    tilted = [f for f in mdocs if f.mdoc is not None and tilt_range(f.mdoc.tilt_angles_deg)]
    for field, name in (("dose_e_per_a2", "dose_e_per_a2"), ("defocus_um", "target_defocus_um")):
        found = _agreed(_reader(tilted, "mdoc")(name))
        if found is not None:
            told[field] = found


def _reader(files: list[SourceFile], *way: str) -> Any:
    def read(field: str) -> list[tuple[Any, SourceFile]]:
        pairs = []
        for file in files:
            value: Any = file
            for step in (*way, field):
                value = getattr(value, step)
            pairs.append((value, file))
        return pairs

    return read


def _agreed(pairs: Iterable[tuple[Any, SourceFile]]) -> tuple[Any, str] | None:
    known = [(value, file.path) for value, file in pairs if value is not None and value != ""]
    if not known:
        return None
    first, path = known[0]
    return (first, path) if all(_same(first, value) for value, _ in known) else None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-3)
    return bool(one == other)


def _square(file: SourceFile) -> float | None:
    spacing = file.header.voxel_spacing_angstrom if file.header is not None else None
    return spacing[0] if spacing is not None and math.isclose(spacing[0], spacing[1], rel_tol=1e-3) else None


def _cubic(file: SourceFile) -> float | None:
    spacing = file.header.voxel_spacing_angstrom if file.header is not None else None
    square = _square(file)
    return square if spacing is not None and square and math.isclose(spacing[0], spacing[2], rel_tol=1e-3) else None
