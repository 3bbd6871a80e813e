"""Tilt angles: files of them (`.rawtlt`, `.tlt`) and what a series of them says."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = [
    "MAX_TILTS",
    "MAX_TILT_FILE_BYTES",
    "TiltAngles",
    "TiltRange",
    "parse_tilt_angles",
    "parse_tilt_file",
    "tilt_range",
]

MAX_TILTS = 10_000
MAX_TILT_FILE_BYTES = 1 << 20
MAX_ANGLE_DEG = 180.0
# Goniometers miss their target by a few hundredths of a degree; readings closer than this are one angle.
SAME_ANGLE_DEG = 0.05
CONSTANT_TOLERANCE = 0.15
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")

KINDS: dict[str, Literal["raw", "refined", "x-axis"]] = {".rawtlt": "raw", ".tlt": "refined", ".xtilt": "x-axis"}


class TiltAngles(Struct, frozen=True, kw_only=True):
    """A file of tilt angles.

    `kind` is `raw` (`.rawtlt`: as the microscope set them), `refined` (`.tlt`: as the alignment found them) or
    `x-axis` (`.xtilt`: the tilt about the X axis of each section). Angles are in degrees, in the order of the sections.
    """

    kind: Literal["raw", "refined", "x-axis"]
    angles_deg: tuple[float, ...]


class TiltRange(Struct, frozen=True, kw_only=True):
    """The range of a tilt series in degrees; `step_deg` is None when the increment is not constant."""

    min_deg: float
    max_deg: float
    step_deg: float | None
    constant_increment: bool


def parse_tilt_file(data: bytes) -> tuple[float, ...]:
    """Read a `.rawtlt` or `.tlt` file: one angle in degrees a line, in the order of the sections.

    Raises:
        FormatError: a line that is not one angle within 180 degrees, no angle at all, or too many.
    """
    if len(data) > MAX_TILT_FILE_BYTES:
        raise FormatError(f"a file of tilt angles above {MAX_TILT_FILE_BYTES} bytes")
    angles: list[float] = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        if not NUMBER.fullmatch(text) or abs(angle := float(text)) > MAX_ANGLE_DEG:
            raise FormatError(f"line {number} is not a tilt angle in degrees", line=number)
        if len(angles) == MAX_TILTS:
            raise FormatError(f"more than {MAX_TILTS} tilt angles", line=number)
        angles.append(angle)
    if not angles:
        raise FormatError("there is no tilt angle in this file")
    return tuple(angles)


def parse_tilt_angles(data: bytes, suffix: str) -> TiltAngles:
    """Read a file of tilt angles whose kind its suffix tells: `.rawtlt`, `.tlt` or `.xtilt`.

    Raises:
        FormatError: as `parse_tilt_file`.
    """
    return TiltAngles(kind=KINDS.get(suffix.lower(), "refined"), angles_deg=parse_tilt_file(data))


def tilt_range(angles: Sequence[float]) -> TiltRange | None:
    """Tell the range and increment of a tilt series, in whatever order it was taken; None for fewer than two angles."""
    ordered = sorted(a for a in angles if math.isfinite(a))
    distinct = ordered[:1]
    for angle in ordered[1:]:
        if angle - distinct[-1] > SAME_ANGLE_DEG:
            distinct.append(angle)
    if len(distinct) < 2:
        return None
    steps = [b - a for a, b in pairwise(distinct)]
    middle = median(steps)
    constant = all(abs(s - middle) <= max(CONSTANT_TOLERANCE * middle, SAME_ANGLE_DEG) for s in steps)
    return TiltRange(
        min_deg=_tidy(distinct[0]),
        max_deg=_tidy(distinct[-1]),
        step_deg=_tidy(middle) if constant else None,
        constant_increment=constant,
    )


def _tidy(angle: float) -> float:
    return round(angle, 2) + 0.0  # no negative zero
