"""Checks of tilt angles: within limits, and equal in the extended header, the mdoc, the .rawtlt and the .tlt file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Final

from etdb.counting import counted
from etdb.em import tilt_range
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check, some
from etdb.validate.matching import TOLERANCE_DEG, match_angles
from etdb.validate.subject import Series, Subject, header_angles_deg

LIMIT_DEG: Final = 90.0
# How far the alignment may move a view against the others before it is no refinement any more.
REFINED_DEG: Final = 2.0
_RECORD_RANGE_DEG: Final = 0.5
_MOST_ODD_STEPS: Final = 4


@check(
    "tilt-out-of-limits",
    "error",
    "Tilt angles beyond 90 degrees",
    hint="a stage cannot tilt so far: correct the file, or say what the column is",
    curators="angles in [-90, 90], of mdoc and rawtlt",
    better="extended headers and .tlt too",
)
def out_of_limits(subject: Subject) -> Iterator[Told]:
    """Every source of angles."""
    for series in subject.series:
        for file, _, angles in _sources(series):
            beyond = [angle for angle in angles if abs(angle) > LIMIT_DEG]
            if beyond:
                yield Told(file.path, f"{len(beyond)}: {some(beyond, 'g')}", {"angles_deg": beyond[:1000]})


@check(
    "rawtlt-missing",
    "info",
    "Nothing says at which angles a tilt series was taken",
    hint="put the .rawtlt or .mdoc file beside the stack",
    curators="rawtlt exists",
    better="an mdoc or an extended header with the angles will do",
)
def rawtlt_missing(subject: Subject) -> Iterator[Told]:
    """A raw stack without angles of any kind."""
    for series in subject.series:
        if series.stack is not None and not any(angles for _, _, angles in _sources(series)):
            yield Told(series.stack.path, f"no angles of its {series.sections} planes anywhere")


@check(
    "tilt-count",
    "error",
    "There are not as many tilt angles as planes",
    hint="one line a plane, in the planes' order: make it again, for example with `extracttilts` of IMOD",
    curators="#rawtlt <= z and #tlt == #rawtlt",
    better="equal to the planes, not fewer: with fewer nobody knows which",
)
def tilt_count(subject: Subject) -> Iterator[Told]:
    """.rawtlt and .tlt against the stack, or against each other."""
    for series in subject.series:
        files = [file for file in (series.raw, series.refined) if file is not None]
        counts = [(file, len(file.tilt_angles_deg)) for file in files]
        planes = series.sections
        if planes is None and len(counts) == 2:
            planes = counts[0][1]
        for file, count in counts:
            if planes is not None and count != planes:
                yield Told(
                    file.path,
                    f"{counted(count, 'angle')}, {counted(planes, 'plane')}",
                    {"angles": count, "planes": planes},
                )


@check(
    "tilt-mdoc-rawtlt",
    "error",
    "The tilt angles of .rawtlt and mdoc are not the same",
    hint="take both from the same stack; leave out the same views in both",
    curators="every rawtlt angle matches a distinct mdoc angle (rounded to 2 decimals)",
    better="0.01 degree as a tolerance, not by rounding; the best pairing, no angle twice",
)
def mdoc_rawtlt(subject: Subject) -> Iterator[Told]:
    """Each raw angle has one of the mdoc for itself; views that were left out may be in the mdoc."""
    yield from _differ(subject, "rawtlt", "mdoc")


@check(
    "tilt-header-rawtlt",
    "error",
    "The tilt angles of .rawtlt and the stack's extended header are not the same",
    hint="take the angles from this stack, for example with `extracttilts` of IMOD",
    better="theirs does not read extended headers",
)
def header_rawtlt(subject: Subject) -> Iterator[Told]:
    """Extended header against .rawtlt."""
    yield from _differ(subject, "rawtlt", "header")


@check(
    "tilt-header-mdoc",
    "error",
    "The tilt angles of an mdoc and the stack's extended header are not the same",
    hint="the mdoc is of another stack, or one of them was edited: take both from the microscope",
    better="theirs does not read extended headers",
)
def header_mdoc(subject: Subject) -> Iterator[Told]:
    """Extended header against mdoc."""
    yield from _differ(subject, "header", "mdoc")


@check(
    "tilt-order",
    "warning",
    "The tilt angles are the same and stand in another order",
    hint="line n belongs to plane n: sort the angles as the planes of the stack are",
    better="theirs compares sets only",
)
def order(subject: Subject) -> Iterator[Told]:
    """.rawtlt against what tells of the planes one by one: the extended header, else an mdoc of as many sections."""
    for series in subject.series:
        if series.raw is None or series.stack is None:
            continue
        raw = series.raw.tilt_angles_deg
        header = _header_angles(series)
        other = header or _mdoc_angles(series)
        where = series.stack.path if header else series.mdoc.path if series.mdoc is not None else ""
        if len(other) != len(raw) or len(match_angles(raw, other).pairs) != len(raw):
            continue
        moved = [n for n, (a, b) in enumerate(zip(raw, other, strict=True)) if abs(a - b) > 2 * TOLERANCE_DEG]
        if moved:
            n = moved[0]
            text = f"{len(moved)} angles; plane {n} (from 0): {raw[n]:g} here, {other[n]:g} in {where}"
            yield Told(series.raw.path, text, {"planes": moved[:1000]})


@check(
    "tilt-refined",
    "info",
    "The alignment refined the tilt angles",
    hint="nothing: reconstruct with the .tlt file, describe with the .rawtlt file",
    curators="#tlt == #rawtlt",
    better="the angles too, not their number alone",
)
def refined(subject: Subject) -> Iterator[Told]:
    """.tlt differs from the raw angles, as refined ones do."""
    for file, where, offset, most in _refinements(subject):
        if most <= REFINED_DEG:
            text = f"all moved by {offset:+.2f}, single ones by up to {most:.2f} degrees against {where}"
            yield Told(file.path, text, {"offset_deg": round(offset, 3), "most_deg": round(most, 3)})


@check(
    "tilt-tlt",
    "warning",
    "The tilt angles of a .tlt file are not a refinement of the raw ones",
    hint="look whether it is of another series, or the alignment went wrong",
    curators="#tlt == #rawtlt",
    better="the angles too, not their number alone",
)
def tlt(subject: Subject) -> Iterator[Told]:
    """.tlt differs from the raw angles by more than an offset of all and a refinement of each."""
    for file, where, offset, most in _refinements(subject):
        if most > REFINED_DEG:
            text = f"up to {most:.2f} degrees from those of {where}, apart from {offset:+.2f} of all"
            yield Told(file.path, text, {"offset_deg": round(offset, 3), "most_deg": round(most, 3)})


@check(
    "record-tilt-range",
    "warning",
    "The record's tilt range is not the files'",
    hint="leave it out of dataset.toml: the files tell it; or correct the files",
    curators="min/max of mdoc == tilt_range at 1 decimal",
    better="nominal angles of a goniometer may be off by half a step, at most 0.5 degree",
)
def record_range(subject: Subject) -> Iterator[Told]:
    """Least and greatest angle of all series: the two of a dual-axis dataset make one record."""
    ranges = [(file, found) for file, angles in _raw_angles(subject) if (found := tilt_range(angles)) is not None]
    if not ranges:
        return
    reach = min(_RECORD_RANGE_DEG, *((found.step_deg or 1.0) / 2 for _, found in ranges))
    lowest = min(ranges, key=lambda one: one[1].min_deg)
    highest = max(ranges, key=lambda one: one[1].max_deg)
    ends = (("tilt_min_deg", lowest[0], lowest[1].min_deg), ("tilt_max_deg", highest[0], highest[1].max_deg))
    for field, file, is_ in ends:
        said = getattr(subject.record, field)
        if said is not None and abs(said - is_) > reach:
            text = f"{field}: {said:g} in the record, {is_:g} here"
            yield Told(file.path, text, {"field": field, "record": said, "file": is_})


@check(
    "record-tilt-step",
    "warning",
    "The record's tilt step is not the files'",
    hint="leave it out of dataset.toml: the files tell it; or correct the files",
    curators="increments == tilt_step with at most 4 deviations",
    better="with the tolerance of a goniometer",
)
def record_step(subject: Subject) -> Iterator[Told]:
    """Increments between neighbouring angles; a few may be another, where a view was left out."""
    said = subject.record.tilt_step_deg
    for file, angles in _raw_angles(subject):
        ordered = sorted(angles)
        steps = [b - a for a, b in pairwise(ordered) if b - a > 0.05]
        if not said or len(steps) < 2:
            continue
        odd = [step for step in steps if abs(step - abs(said)) > max(0.15 * abs(said), 0.05)]
        if len(odd) > min(_MOST_ODD_STEPS, len(steps) // 2):
            text = f"{said:g} degrees in the record, {median(steps):.2f} here; {len(odd)} of {len(steps)} steps differ"
            yield Told(file.path, text, {"record": said, "median": round(median(steps), 3), "odd": len(odd)})


def _refinements(subject: Subject) -> Iterator[tuple[SourceFile, str, float, float]]:
    """Of each .tlt file that differs from raw angles: those of whom, the offset of all, the most of a single one."""
    for series in subject.series:
        if series.refined is None:
            continue
        angles = series.refined.tilt_angles_deg
        raw = next(((f, a) for f, kind, a in _sources(series) if kind != "tlt" and len(a) == len(angles)), None)
        if raw is None:
            continue
        # Both in ascending order: the alignment keeps the order of the angles, the file may list them as taken.
        apart = [a - b for a, b in zip(sorted(angles), sorted(raw[1]), strict=True)]
        if max(abs(value) for value in apart) <= TOLERANCE_DEG + 1e-9:
            continue
        offset = median(apart)
        yield series.refined, raw[0].path, offset, max(abs(value - offset) for value in apart)


def _differ(subject: Subject, one: str, other: str) -> Iterator[Told]:
    """What of the shorter list has no partner in the longer; that they are not equally long others tell."""
    for series in subject.series:
        told = {kind: (file, angles) for file, kind, angles in _sources(series)}
        if one not in told or other not in told:
            continue
        (file, first), (where, second) = told[one], told[other]
        found = match_angles(first, second)
        is_shorter = len(first) <= len(second)
        lone = [first[n] for n in found.left_first] if is_shorter else [second[n] for n in found.left_second]
        if lone:
            numbers = {"unmatched_deg": lone[:1000], "matched": len(found.pairs), "tolerance_deg": TOLERANCE_DEG}
            text = f"{len(lone)} of {min(len(first), len(second))} have no partner within {TOLERANCE_DEG} degree"
            yield Told(file.path, f"{text} in {where.path}: {some(lone, 'g')}", numbers)


def _sources(series: Series) -> list[tuple[SourceFile, str, tuple[float, ...]]]:
    """Who tells the angles of a series, the rawest first."""
    found: list[tuple[SourceFile, str, tuple[float, ...]]] = []
    if series.raw is not None:
        found.append((series.raw, "rawtlt", series.raw.tilt_angles_deg))
    if series.mdoc is not None:
        found.append((series.mdoc, "mdoc", _mdoc_angles(series)))
    if series.stack is not None:
        found.append((series.stack, "header", _header_angles(series)))
    if series.refined is not None:
        found.append((series.refined, "tlt", series.refined.tilt_angles_deg))
    return [one for one in found if one[2]]


def _mdoc_angles(series: Series) -> tuple[float, ...]:
    return series.mdoc.mdoc.tilt_angles_deg if series.mdoc is not None and series.mdoc.mdoc is not None else ()


def _header_angles(series: Series) -> tuple[float, ...]:
    header = series.stack.header if series.stack is not None else None
    return header_angles_deg(header) if header is not None else ()


def _raw_angles(subject: Subject) -> Iterator[tuple[SourceFile, tuple[float, ...]]]:
    """The rawest angles of each series that was tilted."""
    for series in subject.series:
        raw = next(((file, angles) for file, kind, angles in _sources(series) if kind != "tlt"), None)
        if raw is not None:
            yield raw
