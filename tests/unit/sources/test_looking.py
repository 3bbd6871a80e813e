"""A first look at files of each kind, as a folder holds them."""

import builtins
import bz2
import gzip
import json
import shutil

import pytest
from tests.unit.em.real import real
from tests.unit.sources.test_folder import PNG, mrc, write

from etdb import em
from etdb.sources import FolderSource

REAL = {
    "tiltseries/HAADF_every2nd_fei1.mrc.gz": (em.MrcLook, "tilt_series"),
    "tiltseries/HAADF_every2nd.rawtlt": (em.TiltAngles, "alignment"),
    "tiltseries/HAADF.txt": (em.AcquisitionLog, "metadata"),
    "tiltseries/SerialEM_test_000.mrc.gz": (em.MrcLook, "tilt_series"),
    "tiltseries/SerialEM_test_000.mrc.mdoc": (em.MdocLook, "metadata"),
    "imod/yaiw_xf_file.xf": (em.Transforms, "alignment"),
    "imod/point_sizes_example.mod": (em.ImodModel, "model"),
    "maps/EMD-3001.map.bz2": (em.MrcLook, "reconstruction"),
    "maps/cylindra_beta-tubulin.mrc": (em.MrcLook, "subvolume"),  # a cube, beside a volume ten times as large
    "maps/README.txt": (em.Note, "notes"),
    "tomograms/13pf_MT.tif": (em.FrameStack, "reconstruction"),
}


def read(folder):
    (dataset,) = FolderSource(folder).datasets()
    return dataset, {file.path: file for file in dataset.files}


def test_a_folder_of_real_files(tmp_path):
    pytest.importorskip("tifffile", reason="left out: tifffile is not installed (etdb[formats])")
    for name in REAL:
        (tmp_path / "d").mkdir(exist_ok=True)
        shutil.copyfile(real(name), tmp_path / "d" / name.split("/")[1])
    dataset, files = read(tmp_path / "d")
    assert {path: (type(file.look), file.role) for path, file in files.items()} == {
        name.split("/")[1]: expected for name, expected in REAL.items()
    }
    assert not any(file.unread for file in files.values())
    assert dataset.notes == ()
    packed = files["HAADF_every2nd_fei1.mrc.gz"]
    assert (packed.packing, packed.header.sections) == ("gzip", 39)
    assert tuple(s.tilt_deg for s in packed.header.per_section) == files["HAADF_every2nd.rawtlt"].tilt_angles_deg


def test_packed_files_are_read_through(tmp_path):
    write(
        tmp_path / "d",
        {
            "a.st.gz": gzip.compress(mrc()),
            "b.rec.BZ2": bz2.compress(mrc(group=1)),
            "c.rawtlt.gz": gzip.compress(b"1\n2\n"),
            "cut.st.gz": gzip.compress(mrc())[:-30],
            "none.st.gz": b"no gzip",
            "movie.mp4.gz": gzip.compress(b"x"),
        },
    )
    dataset, files = read(tmp_path / "d")
    assert {path: (file.role, file.packing) for path, file in files.items()} == {
        "a.st.gz": ("tilt_series", "gzip"),
        "b.rec.BZ2": ("reconstruction", "bzip2"),
        "c.rawtlt.gz": ("alignment", "gzip"),
        "cut.st.gz": ("tilt_series", "gzip"),
        "none.st.gz": ("tilt_series", "gzip"),
        "movie.mp4.gz": ("movie", ""),
    }
    assert files["a.st.gz"].header.sections == 3
    assert files["c.rawtlt.gz"].tilt_angles_deg == (1.0, 2.0)
    assert files["none.st.gz"].unread == "this is not a gzip file"
    assert "none.st.gz: this is not a gzip file" in dataset.notes
    assert not files["a.st.gz"].header.is_truncated


def test_what_is_damaged_is_said_once_and_published_all_the_same(tmp_path):
    write(
        tmp_path / "d",
        {"a.st": mrc()[:-1], "b.mod": b"IMODV1.2", "c.png": b"png", "d.xf": b"1 2 3\n", "e.txt": bytes(99)},
    )
    dataset, files = read(tmp_path / "d")
    assert files["a.st"].header.is_truncated
    assert [path for path, file in files.items() if file.unread] == ["b.mod", "c.png", "d.xf", "e.txt"]
    assert len(dataset.notes) == 5


def test_a_tilt_about_x_is_no_tilt_series(tmp_path):
    write(tmp_path / "d", {"a.xtilt": b"0.5\n0.6\n"})
    _, files = read(tmp_path / "d")
    assert files["a.xtilt"].look.kind == "x-axis"
    assert files["a.xtilt"].tilt_angles_deg == ()


def zarr(version):
    axes = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
    scale = [{"type": "scale", "scale": [10.0, 5.0, 5.0]}]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
    chunks = {"configuration": {"chunk_shape": [2, 2, 2]}}
    if version == "0.4":
        group = {".zattrs": {"multiscales": multiscales}, ".zgroup": {"zarr_format": 2}}
        array, chunk = {"0/.zarray": {"shape": [2, 2, 2], "chunks": [2, 2, 2], "dtype": "|u1"}}, "0/0/0/0"
    else:
        group = {"zarr.json": {"attributes": {"ome": {"version": "0.5", "multiscales": multiscales}}}}
        array, chunk = {"0/zarr.json": {"shape": [2, 2, 2], "chunk_grid": chunks, "data_type": "uint8"}}, "0/c/0/0/0"
    return {name: json.dumps(one).encode() for name, one in {**group, **array}.items()} | {chunk: bytes(8)}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_zarr_folder_is_one_image_and_stays_whole(tmp_path, version):
    files = {f"tomo.zarr/{name}": data for name, data in zarr(version).items()}
    write(tmp_path / "d", {**files, "key.png": PNG})
    write(tmp_path / "d", {f"seg.zarr/labels/cells/{name}": data for name, data in zarr(version).items()})
    (tmp_path / "d" / "tomo.zarr" / ".DS_Store").write_bytes(b"x")
    dataset, found = read(tmp_path / "d")
    assert set(files) <= set(found), "a hidden file of Zarr is a part of it"
    assert dataset.notes == ("1 hidden files or folders were left out",)
    assert {file.role for path, file in found.items() if path.startswith("tomo")} == {"reconstruction"}
    assert {file.role for path, file in found.items() if "/labels/" in path} == {"segmentation"}
    looks = {path: file.look for path, file in found.items() if isinstance(file.look, em.ZarrVolume)}
    name = ".zattrs" if version == "0.4" else "zarr.json"
    assert set(looks) == {f"tomo.zarr/{name}", f"seg.zarr/labels/cells/{name}"}
    look = looks[f"tomo.zarr/{name}"]
    assert (look.folder, look.version, look.levels[0].spacing_angstrom) == ("tomo.zarr", version, (10.0, 5.0, 5.0))
    assert looks[f"seg.zarr/labels/cells/{name}"].is_labels


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_zarr_folder_alone_is_a_dataset_not_a_folder_of_them(tmp_path, version):
    write(tmp_path / "d" / "tomo.zarr", zarr(version))
    for path, folder in ((tmp_path / "d", "tomo.zarr"), (tmp_path / "d" / "tomo.zarr", "")):
        dataset, found = read(path)
        assert dataset.name == path.name
        assert {file.role for file in found.values()} == {"reconstruction"}
        (look,) = [file.look for file in found.values() if file.look is not None]
        assert look.folder == folder


def test_zarr_metadata_that_are_no_json_are_noted(tmp_path):
    write(tmp_path / "d", {"a.zarr/zarr.json": b"{", "b.zarr/zarr.json": b"[" * 40 + b"]" * 40})
    dataset, _ = read(tmp_path / "d")
    assert dataset.notes[0].startswith("a.zarr/zarr.json: zarr.json is not the JSON of a Zarr")
    assert "deeper" in dataset.notes[1]


def test_without_tifffile_one_note_names_the_extra(tmp_path, monkeypatch):
    true_import = builtins.__import__

    def importing(name, *args, **kwargs):
        if name == "tifffile":
            raise ImportError(name)
        return true_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    write(tmp_path / "d", {"a.st": mrc(), **{f"frames/{number}.tif": b"II*" for number in range(3)}})
    dataset, files = read(tmp_path / "d")
    (note,) = dataset.notes
    assert note.startswith("3 files not looked into")
    assert "pip install 'etdb[formats]'" in note
    assert [file.role for file in files.values()] == ["tilt_series", "frames", "frames", "frames"]
