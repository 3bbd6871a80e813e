"""Copies for viewers, read back with zarr and held against the volume."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

sys.path.insert(0, str(Path(__file__).parent))
from volumes import noise, write_mrc

from etdb.media import open_planes, plan_zarr, write_zarr
from etdb.media.omezarr import MAX_SHARD_BYTES


@pytest.mark.parametrize(
    ("shape", "dtype"), [((37, 150, 290), np.int16), ((3, 5, 7), np.float32), ((70, 1, 300), np.uint16)]
)
def test_every_level_is_what_it_should_be(tmp_path, shape, dtype):
    volume = noise(shape, dtype) if dtype != np.uint16 else noise(shape, np.int16).astype(np.uint16)
    path = write_mrc(tmp_path / "a.mrc", volume)
    with open_planes(path) as stack:
        plan = plan_zarr(stack.facts.shape, stack.facts.dtype)
        seen = []
        write_zarr(
            stack,
            plan,
            tmp_path / "a.ome.zarr",
            name="a",
            spacing_angstrom=(12.0, 10.0, 10.0),
            progress=lambda *done: seen.append(done),
        )
    assert seen[-1][0] == seen[-1][1]
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")
    finer = volume
    for number, level in enumerate(plan.levels):
        array = group[str(number)]
        assert (array.shape, array.dtype, array.shards, array.chunks) == (
            level.shape,
            volume.dtype,
            level.shard,
            level.chunk,
        )
        if number:
            factors = [a // b for a, b in zip(level.factors, plan.levels[number - 1].factors, strict=True)]
            finer = halved(finer, factors)
        np.testing.assert_allclose(array[...].astype(float), finer, atol=0.51 if volume.dtype.kind in "iu" else 1e-4)
        finer = array[...].astype(float)
    np.testing.assert_array_equal(group["0"][...], volume)
    written = [one for one in (tmp_path / "a.ome.zarr").rglob("*") if one.is_file()]
    assert len(written) <= plan.files
    assert sum(one.stat().st_size for one in written) <= plan.max_bytes


def halved(values, factors):
    values = values.astype(np.float64)
    for axis, factor in enumerate(factors):
        if factor == 2:
            if values.shape[axis] % 2:
                values = np.concatenate([values, values.take([-1], axis)], axis)
            shape = [*values.shape[:axis], values.shape[axis] // 2, 2, *values.shape[axis + 1 :]]
            values = values.reshape(shape).mean(axis=axis + 1)
    return values


def test_the_metadata_are_those_of_ome_zarr(tmp_path):
    path = write_mrc(tmp_path / "a.mrc", noise((20, 140, 300)))
    with open_planes(path) as stack:
        plan = plan_zarr(stack.facts.shape, stack.facts.dtype)
        write_zarr(stack, plan, tmp_path / "a", name="cell", spacing_angstrom=(12.0, 10.0, 10.0))
    document = json.loads((tmp_path / "a" / "zarr.json").read_text())
    assert (document["zarr_format"], document["node_type"]) == (3, "group")
    ome = document["attributes"]["ome"]
    assert ome["version"] == "0.5"
    (image,) = ome["multiscales"]
    assert [(a["name"], a["type"], a["unit"]) for a in image["axes"]] == [(n, "space", "angstrom") for n in "zyx"]
    first, second = (one["coordinateTransformations"] for one in image["datasets"][:2])
    assert first[0] == {"type": "scale", "scale": [12.0, 10.0, 10.0]}
    assert first[1] == {"type": "translation", "translation": [0.0, 0.0, 0.0]}
    assert second[0] == {"type": "scale", "scale": [12.0, 20.0, 20.0]}  # 20 sections are not halved
    assert second[1] == {"type": "translation", "translation": [0.0, 5.0, 5.0]}
    array = json.loads((tmp_path / "a" / "0" / "zarr.json").read_text())
    assert array["codecs"][0]["name"] == "sharding_indexed"
    assert array["dimension_names"] == ["z", "y", "x"]


@pytest.mark.parametrize("shape", [(1300, 4092, 5760), (1, 1, 1), (2000, 128, 128), (8, 20_000, 200_000)])
def test_shards_are_small_enough_for_memory_and_few_enough_for_a_record(shape):
    plan = plan_zarr(shape, "int16")
    for level in plan.levels:
        assert np.prod(level.shard, dtype=np.int64) * 2 <= MAX_SHARD_BYTES
        assert all(s % c == 0 for s, c in zip(level.shard, level.chunk, strict=True))
    assert max(plan.levels[-1].shape) <= 128
    assert plan.files < 10 + 1.4 * plan.max_bytes / (MAX_SHARD_BYTES / 4)
