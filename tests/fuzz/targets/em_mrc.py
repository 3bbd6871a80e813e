"""The first bytes of any file are an MRC header or refused with FormatError; what is believed of it is finite."""

from __future__ import annotations

import io
import math
import struct

from etdb.em import parse_mrc_header, read_mrc
from etdb.errors import FormatError

AS_FOUND = {
    *("voxel_spacing_as_found", "cell_angstrom", "cell_angles_deg", "origin_angstrom"),
    *("minimum", "maximum", "mean", "rms"),
}


def _header(order: str, mode: int, sections: int = 41, extended: int = 0, kind: bytes = b"", *, ints: int = 0) -> bytes:
    n = (64, 64, sections)
    head = struct.pack(f"{order}10i6f", *n, mode, 0, 0, 0, *n, 640.0, 640.0, 410.0, 90.0, 90.0, 90.0)
    head += struct.pack(f"{order}3i3fii", 1, 2, 3, 0.0, 1.0, 0.5, 0, extended)
    head = (head.ljust(104, b"\0") + kind).ljust(128, b"\0") + struct.pack(f"{order}i", ints)
    return head.ljust(208, b"\0") + b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0") + bytes(808)


def seeds() -> list[bytes]:
    mask = 14 | 61 << 16
    return [
        _header("<", 1),
        _header(">", 2),
        _header("<", 12),
        _header("<", 0),
        _header("<", 6, 3, 1024 * 128, b"FEI1") + bytes(4096),
        _header("<", 6, 2, 2 * 768, b"FEI1") + struct.pack("<i", 768).ljust(1600, b"\1"),
        _header(">", 6, 2, 2 * 888, b"FEI2") + struct.pack(">i", 888).ljust(1800, b"\0"),
        _header("<", 1, 3, 64, b"SERI", ints=mask) + bytes(range(64)),
        _header("<", 1, 2, 64, b"AGAR", ints=2 | 3 << 16) + struct.pack("<16f", *range(16)),
        _header("<", 2, 2, 160) + b"X,  Y,  Z".ljust(80) * 2,
    ]


def check(data: bytes) -> None:
    for size in (None, len(data), 2**50):
        try:
            look = parse_mrc_header(data, size)
        except FormatError:
            continue
        again = read_mrc(io.BytesIO(data), size)
        assert (look.byte_order, look.per_section) == (again.byte_order, again.per_section)
        assert len(look.per_section) in {0, look.sections}
        for holder in (look, *look.per_section):
            for name in holder.__struct_fields__:
                value = getattr(holder, name)
                for one in value if isinstance(value, tuple) else (value,):
                    assert name in AS_FOUND or not isinstance(one, float) or math.isfinite(one)
