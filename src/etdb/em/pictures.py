"""The size of a picture, from its header."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Picture"]


class Picture(Struct, frozen=True, kw_only=True):
    """A picture's form and size in pixels."""

    form: Literal["jpeg", "png", "gif", "webp", "bmp"]
    width: int
    height: int
