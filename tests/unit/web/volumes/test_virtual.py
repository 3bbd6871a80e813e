"""The virtual OME-Zarr of an MRC file, read by zarr-python, equals the file."""

import json

import numpy as np
import pytest
from tests.unit.web.volumes.conftest import known_volume, write_mrc

from etdb.em import parse_ome_zarr
from etdb.errors import NotFoundError
from etdb.web.volumes import mapped
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


def test_a_chunk_of_values_that_must_be_decoded_reads_its_rows_alone(site, monkeypatch):
    """A section of four-bit values may be a gigabyte, and a chunk is made of sixteen."""
    header = write_mrc(site.folder / "a.mrc", known_volume((20, 300, 310), np.int8)).read_bytes()[:1024]
    packed = np.random.default_rng(1).integers(0, 256, (20, 300, 155), np.uint8)
    (site.folder / "b.mrc").write_bytes(header[:12] + (101).to_bytes(4, "little") + header[16:] + packed.tobytes())
    volume = site.shelf.volume(site.add(site.folder / "b.mrc"))
    values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(20, 300, 310)
    read = []
    decode = mapped.decode_plane
    monkeypatch.setattr(mapped, "decode_plane", lambda data, layout: read.append(len(data)) or decode(data, layout))
    chunk = np.frombuffer(virtual_file(volume, "0/c/0/2/1")[0], np.uint8).reshape(CHUNK)
    assert np.array_equal(chunk[:, :44], values[:16, 256:, 128:256])
    assert read == [44 * 155] * 16
    chunk = np.frombuffer(virtual_file(volume, "1/c/0/1/0")[0], np.uint8).reshape(CHUNK)
    z, y, x = virtual_levels(volume)[1]
    assert (z, y, x) == (1, 2, 2)
    means = values[:16, 256:300, :256].reshape(16, 22, 2, 128, 2).mean(axis=(2, 4))
    assert np.abs(chunk[:, :22] - means).max() <= 0.5
