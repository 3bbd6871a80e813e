"""Header facts of TIFF and EER files.

By `tifffile`, which reads every dialect of TIFF that microscopes write; it comes with `etdb[formats]`. Pages are
counted, none is decoded.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

from msgspec import Struct

from etdb.errors import ConfigurationError, FormatError

__all__ = ["FrameStack", "read_frames"]

MAX_FRAMES = 200_000
MAX_TEXT_CHARACTERS = 1 << 20
EER_METADATA_TAG = 65001
EER_COMPRESSIONS = frozenset({65000, 65001, 65002})
EER_ITEM = re.compile(r'<item\s+name="([^"]{1,80})"(?:\s+unit="([^"]{0,20})")?\s*>([^<]{0,200})</item>')
OME_SIZE = re.compile(r'\bPhysicalSize([XYZ])="([0-9.eE+-]{1,30})"')
OME_UNIT = re.compile(r'\bPhysicalSize([XYZ])Unit="([^"]{1,12})"')
UNIT_ANGSTROM = {
    "nm": 10.0,
    "nanometer": 10.0,
    "pm": 0.01,
    "mm": 1e7,
    "m": 1e10,
    "cm": 1e8,
    "inch": 2.54e8,
    **dict.fromkeys(("a", "å", "angstrom", "angstroms"), 1.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "micrometer", "\\u00b5m"), 1e4),
}
# Larger than this is a print resolution (300 dpi are 85 um), no microscope's pixel.
SANE_SPACING_ANGSTROM = (1e-2, 2e4)


class FrameStack(Struct, frozen=True, kw_only=True):
    """A stack of images in a TIFF or EER file: movie frames of a camera, or a volume that was saved so.

    `data_type` is numpy's name (EER counts electrons; its type is `eer`). `section_spacing_angstrom` is told by ImageJ
    and OME-TIFF. `dose_e_per_a2` and `exposure_s` are the whole stack's.
    """

    form: Literal["tiff", "eer"]
    frames: int
    width: int
    height: int
    data_type: str
    samples_per_pixel: int = 1
    compression: str = ""
    pixel_spacing_angstrom: float | None = None
    section_spacing_angstrom: float | None = None
    exposure_s: float | None = None
    dose_e_per_a2: float | None = None
    camera: str = ""
    software: str = ""


def read_frames(file: BinaryIO) -> FrameStack:
    """Read a TIFF or EER file's header facts.

    Args:
        file: seekable; left open.

    Raises:
        FormatError: not TIFF, damaged, or beyond the limits.
        ConfigurationError: `tifffile` is not installed.
    """
    try:
        import tifffile  # noqa: PLC0415 heavy, and not everybody's
    except ImportError:
        raise ConfigurationError(
            "TIFF and EER files are read by the package tifffile, which is not installed",
            hint="pip install 'etdb[formats]'",
        ) from None
    file.seek(0)
    try:
        with _quiet(), tifffile.TiffFile(file) as tiff:
            return _facts(tiff)
    except FormatError:
        raise
    except Exception as error:  # what tifffile meets in a damaged file has no common root
        raise FormatError(f"this is not a TIFF file, or a damaged one: {str(error)[:100]}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What is odd about a file is said once, by us."""
    logger = logging.getLogger("tifffile")
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was


def _facts(tiff: Any) -> FrameStack:
    frames, page = len(tiff.pages), tiff.pages.first
    if not 1 <= frames <= MAX_FRAMES:
        raise FormatError(f"a TIFF file of {frames} pages")
    tags = page.tags
    told: dict[str, Any] = {}
    if EER_METADATA_TAG in tags and int(page.compression) in EER_COMPRESSIONS:
        told = _eer(tags[EER_METADATA_TAG].value)
        told |= {"form": "eer", "data_type": "eer"}
    else:
        imagej = tiff.imagej_metadata if tiff.is_imagej else None
        ome = tiff.ome_metadata if tiff.is_ome else None
        if imagej:
            told = _imagej(imagej, tags)
            # A hyperstack above 4 GiB has one page and says how many images follow it.
            frames = max(frames, _count(imagej.get("images")))
        elif ome:
            told = _ome(str(ome)[:MAX_TEXT_CHARACTERS])
        else:
            unit = {2: "inch", 3: "cm"}.get(int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2, "")
            told = {"pixel_spacing_angstrom": _resolution(tags, unit)}
        told |= {"form": "tiff", "data_type": str(page.dtype)}
    return FrameStack(
        frames=frames,
        width=int(page.imagewidth),
        height=int(page.imagelength),
        samples_per_pixel=int(page.samplesperpixel),
        compression=str(getattr(page.compression, "name", page.compression)).lower(),
        software=_text(tags["Software"].value) if "Software" in tags else "",
        **told,
    )


def _eer(value: Any) -> dict[str, Any]:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    items = {name: (unit, said) for name, unit, said in EER_ITEM.findall(text[:MAX_TEXT_CHARACTERS])}

    def number(name: str) -> tuple[float | None, str]:
        unit, said = items.get(name, ("", ""))
        return _number(said), unit.lower()

    pixel_m, unit = number("sensorPixelSize.width")
    spacing = _spacing(pixel_m, unit or "m")
    dose, dose_unit = number("totalDose")
    exposure, _ = number("exposureTime")
    # The dose is counted in the pixels of the image.
    is_per_pixel = any(word in dose_unit for word in ("pixel", "px"))
    return {
        "pixel_spacing_angstrom": spacing,
        "exposure_s": exposure if exposure and exposure > 0 else None,
        "dose_e_per_a2": round(dose / spacing**2, 4) if dose and dose > 0 and spacing and is_per_pixel else None,
        "camera": _text(items.get("commercialName", ("", ""))[1]),
    }


def _imagej(metadata: dict[str, Any], tags: Any) -> dict[str, Any]:
    unit = str(metadata.get("unit", ""))
    return {
        "pixel_spacing_angstrom": _resolution(tags, unit),
        "section_spacing_angstrom": _spacing(_number(metadata.get("spacing")), unit),
    }


def _ome(text: str) -> dict[str, Any]:
    sizes = {axis: _number(value) for axis, value in reversed(OME_SIZE.findall(text))}
    units = dict(reversed(OME_UNIT.findall(text)))
    spacing = {axis: _spacing(size, units.get(axis, "µm")) for axis, size in sizes.items()}
    return {"pixel_spacing_angstrom": spacing.get("X"), "section_spacing_angstrom": spacing.get("Z")}


def _resolution(tags: Any, unit: str) -> float | None:
    """Pixels a unit, as a fraction."""
    value = tags["XResolution"].value if "XResolution" in tags else None
    if not isinstance(value, tuple) or len(value) != 2 or not value[0]:
        return None
    return _spacing(value[1] / value[0], unit)


def _spacing(value: float | None, unit: str) -> float | None:
    angstrom = value * UNIT_ANGSTROM.get(unit.lower(), math.nan) if value is not None else math.nan
    low, high = SANE_SPACING_ANGSTROM
    return float(f"{angstrom:.6g}") if low <= angstrom <= high else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value <= MAX_FRAMES else 0


def _text(value: Any) -> str:
    return "".join(c for c in str(value)[:200] if c.isprintable()).strip()
