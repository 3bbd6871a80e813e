"""The size of a picture, from its header: JPEG, PNG, GIF, WebP, BMP. Nothing is unpacked."""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["Picture", "read_picture"]

PictureForm = Literal["jpeg", "png", "gif", "webp", "bmp"]
MAX_SIDE = 1 << 20
# A JPEG's size stands behind its profiles and thumbnails; each segment has at most 64 KiB.
MAX_SEGMENTS = 1_000
MAX_FILL_BYTES = 4096
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


class Picture(Struct, frozen=True, kw_only=True):
    """A picture's form and size in pixels, as it is stored (a turn that a viewer makes is not made)."""

    form: PictureForm
    width: int
    height: int


def read_picture(file: BinaryIO) -> Picture:
    """Read a picture's size.

    Args:
        file: at its beginning; read front to back and left open.

    Raises:
        FormatError: none of the known forms, cut off, or a size that cannot be.
    """
    head = file.read(32)
    found: tuple[PictureForm, int, int] | None = None
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR" and len(head) >= 24:
        found = "png", *struct.unpack_from(">2I", head, 16)
    elif head[:6] in {b"GIF87a", b"GIF89a"} and len(head) >= 10:
        found = "gif", *struct.unpack_from("<2H", head, 6)
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        found = _webp(head)
    elif head[:2] == b"BM" and len(head) >= 26:
        found = _bmp(head)
    elif head[:2] == b"\xff\xd8":
        found = _jpeg(head, file)
    if found is None:
        raise FormatError("this is no picture of a form that is known, or it is cut off")
    form, width, height = found
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise FormatError(f"a picture of {width} x {height} pixels")
    return Picture(form=form, width=width, height=height)


def _webp(head: bytes) -> tuple[PictureForm, int, int] | None:
    """The three kinds of bit stream: extended, lossy (VP8) and lossless."""
    kind = head[12:16]
    if kind == b"VP8X":
        return "webp", 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<2H", head, 26)
        return "webp", width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return "webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def _bmp(head: bytes) -> tuple[PictureForm, int, int]:
    """Height is negative where the rows go down."""
    if struct.unpack_from("<I", head, 14)[0] == 12:
        return "bmp", *struct.unpack_from("<2H", head, 18)
    width, height = struct.unpack_from("<2i", head, 18)
    return "bmp", width, abs(height)


def _jpeg(head: bytes, file: BinaryIO) -> tuple[PictureForm, int, int] | None:
    data = _Bytes(head[2:], file)
    for _ in range(MAX_SEGMENTS):
        marker = _marker(data)
        if marker is None:
            return None
        if marker in BARE_MARKERS:
            continue
        length = int.from_bytes(data.take(2), "big")
        if length < 2:
            return None
        body = data.take(length - 2)
        if marker in FRAME_MARKERS:
            if len(body) < 5:
                return None
            height, width = struct.unpack_from(">2H", body, 1)
            return "jpeg", width, height
        if marker == 0xDA:  # the picture's data: its size should have come before
            return None
    return None


def _marker(data: _Bytes) -> int | None:
    for _ in range(MAX_FILL_BYTES):
        if data.take(1) != b"\xff":
            return None
        byte = data.take(1)
        while byte == b"\xff":
            byte = data.take(1)
        if not byte:
            return None
        if byte != b"\0":
            return byte[0]
    return None


class _Bytes:
    """The bytes after a head that was read already."""

    def __init__(self, first: bytes, file: BinaryIO) -> None:
        self._first = first
        self._file = file

    def take(self, count: int) -> bytes:
        data, self._first = self._first[:count], self._first[count:]
        return data + self._file.read(count - len(data)) if len(data) < count else data
