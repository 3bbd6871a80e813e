"""Pictures with Pillow: what is drawn on them, and their bytes as JPEG and WebP.

Text is drawn with the font that comes with Pillow, so that a picture looks the same on every machine.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.media.extras import import_extra

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ScaleBar", "draw_label", "draw_scale_bar", "encode_jpeg", "encode_webp", "fit_grey", "plan_scale_bar"]

_JPEG_QUALITY: Final = 88
_WEBP_QUALITY: Final = 84
_LONGEST_BAR: Final = 0.28
_MICROMETRE_ANGSTROM: Final = 1e4
_NANOMETRE_ANGSTROM: Final = 10.0  # also below one: the font that comes with Pillow has no ring above an A
_WHY: Final = "making pictures"


class ScaleBar(Struct, frozen=True, kw_only=True):
    """A bar of a round length: how long on the picture, and what is written above it."""

    pixels: float
    text: str


def plan_scale_bar(width_px: int, pixel_angstrom: float | None) -> ScaleBar | None:
    """The longest bar of 1, 2 or 5 times a power of ten that takes at most 28 % of the width; None without a spacing.

    Args:
        width_px: of the picture.
        pixel_angstrom: what one of its pixels is.
    """
    if pixel_angstrom is None or not (math.isfinite(pixel_angstrom) and pixel_angstrom > 0):
        return None
    longest = width_px * _LONGEST_BAR * pixel_angstrom
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))
    is_long = length >= _MICROMETRE_ANGSTROM * (1 - 1e-9)
    unit, size = ("µm", _MICROMETRE_ANGSTROM) if is_long else ("nm", _NANOMETRE_ANGSTROM)
    return ScaleBar(pixels=length / pixel_angstrom, text=f"{length / size:.6g} {unit}")


def draw_scale_bar(picture: NDArray[np.uint8], bar: ScaleBar | None) -> NDArray[np.uint8]:
    """A copy with the bar at the lower left, white on a darkened ground so that it shows on anything.

    Where there is no bar, words say that the scale is not known.
    """
    size = _text_size(*picture.shape)
    font = _font(size)
    text = "scale not known" if bar is None else bar.text
    text_wide = math.ceil(font.getlength(text))
    long, thick = (0, 0) if bar is None else (max(1, round(bar.pixels)), max(2, size // 5))
    gap, edge = max(2, size // 3), max(3, size // 2)
    wide, high = max(long, text_wide) + 2 * gap, size + 2 * gap + (thick + gap // 2 if thick else 0)
    left, top = edge, picture.shape[0] - edge - high
    image, draw = _drawing(_darkened(picture, (left, top, left + wide, top + high)))
    middle = left + wide / 2
    draw.text((middle, top + gap + size * 0.85), text, fill=255, font=font, anchor="ms")
    if bar is not None:
        start, bottom = round(middle - long / 2), top + high - gap
        draw.rectangle((start, bottom - thick, start + long - 1, bottom - 1), fill=255)
    return np.asarray(image)


def draw_label(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """A copy with a few words at the upper right, white on a darkened ground."""
    size = _text_size(*picture.shape)
    font = _font(size)
    gap, edge = max(2, size // 3), max(3, size // 2)
    right, wide = picture.shape[1] - edge, math.ceil(font.getlength(text)) + 2 * gap
    image, draw = _drawing(_darkened(picture, (right - wide, edge, right, edge + size + 2 * gap)))
    draw.text((right - gap, edge + gap + size * 0.85), text, fill=255, font=font, anchor="rs")
    return np.asarray(image)


def fit_grey(picture: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The picture made smaller, so that its longer side is at most this."""
    if max(picture.shape) <= longest:
        return picture
    image = _image(picture)
    image.thumbnail((longest, longest), import_extra("PIL.Image", "previews", what=_WHY).Resampling.LANCZOS)
    return np.asarray(image)


def encode_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """The bytes of a grey JPEG."""
    out = io.BytesIO()
    _image(picture).save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()


def encode_webp(picture: NDArray[np.uint8]) -> bytes:
    """The bytes of a WebP picture."""
    out = io.BytesIO()
    _image(picture).save(out, "WEBP", quality=_WEBP_QUALITY, method=5)
    return out.getvalue()


def _image(picture: NDArray[np.uint8]) -> Image:
    image: Image = import_extra("PIL.Image", "previews", what=_WHY).fromarray(np.ascontiguousarray(picture))
    return image


def _text_size(height: int, width: int) -> int:
    return max(10, min(width // 28, height // 14, 28))


def _font(size: int) -> Any:
    return import_extra("PIL.ImageFont", "previews", what=_WHY).load_default(size)


def _darkened(picture: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    left, top, right, bottom = (max(0, n) for n in box)
    ground = picture.copy()
    part = ground[top:bottom, left:right]
    part[...] = part.astype(np.uint16) * 3 // 8
    return ground


def _drawing(picture: NDArray[np.uint8]) -> tuple[Image, Any]:
    image = _image(picture)
    return image, import_extra("PIL.ImageDraw", "previews", what=_WHY).Draw(image)
