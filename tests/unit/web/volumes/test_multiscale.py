"""OME-Zarr written by zarr-python, read chunk by chunk from the store; and what must not be read."""

import json
import struct
import zlib

import numpy as np
import pytest
from tests.unit.web.volumes.conftest import known_volume

from etdb.em.contrast import Levels, to_grey
from etdb.errors import EtdbError, FormatError, InputError
from etdb.web.volumes import SliceRequest, cut_slice, multiscale
from etdb.web.volumes.zarrchunks import decode_chunk, index_entry, parse_layout

zarr = pytest.importorskip("zarr", reason="left out: zarr is not installed (etdb[previews])")
numcodecs = pytest.importorskip("numcodecs", reason="left out: numcodecs is not installed (etdb[previews])")
WIDE = Levels(-30000.0, 30000.0)


def write_image(folder, values, *, version, chunks=(8, 32, 32), shards=None, compressor="blosc", lead=0):
    """Two levels, the second a half of the first in y and x."""
    halved = values[:, : values.shape[1] // 2 * 2, : values.shape[2] // 2 * 2]
    halved = halved.reshape(len(values), values.shape[1] // 2, 2, values.shape[2] // 2, 2)
    levels = [values, np.rint(halved.mean(axis=(2, 4))).astype(values.dtype)]
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    axes = [{"name": name, "type": kind} for name, kind in (("t", "time"), ("c", "channel"))][:lead] + axes
    scales = [[1.0] * lead + [2.0, f, f] for f in (1.0, 2.0)]
    datasets = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": one}]} for n, one in enumerate(scales)
    ]
    image = {"axes": axes, "datasets": datasets}
    if version == "0.4":
        group = zarr.open_group(
            str(folder), mode="w", zarr_format=2, attributes={"multiscales": [{**image, "version": "0.4"}]}
        )
        packed = {
            "blosc": numcodecs.Blosc("zstd"),
            "zstd": numcodecs.Zstd(),
            "gzip": numcodecs.GZip(),
            "zlib": numcodecs.Zlib(),
            "": None,
        }[compressor]
        more = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    else:
        group = zarr.open_group(
            str(folder), mode="w", zarr_format=3, attributes={"ome": {"version": "0.5", "multiscales": [image]}}
        )
        packed = {
            "blosc": zarr.codecs.BloscCodec(cname="zstd"),
            "zstd": zarr.codecs.ZstdCodec(),
            "gzip": zarr.codecs.GzipCodec(),
            "": None,
        }[compressor]
        more = {"shards": (1,) * lead + shards if shards else None}
    for number, level in enumerate(levels):
        array = group.create_array(
            str(number),
            shape=(1,) * lead + level.shape,
            chunks=(1,) * lead + chunks,
            dtype=level.dtype,
            compressors=packed,
            **more,
        )
        array[...] = level.reshape((1,) * lead + level.shape)
    return folder, levels


CASES = [
    {"version": "0.4"},
    {"version": "0.4", "compressor": "zlib", "lead": 2},
    {"version": "0.4", "compressor": "zstd"},
    {"version": "0.4", "compressor": ""},
    {"version": "0.5"},
    {"version": "0.5", "compressor": "gzip", "lead": 1},
    {"version": "0.5", "compressor": ""},
    {"version": "0.5", "shards": (16, 64, 64)},
    {"version": "0.5", "shards": (40, 160, 224), "compressor": "zstd"},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_slices_equal_the_array(site, case):
    values = known_volume()
    folder, levels = write_image(site.folder / "v.zarr", values, **case)
    volume = site.shelf.volume(site.add_folder(folder))
    assert volume.facts.shape == values.shape
    assert volume.facts.voxel_spacing_angstrom == (10.0, 10.0, 20.0)
    for axis, expected in (("z", values[9, ::-1]), ("y", values[::-1, 9]), ("x", values[:, ::-1, 9].T)):
        cut = cut_slice(volume, SliceRequest(axis=axis, index=9, levels=WIDE))
        assert np.array_equal(cut, to_grey(np.ascontiguousarray(expected), WIDE))
    coarse = cut_slice(volume, SliceRequest(axis="z", index=9, binning=2, levels=WIDE))
    assert np.array_equal(coarse, to_grey(np.ascontiguousarray(levels[1][9, ::-1]), WIDE))
    again = cut_slice(volume, SliceRequest(axis="z", index=9, binning=4, levels=WIDE))
    means = levels[1][9, :74].reshape(37, 2, 50, 2).mean(axis=(1, 3)).astype(np.float32)
    assert np.array_equal(again, to_grey(np.ascontiguousarray(means[::-1]), WIDE))


def test_our_own_copies_for_viewers(site):
    from tests.unit.web.volumes.conftest import write_mrc

    from etdb.media.omezarr import plan_zarr, write_zarr
    from etdb.media.planes import open_planes

    values = known_volume((70, 300, 310))
    plan = plan_zarr(values.shape, "int16")
    with open_planes(write_mrc(site.folder / "a.mrc", values)) as planes:
        write_zarr(planes, plan, site.folder / "a.ome.zarr", name="a", spacing_angstrom=(10.0, 10.0, 10.0))
    volume = site.shelf.volume(site.add_folder(site.folder / "a.ome.zarr"))
    for axis, expected in (("z", values[60, ::-1]), ("x", values[:, ::-1, 305].T)):
        index = 60 if axis == "z" else 305
        cut = cut_slice(volume, SliceRequest(axis=axis, index=index, levels=WIDE))
        assert np.array_equal(cut, to_grey(np.ascontiguousarray(expected), WIDE))
    assert cut_slice(volume, SliceRequest(index=60, binning=2, levels=WIDE)).shape == (150, 155)


def test_a_damaged_chunk_is_not_drawn(site):
    folder, _ = write_image(site.folder / "v.zarr", known_volume(), version="0.5", compressor="")
    cid = site.add_folder(folder)
    volume = site.shelf.volume(cid)
    victim = folder / "0/c/4/4/6"
    state = victim.stat()
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    victim.write_bytes(data)
    import os

    os.utime(victim, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(EtdbError):
        cut_slice(volume, SliceRequest(index=39))


V2 = {
    "zarr_format": 2,
    "shape": [4, 4],
    "chunks": [2, 2],
    "dtype": "<i2",
    "order": "C",
    "filters": None,
    "compressor": None,
}
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
V3 = {
    "zarr_format": 3,
    "shape": [4, 4],
    "data_type": "int16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [BYTES],
}


def sharded(**more):
    inner = {"chunk_shape": [2, 2], "codecs": [BYTES], "index_codecs": [BYTES, {"name": "crc32c"}], **more}
    return V3 | {"codecs": [{"name": "sharding_indexed", "configuration": inner}]}


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        V2 | {"compressor": {"id": "pickle"}},
        V2 | {"filters": [{"id": "pickle"}]},
        V2 | {"dtype": "|O"},
        V2 | {"dtype": [["a", "<i2"]]},
        V2 | {"order": "F"},
        V2 | {"chunks": [1 << 20, 1 << 20]},
        V2 | {"chunks": [0, 2]},
        V2 | {"chunks": [2]},
        V2 | {"dimension_separator": "../"},
        V2 | {"dimension_separator": []},
        V2 | {"compressor": {"id": []}},
        V2 | {"dtype": "|u1", "fill_value": 300},
        V3 | {"data_type": "uint8", "fill_value": -1e300},
        V3 | {"data_type": "string"},
        V3 | {"codecs": [BYTES, {"name": "numcodecs.pickle"}]},
        V3 | {"codecs": [{"name": "transpose"}, BYTES]},
        V3 | {"codecs": []},
        V3 | {"storage_transformers": [{}]},
        V3 | {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/../"}}},
        sharded(chunk_shape=[3, 2]),
        sharded(index_location="start"),
        sharded(index_codecs=[BYTES, {"name": "gzip"}]),
        sharded(index_codecs=5),
        sharded(index_codecs={"bytes": {}}),
        V3 | {"chunk_key_encoding": {"name": "default", "configuration": {"separator": {}}}},
        sharded() | {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 12, 1 << 12]}}},
    ],
)
def test_arrays_that_are_not_read(document):
    with pytest.raises(FormatError):
        parse_layout(document)


def test_what_unfolds_beyond_its_size_is_refused():
    bomb = bytes(50_000_000)
    gzip = zlib.compressobj(wbits=31)
    packed = gzip.compress(bomb) + gzip.flush()
    layouts = {name: parse_layout(V2 | {"compressor": {"id": name}}) for name in ("gzip", "zlib", "blosc", "zstd")}
    for name, data in (
        ("gzip", packed),
        ("zlib", zlib.compress(bomb)),
        ("blosc", numcodecs.Blosc().encode(bomb)),
        ("zstd", numcodecs.Zstd().encode(bomb)),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x58" + bytes(20)),  # no size is told
        ("blosc", b"\x02\x01\x21\x02" + struct.pack("<3I", 8, 8, 24) + b"\xff" * 8),
        ("gzip", b"no"),
        ("blosc", b""),
        ("zstd", b""),
    ):
        with pytest.raises(FormatError):
            decode_chunk(layouts[name], data)
    values = np.arange(4, dtype="<i2").reshape(2, 2)
    assert np.array_equal(decode_chunk(layouts["zstd"], numcodecs.Zstd().encode(values.tobytes())), values)


def test_an_index_that_points_out_of_its_shard():
    layout = parse_layout(sharded())
    index = struct.pack("<8Q", 0, 8, 2**64 - 1, 2**64 - 1, 90, 20, 2**63, 2**63) + bytes(4)
    assert index_entry(layout, index, (0, 0), 100) == (0, 8)
    assert index_entry(layout, index, (0, 1), 100) is None
    for chunk in ((1, 0), (1, 1)):
        with pytest.raises(FormatError):
            index_entry(layout, index, chunk, 100)
    with pytest.raises(FormatError):
        index_entry(layout, index[:-1], (0, 0), 100)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"ome": {"multiscales": [{"axes": [{"name": n} for n in "xyz"], "datasets": [{"path": "0"}]}]}},
        {"ome": {"multiscales": [{"axes": [{"name": n} for n in "zyx"], "datasets": [{"path": "../0"}]}]}},
    ],
)
def test_folders_that_are_no_image(site, attributes):
    folder = site.folder / "v.zarr"
    (folder / "0").mkdir(parents=True)
    (folder / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}))
    (folder / "0/zarr.json").write_text(json.dumps(V3 | {"shape": [4, 4, 4]}))
    with pytest.raises(InputError):
        site.shelf.volume(site.add_folder(folder))


def test_a_slice_of_countless_tiny_chunks_is_refused(site):
    """They are few bytes, but each is looked up by itself."""
    folder = write_image(site.folder / "v.zarr", known_volume((2, 300, 300)), version="0.4", chunks=(1, 100, 100))[0]
    for name in ("0", "1"):
        told = json.loads((folder / name / ".zarray").read_text())
        told |= {"shape": [2, 300, 300] if name == "0" else [2, 150, 150], "chunks": [2, 1, 1], "compressor": None}
        (folder / name / ".zarray").write_text(json.dumps(told))
        for one in (folder / name).rglob("*"):
            if one.is_file() and not one.name.startswith("."):
                one.unlink()
    volume = site.shelf.volume(site.add_folder(folder))
    with pytest.raises(InputError, match="chunks would be read"):
        cut_slice(volume, SliceRequest())
    assert volume.facts.finest_binning[2] == 2
    assert not cut_slice(volume, SliceRequest(binning=2, levels=WIDE)).std()


def test_kept_chunks_are_counted_with_what_each_takes(monkeypatch):
    monkeypatch.setattr(multiscale, "MAX_KEPT_CHUNK_BYTES", 100_000)
    kept = multiscale.ChunkCache()
    for n in range(1_000):
        kept.keep(("a", 0, (n,)), np.zeros(1, np.uint8))
    assert sum(kept.get(("a", 0, (n,))) is not None for n in range(1_000)) < 200


def test_kept_indices_of_shards_are_bounded(site, monkeypatch):
    folder, levels = write_image(
        site.folder / "v.zarr", known_volume(), version="0.5", chunks=(4, 10, 10), shards=(8, 50, 50)
    )
    volume = site.shelf.volume(site.add_folder(folder))
    monkeypatch.setattr(multiscale, "MAX_KEPT_INDEX_BYTES", 2_000)
    cut = cut_slice(volume, SliceRequest(index=3, levels=WIDE))
    assert np.array_equal(cut, to_grey(levels[0][3, ::-1], WIDE))
    assert sum(len(index) for _, _, index in volume._indices.values()) <= 2_000
