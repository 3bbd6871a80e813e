"""What programs estimated of the contrast transfer function of each section.

Two forms are read: the text that CTFFIND 4 and 5 write (comment lines, then a line an image: Rohou and Grigorieff, J.
Struct. Biol. 192, 2015, 216-221) and IMOD's `.defocus` files, versions 1 to 3
(https://bio3d.colorado.edu/imod/doc/man/ctfphaseflip.html). Units become angstrom and degrees.
"""

from __future__ import annotations

import math
import re
from typing import Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["MAX_CTF_FILE_BYTES", "CtfEstimates", "CtfSection", "is_ctffind", "parse_ctffind", "parse_defocus"]

MAX_CTF_FILE_BYTES = 4 << 20
MAX_CTF_SECTIONS = 20_000
NUMBER = re.compile(r"[+-]?(?:(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?|nan|inf)", re.IGNORECASE)
# Only the table of results has this; the averaged spectra beside it (`_avrot.txt`) begin with the same line.
COLUMNS = re.compile(rb"^#\s*Columns:\s*#1\s*-?\s*micrograph number", re.MULTILINE)
MICROGRAPHS = re.compile(r"Number of micrographs: (\d{1,9})\b")
PIXEL = re.compile(r"Pixel size: (\d{1,9}(?:\.\d{1,9})?) Ang")
CTFFIND_COLUMNS = 7  # later versions add the tilt and the thickness
# What the sum in the first line of version 3 says.
ASTIGMATISM, AZIMUTH_RADIANS, PHASE, PHASE_RADIANS, CUT_ON = 1, 2, 4, 8, 32


class CtfSection(Struct, frozen=True, kw_only=True):
    """One line: the sections from `first` to `last`, counted as the file does. None is what no number stands for.

    Underfocus is positive. `azimuth_deg` is the direction of the first of two defoci; `resolution_angstrom` how far the
    fit is good.
    """

    first: int
    last: int
    defocus_angstrom: float | None
    second_defocus_angstrom: float | None = None
    azimuth_deg: float | None = None
    phase_shift_deg: float | None = None
    resolution_angstrom: float | None = None


class CtfEstimates(Struct, frozen=True, kw_only=True):
    """A file of estimates. `announced` is how many sections its head promises, `pixel_spacing_angstrom` as it says."""

    form: Literal["ctffind", "imod"]
    sections: tuple[CtfSection, ...]
    announced: int | None = None
    pixel_spacing_angstrom: float | None = None


def is_ctffind(data: bytes) -> bool:
    """Whether a text says of itself that it is CTFFIND's table of results."""
    return COLUMNS.search(data[:65536]) is not None


def parse_ctffind(data: bytes) -> CtfEstimates:
    """Read CTFFIND's results: number, two defoci, azimuth, phase shift in radians, score, resolution.

    Raises:
        FormatError: no such text, a line that is not at least seven numbers, none, or too many.
    """
    if not is_ctffind(data):
        raise FormatError("this is not a table of CTFFIND")
    head, rows = _lines(data)
    found = []
    for number, row in rows:
        if len(row) < CTFFIND_COLUMNS:
            raise FormatError(f"line {number} does not have the seven numbers of CTFFIND", line=number)
        index = _whole(row[0], number)
        section = CtfSection(
            first=index,
            last=index,
            defocus_angstrom=_finite(row[1]),
            second_defocus_angstrom=_finite(row[2]),
            azimuth_deg=_finite(row[3]),
            phase_shift_deg=_finite(math.degrees(row[4])),
            resolution_angstrom=_finite(row[6]),
        )
        found.append(section)
    announced, pixel = MICROGRAPHS.search(head), PIXEL.search(head)
    return CtfEstimates(
        form="ctffind",
        sections=tuple(found),
        announced=int(announced[1]) if announced else None,
        pixel_spacing_angstrom=float(pixel[1]) or None if pixel else None,
    )


def parse_defocus(data: bytes) -> CtfEstimates:
    """Read a `.defocus` file of IMOD: first and last view, their angles, defocus in nanometres, and what it has beside.

    Version 3 has a first line of its own with a sum of flags; version 2 has its number behind the first line of values.

    Raises:
        FormatError: a line that is not as many numbers as its version has, none, or too many.
    """
    _, rows = _lines(data)
    flags, columns = 0, 5
    first = rows[0][1]
    if len(first) == 6 and first[5] == 3:
        flags = _whole(first[0], rows[0][0])
        columns += 2 * bool(flags & ASTIGMATISM) + bool(flags & PHASE) + bool(flags & CUT_ON)
        rows = rows[1:]
    elif len(first) == 6 and first[5] == 2:
        rows[0] = (rows[0][0], first[:5])
    found = []
    for number, row in rows:
        if len(row) != columns:
            raise FormatError(f"line {number} does not have the {columns} numbers of its version", line=number)
        rest = row[5:]
        second, azimuth = (rest.pop(0), rest.pop(0)) if flags & ASTIGMATISM else (None, None)
        phase = rest.pop(0) if flags & PHASE else None
        section = CtfSection(
            first=_whole(row[0], number),
            last=_whole(row[1], number),
            defocus_angstrom=_finite(10 * row[4]),
            second_defocus_angstrom=_finite(10 * second) if second is not None else None,
            azimuth_deg=_degrees(azimuth, is_radians=bool(flags & AZIMUTH_RADIANS)),
            phase_shift_deg=_degrees(phase, is_radians=bool(flags & PHASE_RADIANS)),
        )
        found.append(section)
    if not found:
        raise FormatError("there is no defocus in this file")
    return CtfEstimates(form="imod", sections=tuple(found))


def _lines(data: bytes) -> tuple[str, list[tuple[int, list[float]]]]:
    """The comments, and each other line's number and values."""
    if len(data) > MAX_CTF_FILE_BYTES:
        raise FormatError(f"a file of CTF estimates above {MAX_CTF_FILE_BYTES} bytes")
    head: list[str] = []
    rows: list[tuple[int, list[float]]] = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        words = line.split()
        if line.lstrip().startswith("#"):
            head.append(line)
        elif words:
            if not all(NUMBER.fullmatch(word) for word in words):
                raise FormatError(f"line {number} is not a line of numbers", line=number)
            if len(rows) > MAX_CTF_SECTIONS:
                raise FormatError(f"more than {MAX_CTF_SECTIONS} sections", line=number)
            rows.append((number, [float(word) for word in words]))
    if not rows:
        raise FormatError("there is no estimate in this file")
    return "\n".join(head), rows


def _whole(value: float, line: int) -> int:
    if not abs(value) < 1e9 or value != int(value):
        raise FormatError(f"line {line} does not begin with the number of a section", line=line)
    return int(value)


def _degrees(value: float | None, *, is_radians: bool) -> float | None:
    return None if value is None else _finite(math.degrees(value) if is_radians else value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
