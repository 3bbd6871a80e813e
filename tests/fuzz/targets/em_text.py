"""Any text beside a series is read or refused with FormatError; numbers that are read are finite and in range."""

from __future__ import annotations

import contextlib
import math

from etdb.em import (
    parse_acquisition_log,
    parse_mdoc,
    parse_tilt_file,
    parse_transforms,
    read_note,
    tilt_range,
)
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    return [
        b"PixelSpacing = 3.3\nVoltage = 300\nImageFile = a.st\n\n[T = SerialEM: Titan]\n\n[ZValue = 0]\nTiltAngle = 6",
        b"[ZValue = 0]\nTiltAngle = -6\nExposureDose = 1.2\nDateTime = 24-Jan-2019  10:00:00\n[ZValue = 1]\n",
        b"[T = Tilt axis angle = 85.3, bidir = 0]\n[FrameSet = 0]\nStagePosition = 1 2\nNumSubFrames = 8\n",
        b"[MontSection = 0]\nx = y\n[ZValue = 1]\nPieceCoordinates = 0 1 2\nFrameDosesAndNumber = 0.6 12\n",
        b"-60.0\n-58.5\n  -57\n",
        b"1e400\nnan\n",
        b" 0.08 0.99 -0.99 0.08 342.2 2006.3\n1 0 0 1 0 0\n",
        b"11/18/11 10:36:43  Used parameters\nMax negative tilt [\xb0]: -76.00\n Image area: (0, 0),(256,256)\n",
        b"%PDF-1.4\n<< /Type /Pages /Count 3 >>\n",
    ]


def check(data: bytes) -> None:
    try:
        look = parse_mdoc(data)
        assert look.sections >= 0
        _finite(look, *look.sections_facts)
    except FormatError:
        pass
    with contextlib.suppress(FormatError):
        _finite(parse_acquisition_log(data))
    try:
        note = read_note(data)
        assert all(line.isprintable() and len(line) <= 200 for line in note.first_lines)
    except FormatError:
        pass
    with contextlib.suppress(FormatError):
        _finite(*parse_transforms(data, ".xf").per_section)
    try:
        angles = parse_tilt_file(data)
    except FormatError:
        return
    assert all(math.isfinite(angle) for angle in angles)
    tilt_range(angles)


def _finite(*values: object) -> None:
    for value in values:
        for name in value.__struct_fields__:  # type: ignore[attr-defined]
            one = getattr(value, name)
            assert not isinstance(one, float) or math.isfinite(one)
