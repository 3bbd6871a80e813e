"""SerialEM's `.mdoc` files: what each section says, and what all of them agree on.

The format is `key = value` lines in sections `[ZValue = n]`, after global lines and `[T = ...]` titles
(https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any, Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["MAX_MDOC_BYTES", "MdocLook", "MdocSection", "parse_mdoc"]

MAX_MDOC_BYTES = 16 << 20
MAX_SECTIONS = 20_000
MAX_LINE_CHARACTERS = 100_000
MAX_KEYS = 1_000
SECTION = re.compile(r"\[\s*(ZValue|FrameSet|MontSection)\s*=\s*(-?\d{1,9})\s*\]")
TITLE = re.compile(r"\[?\s*T\s*=\s*(.*)")
DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4}|\d{2})\b")
VERSION = re.compile(r"SerialEM Version\s+([0-9][0-9A-Za-z.]{0,20})")
TIME = re.compile(r"\b(\d{1,2}):(\d{2}):(\d{2})\b")
TILT_AXIS = re.compile(r"[Tt]ilt ?[Aa]xis ?[Aa]ngle\s*=\s*(-?\d{1,3}(?:\.\d{1,6})?)(?![\d.])")
BIDIRECTIONAL = re.compile(r"\bbidir\s*=")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

KINDS: dict[str, Literal["ZValue", "FrameSet", "MontSection"]] = {
    "ZValue": "ZValue",
    "FrameSet": "FrameSet",
    "MontSection": "MontSection",
}
NUMBERS = {
    "TiltAngle": "tilt_deg",
    "ExposureDose": "dose_e_per_a2",
    "PriorRecordDose": "prior_dose_e_per_a2",
    "DoseRate": "dose_rate_e_per_pixel_s",
    "ExposureTime": "exposure_s",
    "StageZ": "stage_z_um",
    "Defocus": "defocus_um",
    "TargetDefocus": "target_defocus_um",
    "PixelSpacing": "pixel_spacing_angstrom",
    "Magnification": "magnification",
    "Voltage": "voltage_kv",
    "RotationAngle": "rotation_deg",
    "Binning": "binning",
}
WHOLE_NUMBERS = {"SpotSize": "spot_size", "CameraIndex": "camera_index", "NumSubFrames": "sub_frames"}
TEXTS = {"SubFramePath": "sub_frame_path", "GainReference": "gain_reference"}
KNOWN_KEYS = frozenset(
    {
        *(*NUMBERS, *WHOLE_NUMBERS, *TEXTS),
        *("StagePosition", "MinMaxMean", "PieceCoordinates", "FrameDosesAndNumber", "DateTime"),
    }
)


class MdocSection(Struct, frozen=True, kw_only=True):
    """One section of an mdoc file; None (or "") where it does not say.

    Values stand as they were written: a dose of 0 is what SerialEM writes without a calibration. `kind` is the
    header's word and `index` its number (for `ZValue`, the section of the image stack). `acquired_at` is the
    microscope's local time, without a zone. `piece` are the coordinates of a montage piece. `other` holds the keys
    that have no field here.
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
    """Read an mdoc file. Unknown keys are kept as they stand; the dose is the sum over the sections, if each tells it.

    Where frames were cut into images (`FrameSet` and `ZValue` in one file) the images are the sections.

    Raises:
        FormatError: too large, or not one line of the format in it.
    """
    if len(data) > MAX_MDOC_BYTES:
        raise FormatError(f"an mdoc file above {MAX_MDOC_BYTES} bytes")
    top: dict[str, str] = {}
    blocks: list[tuple[str, int, dict[str, str]]] = []
    titles: list[str] = []
    current: dict[str, str] | None = top
    for raw in data.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if not line or len(line) > MAX_LINE_CHARACTERS:
            continue
        if found := SECTION.fullmatch(line):
            if len(blocks) == MAX_SECTIONS:
                raise FormatError(f"more than {MAX_SECTIONS} sections in an mdoc file")
            current = {}
            blocks.append((found[1], int(found[2]), current))
        elif title := TITLE.fullmatch(line):
            titles.append(title[1].removesuffix("]").rstrip())
        elif line.startswith("["):
            current = None  # a section of a kind that we do not know
        elif current is not None and "=" in line and len(current) < MAX_KEYS:
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    if not blocks and not titles and "ImageFile" not in top:
        raise FormatError("this is not an mdoc file: no section, title or image file in it")
    return _summarise(top, blocks, titles)


def _summarise(top: dict[str, str], blocks: list[tuple[str, int, dict[str, str]]], titles: list[str]) -> MdocLook:
    images = [keys for kind, _, keys in blocks if kind == "ZValue"]
    sections = images or [keys for kind, _, keys in blocks if kind == "FrameSet"]
    of_images = [keys for kind, _, keys in blocks if kind != "MontSection"]
    tilts = [_number(s.get("TiltAngle", "")) for s in sections]
    doses = [_number(s.get("ExposureDose", "")) for s in sections]
    known_doses = [d for d in doses if d is not None and d > 0]
    is_montage = any("PieceCoordinates" in s for s in sections)
    dates = [d for s in of_images if (d := _date(s.get("DateTime", "")))] or [d for t in titles if (d := _date(t))]
    version = VERSION.search(top.get("Version", ""))
    is_serialem = version is not None or any(t.startswith("SerialEM") for t in titles)
    axes = [float(found[1]) for t in titles if (found := TILT_AXIS.search(t))]
    size = _numbers(top.get("ImageSize", ""), 2)
    return MdocLook(
        sections=len(sections),
        is_montage=is_montage,
        image_file=top.get("ImageFile", ""),
        pixel_spacing_angstrom=_agreed("PixelSpacing", top, of_images),
        voltage_kv=_agreed("Voltage", top, of_images),
        magnification=_agreed("Magnification", top, of_images),
        target_defocus_um=_agreed("TargetDefocus", top, of_images, positive=False),
        dose_e_per_a2=round(sum(known_doses), 3) if known_doses and len(known_doses) == len(sections) else None,
        tilt_angles_deg=tuple(t for t in tilts if t is not None) if None not in tilts and not is_montage else (),
        acquired_on=min(dates, default=None),
        software=f"SerialEM {version[1]}" if version else "SerialEM" if is_serialem else "",
        titles=tuple(titles[:20]),
        image_size=(int(size[0]), int(size[1])) if size else None,
        tilt_axis_deg=axes[-1] if axes else None,
        is_bidirectional=any(BIDIRECTIONAL.search(t) for t in titles),
        sections_facts=tuple(_section(kind, index, keys) for kind, index, keys in blocks),
        global_keys=top,
    )


def _section(kind: str, index: int, keys: dict[str, str]) -> MdocSection:
    told: dict[str, Any] = {
        field: value for key, field in NUMBERS.items() if (value := _number(keys.get(key, ""))) is not None
    }
    for key, field in WHOLE_NUMBERS.items():
        if (value := _number(keys.get(key, ""))) is not None and value.is_integer():
            told[field] = int(value)
    if stage := _numbers(keys.get("StagePosition", ""), 2):
        told["stage_x_um"], told["stage_y_um"] = stage
    if spread := _numbers(keys.get("MinMaxMean", ""), 3):
        told["minimum_maximum_mean"] = spread
    if (piece := _numbers(keys.get("PieceCoordinates", ""), 3)) and all(p.is_integer() for p in piece):
        told["piece"] = tuple(int(p) for p in piece)
    if frame_dose := _numbers(keys.get("FrameDosesAndNumber", ""), 2):
        told["frame_dose_e_per_a2"] = frame_dose[0]
    if (moment := _moment(keys.get("DateTime", ""))) is not None:
        told["acquired_at"] = moment
    told |= {field: keys[key] for key, field in TEXTS.items() if key in keys}
    other = {key: value for key, value in keys.items() if key not in KNOWN_KEYS}
    return MdocSection(kind=KINDS[kind], index=index, **told, other=other)


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


def _numbers(text: str, count: int) -> tuple[float, ...] | None:
    """So many numbers in a row; None if one of the first is none, or missing."""
    found = [_number(word) for word in text.split()[:count]]
    numbers = tuple(value for value in found if value is not None)
    return numbers if len(numbers) == count else None


def _moment(text: str) -> dt.datetime | None:
    day, time = _date(text), TIME.search(text)
    if day is None or time is None:
        return None
    hour, minute, second = (int(part) for part in time.groups())
    if hour > 23 or minute > 59 or second > 59:
        return None
    return dt.datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001 local time: no zone is told


def _date(text: str) -> dt.date | None:
    found = DATE.search(text)
    if not found or found[2].lower() not in MONTHS:
        return None
    year = int(found[3])
    try:
        return dt.date(year + 2000 if year < 100 else year, MONTHS.index(found[2].lower()) + 1, int(found[1]))
    except ValueError:
        return None
