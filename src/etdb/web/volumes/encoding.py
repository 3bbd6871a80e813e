"""Slices as files that browsers draw."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from etdb.errors import InputError

__all__ = ["MEDIA_TYPES", "encode_picture"]

MEDIA_TYPES: Final = {"jpeg": "image/jpeg", "webp": "image/webp", "png": "image/png"}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "jpeg": {"quality": 85},
    "webp": {"quality": 60, "method": 1},
    "png": {"compress_level": 1},
}


def encode_picture(grey: NDArray[np.uint8], form: str) -> bytes:
    """An 8-bit picture as JPEG, WebP or PNG.

    Raises:
        InputError: no such form.
    """
    if form not in MEDIA_TYPES:
        raise InputError(f"there is no picture as {form[:40]!r}", hint="formats: " + ", ".join(MEDIA_TYPES))
    out = io.BytesIO()
    Image.fromarray(grey).save(out, form, **_OPTIONS[form])
    return out.getvalue()
