"""Any bytes are annotated points, something else, or refused with FormatError; each line is one point at most."""

from __future__ import annotations

import io
import math

from etdb.em import read_annotations
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    turn = b"[[0.0,-1.0,0.0],[1.0,0.0,0.0],[0.0,0.0,1.0]]"
    where = b'"location":{"x":1,"y":2.5,"z":-3e2}'
    return [
        b'{"type":"point",' + where + b"}\n\n{" + where + b',"type":"point"}',
        b'{"type":"orientedPoint",' + where + b',"xyz_rotation_matrix":' + turn + b"}\r\n",
        b'{"type":"instancePoint",' + where + b',"instance_id":7}\n',
        b'{"event":"start"}\nhello\n',
        b'{"type":"point",' + where + b',"deep":' + b"[" * 900 + b"]" * 900 + b"}",
    ]


def check(data: bytes) -> None:
    try:
        look = read_annotations(io.BytesIO(data))
    except FormatError:
        return
    if look is None:
        return
    assert 1 <= look.points <= data.count(b"\n") + 1
    assert len(look.improper) <= look.oriented <= look.points
    assert len(look.instance_ids) <= look.points
    assert all(math.isfinite(value) for value in (*look.low, *look.high))
    assert all(low <= high for low, high in zip(look.low, look.high, strict=True))
