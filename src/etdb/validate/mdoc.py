"""Checks of mdoc files against the stack that they stand beside, and against the camera's frames."""

from __future__ import annotations

import ntpath
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from statistics import median
from typing import Final

from etdb.counting import counted
from etdb.em import FrameStack, MdocLook, MrcLook, Transforms
from etdb.sources import SourceFile
from etdb.validate.finding import Told, check, some
from etdb.validate.subject import Subject

AXIS_TOLERANCE_DEG: Final = 10.0
# SerialEM: the tilt axis lies a quarter turn behind the rotation of the image against the stage.
_AXIS_BEHIND_ROTATION_DEG: Final = 90.0


def frame_name(path: str) -> str:
    """The last part of a sub-frame path: the microscope's computer writes backslashes."""
    return ntpath.basename(path.strip())


@check(
    "mdoc-missing",
    "info",
    "A tilt series has no mdoc file",
    hint="put the .mdoc that SerialEM wrote beside the stack: angles, dose and defocus of every image come from it",
    curators="mdoc exists when frames or tilt series exist",
)
def missing(subject: Subject) -> Iterator[Told]:
    """Series of which nothing but the stack tells."""
    for series in subject.series:
        header = series.stack.header if series.stack is not None else None
        # What FEI's programs write tells as much in the stack itself.
        if series.stack is not None and header is not None and series.mdoc is None and header.fei is None:
            yield Told(series.stack.path, f"there is no mdoc of {series.name}")


@check(
    "mdoc-sections-missing",
    "error",
    "An mdoc file has fewer sections than its stack has planes",
    hint="it is the mdoc of another stack, or was cut off: take the one that was written with this stack",
    curators="#mdoc >= z",
)
def sections_missing(subject: Subject) -> Iterator[Told]:
    """A plane of which nothing is told."""
    for mdoc, look, planes in _pairs(subject):
        if look.sections < planes:
            yield Told(mdoc.path, _count(look, planes), {"sections": look.sections, "planes": planes})


@check(
    "mdoc-sections-left-over",
    "warning",
    "An mdoc file has more sections than its stack has planes",
    hint="if views were left out, leave them out of the mdoc too: nothing else says which plane is which",
    better="told, because only equal numbers say which section is which plane",
)
def sections_left_over(subject: Subject) -> Iterator[Told]:
    """A section without a plane."""
    for mdoc, look, planes in _pairs(subject):
        if look.sections > planes:
            yield Told(mdoc.path, _count(look, planes), {"sections": look.sections, "planes": planes})


@check(
    "mdoc-image-size",
    "warning",
    "An mdoc file tells of images of another size than its stack's",
    hint="it is the mdoc of another stack, or the stack is a binned copy: put the mdoc beside its own",
)
def image_size(subject: Subject) -> Iterator[Told]:
    """ImageSize against columns and rows, turned or not."""
    for series in subject.series:
        if series.mdoc is None or series.stack is None or series.mdoc.mdoc is None or series.stack.header is None:
            continue
        told, header = series.mdoc.mdoc.image_size, series.stack.header
        size = (header.columns, header.rows)
        if told is not None and told != size and told[::-1] != size:
            yield Told(series.mdoc.path, f"it says {told}, {series.stack.path} has {size}", {"said": told, "is": size})


@check(
    "mdoc-other-series",
    "error",
    "Two mdoc files tell of the same image stack",
    hint="each stack has one mdoc: remove the copy",
)
def other_series(subject: Subject) -> Iterator[Told]:
    """ImageFile of several mdoc files."""
    seen: dict[str, str] = {}
    for file, look in subject.mdocs:
        name = frame_name(look.image_file).lower()
        if name and name in seen:
            text = f"it tells of {look.image_file}, as {seen[name]} does"
            yield Told(file.path, text, {"image_file": look.image_file, "other": seen[name]})
        seen.setdefault(name, file.path)


@check(
    "frames-missing",
    "error",
    "Frame files that an mdoc file names are not here",
    hint="copy the missing frame files, or leave out the sections that have none",
    curators="SubFramePath one-to-one with frame names (backslash paths normalised); sections == frame files",
    better="each missing file is named",
)
def frames_missing(subject: Subject) -> Iterator[Told]:
    """Sub-frame paths without a file; only where there are frames at all."""
    here = _frames_here(subject)
    if not here:
        return
    for file, look in subject.mdocs:
        named = [frame_name(s.sub_frame_path) for s in look.sections_facts if s.sub_frame_path]
        gone = [name for name in named if name.lower() not in here]
        if gone:
            yield Told(file.path, f"{len(gone)} of {len(named)}: {some(gone)}", {"missing": gone[:1000]})


@check(
    "frames-not-in-mdoc",
    "warning",
    "Frame files are named by no mdoc file",
    hint="find the mdoc that names them, or remove frames that belong to no image",
    curators="SubFramePath one-to-one with frame names",
)
def frames_not_in_mdoc(subject: Subject) -> Iterator[Told]:
    """Files without a section, where an mdoc names frames."""
    named = {
        frame_name(section.sub_frame_path).lower()
        for _, look in subject.looks(MdocLook)
        for section in look.sections_facts
        if section.sub_frame_path
    }
    left = [path for name, path in _frames_here(subject).items() if name not in named]
    if named and left:
        yield Told("", f"{len(left)}: {some(left)}", {"files": left[:1000]})


@check(
    "frames-doubled",
    "error",
    "Two sections of an mdoc file name the same frames",
    hint="correct SubFramePath: every image has frames of its own",
    curators="SubFramePath one-to-one with frame names",
)
def frames_doubled(subject: Subject) -> Iterator[Told]:
    """The same sub-frame path twice."""
    for file, look in subject.mdocs:
        counts = Counter(frame_name(s.sub_frame_path) for s in look.sections_facts if s.sub_frame_path)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            yield Told(file.path, some(twice), {"names": twice[:1000]})


@check(
    "mdoc-path-missing",
    "warning",
    "Some sections of an mdoc file name their frames, others do not",
    hint="add SubFramePath to the sections that lack it",
    curators="SubFramePath present",
)
def path_missing(subject: Subject) -> Iterator[Told]:
    """SubFramePath in some sections only."""
    for file, look in subject.mdocs:
        lacking = [s.index for s in look.sections_facts if not s.sub_frame_path]
        if 0 < len(lacking) < len(look.sections_facts):
            text = f"{len(lacking)} of {len(look.sections_facts)} sections do not: {some(lacking)}"
            yield Told(file.path, text, {"sections": lacking[:1000]})


@check(
    "frames-count",
    "warning",
    "A file of frames does not hold as many as its mdoc file says",
    hint="copy the frames again: the file was cut off, or it is another image's",
    curators="NumSubFrames",
    better="of every file of frames: MRC, TIFF and EER",
)
def frames_count(subject: Subject) -> Iterator[Told]:
    """NumSubFrames against the files; EER files hold many more exposures than the frames they are summed to."""
    counts: dict[str, int] = {}
    for file in subject.frames:
        if isinstance(file.look, FrameStack) and file.look.form == "tiff":
            counts[PurePosixPath(file.path).name.lower()] = file.look.frames
        elif isinstance(file.look, MrcLook):
            counts[PurePosixPath(file.path).name.lower()] = file.look.sections
    for file, look in subject.looks(MdocLook):
        for section in look.sections_facts:
            held = counts.get(frame_name(section.sub_frame_path).lower())
            if held is not None and section.sub_frames is not None and section.sub_frames != held:
                name = frame_name(section.sub_frame_path)
                text = f"section {section.index}: {section.sub_frames} frames are said, {name} has {held}"
                yield Told(file.path, text, {"section": section.index, "said": section.sub_frames, "held": held})


@check(
    "gain-missing",
    "info",
    "An mdoc file names a gain reference that is not here",
    hint="frames without gain correction are of no use without it: put the file beside them",
    curators="gain file present when not gain corrected",
)
def gain_missing(subject: Subject) -> Iterator[Told]:
    """GainReference, where frames are published."""
    if not subject.frames:
        return
    here = {PurePosixPath(path).name.lower() for path in subject.paths}
    for file, look in subject.looks(MdocLook):
        names = {frame_name(s.gain_reference) for s in look.sections_facts if s.gain_reference}
        gone = sorted(name for name in names if name.lower() not in here)
        if gone:
            yield Told(file.path, some(gone), {"names": gone})


@check(
    "tilt-axis-rotation",
    "warning",
    "The tilt axis in an mdoc file's title does not fit its rotation angle",
    hint="ask the microscope's calibration which is right; the axis angle of the title is what alignment starts from",
    curators="tilt axis of mdoc title vs in-plane rotation within 10 deg",
    better="an axis has no direction: half a turn is no difference",
)
def tilt_axis_rotation(subject: Subject) -> Iterator[Told]:
    """The title's tilt axis against RotationAngle of the sections."""
    for file, look in subject.mdocs:
        rotations = {s.rotation_deg for s in look.sections_facts if s.rotation_deg is not None}
        if look.tilt_axis_deg is None or len(rotations) != 1:
            continue
        (rotation,) = rotations
        apart = _between_axes(look.tilt_axis_deg, rotation - _AXIS_BEHIND_ROTATION_DEG)
        if apart > AXIS_TOLERANCE_DEG:
            text = f"axis {look.tilt_axis_deg:g}, rotation {rotation:g} degrees: {apart:.1f} from a quarter turn"
            yield Told(file.path, text, {"tilt_axis_deg": look.tilt_axis_deg, "rotation_deg": rotation})


@check(
    "tilt-axis-alignment",
    "warning",
    "The tilt axis in an mdoc file's title is not the one that the alignment turned upright",
    hint="if the alignment is good, the title's angle was never calibrated: say so in the notes",
    curators="tilt axis of mdoc title vs metadata within 10 deg",
    better="compared with the alignment itself (.xf)",
)
def tilt_axis_alignment(subject: Subject) -> Iterator[Told]:
    """The title's tilt axis against the rotation of the .xf file."""
    for series in subject.series:
        file, aligned = series.mdoc, series.transforms
        if file is None or file.mdoc is None or aligned is None or not isinstance(aligned.look, Transforms):
            continue
        title = file.mdoc.tilt_axis_deg
        # Both are counted from the upright; the alignment turns the axis back to it.
        turns = [-one.rotation_deg for one in aligned.look.per_section]
        if title is None or not turns:
            continue
        turn = median(turns)
        if _between_axes(title, turn) > AXIS_TOLERANCE_DEG:
            text = f"{title:g} in the title, {turn:.1f} degrees in {aligned.path}"
            yield Told(file.path, text, {"title_deg": title, "xf_deg": turn})


def _between_axes(one_deg: float, other_deg: float) -> float:
    apart = abs(one_deg - other_deg) % 180
    return min(apart, 180 - apart)


def _pairs(subject: Subject) -> Iterator[tuple[SourceFile, MdocLook, int]]:
    for series in subject.series:
        planes = series.sections
        if series.mdoc is not None and series.mdoc.mdoc is not None and planes is not None:
            yield series.mdoc, series.mdoc.mdoc, planes


def _count(look: MdocLook, planes: int) -> str:
    return f"{counted(look.sections, 'section')}, {counted(planes, 'plane')}"


def _frames_here(subject: Subject) -> dict[str, str]:
    return {PurePosixPath(file.path).name.lower(): file.path for file in subject.frames}
