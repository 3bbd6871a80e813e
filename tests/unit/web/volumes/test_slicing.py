"""Slices of MRC files: exactly the voxels that were asked for, the right way up, in every mode, within limits."""

import os

import mrcfile
import numpy as np
import pytest
from tests.unit.web.volumes.conftest import known_volume, write_mrc

from etdb.em.contrast import Levels, to_grey
from etdb.errors import InputError, NotFoundError
from etdb.web.volumes import SliceRequest, cut_slice, mapped
from etdb.web.volumes import volume as volume_module

WIDE = Levels(-30000.0, 30000.0)


def grey(values):
    return to_grey(np.ascontiguousarray(values), WIDE)


@pytest.fixture
def opened(site):
    values = known_volume()
    return site.shelf.volume(site.add(write_mrc(site.folder / "a.mrc", values))), values


@pytest.mark.parametrize(
    ("axis", "index", "expected"),
    [
        ("z", 7, lambda v: v[7, ::-1, :]),
        ("y", 20, lambda v: v[::-1, 20, :]),
        ("x", 33, lambda v: v[:, ::-1, 33].T),
        ("x", 199, lambda v: v[:, ::-1, 199].T),
    ],
)
def test_a_slice_stands_upright(opened, axis, index, expected):
    volume, values = opened
    cut = cut_slice(volume, SliceRequest(axis=axis, index=index, levels=WIDE))
    assert np.array_equal(cut, grey(expected(values)))


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("projection", ["mean", "max"])
def test_slices_put_together(opened, axis, projection):
    volume, values = opened
    asked = SliceRequest(axis=axis, index=10, thickness=4, projection=projection, levels=WIDE)
    along = np.moveaxis(values, {"z": 0, "y": 1, "x": 2}[axis], 0)[9:13].astype(np.float64)
    put = along.mean(axis=0) if projection == "mean" else along.max(axis=0)
    expected = put.T if axis == "x" else put
    assert np.array_equal(cut_slice(volume, asked), grey(expected[::-1].astype(np.float32)))


def test_thickness_ends_where_the_volume_ends(opened):
    volume, values = opened
    asked = SliceRequest(axis="z", index=39, thickness=63, levels=WIDE)
    assert np.array_equal(cut_slice(volume, asked), grey(values[8:].mean(axis=0)[::-1].astype(np.float32)))


@pytest.mark.parametrize(("axis", "shape"), [("z", (37, 50)), ("y", (10, 50)), ("x", (37, 10))])
def test_a_coarse_slice_is_the_mean_of_squares(opened, axis, shape):
    volume, values = opened
    cut = cut_slice(volume, SliceRequest(axis=axis, index=5, binning=4, levels=WIDE))
    assert cut.shape == shape
    plane = np.moveaxis(values, {"z": 0, "y": 1, "x": 2}[axis], 0)[5].astype(np.float64)
    rows, columns = plane.shape[0] // 4, plane.shape[1] // 4
    means = plane[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4).mean(axis=(1, 3))
    upright = means.T if axis == "x" else means
    assert np.array_equal(cut, grey(upright[::-1].astype(np.float32)))


def test_across_a_large_volume_every_nth_row_is_taken(opened, monkeypatch):
    volume, values = opened
    monkeypatch.setattr(mapped, "_SAMPLED_FROM_BYTES", 1000)
    cut = cut_slice(volume, SliceRequest(axis="x", index=5, binning=4, levels=WIDE))
    assert np.array_equal(cut, grey(values[2::4, 2:148:4, 5].T[::-1]))
    cut = cut_slice(volume, SliceRequest(axis="y", index=5, binning=4, levels=WIDE))
    assert np.array_equal(cut, grey(values[2::4, 5].reshape(10, 50, 4).mean(axis=2).astype(np.float32)[::-1]))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float32, np.float16, np.complex64])
def test_modes(site, dtype):
    values = known_volume((5, 20, 30), np.int16).astype(dtype)
    volume = site.shelf.volume(site.add(write_mrc(site.folder / "m.mrc", values)))
    shown = np.abs(values) if dtype is np.complex64 else values
    for axis, expected in (("z", shown[2, ::-1]), ("y", shown[::-1, 2]), ("x", shown[:, ::-1, 2].T)):
        cut = cut_slice(volume, SliceRequest(axis=axis, index=2, levels=WIDE))
        assert np.array_equal(cut, grey(expected.astype(np.float32)))


def test_big_endian(site):
    values = known_volume((5, 20, 30))
    path = site.folder / "big.mrc"
    with mrcfile.new(path) as made:
        made.set_data(values)
    data = bytearray(path.read_bytes())
    head = np.frombuffer(bytes(data[:1024]), "<i4").astype(">i4").tobytes()
    data[:1024] = head[:208] + b"MAP \x11\x11\x00\x00" + head[216:]
    data[1024:] = values.astype(">i2").tobytes()
    path.write_bytes(data)
    volume = site.shelf.volume(site.add(path))
    assert volume.facts.byte_order == "big"
    assert np.array_equal(cut_slice(volume, SliceRequest(axis="x", index=3, levels=WIDE)), grey(values[:, ::-1, 3].T))


@pytest.mark.parametrize(
    "asked",
    [
        SliceRequest(index=40),
        SliceRequest(axis="x", index=200),
        SliceRequest(index=-1),
        SliceRequest(thickness=65),
        SliceRequest(thickness=0),
        SliceRequest(binning=0),
        SliceRequest(binning=65),
    ],
)
def test_no_such_slice(opened, asked):
    with pytest.raises(InputError):
        cut_slice(opened[0], asked)


def test_too_much_for_a_slice_is_refused_and_a_coarser_one_is_not(opened, site, monkeypatch):
    volume, _ = opened
    monkeypatch.setattr(mapped, "MAX_TOUCHED_BYTES", 100_000)
    with pytest.raises(InputError, match="would be read"):
        cut_slice(volume, SliceRequest(axis="x", index=3))
    with pytest.raises(InputError, match="would be read"):
        cut_slice(volume, SliceRequest(axis="z", index=3, thickness=2))
    monkeypatch.setattr(mapped, "_SAMPLED_FROM_BYTES", 1000)
    finest = mapped._finest(volume.facts.shape, volume.layout)
    assert finest[0] > 1
    cut_slice(volume, SliceRequest(axis="x", index=3, binning=finest[0]))
    monkeypatch.setattr(mapped, "MAX_TOUCHED_BYTES", 1_000)
    other = write_mrc(site.folder / "other.mrc", known_volume((2, 40, 40)))
    with pytest.raises(InputError, match="too large"):
        site.shelf.volume(site.add(other))
    assert volume_module.MAX_TOUCHED_BYTES == 1 << 30


@pytest.mark.parametrize("change", ["shrunk", "grown", "touched", "gone"])
def test_a_file_that_changed_is_not_shown_any_more(site, change):
    path = write_mrc(site.folder / "a.mrc", known_volume((4, 20, 20)))
    cid = site.add(path)
    site.shelf.volume(cid)
    if change == "gone":
        path.unlink()
    elif change == "touched":
        os.utime(path, (1, 1))
    else:
        path.write_bytes(path.read_bytes()[:-100] if change == "shrunk" else path.read_bytes() + b"1")
    with pytest.raises(NotFoundError, match="not on this machine"):
        site.shelf.volume(cid)


@pytest.mark.parametrize("data", [b"", b"text", bytes(1024), bytes(3000)])
def test_what_is_no_volume(site, data):
    path = site.folder / "no.mrc"
    path.write_bytes(data)
    with pytest.raises((InputError, NotFoundError)):
        site.shelf.volume(site.add(path))


def test_a_volume_that_is_cut_off(site):
    path = write_mrc(site.folder / "a.mrc", known_volume((4, 20, 20)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut off"):
        site.shelf.volume(site.add(path))
