"""The virtual OME-Zarr of an MRC file, read by zarr-python, equals the file."""

import json

import numpy as np
import pytest
from tests.unit.web.volumes.conftest import known_volume, write_mrc

from etdb.em import parse_ome_zarr
from etdb.errors import NotFoundError
from etdb.web.volumes.virtual import CHUNK, virtual_file, virtual_levels

SHAPE = (70, 300, 310)


def unfolded(volume, folder):
    """All files of the virtual group on the disk, as anyone could fetch them."""
    arrays = {}
    for name in ["zarr.json", *(f"{n}/zarr.json" for n in range(len(virtual_levels(volume))))]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(virtual_file(volume, name)[0])
        if "/" in name:
            arrays[name.split("/")[0]] = json.loads((folder / name).read_bytes())
    for level, array in arrays.items():
        counts = [-(-n // c) for n, c in zip(array["shape"], CHUNK, strict=True)]
        for z, y, x in np.ndindex(*counts):
            target = folder / f"{level}/c/{z}/{y}/{x}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(virtual_file(volume, f"{level}/c/{z}/{y}/{x}")[0])
    return folder, arrays


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.int8, np.float16])
def test_zarr_python_reads_what_the_file_holds(site, dtype):
    zarr = pytest.importorskip("zarr", reason="left out: zarr is not installed (etdb[previews])")
    values = known_volume(SHAPE, np.int16).astype(dtype)
    volume = site.shelf.volume(site.add(write_mrc(site.folder / "a.mrc", values)))
    folder, _ = unfolded(volume, site.folder / "v.zarr")
    group = zarr.open_group(str(folder), mode="r")
    assert np.array_equal(group["0"][...], values.astype(np.float32) if dtype is np.float16 else values)
    assert group["0"].dtype == (np.float32 if dtype is np.float16 else dtype)
    z, y, x = virtual_levels(volume)[1]
    assert (z, y, x) == (2, 2, 2)
    whole = values.astype(np.float64).reshape(35, 2, 150, 2, 155, 2).mean(axis=(1, 3, 5))
    assert np.abs(group["1"][...] - whole).max() <= (0.5 if np.issubdtype(dtype, np.integer) else 0.01)


def test_its_metadata_are_ome_zarr(site):
    values = known_volume(SHAPE)
    volume = site.shelf.volume(site.add(write_mrc(site.folder / "a.mrc", values, spacing=12.5)))
    arrays = {str(n): json.loads(virtual_file(volume, f"{n}/zarr.json")[0]) for n in range(2)}
    image = parse_ome_zarr("a", json.loads(virtual_file(volume, "zarr.json")[0]), arrays)
    assert [level.shape for level in image.levels] == [SHAPE, (35, 150, 155)]
    assert [level.spacing_angstrom for level in image.levels] == [(12.5,) * 3, (25.0,) * 3]


def test_levels_are_bounded(site):
    volume = site.shelf.volume(site.add(write_mrc(site.folder / "a.mrc", known_volume((3, 20, 1100), np.int8))))
    assert virtual_levels(volume) == ((1, 1, 1), (1, 1, 2), (1, 1, 4), (1, 1, 8))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "zarr",
        "9/zarr.json",
        "0",
        "0/c/0/0",
        "0/c/99/0/0",
        "0/c/0/0/-1",
        "../zarr.json",
        "0/c/0/0/0/",
        "x/zarr.json",
    ],
)
def test_no_such_file(site, path):
    volume = site.shelf.volume(site.add(write_mrc(site.folder / "a.mrc", known_volume((3, 20, 30)))))
    with pytest.raises(NotFoundError):
        virtual_file(volume, path)
