"""IMOD's binary models (`.mod`): objects, contours, points."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["ImodModel", "ImodObject"]


class ImodObject(Struct, frozen=True, kw_only=True):
    """One object of a model, without its points.

    `form` is `closed`, `open` or `scattered` (points without lines between them). `colour` is red, green, blue from
    0 to 1. `point_size` is the default radius of its points in pixels.
    """

    name: str
    form: str
    colour: tuple[float, float, float]
    contours: int
    points: int
    meshes: int
    point_size: int = 0
    has_point_sizes: bool = False


class ImodModel(Struct, frozen=True, kw_only=True):
    """What a model file holds. Coordinates are pixels of the image it was drawn on, x, y, z.

    `pixel_spacing_angstrom` is None where the model says pixels. `z_scale` is how much thicker a section is than a
    pixel is wide.
    """

    name: str
    image_size: tuple[int, int, int]
    pixel_spacing_angstrom: float | None
    z_scale: float
    objects: tuple[ImodObject, ...]
    contours: int
    points: int
    meshes: int
    low: tuple[float, float, float] | None = None
    high: tuple[float, float, float] | None = None
