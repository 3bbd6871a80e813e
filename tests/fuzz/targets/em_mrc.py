"""The first bytes of any file are an MRC header or refused with FormatError; what is told of it is finite."""

from __future__ import annotations

import math
import struct

from etdb.em import parse_mrc_header
from etdb.errors import FormatError


def _header(order: str, mode: int, extended: int = 0, kind: bytes = b"\0\0\0\0") -> bytes:
    head = struct.pack(f"{order}10i6f", 64, 64, 41, mode, 0, 0, 0, 64, 64, 41, 640.0, 640.0, 410.0, 90.0, 90.0, 90.0)
    head += struct.pack(f"{order}3i3fii", 1, 2, 3, 0.0, 1.0, 0.5, 0, extended)
    head = head.ljust(104, b"\0") + kind
    return head.ljust(208, b"\0") + b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0") + bytes(808)


def seeds() -> list[bytes]:
    return [_header("<", 1), _header(">", 2), _header("<", 6, 1024 * 128, b"FEI1") + bytes(4096), _header("<", 12)]


def check(data: bytes) -> None:
    for size in (None, len(data), 2**50):
        try:
            look = parse_mrc_header(data, size)
        except FormatError:
            continue
        for name in look.__struct_fields__:
            value = getattr(look, name)
            for one in value if isinstance(value, tuple) else (value,):
                assert not isinstance(one, float) or math.isfinite(one)
