"""Pictures of a volume and of a stack: grey values chosen from the data, a scale bar, three sections at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_scale_bar", "grey", "key_image", "middle_of", "save_jpeg", "thumbnail", "to_uint8"]

_GAP = 6
_BAR_FRACTION = 0.3  # a scale bar is at most this part of the width
_LABELS = ("XY", "XZ", "YZ")


def grey(values: NDArray[Any], low: float = 1.0, high: float = 99.8) -> tuple[float, float]:
    """Grey levels for an array: the values at two percentiles, always apart."""
    bottom, top = (float(v) for v in np.percentile(values, [low, high]))
    return bottom, max(top, bottom + 1e-6)


def to_uint8(values: NDArray[Any], levels: tuple[float, float]) -> NDArray[np.uint8]:
    """Values as 8-bit grey, linear between two levels."""
    bottom, top = levels
    scaled = np.clip((values.astype(np.float32) - np.float32(bottom)) / np.float32(top - bottom), 0, 1)
    grey_values: NDArray[np.uint8] = np.rint(scaled * np.float32(255)).astype(np.uint8)
    return grey_values


def middle_of(volume: NDArray[Any]) -> tuple[int, int, int]:
    """The middle ``(z, y, x)`` of what is bright: sections through it show the specimen, wherever it lies."""
    bright = volume > 0.3 * float(volume.max())
    places = []
    for axis in range(3):
        weight = bright.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
        total = weight.sum()
        places.append(round(float((weight * np.arange(len(weight))).sum() / total)) if total else len(weight) // 2)
    return places[0], places[1], places[2]


def key_image(volume: NDArray[Any], voxel_nm: float) -> Image.Image:
    """Three sections through the middle of the specimen: XY large, XZ and YZ beside it, with a scale bar."""
    z, y, x = middle_of(volume)
    levels = (0.0, grey(volume[:, :, x - 2 : x + 3], 1.0, 99.9)[1])
    sections = [volume[z], volume[:, y], volume[:, :, x]]
    panels = [Image.fromarray(to_uint8(section, levels)) for section in sections]
    width = sum(panel.width for panel in panels) + _GAP * (len(panels) - 1)
    canvas = Image.new("L", (width, max(panel.height for panel in panels)), 255)
    left = 0
    for panel, label in zip(panels, _LABELS, strict=True):
        draw = ImageDraw.Draw(panel)
        draw.text((8, 6), label, fill=235, font=ImageFont.load_default(15))
        canvas.paste(panel, (left, 0))
        left += panel.width + _GAP
    draw_scale_bar(canvas, panels[0].width, voxel_nm)
    return canvas


def thumbnail(section: NDArray[Any], size: int = 128) -> Image.Image:
    """A small picture of one section."""
    picture = Image.fromarray(to_uint8(section, grey(section)))
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    return picture


def draw_scale_bar(picture: Image.Image, width: int, pixel_nm: float) -> None:
    """A bar of a round length at the lower left of a picture, for an image ``width`` pixels wide."""
    longest = width * _BAR_FRACTION * pixel_nm
    power = 10.0 ** np.floor(np.log10(longest))
    length = float(max(step * power for step in (1, 2, 5) if step * power <= longest))
    draw = ImageDraw.Draw(picture)
    bottom = picture.height - 12
    draw.rectangle((10, bottom - 4, 10 + length / pixel_nm, bottom), fill=255)
    draw.text((10, bottom - 24), f"{length:g} nm", fill=235, font=ImageFont.load_default(14))


def save_jpeg(picture: Image.Image, path: Path) -> None:
    """Write a picture; the same picture gives the same bytes with the same pillow."""
    picture.save(path, "JPEG", quality=88, optimize=True)
