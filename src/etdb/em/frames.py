"""Header facts of TIFF and EER files, by `tifffile`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["FrameStack"]


class FrameStack(Struct, frozen=True, kw_only=True):
    """A stack of images in a TIFF or EER file: movie frames of a camera, or a volume that was saved so.

    `data_type` as in `MrcLook` (EER counts electrons; its type is `eer`). `dose_e_per_a2` and `exposure_s` are the
    whole stack's.
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
