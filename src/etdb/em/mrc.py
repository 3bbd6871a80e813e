"""A first look at an MRC file: what its header says, checked for sense, without reading the image data.

MRC2014 (Cheng et al., J. Struct. Biol. 192, 2015, 146-150; https://www.ccpem.ac.uk/mrc_format/mrc2014.php) and the
older dialects without the `MAP ` mark, in both byte orders, as IMOD, SerialEM and FEI write them. What the extended
header says of each section is read in `sections.py`.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO, Literal, TypeVar

from msgspec import Struct

from etdb.em.sections import ExtendedForm, InstrumentFacts, SectionFacts, read_extended
from etdb.errors import FormatError

__all__ = ["FEI1_HEADER_BYTES", "MRC_HEADER_BYTES", "FeiLook", "MrcLook", "parse_mrc_header", "read_mrc"]

MRC_HEADER_BYTES = 1024
FEI1_HEADER_BYTES = 1024 * 128
MAX_DIMENSION = 1 << 24
MAX_EXTENDED_BYTES = 1 << 30
MAX_EXTENDED_READ_BYTES = 16 << 20
IMOD_STAMP = 1146047817
STAMP = {"little": 0x44, "big": 0x11}
FEI_FORMS = frozenset({"fei-old", "fei1", "fei2"})

# mode -> (name, bits a value)
MODES: dict[int, tuple[str, int]] = {
    0: ("int8", 8),
    1: ("int16", 16),
    2: ("float32", 32),
    3: ("complex-int16", 32),
    4: ("complex-float32", 64),
    6: ("uint16", 16),
    7: ("int32", 32),
    12: ("float16", 16),
    16: ("rgb8", 24),
    101: ("uint4", 4),
}
# A spacing outside of this is a header that was never filled in.
SANE_SPACING_ANGSTROM = (1e-3, 1e6)


ByteOrder = Literal["little", "big"]
Signedness = Literal["", "imod-flag", "statistics", "assumed"]
T = TypeVar("T")


class FeiLook(Struct, frozen=True, kw_only=True):
    """What FEI's extended header says about the sections; None where it does not or where sections disagree."""

    tilt_angles_deg: tuple[float, ...]
    pixel_spacing_angstrom: float | None
    magnification: float | None
    voltage_kv: float | None


class MrcLook(Struct, frozen=True, kw_only=True):
    """What an MRC header says. `columns`, `rows`, `sections` are nx, ny, nz; arrays are (z, y, x).

    `data_type` is one of uint4, int8, uint8, int16, uint16, int32, float16, float32, complex-int16, complex-float32,
    rgb8. `signedness` says why bytes (mode 0) are taken for signed or unsigned: `imod-flag` and `statistics` are
    evidence, `assumed` is the convention of the file's age; "" for other modes.

    `voxel_spacing_angstrom` (x, y, z) is None where the header does not make sense; `voxel_spacing_as_found` is what it
    says, a zero, a placeholder or nan included (nan where it divides by zero). `minimum`, `maximum`, `mean` and `rms`
    are as found too: the standard says that a maximum below the minimum means "not determined".

    `extended_form` is what the extended header turned out to be, whatever `extended_type` calls it; `per_section` is as
    long as the file has sections, or empty. `data_offset` is where the first plane begins; `plane_bytes` is the size of
    one, rows of 4-bit values rounded up to a byte.
    """

    columns: int
    rows: int
    sections: int
    mode: int
    data_type: str
    byte_order: ByteOrder
    is_mrc2014: bool
    space_group: int
    voxel_spacing_angstrom: tuple[float, float, float] | None
    extended_type: str
    extended_bytes: int
    expected_bytes: int
    is_truncated: bool
    surplus_bytes: int
    labels: tuple[str, ...]
    label_count: int
    fei: FeiLook | None = None
    signedness: Signedness = ""
    grid: tuple[int, int, int] = (0, 0, 0)
    cell_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)
    cell_angles_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axes: tuple[int, int, int] = (0, 0, 0)
    start: tuple[int, int, int] = (0, 0, 0)
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)
    voxel_spacing_as_found: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    rms: float = 0.0
    version: int = 0
    stamp: bytes = b""
    stamp_state: Literal["right", "wrong", "absent"] = "absent"
    written_by_imod: bool = False
    data_offset: int = MRC_HEADER_BYTES
    plane_bytes: int = 0
    extended_form: ExtendedForm = ""
    per_section: tuple[SectionFacts, ...] = ()
    instrument: InstrumentFacts | None = None
    symmetry: tuple[str, ...] = ()


def read_mrc(file: BinaryIO, size_bytes: int | None = None) -> MrcLook:
    """Read header and extended header of an open file (or of what unpacks one), and nothing of the image data.

    Args:
        file: at the file's beginning; read from, never sought, and left open.
        size_bytes: the size of the (unpacked) file; None when not known.

    Raises:
        FormatError: not an MRC header in either byte order.
    """
    data = _read_up_to(file, MRC_HEADER_BYTES)
    look = parse_mrc_header(data, size_bytes)
    if look.extended_bytes == 0:
        return look
    data += _read_up_to(file, min(look.extended_bytes, MAX_EXTENDED_READ_BYTES))
    return parse_mrc_header(data, size_bytes)


def parse_mrc_header(data: bytes, size_bytes: int | None = None) -> MrcLook:
    """Read the header of an MRC file.

    Args:
        data: the beginning of the file: 1024 bytes at least; as much of the extended header as is there is read too.
        size_bytes: the size of the whole file, to tell whether it is truncated; None when not known.

    Raises:
        FormatError: not an MRC header in either byte order.
    """
    if len(data) < MRC_HEADER_BYTES:
        raise FormatError(f"an MRC header has {MRC_HEADER_BYTES} bytes, here are {len(data)}", offset=len(data))
    # The stamp is missing in old files and wrong in some: the numbers themselves decide.
    orders: tuple[ByteOrder, ByteOrder] = ("big", "little") if data[212] == STAMP["big"] else ("little", "big")
    looks = [look for order in orders if (look := _read(data, order, size_bytes)) is not None]
    if not looks:
        raise FormatError("this is not an MRC header: no sensible dimensions and mode in either byte order", offset=0)
    # Both make sense only where mode and axes are zero: then the file's size decides, or the smaller dimensions.
    return min(looks, key=lambda one: (one.expected_bytes != size_bytes, one.columns * one.rows * one.sections))


def _read(data: bytes, byte_order: ByteOrder, size_bytes: int | None) -> MrcLook | None:
    mark = "<" if byte_order == "little" else ">"
    ints = struct.unpack_from(mark + "10i", data, 0)
    cell = struct.unpack_from(mark + "6f", data, 40)
    axes = struct.unpack_from(mark + "3i", data, 64)
    minimum, maximum, mean, space_group, extended_bytes = struct.unpack_from(mark + "3f2i", data, 76)
    (columns, rows, sections, mode), start, grid = ints[:4], ints[4:7], ints[7:]
    sensible = (
        all(1 <= n <= MAX_DIMENSION for n in (columns, rows, sections))
        and mode in MODES
        and 0 <= extended_bytes <= MAX_EXTENDED_BYTES
        and (sorted(axes) == [1, 2, 3] or axes == (0, 0, 0))
    )
    if not sensible:
        return None
    is_mrc2014 = data[208:211] == b"MAP"
    version = struct.unpack_from(mark + "i", data, 108)[0] if is_mrc2014 else 0
    imod_stamp, imod_flags = struct.unpack_from(mark + "2i", data, 152)
    name, bits = MODES[mode]
    signedness: Signedness = ""
    if mode == 0:
        by_imod = imod_flags if imod_stamp == IMOD_STAMP else None
        name, signedness = _bytes_are(by_imod, minimum, maximum, is_mrc2014=is_mrc2014)
    plane_bytes = (columns * bits + 7) // 8 * rows
    data_offset = MRC_HEADER_BYTES + extended_bytes
    expected = data_offset + plane_bytes * sections
    extended = read_extended(
        data[:MRC_HEADER_BYTES], data[MRC_HEADER_BYTES : MRC_HEADER_BYTES + extended_bytes], sections, mark
    )
    label_count = struct.unpack_from(mark + "i", data, 220)[0]
    labels = (_printable(data[at : at + 80]) for at in range(224, MRC_HEADER_BYTES, 80))
    as_found = tuple(length / n if n else math.nan for length, n in zip(cell[:3], grid, strict=True))
    stamp = data[212:216]
    return MrcLook(
        columns=columns,
        rows=rows,
        sections=sections,
        mode=mode,
        data_type=name,
        byte_order=byte_order,
        is_mrc2014=is_mrc2014,
        space_group=space_group,
        voxel_spacing_angstrom=_spacing(as_found, grid),
        extended_type=_printable(data[104:108]) if is_mrc2014 else "",
        extended_bytes=extended_bytes,
        expected_bytes=expected,
        is_truncated=size_bytes is not None and size_bytes < expected,
        surplus_bytes=max(0, size_bytes - expected) if size_bytes is not None else 0,
        labels=tuple(label for label in labels if label),
        label_count=label_count,
        fei=_agree(extended.sections) if extended.form in FEI_FORMS else None,
        signedness=signedness,
        grid=_three(grid),
        cell_angstrom=_three(cell[:3]),
        cell_angles_deg=_three(cell[3:]),
        axes=_three(axes),
        start=_three(start),
        origin_angstrom=_three(struct.unpack_from(mark + "3f", data, 196)),
        voxel_spacing_as_found=_three(as_found),
        minimum=minimum,
        maximum=maximum,
        mean=mean,
        rms=struct.unpack_from(mark + "f", data, 216)[0],
        version=version,
        stamp=stamp,
        stamp_state="absent" if stamp == bytes(4) else "right" if stamp[0] == STAMP[byte_order] else "wrong",
        written_by_imod=imod_stamp == IMOD_STAMP,
        data_offset=data_offset,
        plane_bytes=plane_bytes,
        extended_form=extended.form,
        per_section=extended.sections,
        instrument=extended.instrument,
        symmetry=extended.symmetry,
    )


def _bytes_are(imod_flags: int | None, minimum: float, maximum: float, *, is_mrc2014: bool) -> tuple[str, Signedness]:
    """Whether the bytes of mode 0 have a sign: IMOD says it; else the range that the header gives; else the age.

    MRC2014 made them signed; before, they were not.
    """
    if imod_flags is not None:
        return ("int8" if imod_flags & 1 else "uint8"), "imod-flag"
    if -128 <= minimum < 0 and minimum <= maximum <= 127:
        return "int8", "statistics"
    if 127 < maximum <= 255 and 0 <= minimum <= maximum:
        return "uint8", "statistics"
    return ("int8" if is_mrc2014 else "uint8"), "assumed"


def _spacing(as_found: tuple[float, ...], grid: tuple[int, ...]) -> tuple[float, float, float] | None:
    """Cell length over grid points; exactly 1 on all axes is what programs write that do not know it."""
    x, y, z = as_found
    low, high = SANE_SPACING_ANGSTROM
    if min(grid) < 1 or not all(low <= s <= high for s in (x, y, z)) or x == y == z == 1.0:
        return None
    return round(x, 4), round(y, 4), round(z, 4)


def _agree(sections: tuple[SectionFacts, ...]) -> FeiLook | None:
    tilts = tuple(round(s.tilt_deg, 4) for s in sections if s.tilt_deg is not None)
    if not sections or len(tilts) < len(sections):
        return None
    return FeiLook(
        tilt_angles_deg=tilts,
        pixel_spacing_angstrom=_agreed([s.pixel_spacing_angstrom for s in sections]),
        magnification=_agreed([s.magnification for s in sections]),
        voltage_kv=_agreed([s.voltage_kv for s in sections]),
    )


def _agreed(values: list[float | None]) -> float | None:
    first = values[0]
    if first is None or not all(v is not None and math.isclose(v, first, rel_tol=1e-4) for v in values):
        return None
    return float(f"{first:.5g}")


def _three(values: tuple[T, ...]) -> tuple[T, T, T]:
    x, y, z = values
    return x, y, z


def _printable(raw: bytes) -> str:
    return "".join(chr(b) for b in raw if 32 <= b < 127).strip()


def _read_up_to(file: BinaryIO, count: int) -> bytes:
    """As many bytes as there are: what unpacks a file gives them in pieces."""
    parts = []
    while count and (part := file.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
