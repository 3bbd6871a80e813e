"""Any mdoc or tilt file is read or refused with FormatError; angles that are read are finite and in range."""

from __future__ import annotations

import math

from etdb.em import parse_mdoc, parse_tilt_file, tilt_range
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    return [
        b"PixelSpacing = 3.3\nVoltage = 300\nImageFile = a.st\n\n[T = SerialEM: Titan]\n\n[ZValue = 0]\nTiltAngle = 6",
        b"[ZValue = 0]\nTiltAngle = -6\nExposureDose = 1.2\nDateTime = 24-Jan-2019  10:00:00\n[ZValue = 1]\n",
        b"-60.0\n-58.5\n  -57\n",
        b"1e400\nnan\n",
    ]


def check(data: bytes) -> None:
    try:
        look = parse_mdoc(data)
        assert look.sections >= 0
    except FormatError:
        pass
    try:
        angles = parse_tilt_file(data)
    except FormatError:
        return
    assert all(math.isfinite(angle) for angle in angles)
    tilt_range(angles)
