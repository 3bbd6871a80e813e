"""A mapped MRC file seen as OME-Zarr 0.5: metadata from its header, chunks cut from the file when they are asked for.

Nothing is stored. Level 0 holds the file's values; each further one is half as large along every axis that is still
long, and its values are means of a few sections and rows (see ``MappedVolume.box``), so that a chunk of any level reads
a bounded part of the file. Sources: https://ngff.openmicroscopy.org/0.5/ and
https://zarr-specs.readthedocs.io/en/latest/v3/core/.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from etdb.errors import NotFoundError
from etdb.web.volumes.mapped import MappedVolume
from etdb.web.volumes.volume import Shape

__all__ = ["CHUNK", "MAX_VIRTUAL_LEVELS", "virtual_file", "virtual_levels"]

CHUNK: Final[Shape] = (16, 128, 128)
"""Flat, because people go through slices."""
MAX_VIRTUAL_LEVELS: Final = 6
_SMALLEST: Final = 256
_LONG: Final = 64
_TYPES: Final = {
    "int8": "int8",
    "uint4": "uint8",
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int32",
}
"""What else there is becomes float32: half floats, magnitudes of complex values, means of colours."""


def virtual_levels(volume: MappedVolume) -> tuple[Shape, ...]:
    """How many values of the file are one in each level, along z, y and x; projections are never put together."""
    shape = volume.facts.shape
    factors: Shape = (1, 1, 1)
    found = [factors]
    while len(found) < MAX_VIRTUAL_LEVELS:
        z, y, x = (n // f for n, f in zip(shape, factors, strict=True))
        if max(y, x) <= _SMALLEST:
            break
        deeper = 2 if z > _LONG and not volume.facts.tilt_angles_deg else 1
        factors = (factors[0] * deeper, factors[1] * (2 if y > _LONG else 1), factors[2] * (2 if x > _LONG else 1))
        found.append(factors)
    return tuple(found)


def virtual_file(volume: MappedVolume, path: str) -> tuple[bytes, str]:
    """A file of the group, by its path in it, with its media type.

    Raises:
        NotFoundError: there is no such file.
    """
    if path == "zarr.json":
        return _json(_group(volume)), "application/json"
    levels = virtual_levels(volume)
    found = re.fullmatch(r"([0-9]{1,2})/(?:zarr\.json|c/([0-9]{1,9})/([0-9]{1,9})/([0-9]{1,9}))", path)
    if found is None or int(found[1]) >= len(levels):
        raise NotFoundError("there is no such file in this Zarr group")
    factors = levels[int(found[1])]
    if found[2] is None:
        return _json(_array(volume, factors)), "application/json"
    chunk = _chunk(volume, factors, (int(found[2]), int(found[3]), int(found[4])))
    return chunk.tobytes(), "application/octet-stream"


def _shape(volume: MappedVolume, factors: Shape) -> Shape:
    z, y, x = (max(1, n // f) for n, f in zip(volume.facts.shape, factors, strict=True))
    return z, y, x


def _type(volume: MappedVolume) -> str:
    return _TYPES.get(volume.facts.data_type, "float32")


def _chunk(volume: MappedVolume, factors: Shape, place: Shape) -> NDArray[Any]:
    """A whole chunk; beyond the end of the array it is 0."""
    shape = _shape(volume, factors)
    start = tuple(n * c for n, c in zip(place, CHUNK, strict=True))
    size = tuple(min(c, n - s) for c, n, s in zip(CHUNK, shape, start, strict=True))
    if min(size) < 1:
        raise NotFoundError("this chunk is beyond the end of the array")
    values = volume.box((start[0], start[1], start[2]), (size[0], size[1], size[2]), factors)
    dtype = np.dtype(_type(volume)).newbyteorder("<")
    out = np.zeros(CHUNK, dtype)
    if dtype.kind in "iu" and values.dtype.kind == "f":
        values = np.rint(values)
    out[: size[0], : size[1], : size[2]] = values
    return out


def _array(volume: MappedVolume, factors: Shape) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": _shape(volume, factors),
        "data_type": _type(volume),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": CHUNK}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "dimension_names": ["z", "y", "x"],
        "attributes": {},
    }


def _group(volume: MappedVolume) -> dict[str, Any]:
    spacing = volume.facts.voxel_spacing_angstrom
    base = spacing[::-1] if spacing else (1.0, 1.0, 1.0)
    unit = {"unit": "angstrom"} if spacing else {}
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [b * f for b, f in zip(base, factors, strict=True)]},
                # The first value of a coarser level lies in the middle of those that it stands for.
                {"type": "translation", "translation": [b * (f - 1) / 2 for b, f in zip(base, factors, strict=True)]},
            ],
        }
        for number, factors in enumerate(virtual_levels(volume))
    ]
    image = {
        "name": str(volume.cid),
        "axes": [{"name": axis, "type": "space", **unit} for axis in "zyx"],
        "datasets": datasets,
        "type": "mean of at most two sections, four rows and all columns",
    }
    ome = {"version": "0.5", "multiscales": [image]}
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}


def _json(document: Any) -> bytes:
    return msgspec.json.encode(document)
