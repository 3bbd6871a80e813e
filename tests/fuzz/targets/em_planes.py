"""Any bytes after any header are planes of the shape that it tells, in every mode, or refused with FormatError."""

from __future__ import annotations

from tests.fuzz.targets.em_mrc import _header

from etdb.em import decode_planes, parse_mrc_header, plane_layout, robust_levels, to_grey
from etdb.errors import FormatError

_MOST = 1 << 20


def seeds() -> list[bytes]:
    return [_header(order, mode) + bytes(range(256)) * 64 for order in "<>" for mode in (0, 1, 2, 4, 6, 12, 101)]


def check(data: bytes) -> None:
    try:
        layout = plane_layout(parse_mrc_header(data, len(data)))
    except FormatError:
        return
    if not 0 < layout.plane_bytes <= _MOST:
        return
    body = data[layout.data_offset :]
    whole = len(body) - len(body) % layout.plane_bytes
    planes = decode_planes(body[:whole], layout)
    assert planes.shape == (whole // layout.plane_bytes, layout.rows, layout.columns)
    assert planes.dtype == layout.dtype
    grey = to_grey(planes, robust_levels([planes]))
    assert grey.shape == planes.shape
    if whole != len(body):
        try:
            decode_planes(body, layout)
        except FormatError:
            return
        raise AssertionError("a part of a plane was taken for a whole one")
