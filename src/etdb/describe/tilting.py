"""What the files tell of the tilts: how many, from where to where, in which order, about how many axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from etdb.describe.acquisition import EXTENDED_NAMES
from etdb.describe.evidence import Witness
from etdb.describe.rules import Authority
from etdb.describe.series import Series
from etdb.em import AcquisitionLog, MdocSection, TiltAngles, tilt_range
from etdb.sources import SourceFile

__all__ = ["BIDIRECTIONAL", "DOSE_SYMMETRIC", "UNIDIRECTIONAL", "tell_tilts", "tilt_scheme"]

UNIDIRECTIONAL: Final = "unidirectional"
BIDIRECTIONAL: Final = "bidirectional"
DOSE_SYMMETRIC: Final = "dose-symmetric"
# Sections taken again, and the start that is taken twice, lie inside of what was covered.
_SAME_DEG: Final = 0.5
_MOST_INSIDE: Final = 0.1

Told = Iterator[tuple[str, Witness]]


def tilt_scheme(angles_deg: Sequence[float]) -> str:
    """Name the order in which tilts were taken; "" for an order that has no name, or fewer than three tilts.

    Each tilt widens the range that is covered, at its upper or lower end. One end only is unidirectional; first one
    end, then the other is bidirectional; to and fro is dose-symmetric (Hagen et al., J. Struct. Biol. 197, 2017,
    191-198), in groups or one by one, if neither end ever runs further ahead than half of the way.
    """
    if len(angles_deg) < 3:
        return ""
    start = low = high = angles_deg[0]
    ends: list[str] = []
    furthest_ahead, inside = 0.0, 0
    for angle in angles_deg[1:]:
        if angle > high + _SAME_DEG:
            high = angle
            ends.append("up")
        elif angle < low - _SAME_DEG:
            low = angle
            ends.append("down")
        else:
            inside += 1
        furthest_ahead = max(furthest_ahead, abs((high - start) - (start - low)))
    if not ends or inside > max(1, _MOST_INSIDE * len(angles_deg)):
        return ""
    turns = sum(one != other for one, other in pairwise(ends))
    if turns == 0:
        return UNIDIRECTIONAL
    if turns == 1:
        # Of a few tilts, 0, 3, -3 is as much the one as the other.
        return BIDIRECTIONAL if len(ends) > 3 else ""
    return DOSE_SYMMETRIC if furthest_ahead <= max(high - start, start - low) / 2 else ""


def tell_tilts(series: Series) -> Told:
    """Statements on tilts: pairs of a field's name and a witness. Those of the second axis are not weighed."""
    if series.axes:
        yield "tilt_axes", _axes(series)
    for file in series.angles:
        assert isinstance(file.look, TiltAngles)
        is_raw = file.look.kind == "raw"
        yield from _range(series, file, file.tilt_angles_deg, "raw-angles" if is_raw else "refined-angles", "angles")
    for file in series.mdocs:
        assert file.mdoc is not None
        yield from _range(series, file, file.mdoc.tilt_angles_deg, "mdoc", "mdoc sections")
        yield from _scheme(series, file, file.mdoc.sections_facts)
    for file in series.stacks:
        assert file.header is not None
        name = EXTENDED_NAMES.get(file.header.extended_form, "extended header")
        told = [one.tilt_deg for one in file.header.per_section]
        angles = [angle for angle in told if angle is not None]
        if angles and len(angles) == len(told):
            yield from _range(series, file, angles, "extended-header", name)
        elif file.header.sections > 1:
            yield "tilt_count", _witness(series, file, file.header.sections, "header", "MRC header")
    for file in series.logs:
        assert isinstance(file.look, AcquisitionLog)
        yield from _log(series, file, file.look)


def _axes(series: Series) -> Witness:
    first = next(file for file in (*series.stacks, *series.mdocs, *series.angles, *series.aligned))
    if series.axes == 2:
        where = f"the two series {series.pair[0]} and {series.pair[1]}"
        return Witness(value=2, authority="derived", source=first.path, where=where)
    return Witness(value=1, authority="derived", source=first.path, where="no series of a second axis beside it")


def _witness(series: Series, file: SourceFile, value: object, authority: Authority, where: str) -> Witness:
    is_second = file.path in series.second_axis
    return Witness(
        value=value,
        authority=authority,
        source=file.path,
        where=where,
        remark="the second axis" if is_second else "",
        is_usable=not is_second,
    )


def _range(series: Series, file: SourceFile, angles: Sequence[float], authority: Authority, where: str) -> Told:
    tilts = tilt_range(angles)
    if tilts is None:
        return
    yield "tilt_count", _witness(series, file, len(angles), authority, where)
    yield "tilt_min_deg", _witness(series, file, tilts.min_deg, authority, where)
    yield "tilt_max_deg", _witness(series, file, tilts.max_deg, authority, where)
    if tilts.step_deg is not None:
        yield "tilt_step_deg", _witness(series, file, tilts.step_deg, authority, where)
    yield "tilt_constant_increment", _witness(series, file, tilts.constant_increment, authority, where)


def _scheme(series: Series, file: SourceFile, sections: Sequence[MdocSection]) -> Told:
    """The order against time, or against the dose before each tilt; without both, a stack may have been sorted."""
    angles = [one.tilt_deg for one in sections]
    for values, what in (
        ([one.acquired_at.timestamp() if one.acquired_at else None for one in sections], "times"),
        ([one.prior_dose_e_per_a2 for one in sections], "prior doses"),
    ):
        known = [(value, angle) for value, angle in zip(values, angles, strict=True) if value is not None]
        ordered = sorted((v, a) for v, a in known if a is not None)
        if len(ordered) != len(sections) or len({v for v, _ in ordered}) < len(ordered):
            continue
        if name := tilt_scheme([angle for _, angle in ordered]):
            where = f"tilts by the {what} of {len(ordered)} mdoc sections"
            yield "tilt_scheme", _witness(series, file, name, "mdoc", where)
            return


def _log(series: Series, file: SourceFile, look: AcquisitionLog) -> Told:
    where = "acquisition log"
    for field, value in (
        ("tilt_min_deg", look.tilt_min_deg),
        ("tilt_max_deg", look.tilt_max_deg),
        ("tilt_step_deg", look.tilt_step_deg),
    ):
        if value is not None:
            yield field, _witness(series, file, value, "log", where)
    low, high, start = look.tilt_min_deg, look.tilt_max_deg, look.tilt_start_deg
    if low is not None and high is not None and start is not None:
        at_an_end = min(abs(start - low), abs(start - high)) <= _SAME_DEG
        if at_an_end or low + _SAME_DEG < start < high - _SAME_DEG:
            name = UNIDIRECTIONAL if at_an_end else BIDIRECTIONAL
            where = f"acquisition log, starts at {start:g} of {low:g} to {high:g}"
            yield "tilt_scheme", _witness(series, file, name, "log", where)
