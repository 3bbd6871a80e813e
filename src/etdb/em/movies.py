"""Size and duration of a movie, from its container."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Movie"]


class Movie(Struct, frozen=True, kw_only=True):
    """A movie's container, size in pixels, duration and codec (its four letters, or ""); None where it does not say."""

    form: Literal["mp4", "mov", "avi", "flv"]
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    codec: str = ""
