"""Planes of an MRC file as arrays: bytes in, numpy out, in every mode that a header may name. Pure.

Modes: MRC2014 (Cheng et al., J. Struct. Biol. 192, 2015, 146-150; https://www.ccpem.ac.uk/mrc_format/mrc2014.php), 101
and the signs of bytes as IMOD has them (https://bio3d.colorado.edu/imod/doc/mrc_format.txt): two values of 4 bits a
byte, the first one in the low half, each row beginning on a byte of its own.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.em.mrc import MRC_HEADER_BYTES, MrcLook
from etdb.errors import FormatError

__all__ = ["PlaneLayout", "decode_plane", "decode_planes", "plane_layout"]

# mode -> (numpy's type of what is stored, how many of them make a value)
_STORED: dict[int, tuple[str, int]] = {
    0: ("i1", 1),
    1: ("i2", 1),
    2: ("f4", 1),
    3: ("i2", 2),
    4: ("f4", 2),
    6: ("u2", 1),
    7: ("i4", 1),
    12: ("f2", 1),
    16: ("u1", 3),
    101: ("u1", 1),
}
_COMPLEX = (3, 4)
_RGB = 16
_PACKED = 101


class PlaneLayout(Struct, frozen=True, kw_only=True):
    """How one plane of a stack lies in its file, and where the first one begins.

    Attributes:
        columns, rows: nx and ny, in values.
        mode: MRC's number of the type.
        byte_order: of the values.
        unsigned_bytes: for mode 0, that the bytes mean 0 to 255.
        data_offset: bytes before the first plane.
    """

    columns: int
    rows: int
    mode: int
    byte_order: Literal["little", "big"] = "little"
    unsigned_bytes: bool = False
    data_offset: int = MRC_HEADER_BYTES

    @property
    def row_bytes(self) -> int:
        """Bytes a row."""
        if self.mode == _PACKED:
            return (self.columns + 1) // 2
        return self.columns * _stored(self).itemsize * _STORED[self.mode][1]

    @property
    def plane_bytes(self) -> int:
        """Bytes a plane."""
        return self.row_bytes * self.rows

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the decoded array, in this machine's byte order; complex and colour become one float32 each."""
        if self.mode in _COMPLEX or self.mode == _RGB:
            return np.dtype(np.float32)
        return _stored(self).newbyteorder("=")

    def plane_offset(self, section: int) -> int:
        """Where a plane begins in the file."""
        return self.data_offset + section * self.plane_bytes


def plane_layout(look: MrcLook, *, unsigned_bytes: bool | None = None) -> PlaneLayout:
    """The layout that a header describes.

    Args:
        look: what the header says.
        unsigned_bytes: for mode 0, that the bytes mean 0 to 255; None for what the header's look found.

    Raises:
        FormatError: a mode whose values are not known.
    """
    if look.mode not in _STORED:
        raise FormatError(f"the planes of an MRC file of mode {look.mode} cannot be decoded")
    return PlaneLayout(
        columns=look.columns,
        rows=look.rows,
        mode=look.mode,
        byte_order=look.byte_order,
        unsigned_bytes=look.data_type == "uint8" if unsigned_bytes is None else unsigned_bytes,
        data_offset=look.data_offset,
    )


def decode_plane(data: bytes | bytearray | memoryview, layout: PlaneLayout) -> NDArray[Any]:
    """One plane as `(y, x)`; see ``decode_planes``."""
    planes = decode_planes(data, layout)
    if len(planes) != 1:
        raise FormatError(f"one plane was expected, here are {len(planes)}")
    plane: NDArray[Any] = planes[0]
    return plane


def decode_planes(data: bytes | bytearray | memoryview, layout: PlaneLayout) -> NDArray[Any]:
    """Whole planes as `(z, y, x)`, of ``layout.dtype``, in the order in which they are stored (the first row is y = 0).

    Complex values become their magnitude and colours their mean. Where the stored values are this machine's own the
    array is a view of the data, without a copy, and cannot be written when the data cannot.

    Raises:
        FormatError: not a whole number of planes.
    """
    sections, left = divmod(len(memoryview(data).cast("B")), layout.plane_bytes)
    if left:
        raise FormatError(f"{left} bytes are left over: a plane has {layout.plane_bytes}")
    shape = (sections, layout.rows, layout.columns)
    stored = np.frombuffer(data, dtype=_stored(layout))
    if layout.mode == _PACKED:
        rows = stored.reshape(sections, layout.rows, layout.row_bytes)
        both = np.empty((sections, layout.rows, 2 * layout.row_bytes), dtype=np.uint8)
        np.bitwise_and(rows, 15, out=both[..., 0::2])
        np.right_shift(rows, 4, out=both[..., 1::2])
        return both[..., : layout.columns]
    if layout.mode in _COMPLEX:
        pairs = stored.reshape(*shape, 2).astype(np.float32)
        magnitudes: NDArray[np.float32] = np.hypot(pairs[..., 0], pairs[..., 1])
        return magnitudes
    if layout.mode == _RGB:
        means: NDArray[np.float32] = stored.reshape(*shape, 3).mean(axis=-1, dtype=np.float32)
        return means
    values = stored.reshape(shape)
    return values if values.dtype.isnative else values.astype(layout.dtype)


def _stored(layout: PlaneLayout) -> np.dtype[Any]:
    if layout.mode == 0 and layout.unsigned_bytes:
        return np.dtype(np.uint8)
    return np.dtype(_STORED[layout.mode][0]).newbyteorder("<" if layout.byte_order == "little" else ">")
