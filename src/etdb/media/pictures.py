"""Pictures with Pillow: what is drawn on them, and their bytes as JPEG and WebP.

Text is drawn with the font that comes with Pillow, so that a picture looks the same on every machine.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final

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
_ANGSTROM: Final = (("µm", 1e4), ("nm", 10.0), ("Å", 1.0))
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
    unit, size = next((u, s) for u, s in _ANGSTROM if length >= s * (1 - 1e-9) or s == 1.0)
    return ScaleBar(pixels=length / pixel_angstrom, text=f"{float(f'{length / size:.6g}'):g} {unit}")


def draw_scale_bar(picture: NDArray[np.uint8], bar: ScaleBar | None) -> NDArray[np.uint8]:
    """A copy with the bar at the lower left, white in a dark rim so that it shows on anything.

    Where there is no bar, small words say that the scale is not known.
    """
    image = _image(picture)
    draw = import_extra("PIL.ImageDraw", "previews", what=_WHY).Draw(image)
    height = image.height
    size = _text_size(image.width, height)
    left, bottom = round(size * 0.8), height - round(size * 0.8)
    if bar is None:
        _words(draw, (left, bottom), "scale not known", round(size * 0.8), "ls")
        return np.asarray(image)
    thick = max(2, round(size / 4))
    right = left + max(1, round(bar.pixels)) - 1
    rim = max(1, thick // 3)
    draw.rectangle((left - rim, bottom - thick - rim + 1, right + rim, bottom + rim), fill=0)
    draw.rectangle((left, bottom - thick + 1, right, bottom), fill=255)
    _words(draw, ((left + right) / 2, bottom - thick - size * 0.35), bar.text, size, "ms", least_left=left)
    return np.asarray(image)


def draw_label(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """A copy with a few words at the upper right."""
    image = _image(picture)
    draw = import_extra("PIL.ImageDraw", "previews", what=_WHY).Draw(image)
    size = _text_size(image.width, image.height)
    _words(draw, (image.width - size * 0.8, size * 1.6), text, size, "rs")
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


def _text_size(width: int, height: int) -> int:
    return max(10, min(width // 24, height // 12, 32))


def _words(
    draw: object, place: tuple[float, float], text: str, size: int, anchor: str, *, least_left: float = 0
) -> None:
    font = import_extra("PIL.ImageFont", "previews", what=_WHY).load_default(size)
    x, y = place
    if anchor[0] == "m":  # centred over the bar, but not beyond the edge
        x = max(x, least_left + font.getlength(text) / 2)
    draw.text(  # type: ignore[attr-defined]
        (x, y), text, fill=255, font=font, anchor=anchor, stroke_width=max(1, size // 9), stroke_fill=0
    )
