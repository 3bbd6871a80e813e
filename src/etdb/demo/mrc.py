"""The two MRC files of the demo: reading the tilt series that it starts from, writing the tomogram that it makes.

MRC2014 as in Cheng and others, J. Struct. Biol. 192, 2015. The same input always gives the same bytes: no date or
program version enters the header, because the address of a file is made from its bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etdb.errors import FormatError

__all__ = ["encode_volume_header", "read_stack", "write_volume"]

_HEADER_BYTES = 1024
_INT16 = 1
_VOLUME_SPACE_GROUP = 1  # MRC2014: 0 is a stack of images, 1 a volume
_LABELS = 10
_LABEL_BYTES = 80


def read_stack(path: Path) -> NDArray[np.int16]:
    """The projections ``(n, y, x)`` of a little-endian int16 stack, behind an extended header of any length.

    Raises:
        FormatError: it is another kind of file, or shorter than its header says.
    """
    data = path.read_bytes()
    if len(data) < _HEADER_BYTES:
        raise FormatError(f"{path.name} is shorter than an MRC header", path=path)
    width, height, count, mode = struct.unpack_from("<4i", data)
    (extended,) = struct.unpack_from("<i", data, 92)
    if mode != _INT16 or min(width, height, count) < 1 or extended < 0:
        raise FormatError(f"{path.name} is not a stack of little-endian 16-bit images", path=path)
    start = _HEADER_BYTES + extended
    if len(data) != start + 2 * width * height * count:
        raise FormatError(f"{path.name} does not have the length that its header says", path=path)
    return np.frombuffer(data, dtype="<i2", offset=start).reshape(count, height, width)


def encode_volume_header(volume: NDArray[np.int16], voxel_angstrom: float, labels: list[str]) -> bytes:
    """The 1,024 bytes before a volume ``(z, y, x)`` with cubic voxels.

    Args:
        volume: the voxels.
        voxel_angstrom: the length of a voxel's side.
        labels: up to ten lines of 80 ASCII characters about how the volume was made.
    """
    depth, height, width = volume.shape
    values = volume.astype(np.float64)
    text = [label.encode("ascii")[:_LABEL_BYTES].ljust(_LABEL_BYTES) for label in labels[:_LABELS]]
    header = struct.pack(
        "<10i6f3i3f2i",
        *(width, height, depth, _INT16, 0, 0, 0, width, height, depth),
        *(width * voxel_angstrom, height * voxel_angstrom, depth * voxel_angstrom, 90.0, 90.0, 90.0),
        *(1, 2, 3),
        *(float(values.min()), float(values.max()), float(values.mean())),
        *(_VOLUME_SPACE_GROUP, 0),
    )
    header += bytes(8) + bytes(4) + struct.pack("<i", 20140) + bytes(84)  # no extended header; format version
    header += struct.pack("<3f", 0.0, 0.0, 0.0) + b"MAP " + bytes([0x44, 0x44, 0, 0])
    header += struct.pack("<fi", float(values.std()), len(text)) + b"".join(text)
    return header.ljust(_HEADER_BYTES, b"\0")


def write_volume(path: Path, volume: NDArray[np.int16], voxel_angstrom: float, labels: list[str]) -> None:
    """Write a volume ``(z, y, x)`` as an MRC2014 file, mode 1."""
    with path.open("wb") as file:
        file.write(encode_volume_header(volume, voxel_angstrom, labels))
        file.write(np.ascontiguousarray(volume, dtype="<i2").data)
