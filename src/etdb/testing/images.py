"""Image files of any content, for what publishes files and does not look into them."""

from __future__ import annotations

import struct

__all__ = ["mrc_header"]

_COLUMNS = 1024  # at the most


def mrc_header(data_bytes: int) -> bytes:
    """The 1,024 bytes that make an MRC2014 file of as many bytes behind them: one plane of signed bytes, 13.7 A."""
    columns = next(count for count in range(_COLUMNS, 0, -1) if data_bytes % count == 0)
    rows = data_bytes // columns
    header = struct.pack("<10i", columns, rows, 1, 0, 0, 0, 0, columns, rows, 1)
    header += struct.pack("<6f3i3f2i", columns * 13.7, rows * 13.7, 13.7, 90, 90, 90, 1, 2, 3, 0, -1, -2, 1, 0)
    header = header.ljust(108, b"\0") + struct.pack("<i", 20140)
    return (header.ljust(208, b"\0") + b"MAP DD\0\0").ljust(1024, b"\0")
