"""Logs that FEI's (Thermo Fisher's) tomography programs write beside a series.

Lines of a time, a name with its unit in brackets, and a value. The format is nowhere described; this is how the
programs of 2005 to 2020 wrote it, in latin-1.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["MAX_LOG_BYTES", "AcquisitionLog", "parse_acquisition_log"]

MAX_LOG_BYTES = 8 << 20
MAX_LOG_VALUES = 2_000
STAMPED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2,4}) (\d{1,2}):(\d{2}):(\d{2})(?: ?([AP]M))?\s?(.*)")
VALUE = re.compile(r"([A-Za-z][^:\[\]]{0,60}?)\s*(?:\[([^\]]{0,12})\])?\s*:\s*(.{0,200})")
NUMBER = re.compile(r"[+-]?\d{1,12}(?:[.,]\d{1,12})?(?:[eE][+-]?\d{1,2})?")
AREA = re.compile(r"\(\s*(\d{1,6})\s*,\s*(\d{1,6})\s*\)\s*,\s*\(\s*(\d{1,6})\s*,\s*(\d{1,6})\s*\)")
# What the log of a series holds, whatever else it says; two of them make a log.
MARKS = ("used parameters", "max negative tilt", "max positive tilt", "tiltscheme", "tilt scheme", "relaxation time")
LENGTH_ANGSTROM = {"nm": 10.0, "pm": 0.01, "a": 1.0, "å": 1.0, "m": 1e10, "um": 1e4, "μm": 1e4, "µm": 1e4}


class AcquisitionLog(Struct, frozen=True, kw_only=True):
    """What an acquisition log says of its series; None where it does not.

    `scheme` is the log's own sentence about the order of tilts. `values` holds every `name: value` line as it stands,
    the first of each name, its unit in brackets.
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


def parse_acquisition_log(data: bytes) -> AcquisitionLog:
    """Read a log.

    Raises:
        FormatError: too large, or no log of a tilt series.
    """
    if len(data) > MAX_LOG_BYTES:
        raise FormatError(f"an acquisition log above {MAX_LOG_BYTES} bytes")
    text = data.decode("latin-1")
    lowered = text[:65536].lower()
    if sum(mark in lowered for mark in MARKS) < 2:
        raise FormatError("this is not the log of an acquisition: nothing of a tilt series is in it")
    started: dt.datetime | None = None
    values: dict[str, str] = {}
    units: dict[str, tuple[str, str]] = {}
    scheme = ""
    is_stem = False
    for line in text.splitlines():
        said = line.strip()
        if stamped := STAMPED.fullmatch(said):
            started = started or _moment(stamped.groups())
            said = stamped[8].strip()
        lower = said.lower()
        is_stem = is_stem or lower.startswith("stem imaging mode")
        if lower.startswith(("tiltscheme", "tilt scheme", "linear tilt scheme", "saxton")) and not scheme:
            scheme = said[:200]
        if (found := VALUE.fullmatch(said)) and len(values) < MAX_LOG_VALUES:
            name, unit, value = found[1].strip(), (found[2] or "").strip(), found[3].strip()
            values.setdefault(f"{name} [{unit}]" if unit else name, value)
            units.setdefault(name.lower(), (unit, value))
    pixel = _number(units, ("image pixel size", "pixel size"))
    unit = units.get("image pixel size", units.get("pixel size", ("", "")))[0].lower()
    area = AREA.search(units.get("image area", ("", ""))[1])
    voltage = _number(units, ("high tension", "voltage", "accelerating voltage"))
    return AcquisitionLog(
        started_at=started,
        tilt_min_deg=_number(units, ("max negative tilt",)),
        tilt_max_deg=_number(units, ("max positive tilt",)),
        tilt_start_deg=_number(units, ("start tilt (skipping angles)", "start tilt")),
        tilt_step_deg=_number(units, ("low tilt step", "tilt step")),
        tilt_axis_deg=_number(units, ("tilt axis angle",)),
        is_stem=is_stem,
        exposure_s=_number(units, ("exposure time",)),
        binning=_number(units, ("binning",)),
        pixel_spacing_angstrom=pixel * LENGTH_ANGSTROM[unit] if pixel and unit in LENGTH_ANGSTROM else None,
        image_size=(int(area[3]) - int(area[1]), int(area[4]) - int(area[2])) if area else None,
        defocus_um=_number(units, ("applied defocus",)),
        magnification=_number(units, ("microscope stem magnification", "microscope magnification", "magnification")),
        voltage_kv=voltage / 1000 if voltage and voltage >= 10_000 else voltage,
        scheme=scheme,
        values=values,
    )


def _number(units: dict[str, tuple[str, str]], names: Iterable[str]) -> float | None:
    for name in names:
        if name in units and (found := NUMBER.match(units[name][1])):
            value = float(found[0].replace(",", "."))
            return value + 0.0 if math.isfinite(value) else None
    return None


def _moment(parts: tuple[str | None, ...]) -> dt.datetime | None:
    """American order, as these programs wrote it; where the first number can only be a day, the other order."""
    first, second, year, hour, minute, second_s = (int(part or 0) for part in parts[:6])
    month, day = (second, first) if first > 12 else (first, second)
    if parts[6]:
        hour = hour % 12 + (12 if parts[6] == "PM" else 0)
    try:
        return dt.datetime(year + 2000 if year < 100 else year, month, day, hour, minute, second_s)  # noqa: DTZ001
    except ValueError:
        return None
