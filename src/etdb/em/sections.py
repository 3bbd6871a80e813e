"""What the extended header of an MRC file says of each section: FEI, SerialEM, Agard."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from msgspec import Struct

__all__ = ["ExtendedForm", "InstrumentFacts", "SectionFacts"]

ExtendedForm = Literal["", "fei-old", "fei1", "fei2", "serialem", "agard", "ccp4", "unknown"]
"""`fei-old`: 1024 records of 128 bytes, before MRC2014; `fei1`, `fei2`: the metadata blocks of EPU and Tomography;
`serialem`: short values by a bit mask; `agard`: integers and reals of each section (also old IMOD); `ccp4`: symmetry."""


class SectionFacts(Struct, frozen=True, kw_only=True):
    """What is told of one section (one tilt); None where it is not told or makes no sense."""

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
