"""IMOD's transforms of the sections of a stack: `.xf`, `.prexf`, `.xg`, `.prexg`, `.tltxf`.

A line a section, six numbers: a11 a12 a21 a22 dx dy (https://bio3d.colorado.edu/imod/doc/man/xftoxg.html).
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["MAX_TRANSFORM_FILE_BYTES", "Transform", "Transforms", "parse_transforms"]

MAX_TRANSFORMS = 10_000
MAX_TRANSFORM_FILE_BYTES = 1 << 20
NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?")


class Transform(Struct, frozen=True, array_like=True):
    """x' = a11 x + a12 y + dx; y' = a21 x + a22 y + dy, about the centre of the section, in pixels."""

    a11: float
    a12: float
    a21: float
    a22: float
    dx: float
    dy: float

    @property
    def rotation_deg(self) -> float:
        """The turn that is in it, counter-clockwise."""
        return math.degrees(math.atan2(self.a21 - self.a12, self.a11 + self.a22))

    @property
    def scale(self) -> float:
        """How much it enlarges: the root of the determinant; 0 for a transform that flattens or mirrors."""
        return math.sqrt(max(0.0, self.a11 * self.a22 - self.a12 * self.a21))


class Transforms(Struct, frozen=True, kw_only=True):
    """A file of transforms, one a section.

    `is_coarse` for those of the coarse alignment (`.prexf`, `.prexg`); `is_global` where the name says that each takes
    its section to the whole series (`.xg`, `.prexg`) rather than to its neighbour.
    """

    is_coarse: bool
    is_global: bool
    per_section: tuple[Transform, ...]


def parse_transforms(data: bytes, suffix: str) -> Transforms:
    """Read a file of transforms; its suffix says what they are for.

    Raises:
        FormatError: a line that is not six numbers, no line at all, or too many.
    """
    if len(data) > MAX_TRANSFORM_FILE_BYTES:
        raise FormatError(f"a file of transforms above {MAX_TRANSFORM_FILE_BYTES} bytes")
    found: list[Transform] = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 6 or not all(NUMBER.fullmatch(word) for word in words):
            raise FormatError(f"line {number} is not a transform of six numbers", line=number)
        values = [float(word) for word in words]
        if not all(math.isfinite(value) and abs(value) < 1e12 for value in values):
            raise FormatError(f"line {number} has a number that is beyond any image", line=number)
        if len(found) == MAX_TRANSFORMS:
            raise FormatError(f"more than {MAX_TRANSFORMS} transforms", line=number)
        found.append(Transform(*values))
    if not found:
        raise FormatError("there is no transform in this file")
    name = suffix.lower().lstrip(".")
    return Transforms(is_coarse=name.startswith("pre"), is_global=name.endswith("xg"), per_section=tuple(found))
