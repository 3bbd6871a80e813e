"""Any bytes are an IMOD model or refused with FormatError; its points are finite and counted alike both ways."""

from __future__ import annotations

import io
import math
import struct

from etdb.em import ImodContour, read_model, walk_model
from etdb.errors import FormatError


def _model(*chunks: bytes, objects: int = 1) -> bytes:
    head = b"IMODV1.2" + b"model".ljust(128, b"\0") + struct.pack(">4i", 9, 9, 9, objects)
    head += bytes(20) + struct.pack(">6f", 0, 0, 0, 1, 1, 2) + bytes(20) + struct.pack(">fi", 1.5, -9) + bytes(16)
    return head + b"".join(chunks) + b"IEOF"


def seeds() -> list[bytes]:
    thing = b"OBJT" + b"cell".ljust(176, b"\0")
    contour = b"CONT" + struct.pack(">4i6f", 2, 0, 0, 0, 1, 2, 3, 4, 5, 6)
    sizes = b"SIZE" + struct.pack(">i2f", 8, 1, 2)
    mesh = b"MESH" + struct.pack(">4i3fi", 1, 1, 0, 0, 1, 2, 3, -1)
    return [
        _model(thing, contour, sizes, mesh),
        _model(thing, contour, contour, b"IMAT\0\0\0\4abcd"),
        _model(objects=0),
    ]


def check(data: bytes) -> None:
    try:
        look = read_model(io.BytesIO(data))
    except FormatError:
        return
    contours = [one for one in walk_model(io.BytesIO(data)) if isinstance(one, ImodContour)]
    assert (look.contours, look.points) == (len(contours), sum(map(len, contours)))
    assert all(math.isfinite(value) for one in contours for value in one.points)
    assert look.points * 12 <= len(data)
