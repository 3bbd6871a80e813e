"""Size, duration and codec of a movie, from its container: MP4 and MOV, AVI, FLV. Nothing is decoded.

MP4 and MOV are boxes of a length and four letters (ISO/IEC 14496-12); AVI is RIFF; FLV begins with AMF metadata
(Adobe's FLV specification 10.1, annex E). Each is read by seeking from box to box, with a limit on their number.
"""

from __future__ import annotations

import math
import os
import struct
from typing import BinaryIO, Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["Movie", "read_movie"]

MovieForm = Literal["mp4", "mov", "avi", "flv"]
MAX_BOXES = 2_000
MAX_BOX_LEVELS = 6
MAX_SIDE = 1 << 16
MAX_DURATION_S = 1e7
FOLDERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
# The boxes that are read, and how much of each.
LEAVES = {b"mvhd": 32, b"tkhd": 96, b"stsd": 52}
FLV_CODECS = {2: "FLV1", 3: "FSV1", 4: "VP6F", 5: "VP6A", 7: "avc1"}


class Movie(Struct, frozen=True, kw_only=True):
    """A movie's container, size in pixels, duration and codec (its four letters, or ""); None where it does not say."""

    form: MovieForm
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    codec: str = ""


class _Found:
    """What the boxes told so far."""

    def __init__(self) -> None:
        self.boxes = 0
        self.has_movie = False
        self.width: int | None = None
        self.height: int | None = None
        self.duration_s: float | None = None
        self.codec = ""
        self.track_size: tuple[int, int] | None = None


def read_movie(file: BinaryIO) -> Movie:
    """Read what a movie's container says.

    Args:
        file: seekable; left open, wherever the reading ended.

    Raises:
        FormatError: none of the known containers, or one without its index.
    """
    size = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 16)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _avi(_at(file, 0, 4096))
    if head[:3] == b"FLV":
        return _flv(_at(file, 0, 65536))
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}:
        found = _Found()
        _boxes(file, 0, size, 0, found)
        if not found.has_movie:
            raise FormatError("this movie has no index (moov): it is cut off, or was never finished")
        return Movie(
            form="mp4" if head[4:8] == b"ftyp" and head[8:10] != b"qt" else "mov",
            width=found.width,
            height=found.height,
            duration_s=found.duration_s,
            codec=found.codec,
        )
    raise FormatError("this is no movie of a container that is known")


def _boxes(file: BinaryIO, at: int, end: int, level: int, found: _Found) -> None:
    while at + 8 <= end:
        found.boxes += 1
        if found.boxes > MAX_BOXES or level > MAX_BOX_LEVELS:
            raise FormatError(f"more than {MAX_BOXES} boxes in a movie's index, or {MAX_BOX_LEVELS} levels of them")
        head = _at(file, at, 16)
        if len(head) < 8:
            return
        length, kind = struct.unpack_from(">I4s", head)
        inner = 8
        if length == 1 and len(head) == 16:
            length, inner = struct.unpack_from(">Q", head, 8)[0], 16
        elif length == 0:
            length = end - at
        # A head of 16 bytes may reach beyond the folder that it lies in.
        if length < inner or at + inner > end:
            raise FormatError("a box of a movie that is shorter than its head", offset=at)
        stop = min(at + length, end)
        if kind in FOLDERS:
            found.has_movie = found.has_movie or kind == b"moov"
            _boxes(file, at + inner, stop, level + 1, found)
        elif kind in LEAVES:
            _leaf(kind, _at(file, at + inner, min(LEAVES[kind], stop - at - inner)), found)
        at += length


def _leaf(kind: bytes, data: bytes, found: _Found) -> None:
    if kind == b"mvhd":
        found.duration_s = _duration(data)
    elif kind == b"tkhd":
        at = 88 if data[:1] == b"\x01" else 76
        if len(data) >= at + 8:
            width, height = (value >> 16 for value in struct.unpack_from(">2I", data, at))
            found.track_size = (width, height)
    elif found.track_size is not None and min(found.track_size) > 0 and found.width is None and len(data) >= 44:
        # The description of the first track that has a size: sound has none.
        width, height = struct.unpack_from(">2H", data, 40)
        found.width, found.height = (width, height) if min(width, height) > 0 else found.track_size
        found.codec = _letters(data[12:16])


def _duration(data: bytes) -> float | None:
    long = data[:1] == b"\x01"
    if len(data) < (32 if long else 20):
        return None
    scale, length = struct.unpack_from(">IQ", data, 20) if long else struct.unpack_from(">2I", data, 12)
    return _seconds(length / scale) if scale else None


def _avi(data: bytes) -> Movie:
    """The main header, and the first picture stream's codec."""
    at = data.find(b"avih")
    if at < 0 or len(data) < at + 48:
        raise FormatError("this AVI movie has no header")
    microseconds, frames = struct.unpack_from("<I", data, at + 8)[0], struct.unpack_from("<I", data, at + 24)[0]
    width, height = struct.unpack_from("<2I", data, at + 40)
    stream = data.find(b"vids")
    return Movie(
        form="avi",
        width=_side(width),
        height=_side(height),
        duration_s=_seconds(microseconds * frames / 1e6),
        codec=_letters(data[stream + 4 : stream + 8]) if stream >= 0 else "",
    )


def _flv(data: bytes) -> Movie:
    """Numbers of the metadata object, by name: a double follows its key and a zero."""

    def number(key: bytes) -> float | None:
        at = data.find(len(key).to_bytes(2, "big") + key + b"\0")
        start = at + len(key) + 3
        if at < 0 or len(data) < start + 8:
            return None
        value = struct.unpack_from(">d", data, start)[0]
        return value if math.isfinite(value) else None

    width, height, codec = number(b"width"), number(b"height"), number(b"videocodecid")
    return Movie(
        form="flv",
        width=_side(width),
        height=_side(height),
        duration_s=_seconds(number(b"duration")),
        codec=FLV_CODECS.get(int(codec), "") if codec is not None else "",
    )


def _side(value: float | None) -> int | None:
    return int(value) if value is not None and 1 <= value <= MAX_SIDE else None


def _seconds(value: float | None) -> float | None:
    return round(value, 3) if value is not None and 1e-3 <= value <= MAX_DURATION_S else None


def _letters(raw: bytes) -> str:
    return "".join(chr(b) for b in raw if 32 <= b < 127).strip()


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)
