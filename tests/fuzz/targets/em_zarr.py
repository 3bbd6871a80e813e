"""The metadata of any Zarr folder are an image or refused with FormatError; no path leads out of the folder."""

from __future__ import annotations

import json

from etdb.em import level_paths, parse_ome_zarr
from etdb.errors import FormatError
from etdb.oip.strict_json import load_json


def seeds() -> list[bytes]:
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    scale = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
    multiscales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}]
    two = {"shape": [4, 4, 4], "chunks": [2, 2, 2], "dtype": "<i2"}
    three = {"shape": [4, 4, 4], "chunk_grid": {"configuration": {"chunk_shape": [2, 2, 2]}}, "data_type": "int16"}
    return [
        json.dumps([{"multiscales": multiscales}, {"0": two}]).encode(),
        json.dumps([{"attributes": {"ome": {"version": "0.5", "multiscales": multiscales}}}, {"0": three}]).encode(),
    ]


def check(data: bytes) -> None:
    try:
        document = load_json(data)
        group, arrays = document if isinstance(document, list) and len(document) == 2 else (document, {})
        for path in level_paths(group):
            assert path
            assert not path.startswith("/")
            assert ".." not in path.split("/")
        look = parse_ome_zarr("a", group, arrays if isinstance(arrays, dict) else {})
    except FormatError:
        return
    assert all(len(level.shape) == len(look.axes) == len(level.spacing_angstrom) for level in look.levels)
