"""Checks of gain references: what they are, whether they are alike, and whether they fit the frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etdb.em import FrameStack, MrcLook
from etdb.sources import SourceFile
from etdb.sources.forms import MRC_SUFFIXES, form_of
from etdb.validate.finding import Told, check, some
from etdb.validate.subject import Subject

# DigitalMicrograph's files begin with their version (Gatan), TIFF with its byte order and 42 or 43; `.gain` is a TIFF.
_DM: Final = {".dm3": b"\0\0\0\3", ".dm4": b"\0\0\0\4"}
_TIFF: Final = (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")
_MRC: Final = ".mrc"
# Super-resolved frames have two or four times the pixels of the camera a side; binned ones half or a quarter.
_SCALES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)


@check(
    "gain-slices",
    "warning",
    "A gain reference is more than one image",
    hint="it may be a stack of frames under a wrong name: frames are multiplied with one image",
    curators="gain: one slice",
    better="TIFF files too",
)
def slices(subject: Subject) -> Iterator[Told]:
    """Sections of MRC files, pages of TIFF files."""
    for file in _gains(subject):
        if isinstance(file.look, MrcLook | FrameStack):
            count = _shape(file)[2]
            if count != 1:
                yield Told(file.path, f"{count} images", {"images": count})


@check(
    "gain-forms",
    "info",
    "The gain references of a dataset are not of one form",
    hint="keep the form that the frames' program reads; a second form of the same reference may be left out",
    curators="gain: extensions consistent",
)
def forms(subject: Subject) -> Iterator[Told]:
    """MRC, TIFF, DM4 or `.gain`, whatever the spelling of the suffix."""
    found = sorted({_form(file) for file in _gains(subject)})
    if len(found) > 1:
        yield Told("", some(found), {"forms": found})


@check(
    "gain-content",
    "warning",
    "A gain reference is not what its name says",
    hint="it was renamed instead of converted: give it the suffix of what it is",
    curators="gain: extensions valid",
    better="the content's first bytes against the name",
)
def content(subject: Subject) -> Iterator[Told]:
    """DM3, DM4 and `.gain`; MRC and TIFF files that are none are found when they are opened."""
    for file in _gains(subject):
        form = _form(file)
        wanted = (_DM[form],) if form in _DM else _TIFF if form == ".gain" else ()
        if not wanted or file.packing:
            continue
        begins = _beginning(file)
        if begins and begins not in wanted:
            yield Told(file.path, f"it begins with the bytes {begins.hex(' ')}", {"begins": begins.hex()})


@check(
    "gain-size",
    "warning",
    "A gain reference is not of the size of the frames",
    hint="it is of another camera, or of another reading of it: put the one beside the frames that was used for them",
    curators="gain: dimensions match frames",
    better="turned by a quarter, and super-resolved frames, do fit",
)
def size(subject: Subject) -> Iterator[Told]:
    """Columns and rows against those of the frames: equal, or by two or four more or less."""
    frames = {_shape(file)[:2] for file in subject.frames if isinstance(file.look, MrcLook | FrameStack)}
    for file in _gains(subject):
        if frames and isinstance(file.look, MrcLook | FrameStack):
            columns, rows, _ = _shape(file)
            if not any(_fits(columns, rows, *one) for one in frames):
                text = f"{columns} x {rows}, the frames are {some(sorted(f'{x} x {y}' for x, y in frames))}"
                yield Told(file.path, text, {"size": [columns, rows], "frames": sorted(frames)[:100]})


def _gains(subject: Subject) -> list[SourceFile]:
    return [file for file in subject.dataset.files if file.role == "gain_reference"]


def _beginning(file: SourceFile) -> bytes:
    try:
        with file.absolute.open("rb") as opened:
            return opened.read(4)
    except OSError:
        return b""  # it went away meanwhile


def _form(file: SourceFile) -> str:
    form = form_of(file.path)
    if form in MRC_SUFFIXES:
        return _MRC
    return ".tif" if form == ".tiff" else form


def _shape(file: SourceFile) -> tuple[int, int, int]:
    """Columns, rows, images."""
    look = file.look
    if isinstance(look, MrcLook):
        return look.columns, look.rows, look.sections
    assert isinstance(look, FrameStack)
    return look.width, look.height, look.frames


def _fits(columns: int, rows: int, frame_columns: int, frame_rows: int) -> bool:
    return any(
        (columns * scale, rows * scale) in {(frame_columns, frame_rows), (frame_rows, frame_columns)}
        for scale in _SCALES
    )
