"""Any bytes are a TIFF or EER file or refused with FormatError: nothing that tifffile raises comes through."""

from __future__ import annotations

import io
import math
import struct

from etdb.em import read_frames
from etdb.errors import ConfigurationError, FormatError


def _tiff(*entries: tuple[int, int, int, int], behind: bytes = b"") -> bytes:
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 0) + behind


def seeds() -> list[bytes]:
    plain = [(256, 3, 1, 4), (257, 3, 1, 3), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    data = [(273, 4, 1, 8), (278, 3, 1, 3), (279, 4, 1, 12)]
    resolution = [(282, 5, 1, 140), (296, 3, 1, 3)]
    imagej = b"ImageJ=1.11a\nimages=7\nunit=nm\nspacing=2\n"
    return [
        _tiff(*plain, *data, *resolution, behind=struct.pack("<II", 78_000_000, 1).rjust(40, b"\0") + bytes(20)),
        _tiff(*plain, (270, 2, 60, 120), *data, behind=imagej.ljust(90, b"\0")),
    ]


def check(data: bytes) -> None:
    try:
        look = read_frames(io.BytesIO(data))
    except (FormatError, ConfigurationError):
        return
    assert look.frames >= 1
    values = (getattr(look, name) for name in look.__struct_fields__)
    assert all(math.isfinite(one) for one in values if isinstance(one, float))
