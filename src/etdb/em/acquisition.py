"""Logs that FEI's (Thermo Fisher's) tomography programs write beside a series."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

__all__ = ["AcquisitionLog"]


class AcquisitionLog(Struct, frozen=True, kw_only=True):
    """What an acquisition log says of its series; None where it does not.

    `values` holds every `name: value` line as it stands, without its time; units stay in the names.
    """

    started_at: dt.datetime | None = None
    tilt_min_deg: float | None = None
    tilt_max_deg: float | None = None
    tilt_start_deg: float | None = None
    tilt_step_deg: float | None = None
    tilt_axis_deg: float | None = None
    is_stem: bool = False
    exposure_s: float | None = None
    binning: float | None = None
    pixel_spacing_angstrom: float | None = None
    image_size: tuple[int, int] | None = None
    defocus_um: float | None = None
    magnification: float | None = None
    voltage_kv: float | None = None
    scheme: str = ""
    values: dict[str, str] = {}
