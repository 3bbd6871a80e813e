"""Any bytes are a picture or a movie or refused with FormatError; a size that is told is above zero."""

from __future__ import annotations

import io
import struct

from etdb.em import read_movie, read_picture
from etdb.errors import FormatError


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def seeds() -> list[bytes]:
    entry = struct.pack(">II", 0, 1) + struct.pack(">I4s", 86, b"avc1") + bytes(24) + struct.pack(">HH", 320, 240)
    track = _box(b"tkhd", bytes(76) + struct.pack(">II", 320 << 16, 240 << 16))
    track += _box(b"mdia", _box(b"minf", _box(b"stbl", _box(b"stsd", entry.ljust(100, b"\0")))))
    index = _box(b"moov", _box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 2500) + bytes(80)) + _box(b"trak", track))
    avi = b"RIFF\0\0\0\0AVI LIST\0\0\0\0hdrlavih" + struct.pack("<14i", 56, 100_000, *([25] * 8), 320, 240, 0, 0)
    flv = b"FLV\1" + b"\0\x08duration\0" + struct.pack(">d", 2.5) + b"\0\x05width\0" + struct.pack(">d", 320.0)
    return [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 4, 3) + bytes(9),
        b"GIF89a" + struct.pack("<HH", 4, 3) + bytes(9),
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x03\0\x04" + bytes(12),
        b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + bytes(6),
        b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + bytes(9),
        b"RIFF\0\0\0\0WEBPVP8 " + bytes(7) + b"\x9d\x01\x2a\x04\0\x03\0" + bytes(3),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, 4, -3) + bytes(9),
        _box(b"ftyp", b"isom" + bytes(8)) + index,
        avi,
        flv + bytes(20),
    ]


def check(data: bytes) -> None:
    try:
        picture = read_picture(io.BytesIO(data))
        assert picture.width > 0
        assert picture.height > 0
    except FormatError:
        pass
    try:
        movie = read_movie(io.BytesIO(data))
    except FormatError:
        return
    assert movie.width is None or movie.width > 0
    assert movie.height is None or movie.height > 0
    assert movie.duration_s is None or movie.duration_s > 0
