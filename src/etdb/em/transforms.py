"""IMOD's transforms of the sections of a stack: `.xf`, `.prexf`, `.xg`, `.prexg`."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Transform", "Transforms"]


class Transform(Struct, frozen=True, array_like=True):
    """x' = a11 x + a12 y + dx; y' = a21 x + a22 y + dy, about the centre of the section, in pixels."""

    a11: float
    a12: float
    a21: float
    a22: float
    dx: float
    dy: float


class Transforms(Struct, frozen=True, kw_only=True):
    """A file of transforms, one a section.

    `kind` is `pre` for coarse alignment (`.prexf`, `.prexg`) and `final` for `.xf` and `.xg`; `is_global` for the
    `g` transforms, which take each section to the whole series rather than to its neighbour.
    """

    kind: str
    is_global: bool
    per_section: tuple[Transform, ...]
