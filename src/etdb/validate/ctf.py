"""Checks of CTF estimates against the series that they are of, and of whether their numbers can be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from etdb.em import CtfSection, unpacked_name
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check, some
from etdb.validate.record import MOST_DEFOCUS_UM
from etdb.validate.subject import Series, Subject, plain_name, spacing_of

# Nearer to focus than 50 nm nobody works: it is a number in another unit.
LEAST_DEFOCUS_UM: Final = 0.05
# Six digits of pi are a little more than half a turn.
HALF_TURN_DEG: Final = 180.01
_ANGSTROM_PER_UM: Final = 1e4
_ROUNDING: Final = 0.01
_WORDS: Final = re.compile(r"([ _.-](ctf|ctffind\d?|diagnostic|output|ps))+$", re.IGNORECASE)


@check(
    "ctf-count",
    "warning",
    "CTF estimates tell of more sections than the tilt series has",
    hint="they are of another series, or were made before views were left out: estimate again, or say so in the notes",
    curators="number of per-section parameters <= number of frames; z index within the tilt series",
)
def count(subject: Subject) -> Iterator[Told]:
    """The number of lines of CTFFIND, the last view of IMOD, against planes (or mdoc sections, where no stack is)."""
    for file, look in subject.ctfs:
        series = _series_of(subject, file)
        planes = _planes(series)
        most = max(section.last for section in look.sections)
        if look.form == "ctffind":
            most = max(most, len(look.sections))
        if series is not None and planes is not None and most > planes:
            yield Told(file.path, f"{most} here, {planes} in {series.name}", {"sections": most, "planes": planes})


@check(
    "ctf-index",
    "warning",
    "The section numbers of CTF estimates are not in order",
    hint="lines were lost, doubled or sorted: run the estimation again",
    curators="z index consistency",
    better="doubled and missing ones too, and as many as the file itself announces",
)
def index(subject: Subject) -> Iterator[Told]:
    """CTFFIND numbers its lines 1, 2, 3; IMOD's ranges of views may overlap, and begin with view 1 (0 in old files)."""
    for file, look in subject.ctfs:
        numbers = [section.first for section in look.sections]
        if look.form == "imod":
            wrong = [f"{s.first} to {s.last}" for s in look.sections if s.first < 0 or s.last < s.first]
            if wrong:
                yield Told(file.path, f"views {some(wrong)}", {"views": wrong[:1000]})
        elif sorted(numbers) != list(range(1, len(numbers) + 1)):
            twice = [number for number, times in Counter(numbers).items() if times > 1]
            text = f"{len(numbers)} lines, numbered {some(numbers)}" + (f"; {some(twice)} twice" if twice else "")
            yield Told(file.path, text, {"numbers": numbers[:1000]})
        elif look.announced is not None and look.announced != len(numbers):
            text = f"{look.announced} micrographs are announced, here are {len(numbers)}"
            yield Told(file.path, text, {"announced": look.announced, "lines": len(numbers)})


@check(
    "ctf-defocus",
    "warning",
    "CTF estimates with a defocus that cannot be",
    hint="CTFFIND writes angstrom, IMOD nanometres: the file was converted wrongly, or the fit failed there",
    better="in the unit of each program; theirs has no limits",
)
def defocus(subject: Subject) -> Iterator[Told]:
    """Nearer than 50 nm, beyond 50 micrometres, or no number."""
    low, high = LEAST_DEFOCUS_UM * _ANGSTROM_PER_UM, MOST_DEFOCUS_UM * _ANGSTROM_PER_UM

    def is_wrong(section: CtfSection) -> bool:
        first, second = section.defocus_angstrom, section.second_defocus_angstrom
        return first is None or not all(low <= abs(one) <= high for one in (first, second) if one is not None)

    yield from _wrong(subject, is_wrong, lambda s: s.defocus_angstrom, "angstrom")


@check(
    "ctf-astigmatism",
    "warning",
    "CTF estimates with an astigmatic angle beyond 180 degrees",
    hint="the column holds something else, or other units than its head says",
    curators="-180 <= astigmatic angle <= 180",
    better="in the program's own files, in the unit of each",
)
def astigmatism(subject: Subject) -> Iterator[Told]:
    """Half a turn to either side names every direction twice already."""
    yield from _wrong(subject, lambda s: abs(s.azimuth_deg or 0) > HALF_TURN_DEG, lambda s: s.azimuth_deg, "degrees")


@check(
    "ctf-phase-shift",
    "warning",
    "CTF estimates with a phase shift beyond 180 degrees",
    hint="CTFFIND writes radians, IMOD degrees unless its first line says radians: look at what converted the file",
    curators="0 <= phase shift <= 2 pi",
    better="in the unit of each program: 90 in a column of radians is found",
)
def phase_shift(subject: Subject) -> Iterator[Told]:
    """More than half a wave to either side."""
    yield from _wrong(
        subject, lambda s: abs(s.phase_shift_deg or 0) > HALF_TURN_DEG, lambda s: s.phase_shift_deg, "degrees"
    )


@check(
    "ctf-resolution",
    "warning",
    "CTF estimates that are good to a resolution that the pixels do not have",
    hint="the pixel size that the program was given is wrong, or the estimates are of another series",
    curators="maximum resolution > 0",
    better="not finer than two pixels of the program, or of the series",
)
def resolution(subject: Subject) -> Iterator[Told]:
    """Above zero and not below Nyquist. Where no ring was fitted the program writes no number, and nothing is told."""
    for file, look in subject.ctfs:
        pixel = look.pixel_spacing_angstrom or _pixel(_series_of(subject, file)) or 0.0
        least = 2 * pixel * (1 - _ROUNDING)
        told = [(s, s.resolution_angstrom) for s in look.sections if s.resolution_angstrom is not None]
        wrong = [s for s, value in told if value <= 0 or value < least]
        if wrong:
            text = f"{_named(wrong)}: {some([s.resolution_angstrom for s in wrong], 'g')} angstrom, pixels of {pixel:g}"
            yield Told(file.path, text, {"sections": [s.first for s in wrong[:1000]], "pixel_angstrom": pixel})


def _wrong(
    subject: Subject, is_wrong: Callable[[CtfSection], bool], value: Callable[[CtfSection], float | None], unit: str
) -> Iterator[Told]:
    for file, look in subject.ctfs:
        wrong = [section for section in look.sections if is_wrong(section)]
        if wrong:
            shown = some(["no number" if (one := value(s)) is None else f"{one:g}" for s in wrong])
            yield Told(file.path, f"{_named(wrong)}: {shown} {unit}", {"sections": [s.first for s in wrong[:1000]]})


def _named(sections: list[CtfSection]) -> str:
    return f"section {sections[0].first}" if len(sections) == 1 else f"{len(sections)} sections"


def _series_of(subject: Subject, file: SourceFile) -> Series | None:
    """The series of the same name, or the only one."""
    stem = PurePosixPath(unpacked_name(file.path)).stem
    name = plain_name(_WORDS.sub("", stem))
    named = [one for one in subject.series if one.name.rpartition("/")[2] == name]
    told = named or [one for one in subject.series if _planes(one) is not None]
    return told[0] if len(told) == 1 else None


def _planes(series: Series | None) -> int | None:
    if series is None or series.sections is not None:
        return series.sections if series is not None else None
    return series.mdoc.mdoc.sections if series.mdoc is not None and series.mdoc.mdoc is not None else None


def _pixel(series: Series | None) -> float | None:
    header = series.stack.header if series is not None and series.stack is not None else None
    spacing = spacing_of(header) if header is not None else None
    return spacing[0] if spacing is not None else None
