"""What the extended header of an MRC file says of each section: FEI, SerialEM, Agard; and CCP4's symmetry.

The blocks of FEI (Thermo Fisher) are those of its MRC2014 specification, versions 1 and 2 (768 and 888 bytes), with a
bit for each value that is set; before that it wrote 1024 records of 32 reals. SerialEM's short values by a bit mask
and Agard's integers and reals are described with IMOD (https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from typing import Literal

import msgspec
from msgspec import Struct

__all__ = ["ExtendedForm", "InstrumentFacts", "SectionFacts", "read_extended"]

ExtendedForm = Literal["", "fei-old", "fei1", "fei2", "serialem", "agard", "ccp4", "unknown"]
"""`fei-old`: 1024 records of 128 bytes, before MRC2014; `fei1`, `fei2`: the blocks of EPU and Tomography; `serialem`:
short values by a bit mask; `agard`: integers and reals of each section (IMOD's older form too); `ccp4`: symmetry."""

MAX_SECTIONS_READ = 20_000
FEI_OLD_RECORD_BYTES = 128
FEI_OLD_BYTES = 1024 * FEI_OLD_RECORD_BYTES
FEI1_BLOCK_BYTES = 768
FEI2_BLOCK_BYTES = 888
MAX_FEI_BLOCK_BYTES = 8192  # a later version may append to the block, and says so in its first number
SYMMETRY_RECORD_BYTES = 80
DELTAVISION = -16224
# Bit -> bytes of it in a section, in the order in which SerialEM writes them.
SERIALEM_BYTES = {1: 2, 2: 6, 4: 4, 8: 2, 16: 2, 32: 4, 64: 2, 128: 4, 256: 2, 512: 4, 1024: 2}

METRES_TO_ANGSTROM = 1e10
METRES_TO_UM = 1e6
PER_M2_TO_PER_A2 = 1e-20
OLE_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 the microscope's local time: no zone is told
SANE_DAYS = (32874.0, 73050.0)  # 1990 to 2099

Range = tuple[float, float]
ANGLE: Range = (-180.0, 180.0)
STAGE_UM: Range = (-1e5, 1e5)
DEFOCUS_UM: Range = (-1e4, 1e4)
SPACING: Range = (1e-3, 1e6)
DOSE: Range = (1e-6, 1e6)
MAGNIFICATION: Range = (1.0, 1e8)
VOLTAGE_KV: Range = (1.0, 5000.0)
EXPOSURE_S: Range = (1e-6, 1e5)


class SectionFacts(Struct, frozen=True, kw_only=True):
    """What is told of one section (one tilt); None where it is not told or makes no sense.

    Tilt and tilt axis are in degrees. A defocus below zero is under focus. `acquired_at` is the microscope's local
    time, without a zone.
    """

    tilt_deg: float | None = None
    tilt_axis_deg: float | None = None
    stage_x_um: float | None = None
    stage_y_um: float | None = None
    stage_z_um: float | None = None
    defocus_um: float | None = None
    pixel_spacing_angstrom: float | None = None
    dose_e_per_a2: float | None = None
    magnification: float | None = None
    voltage_kv: float | None = None
    exposure_s: float | None = None
    acquired_at: dt.datetime | None = None


class InstrumentFacts(Struct, frozen=True, kw_only=True):
    """What an extended header says of where the file was made; "" where it does not."""

    microscope: str = ""
    serial: str = ""
    camera: str = ""
    software: str = ""


class Extended(Struct, frozen=True, kw_only=True):
    """What was read of an extended header."""

    form: ExtendedForm
    sections: tuple[SectionFacts, ...] = ()
    instrument: InstrumentFacts | None = None
    symmetry: tuple[str, ...] = ()


def read_extended(header: bytes, extended: bytes, sections: int, mark: str) -> Extended:
    """Read an extended header, or as much of one as is given.

    Args:
        header: the 1024 bytes before it.
        extended: its bytes; what is cut off is not told.
        sections: how many sections the file has.
        mark: `<` or `>`, the file's byte order.
    """
    form = _form(header, extended, mark)
    facts: list[SectionFacts] = []
    instrument = None
    if sections <= MAX_SECTIONS_READ:
        if form in {"fei1", "fei2"}:
            facts, instrument = _fei_blocks(extended, sections, mark)
        elif form == "fei-old":
            facts = _fei_old(extended, sections, mark)
        elif form == "serialem":
            facts = _serialem(extended, sections, mark, *struct.unpack_from(mark + "2h", header, 128))
        elif form == "agard":
            facts = _agard(extended, sections, mark, *struct.unpack_from(mark + "2h", header, 128))
    return Extended(
        form=form,
        sections=tuple(facts) if any(one != SectionFacts() for one in facts) else (),
        instrument=instrument,
        symmetry=_symmetry(extended) if form == "ccp4" else (),
    )


def _form(header: bytes, extended: bytes, mark: str) -> ExtendedForm:
    (length,) = struct.unpack_from(mark + "i", header, 92)
    if length == 0:
        return ""
    kind = header[104:108] if header[208:211] == b"MAP" else b""
    integers, reals = struct.unpack_from(mark + "2h", header, 128)
    (creator,) = struct.unpack_from(mark + "h", header, 96)
    if kind in {b"FEI1", b"FEI2"} and len(extended) >= 4:
        (block,) = struct.unpack_from(mark + "i", extended)
        if FEI1_BLOCK_BYTES <= block <= MAX_FEI_BLOCK_BYTES:
            return "fei1" if block < FEI2_BLOCK_BYTES else "fei2"
    is_fei = kind.startswith(b"FEI") or b"fei company" in header[224:].lower()
    if length % FEI_OLD_BYTES == 0 and (is_fei or (integers, reals) == (0, 32)):
        return "fei-old"
    is_masked = integers > 0 and reals > 0 and _mask_bytes(reals) == integers
    is_unnamed = kind in {b"", bytes(4)}
    if creator != DELTAVISION and (kind == b"SERI" or is_unnamed) and is_masked:
        return "serialem"
    is_text = len(extended) > 0 and length % SYMMETRY_RECORD_BYTES == 0 and all(32 <= b < 127 for b in extended[:4096])
    if kind in {b"CCP4", b"MRCO"} or (is_text and is_unnamed):
        return "ccp4"
    if kind == b"AGAR" or (is_unnamed and integers >= 0 and reals > 0):
        return "agard"
    return "unknown"


def _mask_bytes(mask: int) -> int:
    """How many bytes a section takes by a mask; -1 for bits that nobody has given a meaning."""
    if not 0 < mask < 2048:
        return -1
    return sum(size for bit, size in SERIALEM_BYTES.items() if mask & bit)


def _fei_blocks(extended: bytes, sections: int, mark: str) -> tuple[list[SectionFacts], InstrumentFacts | None]:
    size = struct.unpack_from(mark + "i", extended)[0]
    instrument = None
    if len(extended) >= size:
        instrument = InstrumentFacts(
            microscope=_text(extended, 20),
            serial=_text(extended, 36),
            camera=(_text(extended, 804) if size >= FEI2_BLOCK_BYTES else "")
            or _text(extended, 435)
            or _text(extended, 519),
            software=f"{_text(extended, 52)} {_text(extended, 68)}".strip(),
        )
    if len(extended) < size * sections:
        return [], instrument
    return [_fei_block(extended, number * size, mark) for number in range(sections)], instrument


def _fei_block(extended: bytes, at: int, mark: str) -> SectionFacts:
    # The masks are little-endian in both byte orders. Some programs leave them empty: then what is not zero counts.
    first, second = (struct.unpack_from("<I", extended, at + offset)[0] for offset in (8, 297))

    def value(offset: int, bit: int, sane: Range, scale: float = 1.0, mask: int = first) -> float | None:
        found = struct.unpack_from(mark + "d", extended, at + offset)[0]
        if mask & (1 << bit) == 0 if mask else found == 0:
            return None
        return _sane(found * scale, sane)

    days = value(12, 0, SANE_DAYS)
    pixel_x, pixel_y = (value(offset, bit, SPACING, METRES_TO_ANGSTROM) for offset, bit in ((156, 14), (164, 15)))
    is_square = pixel_x is not None and (pixel_y is None or math.isclose(pixel_x, pixel_y, rel_tol=1e-3))
    return SectionFacts(
        tilt_deg=value(100, 7, ANGLE),
        tilt_axis_deg=value(140, 12, (-360.0, 360.0)),
        stage_x_um=value(116, 9, STAGE_UM, METRES_TO_UM),
        stage_y_um=value(124, 10, STAGE_UM, METRES_TO_UM),
        stage_z_um=value(132, 11, STAGE_UM, METRES_TO_UM),
        defocus_um=value(220, 22, DEFOCUS_UM, METRES_TO_UM),
        pixel_spacing_angstrom=pixel_x if is_square else None,
        dose_e_per_a2=value(92, 6, DOSE, PER_M2_TO_PER_A2),
        magnification=value(289, 31, MAGNIFICATION),
        voltage_kv=value(84, 5, VOLTAGE_KV, 1e-3),
        exposure_s=value(419, 16, EXPOSURE_S, mask=second),
        acquired_at=OLE_EPOCH + dt.timedelta(days=days) if days is not None else None,
    )


def _fei_old(extended: bytes, sections: int, mark: str) -> list[SectionFacts]:
    if len(extended) < sections * FEI_OLD_RECORD_BYTES:
        return []
    records = [struct.unpack_from(mark + "16f", extended, at * FEI_OLD_RECORD_BYTES) for at in range(sections)]
    if any(_sane(r[0], ANGLE) is None for r in records):
        return []
    # Metres, but older programs wrote micrometres: no stage and no lens moves by a metre.
    stage = 1.0 if any(abs(v) > 1 for r in records for v in r[2:5]) else METRES_TO_UM
    focus = 1.0 if any(abs(r[7]) > 1e-2 for r in records) else METRES_TO_UM
    has_stage = any(v != 0 for r in records for v in r[2:5])
    has_focus = any(r[7] != 0 for r in records)
    return [
        SectionFacts(
            tilt_deg=_sane(r[0], ANGLE),
            tilt_axis_deg=_sane(r[10], (-360.0, 360.0)) if r[10] != 0 else None,
            stage_x_um=_sane(r[2] * stage, STAGE_UM) if has_stage else None,
            stage_y_um=_sane(r[3] * stage, STAGE_UM) if has_stage else None,
            stage_z_um=_sane(r[4] * stage, STAGE_UM) if has_stage else None,
            defocus_um=_sane(r[7] * focus, DEFOCUS_UM) if has_focus else None,
            pixel_spacing_angstrom=_sane(r[11] * METRES_TO_ANGSTROM, SPACING),
            magnification=_sane(r[12], MAGNIFICATION),
            voltage_kv=_sane(r[13] / 1000, VOLTAGE_KV),
            exposure_s=_sane(r[8], EXPOSURE_S),
        )
        for r in records
    ]


def _serialem(extended: bytes, sections: int, mark: str, size: int, mask: int) -> list[SectionFacts]:
    if len(extended) < sections * size:
        return []
    found = []
    for number in range(sections):
        at = number * size
        values: dict[str, float | None] = {}
        for bit, length in SERIALEM_BYTES.items():
            if not mask & bit:
                continue
            shorts = struct.unpack_from(f"{mark}{length // 2}h", extended, at)
            at += length
            if bit == 1:
                values["tilt_deg"] = _sane(shorts[0] / 100, ANGLE)
            elif bit == 4:
                values["stage_x_um"], values["stage_y_um"] = shorts[0] / 25, shorts[1] / 25
            elif bit == 8:
                values["magnification"] = _sane(shorts[0] * 100, MAGNIFICATION)
            elif bit == 32:
                values["dose_e_per_a2"] = _sane(_two_shorts(*shorts), DOSE)
        found.append(msgspec.convert(values, SectionFacts))
    return found


def _two_shorts(low: int, high: int) -> float:
    """SerialEM's real number in two shorts: 24 bits of value in the first and the second's low byte, then an exponent.

    As IMOD describes it: (sign of s1) * (|s1| * 256 + |s2| mod 256) * 2 ** ((sign of s2) * (|s2| div 256)).
    """
    value = abs(low) * 256 + abs(high) % 256
    return math.copysign(math.ldexp(value, (abs(high) // 256) * (1 if high >= 0 else -1)), low)


def _agard(extended: bytes, sections: int, mark: str, integers: int, reals: int) -> list[SectionFacts]:
    """Of the reals only the first has one meaning everywhere: the tilt angle. It counts when it is a series of them."""
    size = 4 * (integers + reals)
    if size == 0 or integers < 0 or reals < 1 or len(extended) < sections * size:
        return []
    tilts = [
        _sane(struct.unpack_from(mark + "f", extended, n * size + 4 * integers)[0], ANGLE) for n in range(sections)
    ]
    if None in tilts or len(set(tilts)) < min(2, sections) or not any(tilts):
        return []
    return [SectionFacts(tilt_deg=tilt) for tilt in tilts]


def _symmetry(extended: bytes) -> tuple[str, ...]:
    size = SYMMETRY_RECORD_BYTES
    lines = (
        extended[at : at + size].decode("latin-1").strip() for at in range(0, min(len(extended), 200 * size), size)
    )
    return tuple(line for line in lines if line and line.isprintable())


def _text(data: bytes, at: int) -> str:
    raw = data[at : at + 16].partition(b"\0")[0]
    return "".join(chr(b) for b in raw if 32 <= b < 127).strip()


def _sane(value: float, sane: Range) -> float | None:
    """The value in seven digits, as a float of 32 bits holds them; None outside of what can be."""
    if not (math.isfinite(value) and sane[0] <= value <= sane[1]):
        return None
    return float(f"{value:.7g}") + 0.0
