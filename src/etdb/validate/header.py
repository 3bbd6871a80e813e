"""Checks of the headers of MRC files, and of their length to the byte.

MRC2014: Cheng et al., J. Struct. Biol. 192, 2015, 146-150; https://www.ccpem.ac.uk/mrc_format/mrc2014.php.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from etdb.sources.forms import MRC_SUFFIXES, form_of
from etdb.validate.finding import Told, check
from etdb.validate.subject import STACK_ROLES, VOLUME_ROLES, Subject

_WRITE_AGAIN = "write it again with a current program, such as `newstack` of IMOD or `mrcfile`"
_ORTHOGONAL_DEG = 90.0
_MODES_OF_STANDARD = frozenset({0, 1, 2, 3, 4, 6, 12, 101})
_COMPLEX_MODES = (3, 4)
_KNOWN_EXTENDED = frozenset({"CCP4", "MRCO", "SERI", "AGAR", "FEI1", "FEI2", "HDF5"})
_VERSIONS = frozenset({20140, 20141})


@check(
    "mrc-unreadable",
    "error",
    "A file is called an MRC file and cannot be read as one",
    hint="look at where it came from: it may be cut off, or be of another format",
    curators="the header can be opened",
)
def unreadable(subject: Subject) -> Iterator[Told]:
    """Files with an MRC suffix and no header."""
    for file in subject.dataset.files:
        if form_of(file.path) in MRC_SUFFIXES and file.header is None:
            yield Told(file.path, file.unread or "it has no MRC header", {"size_bytes": file.size_bytes})


@check(
    "mrc-truncated",
    "error",
    "An MRC file is shorter than its header says",
    hint="copy it again from where it is whole; do not edit the header to fit",
    curators="disk storage: file length against the header",
    better="to the byte; theirs tolerates 1 MiB with a warning",
)
def truncated(subject: Subject) -> Iterator[Told]:
    """Length against the header."""
    for file, look in subject.headers:
        if look.is_truncated:
            missing = look.expected_bytes - file.size_bytes
            text = f"{missing} byte{'s are' if missing > 1 else ' is'} missing: it has {file.size_bytes}"
            numbers = {"size_bytes": file.size_bytes, "expected_bytes": look.expected_bytes}
            yield Told(file.path, f"{text}, its header tells of {look.expected_bytes}", numbers)


@check(
    "mrc-surplus",
    "warning",
    "An MRC file is longer than its header says",
    hint="find out which is right, the header or the length; a wrong header hides planes or shifts them",
    curators="disk storage: file length against the header",
    better="told to the byte",
)
def surplus(subject: Subject) -> Iterator[Told]:
    """More bytes than the planes take."""
    for file, look in subject.headers:
        if look.surplus_bytes:
            much = f"{look.surplus_bytes} byte{'s' * (look.surplus_bytes > 1)}"
            text = f"{much} more than the {look.expected_bytes} that its header tells of"
            planes = look.surplus_bytes / look.plane_bytes if look.plane_bytes else 0
            yield Told(
                file.path,
                text + (f", {planes:g} planes" if planes >= 1 and planes == int(planes) else ""),
                {"size_bytes": file.size_bytes, "expected_bytes": look.expected_bytes},
            )


@check(
    "mrc-map-id",
    "info",
    "An MRC file lacks the mark `MAP ` of MRC2014",
    hint=_WRITE_AGAIN,
    curators="map id string",
    better="old dialects are read all the same",
)
def map_id(subject: Subject) -> Iterator[Told]:
    """The four letters at 208."""
    for file, look in subject.headers:
        if not look.is_mrc2014:
            yield Told(file.path, "no `MAP ` at byte 208: written before MRC2014, or by a program that ignores it")


@check(
    "mrc-machine-stamp",
    "warning",
    "The machine stamp of an MRC file is wrong",
    hint=_WRITE_AGAIN,
    curators="machine stamp",
    better="compared with the byte order that the numbers are in",
)
def machine_stamp(subject: Subject) -> Iterator[Told]:
    """The byte order that the stamp says, against the numbers' own."""
    for file, look in subject.headers:
        is_absent = look.stamp_state == "absent" and look.is_mrc2014
        if look.stamp_state == "wrong" or is_absent:
            text = f"it is {look.stamp.hex(' ') or 'empty'}; the numbers are {look.byte_order}-endian"
            yield Told(file.path, text, {"stamp": look.stamp.hex(), "byte_order": look.byte_order})


@check(
    "mrc-mode",
    "warning",
    "The data type of an MRC file is unusual",
    hint="store images as mode 0, 1, 2, 6 or 12; transforms as another file",
    curators="datatype",
)
def mode(subject: Subject) -> Iterator[Told]:
    """Modes outside of MRC2014, and complex images."""
    for file, look in subject.headers:
        if look.mode not in _MODES_OF_STANDARD:
            yield Told(file.path, f"mode {look.mode} ({look.data_type}) is not of MRC2014", {"mode": look.mode})
        elif look.mode in _COMPLEX_MODES and file.role in {"tilt_series", *VOLUME_ROLES}:
            text = f"mode {look.mode} ({look.data_type}): a Fourier transform, not a {file.role.replace('_', ' ')}"
            yield Told(file.path, text, {"mode": look.mode})


@check(
    "mrc-axes",
    "warning",
    "The axes of an MRC file are not columns, rows, sections in this order",
    hint="most programs of tomography take x, y, z for granted: rotate it, for example with `clip rotx` of IMOD",
    curators="axis mapping",
)
def axes(subject: Subject) -> Iterator[Told]:
    """MAPC, MAPR, MAPS; zeros are what old programs left there."""
    for file, look in subject.headers:
        if look.axes not in {(1, 2, 3), (0, 0, 0)}:
            yield Told(file.path, f"its axes are {look.axes}", {"axes": look.axes})


@check(
    "mrc-version",
    "info",
    "The version of an MRC2014 file is not a known one",
    hint=_WRITE_AGAIN,
    curators="nversion",
)
def version(subject: Subject) -> Iterator[Told]:
    """NVERSION of files that bear the mark."""
    for file, look in subject.headers:
        if look.is_mrc2014 and look.version not in _VERSIONS:
            yield Told(file.path, f"NVERSION is {look.version}, not 20140 or 20141", {"version": look.version})


@check(
    "mrc-labels",
    "info",
    "The number of labels of an MRC file is not that of its labels",
    hint=_WRITE_AGAIN,
    curators="nlabel",
)
def labels(subject: Subject) -> Iterator[Told]:
    """NLABL against the labels that hold text."""
    for file, look in subject.headers:
        if not len(look.labels) <= look.label_count <= 10:
            text = f"NLABL is {look.label_count}, and {len(look.labels)} labels hold text"
            yield Told(file.path, text, {"label_count": look.label_count, "labels": len(look.labels)})


@check(
    "mrc-extended-type",
    "info",
    "An extended header does not say what it is",
    hint="keep the microscope's own file or mdoc beside it: programs cannot read what has no name",
    curators="exttyp",
    better="the form is found out from its content where it can be; only what stays unknown is told",
)
def extended_type(subject: Subject) -> Iterator[Told]:
    """An extended header of unknown form."""
    for file, look in subject.headers:
        is_named = look.extended_type in _KNOWN_EXTENDED
        if look.extended_bytes and not is_named and look.extended_form in {"", "unknown"}:
            text = f"{look.extended_bytes} bytes of the type {look.extended_type!r}"
            yield Told(file.path, text, {"extended_type": look.extended_type, "extended_bytes": look.extended_bytes})


@check(
    "mrc-start",
    "info",
    "The first column, row or section of an MRC file is not number 0",
    hint="if it is not a part of a larger volume: `alterheader` of IMOD sets it to 0",
    curators="subimage start zero",
)
def start(subject: Subject) -> Iterator[Told]:
    """NXSTART, NYSTART, NZSTART."""
    for file, look in subject.headers:
        if any(look.start):
            yield Told(file.path, f"it starts at {look.start}", {"start": look.start})


@check(
    "mrc-origin",
    "info",
    "The origin of an MRC file is not zero",
    hint="if models or coordinates are drawn on it they are shifted by as much: say so in the notes, or set it to 0",
    curators="origin zero",
)
def origin(subject: Subject) -> Iterator[Told]:
    """ORIGIN of volumes: that of a stack of images means nothing."""
    for file, look in subject.volumes:
        if any(value for value in look.origin_angstrom if math.isfinite(value)):
            text = ", ".join(f"{value:g}" for value in look.origin_angstrom)
            yield Told(file.path, f"its origin is ({text}) angstrom", {"origin_angstrom": look.origin_angstrom})


@check(
    "mrc-space-group",
    "info",
    "The space group of an MRC file does not fit what it is",
    hint="a stack of images has ISPG 0, a volume 1: write it with the right one",
    curators="is_volume",
    better="stacks as well as volumes",
)
def space_group(subject: Subject) -> Iterator[Told]:
    """ISPG 0 for stacks, 1 for volumes; other groups are crystals'. Only MRC2014 gives it that meaning."""
    for file, look in subject.headers:
        is_stack = file.role in STACK_ROLES
        is_volume = file.role in VOLUME_ROLES and look.sections > 1
        if look.is_mrc2014 and ((is_stack and look.space_group != 0) or (is_volume and look.space_group == 0)):
            what = "a tilt series" if is_stack else "a volume"
            text = f"ISPG is {look.space_group}, and it is {what}"
            yield Told(file.path, text, {"space_group": look.space_group, "role": file.role})


@check(
    "mrc-grid",
    "warning",
    "The sampling of an MRC file is not its size",
    hint="the voxel spacing is cell length over sampling: correct it with `alterheader` of IMOD",
    curators="dimension fields, cell dimensions",
)
def grid(subject: Subject) -> Iterator[Told]:
    """MX, MY, MZ against NX, NY, NZ; of stacks only x and y, and not of maps cut from a crystal's cell."""
    for file, look in subject.headers:
        if file.role not in {*STACK_ROLES, *VOLUME_ROLES} or look.space_group > 1:
            continue
        size = (look.columns, look.rows, look.sections)
        count = 3 if file.role in VOLUME_ROLES and look.sections > 1 else 2
        if any(look.grid) and look.grid[:count] != size[:count]:
            yield Told(file.path, f"it has {size} values and a sampling of {look.grid}", {"grid": look.grid})


@check(
    "mrc-cell",
    "warning",
    "The cell of an MRC file is not made of right angles, or its lengths are none",
    hint="set the cell's lengths and angles (90, 90, 90) with `alterheader` of IMOD",
    curators="unit cell valid for 3D, cell dimensions",
)
def cell(subject: Subject) -> Iterator[Told]:
    """CELLB of what is no crystal, and CELLA that is negative or not a number."""
    for file, look in subject.headers:
        if look.space_group > 1:
            continue
        angles, lengths = look.cell_angles_deg, look.cell_angstrom
        skewed = any(angles) and not all(abs(angle - _ORTHOGONAL_DEG) < 0.01 for angle in angles)
        if skewed:
            yield Told(file.path, f"its angles are {angles} degrees", {"cell_angles_deg": [str(a) for a in angles]})
        if not all(math.isfinite(length) and length >= 0 for length in lengths):
            yield Told(file.path, f"its lengths are {lengths}", {"cell_angstrom": [str(a) for a in lengths]})
