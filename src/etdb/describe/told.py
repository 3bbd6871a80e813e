"""All that the files of a dataset tell, a statement each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etdb.describe.acquisition import tell_acquisition
from etdb.describe.evidence import Evidence, Witness, weigh
from etdb.describe.rules import rule_of
from etdb.describe.series import Series, find_series
from etdb.describe.spacing import derived_pixel, derived_voxel, tell_spacings
from etdb.describe.tilting import tell_tilts
from etdb.sources import SourceDataset

__all__ = ["Statements", "told_by_files", "weighed", "worked_out"]

Statements = dict[str, list[Witness]]


def told_by_files(dataset: SourceDataset) -> tuple[Statements, Series]:
    """The statements of the files on each field, and which files speak of the tilt series."""
    series = find_series(dataset)
    told: Statements = {}
    for tell in (tell_acquisition(dataset, series), tell_tilts(series), tell_spacings(dataset, series)):
        for field, witness in tell:
            told.setdefault(field, []).append(witness)
    return told, series


def worked_out(dataset: SourceDataset, series: Series, known: Mapping[str, Evidence]) -> Iterable[tuple[str, Witness]]:
    """What follows from other fields, for those of which nothing usable is said."""

    def value(field: str) -> float | None:
        return known[field].value if field in known else None

    if value("pixel_spacing_angstrom") is None and not _is_disputed(known.get("pixel_spacing_angstrom")):
        for witness in derived_pixel(series):
            yield "pixel_spacing_angstrom", witness
    if value("voxel_spacing_angstrom") is None and not _is_disputed(known.get("voxel_spacing_angstrom")):
        for witness in derived_voxel(dataset, series, value("pixel_spacing_angstrom")):
            yield "voxel_spacing_angstrom", witness
    count, total, each = value("tilt_count"), value("dose_e_per_a2"), value("dose_per_tilt_e_per_a2")
    axes = value("tilt_axes") or 1
    if not count:
        return
    if each is None and total and not _is_disputed(known.get("dose_per_tilt_e_per_a2")):
        where = f"total dose over {count:g} tilts" + (" of each axis" if axes > 1 else "")
        yield "dose_per_tilt_e_per_a2", _derived(known, "dose_e_per_a2", total / count / axes, where)
    if total is None and each and not _is_disputed(known.get("dose_e_per_a2")):
        where = f"{count:g} tilts" + (" of each axis" if axes > 1 else "") + f" of {each:g}"
        yield "dose_e_per_a2", _derived(known, "dose_per_tilt_e_per_a2", each * count * axes, where)


def _is_disputed(evidence: Evidence | None) -> bool:
    return evidence is not None and any(one.is_usable for one in evidence.witnesses)


def _derived(known: Mapping[str, Evidence], origin: str, value: float, where: str) -> Witness:
    chosen = known[origin].chosen
    assert chosen is not None
    return Witness(value=float(f"{value:.4g}"), authority="derived", source=chosen.source, where=where)


def weighed(statements: Statements) -> dict[str, Evidence]:
    """The evidence of each field."""
    return {field: weigh(rule_of(field), witnesses) for field, witnesses in statements.items()}
