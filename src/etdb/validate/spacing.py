"""Checks of pixel sizes and voxel spacings: there, no placeholder, plausible, and consistent by whole binnings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from etdb.em import MrcLook
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check
from etdb.validate.subject import PEOPLE, STACK_ROLES, VOLUME_ROLES, Subject, spacing_of

PLAUSIBLE_ANGSTROM: Final = (0.1, 200.0)
# So near a whole number that somebody rounded, or typed one: 13.999 and 14.001, not 13.996.
NEAR_WHOLE_ANGSTROM: Final = 0.0015
MOST_BINNING: Final = 64
# Pixel sizes are calibrated to a percent or so; a ratio further than this from a whole number is no binning.
BINNING_TOLERANCE: Final = 0.01
SAME: Final = 1e-3
_HINT: Final = "correct the header, for example with `alterheader -PixelSize` of IMOD, or say it in dataset.toml"


@check(
    "spacing-missing",
    "warning",
    "An MRC file does not say its voxel spacing",
    hint=_HINT,
    curators="voxel size vs metadata",
    better="with the value that the other files support",
)
def missing(subject: Subject) -> Iterator[Told]:
    """Zero, negative or absent sizes."""
    for file, look in _images(subject):
        if spacing_of(look) is None and not _says_one(look) and not _is_stated(subject, file):
            text, numbers = _suggest(subject, file)
            found = [_plain(value) for value in look.voxel_spacing_as_found]
            yield Told(file.path, f"its header says nothing of use{text}", {"as_found": found, **numbers})


@check(
    "spacing-placeholder",
    "warning",
    "A voxel spacing looks like a placeholder",
    hint=_HINT,
    curators="voxel spacing not a whole number",
    better="13.999 does not slip through; a whole number that other files support is none",
)
def placeholder(subject: Subject) -> Iterator[Told]:
    """1, 10 and whole numbers, or nearly, that no other file supports."""
    for file, look in _images(subject):
        value = 1.0 if _says_one(look) else (spacing_of(look) or (0.0,))[0]
        if _is_near_whole(value) and not _is_stated(subject, file) and not _is_supported(subject, value):
            text, numbers = _suggest(subject, file)
            told = {"spacing_angstrom": value, **numbers}
            yield Told(file.path, f"{value:g} angstrom, which no other file supports{text}", told)
    for field in ("pixel_spacing_angstrom", "voxel_spacing_angstrom"):
        said = subject.dataset.metadata.get(field)
        if said is not None and said in {1.0, 10.0} and not _is_in_files(subject, said):
            yield Told(
                "",
                f"{field} = {said:g} in {subject.dataset.metadata_origin}, and no file says so",
                {"field": field, "spacing_angstrom": said},
            )


@check(
    "spacing-implausible",
    "warning",
    "A voxel spacing is beyond what electron tomography has",
    hint="it may be in nanometres or metres; " + _HINT,
    curators="1 < voxel spacing < 30 A",
    better="0.1 to 200 angstrom: scanning and plastic-section tomography too",
)
def implausible(subject: Subject) -> Iterator[Told]:
    """Outside of 0.1 to 200 angstrom; headers and record."""
    low, high = PLAUSIBLE_ANGSTROM
    for file, look in _images(subject):
        spacing = spacing_of(look)
        if spacing is not None and not low <= spacing[0] <= high:
            yield Told(file.path, f"{spacing[0]:g} angstrom", {"spacing_angstrom": spacing[0]})
    for field in ("pixel_spacing_angstrom", "voxel_spacing_angstrom"):
        said = subject.dataset.metadata.get(field)
        if said is not None and not low <= said <= high:
            yield Told("", f"{field} = {said:g}", {"field": field, "spacing_angstrom": said})


@check(
    "spacing-not-square",
    "warning",
    "Pixels are not square, or voxels not cubic",
    hint=_HINT + "; if the slices are thicker indeed, say so in the notes",
    curators="voxel size vs metadata (<= 0.001)",
)
def not_square(subject: Subject) -> Iterator[Told]:
    """Pixels, and the thickness of slices in volumes."""
    for file, look in _images(subject):
        spacing = spacing_of(look)
        if spacing is None:
            continue
        is_volume = file.role in VOLUME_ROLES and look.sections > 1 and look.space_group <= 1
        compared = spacing if is_volume else spacing[:2]
        if look.space_group <= 1 and not all(math.isclose(value, spacing[0], rel_tol=SAME) for value in compared):
            text = " x ".join(f"{value:g}" for value in compared)
            yield Told(file.path, f"{text} angstrom", {"spacing_angstrom": compared})


@check(
    "spacing-binning",
    "warning",
    "Spacings of one dataset are no whole binnings of each other",
    hint="one of the two headers is wrong, or the volume was resampled: say so in the notes",
    curators="pixel spacing an integer multiple of frame pixel spacing",
    better="all of frames, mdoc, extended header, tilt series and tomograms",
)
def binning(subject: Subject) -> Iterator[Told]:
    """Each stack and volume against the finest pixel that the dataset tells of."""
    finest = _finest(subject)
    if finest is None:
        return
    base, who = finest
    for file, look in _images(subject):
        spacing = spacing_of(look)
        if spacing is None or file.path == who or (_is_near_whole(spacing[0]) and spacing[0] in {1.0, 10.0}):
            continue
        ratio = spacing[0] / base
        if not _is_binning(ratio):
            text = f"{spacing[0]:g} angstrom is {ratio:.3f} times the {base:g} of {who}"
            yield Told(file.path, text, {"spacing_angstrom": spacing[0], "other_angstrom": base, "ratio": ratio})


@check(
    "spacing-record",
    "warning",
    "The record's spacing is not the files'",
    hint="leave it out of dataset.toml when the files are right; else correct their headers",
    curators="voxel size vs metadata (<= 0.001)",
    better="relative, and against every file of the kind: one of them must have it",
)
def record(subject: Subject) -> Iterator[Told]:
    """Voxel spacing against the volumes, pixel spacing against the tilt series (as it is, or binned)."""
    kinds = (
        ("voxel_spacing_angstrom", ("reconstruction",), False),
        ("pixel_spacing_angstrom", STACK_ROLES, True),
    )
    for field, roles, may_be_binned in kinds:
        said = getattr(subject.record, field)
        found = [
            (file, spacing[0])
            for file, look in subject.headers
            if file.role in roles and (spacing := spacing_of(look)) is not None and not _says_one(look)
        ]
        if said is None or not found:
            continue
        fits = any(
            math.isclose(value, said, rel_tol=SAME) or (may_be_binned and _is_binning(value / said))
            for _, value in found
        )
        if not fits:
            file, value = found[0]
            text = f"{field}: {said:g} in the record, {value:g} here"
            yield Told(file.path, text, {"field": field, "record": said, "file": value})


@check(
    "spacing-mdoc",
    "warning",
    "The pixel size of a stack is not that of its mdoc",
    hint="the stack was scaled or its header edited: correct the header, or keep the mdoc with the original",
    curators="pixel spacing vs metadata",
    better="of each stack with the mdoc beside it",
)
def mdoc(subject: Subject) -> Iterator[Told]:
    """PixelSpacing of the mdoc against the header of the stack that has its size."""
    for series in subject.series:
        if series.stack is None or series.mdoc is None or series.stack.header is None or series.mdoc.mdoc is None:
            continue
        said, spacing = series.mdoc.mdoc.pixel_spacing_angstrom, spacing_of(series.stack.header)
        if said is None or spacing is None or spacing[0] in {1.0, 10.0}:
            continue
        if not math.isclose(said, spacing[0], rel_tol=5e-3) and not _is_binning(spacing[0] / said):
            text = f"{spacing[0]:g} angstrom in the header, {said:g} in {series.mdoc.path}"
            yield Told(series.stack.path, text, {"header": spacing[0], "mdoc": said})


def _images(subject: Subject) -> Iterator[tuple[SourceFile, MrcLook]]:
    for file, look in subject.headers:
        if file.role in STACK_ROLES or file.role in VOLUME_ROLES:
            yield file, look


def _says_one(look: MrcLook) -> bool:
    """Exactly 1 on all axes, which a look counts as nothing."""
    return all(value == 1.0 for value in look.voxel_spacing_as_found)


def _is_near_whole(value: float) -> bool:
    return value >= 0.5 and abs(value - round(value)) <= NEAR_WHOLE_ANGSTROM


def _is_binning(ratio: float) -> bool:
    whole = round(ratio)
    return 1 <= whole <= MOST_BINNING and abs(ratio - whole) <= BINNING_TOLERANCE * whole


def _is_supported(subject: Subject, value: float) -> bool:
    """Whether who is not an MRC main header says a pixel size of which this is a whole binning."""
    return any(
        _is_binning(value / base) and abs(value / base - round(value / base)) < SAME * round(value / base)
        for base, _ in subject.spacing_witnesses
    )


def _is_stated(subject: Subject, file: SourceFile) -> bool:
    """Whether people say the spacing of files of this kind: theirs is published, whatever the header says."""
    field = "voxel_spacing_angstrom" if file.role in VOLUME_ROLES else "pixel_spacing_angstrom"
    return field in subject.dataset.metadata


def _is_in_files(subject: Subject, value: float) -> bool:
    """Whether a file says so too, if only a main header: then two say the same."""
    said = [base for base, who in subject.spacing_witnesses if who not in PEOPLE]
    said += [spacing[0] for _, look in subject.headers if (spacing := spacing_of(look)) is not None]
    return any(math.isclose(value, base, rel_tol=SAME) for base in said)


def _finest(subject: Subject) -> tuple[float, str] | None:
    said = list(subject.spacing_witnesses)
    for file, look in subject.stacks:
        spacing = spacing_of(look)
        if spacing is not None and not _says_one(look):
            said.append((spacing[0], file.path))
    return min(said, default=None)


def _suggest(subject: Subject, file: SourceFile) -> tuple[str, dict[str, float]]:
    """What the other files support, for a stack; a volume's binning is not known."""
    if not subject.spacing_witnesses:
        return "", {}
    value, who = min(subject.spacing_witnesses)
    if file.role in VOLUME_ROLES:
        return f"; the pixels of its tilt series are {value:g} angstrom by {who}", {"pixel_spacing_angstrom": value}
    return f"; {who} supports {value:g}", {"suggested_angstrom": value}


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
