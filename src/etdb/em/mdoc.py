"""A first look at SerialEM's `.mdoc` files: what all sections agree on.

The format is `key = value` lines in sections `[ZValue = n]`, after global lines and `[T = ...]` titles
(https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["MAX_MDOC_BYTES", "MdocLook", "MdocSection", "parse_mdoc"]

MAX_MDOC_BYTES = 16 << 20
MAX_SECTIONS = 20_000
MAX_LINE_CHARACTERS = 100_000
SECTION = re.compile(r"\[\s*(ZValue|FrameSet|MontSection)\s*=\s*(-?\d{1,9})\s*\]")
TITLE = re.compile(r"\[?\s*T\s*=\s*(.*?)\s*\]?")
DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4}|\d{2})\b")
VERSION = re.compile(r"SerialEM Version\s+([0-9][0-9A-Za-z.]{0,20})")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class MdocSection(Struct, frozen=True, kw_only=True):
    """One section of an mdoc file; None (or "") where it does not say.

    `kind` is the header's word and `index` its number (for `ZValue`, the section of the image stack). `acquired_at` is
    the microscope's local time, without a zone. `piece` are the coordinates of a montage piece. `other` holds, as they
    stand, the keys that have no field here.
    """

    kind: Literal["ZValue", "FrameSet", "MontSection"]
    index: int
    tilt_deg: float | None = None
    dose_e_per_a2: float | None = None
    prior_dose_e_per_a2: float | None = None
    dose_rate_e_per_pixel_s: float | None = None
    exposure_s: float | None = None
    stage_x_um: float | None = None
    stage_y_um: float | None = None
    stage_z_um: float | None = None
    defocus_um: float | None = None
    target_defocus_um: float | None = None
    pixel_spacing_angstrom: float | None = None
    magnification: float | None = None
    voltage_kv: float | None = None
    rotation_deg: float | None = None
    spot_size: int | None = None
    binning: float | None = None
    camera_index: int | None = None
    sub_frame_path: str = ""
    sub_frames: int | None = None
    frame_dose_e_per_a2: float | None = None
    gain_reference: str = ""
    acquired_at: dt.datetime | None = None
    minimum_maximum_mean: tuple[float, float, float] | None = None
    piece: tuple[int, int, int] | None = None
    other: dict[str, str] = {}


class MdocLook(Struct, frozen=True, kw_only=True):
    """What an mdoc file says; None (or empty) where it does not, or where its sections disagree."""

    sections: int
    is_montage: bool
    image_file: str
    pixel_spacing_angstrom: float | None
    voltage_kv: float | None
    magnification: float | None
    target_defocus_um: float | None
    dose_e_per_a2: float | None
    tilt_angles_deg: tuple[float, ...]
    acquired_on: dt.date | None
    software: str
    titles: tuple[str, ...]
    image_size: tuple[int, int] | None = None
    tilt_axis_deg: float | None = None
    is_bidirectional: bool = False
    sections_facts: tuple[MdocSection, ...] = ()
    global_keys: dict[str, str] = {}


def parse_mdoc(data: bytes) -> MdocLook:
    """Read an mdoc file. Unknown keys are passed over; the dose is the sum over the sections, if each tells it.

    Raises:
        FormatError: too large, or not one line of the format in it.
    """
    if len(data) > MAX_MDOC_BYTES:
        raise FormatError(f"an mdoc file above {MAX_MDOC_BYTES} bytes")
    top: dict[str, str] = {}
    sections: list[dict[str, str]] = []
    titles: list[str] = []
    current: dict[str, str] | None = top
    for raw in data.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if not line or len(line) > MAX_LINE_CHARACTERS:
            continue
        if found := SECTION.fullmatch(line):
            if len(sections) == MAX_SECTIONS:
                raise FormatError(f"more than {MAX_SECTIONS} sections in an mdoc file")
            current = {} if found[1] != "MontSection" else None
            if current is not None:
                sections.append(current)
        elif title := TITLE.fullmatch(line):
            titles.append(title[1])
        elif line.startswith("["):
            current = None  # a section of a kind that we do not know
        elif current is not None and "=" in line:
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    if not sections and not titles and "ImageFile" not in top:
        raise FormatError("this is not an mdoc file: no section, title or image file in it")
    return _summarise(top, sections, titles)


def _summarise(top: dict[str, str], sections: list[dict[str, str]], titles: list[str]) -> MdocLook:
    tilts = [_number(s.get("TiltAngle", "")) for s in sections]
    doses = [_number(s.get("ExposureDose", "")) for s in sections]
    known_doses = [d for d in doses if d is not None and d > 0]
    is_montage = any("PieceCoordinates" in s for s in sections)
    dates = [d for s in sections if (d := _date(s.get("DateTime", "")))] or [d for t in titles if (d := _date(t))]
    version = VERSION.search(top.get("Version", ""))
    is_serialem = version is not None or any(t.startswith("SerialEM") for t in titles)
    return MdocLook(
        sections=len(sections),
        is_montage=is_montage,
        image_file=top.get("ImageFile", ""),
        pixel_spacing_angstrom=_agreed("PixelSpacing", top, sections),
        voltage_kv=_agreed("Voltage", top, sections),
        magnification=_agreed("Magnification", top, sections),
        target_defocus_um=_agreed("TargetDefocus", top, sections, positive=False),
        dose_e_per_a2=round(sum(known_doses), 3) if known_doses and len(known_doses) == len(sections) else None,
        tilt_angles_deg=tuple(t for t in tilts if t is not None) if None not in tilts and not is_montage else (),
        acquired_on=min(dates, default=None),
        software=f"SerialEM {version[1]}" if version else "SerialEM" if is_serialem else "",
        titles=tuple(titles[:20]),
    )


def _agreed(key: str, top: dict[str, str], sections: list[dict[str, str]], *, positive: bool = True) -> float | None:
    texts = [text for s in (top, *sections) if (text := s.get(key)) is not None]
    values = [_number(text) for text in texts]
    first = values[0] if values else None
    if first is None or (positive and first <= 0):
        return None
    return first if all(v is not None and math.isclose(v, first, rel_tol=1e-6) for v in values) else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e12 else None


def _date(text: str) -> dt.date | None:
    found = DATE.search(text)
    if not found or found[2].lower() not in MONTHS:
        return None
    year = int(found[3])
    try:
        return dt.date(year + 2000 if year < 100 else year, MONTHS.index(found[2].lower()) + 1, int(found[1]))
    except ValueError:
        return None
