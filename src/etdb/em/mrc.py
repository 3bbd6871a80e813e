"""A first look at an MRC file: what its header says, checked for sense, without reading the image data.

MRC2014 (Cheng et al., J. Struct. Biol. 192, 2015, 146-150; https://www.ccpem.ac.uk/mrc_format/mrc2014.php) and the
older dialects without the `MAP ` mark, in both byte orders. FEI's old extended header (1024 records of 128 bytes) is
read too: it holds the tilt angles, pixel size, magnification and voltage of each section.
"""

from __future__ import annotations

import math
import struct
from typing import Literal

from msgspec import Struct

from etdb.em.sections import ExtendedForm, InstrumentFacts, SectionFacts
from etdb.errors import FormatError

__all__ = ["FEI1_HEADER_BYTES", "MRC_HEADER_BYTES", "FeiLook", "MrcLook", "parse_mrc_header"]

MRC_HEADER_BYTES = 1024
FEI1_RECORDS = 1024
FEI1_RECORD_BYTES = 128
FEI1_HEADER_BYTES = FEI1_RECORDS * FEI1_RECORD_BYTES
MAX_DIMENSION = 1 << 24
MAX_EXTENDED_BYTES = 1 << 30
MAX_ANGLE_DEG = 180.0

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
METRES_TO_ANGSTROM = 1e10
# A spacing outside of this is a header that was never filled in.
SANE_SPACING_ANGSTROM = (1e-3, 1e6)


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
    byte_order: Literal["little", "big"]
    is_mrc2014: bool
    space_group: int
    voxel_spacing_angstrom: tuple[float, float, float] | None
    extended_type: str
    extended_bytes: int
    expected_bytes: int
    is_truncated: bool
    surplus_bytes: int
    labels: tuple[str, ...]
    label_count: int = 0
    fei: FeiLook | None = None
    signedness: Literal["", "imod-flag", "statistics", "assumed"] = ""
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


def parse_mrc_header(data: bytes, size_bytes: int | None = None) -> MrcLook:
    """Read the header of an MRC file.

    Args:
        data: the beginning of the file: 1024 bytes at least; with `MRC_HEADER_BYTES + FEI1_HEADER_BYTES` FEI's extended
            header can be read too.
        size_bytes: the size of the whole file, to tell whether it is truncated; None when not known.

    Raises:
        FormatError: not an MRC header in either byte order.
    """
    if len(data) < MRC_HEADER_BYTES:
        raise FormatError(f"an MRC header has {MRC_HEADER_BYTES} bytes, here are {len(data)}", offset=len(data))
    stamp = data[212]
    order: Literal["little", "big"] = "big" if stamp == 0x11 else "little"
    other: Literal["little", "big"] = "little" if order == "big" else "big"
    # The stamp is missing in old files and wrong in some: the numbers themselves decide.
    look = _read(data, order, size_bytes) or _read(data, other, size_bytes)
    if look is None:
        raise FormatError("this is not an MRC header: no sensible dimensions and mode in either byte order", offset=0)
    return look


def _read(data: bytes, byte_order: Literal["little", "big"], size_bytes: int | None) -> MrcLook | None:
    mark = "<" if byte_order == "little" else ">"
    columns, rows, sections, mode = struct.unpack_from(mark + "4i", data, 0)
    grid = struct.unpack_from(mark + "3i", data, 28)
    cell = struct.unpack_from(mark + "3f", data, 40)
    axes = struct.unpack_from(mark + "3i", data, 64)
    space_group, extended_bytes = struct.unpack_from(mark + "2i", data, 88)
    sensible = (
        all(1 <= n <= MAX_DIMENSION for n in (columns, rows, sections))
        and mode in MODES
        and 0 <= extended_bytes <= MAX_EXTENDED_BYTES
        and (sorted(axes) == [1, 2, 3] or axes == (0, 0, 0))
    )
    if not sensible:
        return None
    is_mrc2014 = data[208:211] == b"MAP"
    labels = tuple(text for at in range(224, MRC_HEADER_BYTES, 80) if (text := _printable(data[at : at + 80])))
    extended_type = _printable(data[104:108]) if is_mrc2014 else ""
    if not extended_type and extended_bytes == FEI1_HEADER_BYTES and any("fei company" in s.lower() for s in labels):
        extended_type = "FEI1"
    name, bits = MODES[mode]
    row_bytes = (columns * bits + 7) // 8
    expected = MRC_HEADER_BYTES + extended_bytes + row_bytes * rows * sections
    fei = None
    if extended_type == "FEI1" and len(data) >= MRC_HEADER_BYTES + FEI1_RECORD_BYTES:
        fei = _read_fei1(data[MRC_HEADER_BYTES : MRC_HEADER_BYTES + extended_bytes], sections, mark)
    return MrcLook(
        columns=columns,
        rows=rows,
        sections=sections,
        mode=mode,
        data_type=name,
        byte_order=byte_order,
        is_mrc2014=is_mrc2014,
        space_group=space_group,
        voxel_spacing_angstrom=_spacing(cell, grid),
        extended_type=extended_type,
        extended_bytes=extended_bytes,
        expected_bytes=expected,
        is_truncated=size_bytes is not None and size_bytes < expected,
        surplus_bytes=max(0, size_bytes - expected) if size_bytes is not None else 0,
        labels=labels[:10],
        fei=fei,
    )


def _spacing(cell: tuple[float, ...], grid: tuple[int, ...]) -> tuple[float, float, float] | None:
    """Cell length over grid points; exactly 1 on all axes is what programs write that do not know it."""
    if not all(n > 0 for n in grid) or not all(math.isfinite(length) for length in cell):
        return None
    x, y, z = (length / n for length, n in zip(cell, grid, strict=True))
    low, high = SANE_SPACING_ANGSTROM
    if not all(low <= s <= high for s in (x, y, z)) or x == y == z == 1.0:
        return None
    return round(x, 4), round(y, 4), round(z, 4)


def _read_fei1(extended: bytes, sections: int, mark: str) -> FeiLook | None:
    count = min(sections, FEI1_RECORDS, len(extended) // FEI1_RECORD_BYTES)
    if count < sections:
        return None
    records = [struct.unpack_from(mark + "16f", extended, at * FEI1_RECORD_BYTES) for at in range(count)]
    tilts = tuple(round(r[0], 4) for r in records)
    if not all(math.isfinite(t) and abs(t) <= MAX_ANGLE_DEG for t in tilts):
        return None
    return FeiLook(
        tilt_angles_deg=tilts,
        pixel_spacing_angstrom=_agreed([r[11] * METRES_TO_ANGSTROM for r in records], SANE_SPACING_ANGSTROM),
        magnification=_agreed([r[12] for r in records], (1.0, 1e8)),
        voltage_kv=_agreed([r[13] / 1000 for r in records], (1.0, 5000.0)),
    )


def _agreed(values: list[float], sane: tuple[float, float]) -> float | None:
    first = values[0]
    if not (math.isfinite(first) and sane[0] <= first <= sane[1]):
        return None
    if not all(math.isclose(v, first, rel_tol=1e-4) for v in values):
        return None
    return float(f"{first:.5g}")


def _printable(raw: bytes) -> str:
    return "".join(chr(b) for b in raw if 32 <= b < 127).strip()
