"""Points that were found in a volume, a JSON a line, as the CryoET Data Portal keeps them.

Its files are called `*_point.ndjson`, `*_orientedpoint.ndjson` and `*_instancesegmentation.ndjson`. A line has a `type`
(`point`, `orientedPoint`, `instancePoint`) and a `location` of x, y, z in voxels; an oriented point has a
`xyz_rotation_matrix` of three rows, a point of an instance its `instance_id`. The reader takes the file front to back,
holds one line at a time and keeps no point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import msgspec
from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["PointAnnotations", "read_annotations"]

MAX_LINE_BYTES = 1 << 14
MAX_LINES = 2_000_000
MAX_INSTANCES = 65_536
# Rows and columns of it are orthogonal and of length 1 within this: matrices are often written with four digits.
ROTATION_TOLERANCE = 1e-3
MAX_COUNTED_LINES = 1000
PIECE_BYTES = 1 << 16

Point = tuple[float, float, float]


class Reader(Protocol):
    """An open file, packed or not."""

    def read(self, count: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class PointAnnotations(Struct, frozen=True, kw_only=True):
    """What a file of points holds; `low` and `high` bound them, in voxels (x, y, z).

    `oriented` is how many have a rotation; `improper` are the lines (from 1, the first thousand) whose matrix is none.
    `instance_ids` are those that occur, in ascending order.
    """

    points: int
    low: Point
    high: Point
    oriented: int = 0
    improper: tuple[int, ...] = ()
    instance_ids: tuple[int, ...] = ()


class _Location(Struct):
    x: float
    y: float
    z: float


class _Line(Struct):
    type: str
    location: _Location
    xyz_rotation_matrix: list[list[float]] | None = None
    instance_id: int | None = None


class _Anything(Struct):
    type: msgspec.Raw | None = None
    location: msgspec.Raw | None = None


_LINE = msgspec.json.Decoder(_Line)


def read_annotations(file: Reader) -> PointAnnotations | None:
    """Read points from an open file to its end; None where its first line is JSON of something else.

    Raises:
        FormatError: a line that is not a point, no point at all, or beyond the limits.
    """
    points = oriented = 0
    improper: list[int] = []
    ids: set[int] = set()
    low, high = [math.inf] * 3, [-math.inf] * 3
    for number, text in _lines(file):
        if not points and _is_something_else(text):
            return None
        line = _parsed(text, number)
        where = line.location
        for axis, value in enumerate((where.x, where.y, where.z)):
            low[axis], high[axis] = min(low[axis], value), max(high[axis], value)
        points += 1
        if line.xyz_rotation_matrix is not None:
            oriented += 1
            if not _is_rotation(line.xyz_rotation_matrix) and len(improper) < MAX_COUNTED_LINES:
                improper.append(number)
        if line.instance_id is not None:
            ids.add(line.instance_id)
            if len(ids) > MAX_INSTANCES:
                raise FormatError(f"more than {MAX_INSTANCES} instances", line=number)
    if not points:
        raise FormatError("there is no point in this file")
    return PointAnnotations(
        points=points,
        low=(low[0], low[1], low[2]),
        high=(high[0], high[1], high[2]),
        oriented=oriented,
        improper=tuple(improper),
        instance_ids=tuple(sorted(ids)),
    )


def _lines(file: Reader) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers."""
    rest, number = b"", 0
    while piece := file.read(PIECE_BYTES):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            number += 1
            yield from _bounded(number, line)
        _bounded(number + 1, rest)
    yield from _bounded(number + 1, rest)


def _bounded(number: int, line: bytes) -> list[tuple[int, bytes]]:
    if len(line) > MAX_LINE_BYTES:
        raise FormatError(f"line {number} is longer than {MAX_LINE_BYTES} bytes", line=number)
    if number > MAX_LINES:
        raise FormatError(f"more than {MAX_LINES} lines", line=number)
    return [(number, line)] if line.strip() else []


def _is_something_else(text: bytes) -> bool:
    try:
        first = msgspec.json.decode(text, type=_Anything)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return first.type is None and first.location is None


def _parsed(text: bytes, number: int) -> _Line:
    try:
        line = _LINE.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"line {number} is not a point: {str(error)[:100]}", line=number) from None
    lacks = {
        "point": False,
        "orientedPoint": line.xyz_rotation_matrix is None,
        "instancePoint": line.instance_id is None,
    }.get(line.type, True)
    if lacks or abs(line.instance_id or 0) >= 1 << 63:
        raise FormatError(f"line {number} is of no known type, or lacks what its type has", line=number)
    return line


def _is_rotation(rows: list[list[float]]) -> bool:
    """Three rows of length 1, at right angles, right-handed."""
    if [len(row) for row in rows] != [3, 3, 3]:
        return False
    (a, b, c), (d, e, f), (g, h, i) = rows
    away = (
        a * a + b * b + c * c - 1,
        d * d + e * e + f * f - 1,
        g * g + h * h + i * i - 1,
        a * d + b * e + c * f,
        a * g + b * h + c * i,
        d * g + e * h + f * i,
        a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) - 1,
    )
    return all(-ROTATION_TOLERANCE <= one <= ROTATION_TOLERANCE for one in away)
