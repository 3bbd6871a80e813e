"""The metadata of an OME-Zarr folder: NGFF 0.4 (Zarr 2) and 0.5 (Zarr 3).

https://ngff.openmicroscopy.org/0.4/ and /0.5/. The JSON is read by the caller, who has a strict loader; here are only
values of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["ZarrLevel", "ZarrVolume", "level_paths", "parse_ome_zarr"]

MAX_LEVELS = 32
MAX_AXES = 5
MAX_PATH_CHARACTERS = 100
UNIT_ANGSTROM = {"angstrom": 1.0, "nanometer": 10.0, "micrometer": 1e4, "picometer": 0.01, "millimeter": 1e7}
ZARR2_KINDS = {"i": "int", "u": "uint", "f": "float"}


class ZarrLevel(Struct, frozen=True, kw_only=True):
    """One resolution.

    `path` is where its array lies below the folder. `shape`, `chunk_shape` and `spacing_angstrom` go by the axes;
    a spacing is None for an axis that is no length, or whose unit is not told. A shard counts as a chunk.
    """

    path: str
    shape: tuple[int, ...]
    data_type: str
    spacing_angstrom: tuple[float | None, ...]
    chunk_shape: tuple[int, ...] = ()


class ZarrVolume(Struct, frozen=True, kw_only=True):
    """A multiscale image in a folder.

    `folder` is its path in the dataset, `axes` the names in the arrays' order (usually z, y, x), `levels` from the
    finest on. `is_labels` for a segmentation, `label_values` as its metadata lists them (`image-label`).
    """

    folder: str
    version: str
    axes: tuple[str, ...]
    levels: tuple[ZarrLevel, ...]
    name: str = ""
    is_labels: bool = False
    label_values: tuple[int, ...] = ()


def level_paths(group: Any) -> tuple[str, ...]:
    """The paths of the arrays that a group's metadata (`.zattrs` or `zarr.json`) names.

    Raises:
        FormatError: no multiscale image, or paths that lead outside of the folder.
    """
    return tuple(path for path, _ in _datasets(_multiscale(group)[0]))


def parse_ome_zarr(folder: str, group: Any, arrays: Mapping[str, Any]) -> ZarrVolume:
    """Put together what the metadata of a folder say.

    Args:
        folder: its path in the dataset.
        group: the JSON of its `.zattrs` (0.4) or `zarr.json` (0.5).
        arrays: the JSON of each level's `.zarray` or `zarr.json`, by the paths of `level_paths`.

    Raises:
        FormatError: not a multiscale image, or one that contradicts itself.
    """
    multiscale, attributes, version = _multiscale(group)
    axes = multiscale.get("axes")
    if not isinstance(axes, list) or not 1 <= len(axes) <= MAX_AXES:
        raise _wrong("its axes are not told")
    units = [a.get("unit") if isinstance(a, dict) and a.get("type", "space") == "space" else None for a in axes]
    names = [str(a.get("name", "") if isinstance(a, dict) else a)[:20] for a in axes]
    outer = _scale(multiscale, len(axes))
    label = attributes.get("image-label", _inner(multiscale, "metadata").get("image-label"))
    levels = []
    for path, dataset in _datasets(multiscale):
        shape, chunks, data_type = _array(arrays.get(path), len(axes))
        scale = [a * b for a, b in zip(_scale(dataset, len(axes)), outer, strict=True)]
        levels.append(
            ZarrLevel(
                path=path,
                shape=shape,
                data_type=data_type,
                chunk_shape=chunks,
                spacing_angstrom=tuple(_spacing(s, u) for s, u in zip(scale, units, strict=True)),
            )
        )
    return ZarrVolume(
        folder=folder,
        version=version,
        axes=tuple(names),
        levels=tuple(levels),
        name=str(multiscale.get("name", ""))[:200],
        is_labels=label is not None or "labels" in folder.split("/"),
        label_values=_label_values(label),
    )


def _multiscale(group: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
    attributes = group.get("attributes", group) if isinstance(group, dict) else None
    if isinstance(attributes, dict) and isinstance(attributes.get("ome"), dict):
        attributes = attributes["ome"]
    scales = attributes.get("multiscales") if isinstance(attributes, dict) else None
    if not isinstance(scales, list) or not scales or not isinstance(scales[0], dict):
        raise _wrong("there is no multiscale image in it")
    assert isinstance(attributes, dict)
    version = attributes.get("version", scales[0].get("version", ""))
    return scales[0], attributes, str(version)[:20]


def _label_values(label: Any) -> tuple[int, ...]:
    """Of the colours of `image-label`; the CryoET Data Portal keeps it in the metadata of the multiscale."""
    colors = label.get("colors") if isinstance(label, dict) else None
    values: list[Any] = [_inner(color).get("label-value") for color in colors] if isinstance(colors, list) else []
    if not all(_is_number(value) and value == int(value) for value in values):
        raise _wrong("a value of its labels is no whole number")
    return tuple(int(value) for value in values)


def _inner(holder: Any, key: str = "") -> dict[str, Any]:
    found = holder.get(key) if key and isinstance(holder, dict) else holder
    return found if isinstance(found, dict) else {}


def _datasets(multiscale: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = multiscale.get("datasets")
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_LEVELS:
        raise _wrong(f"it names no levels, or more than {MAX_LEVELS}")
    pairs = []
    for dataset in found:
        path = dataset.get("path") if isinstance(dataset, dict) else None
        parts = path.split("/") if isinstance(path, str) else [""]
        if not isinstance(path, str) or len(path) > MAX_PATH_CHARACTERS or any(p in {"", ".", ".."} for p in parts):
            raise _wrong("a level's path leads nowhere, or out of the folder")
        pairs.append((path, dataset))
    return pairs


def _scale(holder: dict[str, Any], count: int) -> list[float]:
    transformations = holder.get("coordinateTransformations")
    for one in transformations[:10] if isinstance(transformations, list) else ():
        scale = one.get("scale") if isinstance(one, dict) and one.get("type") == "scale" else None
        if isinstance(scale, list) and len(scale) == count and all(_is_number(s) for s in scale):
            return [float(s) for s in scale]
    return [1.0] * count


def _spacing(scale: float, unit: Any) -> float | None:
    value = scale * UNIT_ANGSTROM.get(unit, math.nan) if isinstance(unit, str) else math.nan
    return float(f"{value:.7g}") if math.isfinite(value) and value > 0 else None


def _array(document: Any, count: int) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    if not isinstance(document, dict):
        raise _wrong("a level has no array")
    shape = _sizes(document.get("shape"), count)
    grid = document.get("chunk_grid")
    if isinstance(grid, dict) and isinstance(grid.get("configuration"), dict):
        chunks = grid["configuration"].get("chunk_shape")
    else:
        chunks = document.get("chunks")
    kind = document.get("data_type", document.get("dtype", ""))
    return shape, _sizes(chunks, count), _type(kind if isinstance(kind, str) else "")


def _type(text: str) -> str:
    """Zarr 2 says `<i2` where Zarr 3 says `int16`."""
    short = text.lstrip("<>|=")
    if len(short) == 2 and short[0] in ZARR2_KINDS and short[1] in "1248":
        return f"{ZARR2_KINDS[short[0]]}{8 * int(short[1])}"
    return text[:20]


def _sizes(value: Any, count: int) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or len(value) != count
        or not all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1 << 40 for n in value)
    ):
        raise _wrong("the shape of an array does not go with its axes")
    return tuple(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(what: str) -> FormatError:
    return FormatError(f"this is not an OME-Zarr image: {what}")
