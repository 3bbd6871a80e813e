"""The metadata of an OME-Zarr folder (NGFF 0.4 and 0.5)."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["ZarrLevel", "ZarrVolume"]


class ZarrLevel(Struct, frozen=True, kw_only=True):
    """One resolution: where its array lies below the folder, its shape, type, and the spacing along each axis."""

    path: str
    shape: tuple[int, ...]
    data_type: str
    spacing_angstrom: tuple[float | None, ...]
    chunk_shape: tuple[int, ...] = ()


class ZarrVolume(Struct, frozen=True, kw_only=True):
    """A multiscale image in a folder; `folder` is its path in the dataset, `axes` the names in the arrays' order."""

    folder: str
    version: str
    axes: tuple[str, ...]
    levels: tuple[ZarrLevel, ...]
    name: str = ""
    is_labels: bool = False
