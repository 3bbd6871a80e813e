"""Folders of small files made here: what several of them say together."""

import struct

import pytest
from tests.unit.describe.test_tilt_scheme import hagen

from etdb.describe import describe, shown_files
from etdb.sources import FolderSource, SourceDataset
from etdb.workspace import Settings


def mrc(spacing, *, sections=3, columns=8, rows=8, group=0) -> bytes:
    x, y, z = spacing if isinstance(spacing, tuple) else (spacing,) * 3
    raw = bytearray(1024)
    struct.pack_into("<4i", raw, 0, columns, rows, sections, 1)
    struct.pack_into("<3i", raw, 28, columns, rows, sections)
    struct.pack_into("<3f", raw, 40, columns * x, rows * y, sections * z)
    struct.pack_into("<3i", raw, 64, 1, 2, 3)
    struct.pack_into("<i", raw, 88, group)
    raw[208:216] = b"MAP DD\0\0"
    return bytes(raw) + bytes(2 * columns * rows * sections)


def mdoc(angles, *, title="Our Krios Camera -> 0:Ceta 1:GIF-K3", dose=2.5, pixel=5.4, each=lambda number: "") -> bytes:
    sections = "".join(
        f"[ZValue = {n}]\nTiltAngle = {angle}\nExposureDose = {dose(n) if callable(dose) else dose}\n"
        f"Magnification = 53000\nExposureTime = 0.8\nCameraIndex = 1\nFilterSlitAndLoss = 20 0\n"
        f"DateTime = 30-Nov-15  15:{n // 60:02}:{n % 60:02}\n{each(n)}\n"
        for n, angle in enumerate(angles)
    )
    head = f"PixelSpacing = {pixel}\nVoltage = 300\nVersion = SerialEM Version 4.0.20 32-bit\n"
    return f"{head}\n[T = SerialEM: {title}   08-Oct-21  07:38:24 ]\n\n{sections}".encode()


@pytest.fixture
def told(tmp_path):
    def make(files, toml="title = 'T'", **more):
        folder = tmp_path / "d"
        folder.mkdir()
        if toml:
            (folder / "dataset.toml").write_text(toml)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        (dataset,) = FolderSource(folder).datasets()
        return describe(dataset, Settings(), needs_title=False, **more)

    return make


def test_one_axis(told):
    draft = told({"ts1.st": mrc(5.4, sections=41), "ts1.st.mdoc": mdoc(hagen(3.0, 41))})
    t = draft.tomogram
    assert (t.tilt_axes, t.tilt_count, t.tilt_scheme) == (1, 41, "dose-symmetric")
    assert (t.dose_per_tilt_e_per_a2, t.dose_e_per_a2) == (2.5, 102.5)
    assert (t.microscope, t.detector) == ("Titan Krios", "Gatan K3")
    own = {k: t.extra[k] for k in ("exposure_s", "energy_filter_slit_ev", "detector_as_written")}
    assert own == {"exposure_s": 0.8, "energy_filter_slit_ev": 20.0, "detector_as_written": "GIF-K3"}
    assert draft.evidence["dose_e_per_a2"].chosen.where == "mdoc, sum of 41 sections"


def test_two_axes(told):
    second = mdoc(range(-54, 57, 3))
    files = {"ts1a.st": mrc(5.4, sections=41), "ts1a.st.mdoc": mdoc(hagen(3.0, 41)), "ts1b.st.mdoc": second}
    draft = told({**files, "ts1b.st": mrc(5.4, sections=37)})
    t = draft.tomogram
    assert (t.tilt_axes, t.tilt_count, t.tilt_scheme) == (2, 41, "dose-symmetric")
    assert (t.tilt_min_deg, t.tilt_max_deg) == (-60.0, 60.0)
    assert (t.dose_per_tilt_e_per_a2, t.dose_e_per_a2) == (2.5, 2.5 * (41 + 37))
    assert [(w.value, w.remark) for w in draft.evidence["tilt_min_deg"].unusable] == [(-54.0, "the second axis")]


@pytest.mark.parametrize("names", [("ts_a", "ts_b"), ("a", "b"), ("ts1", "ts2")])
def test_two_series_of_one_axis_are_no_second_axis(told, names):
    draft = told({f"{name}.rawtlt": b"-3\n0\n3\n" for name in names})
    assert draft.tomogram.tilt_axes == 1


def test_angle_files_alone_tell_two_axes(told):
    assert told({f"{name}.rawtlt": b"-3\n0\n3\n" for name in ("ts1a", "ts1b")}).tomogram.tilt_axes == 2


def test_a_dose_that_grows_with_the_tilt_is_told_as_its_mean(told):
    draft = told({"ts.mdoc": mdoc([-3, 0, 3], dose=lambda n: (3, 2, 4)[n])})
    assert draft.tomogram.dose_per_tilt_e_per_a2 == 3.0
    assert draft.evidence["dose_per_tilt_e_per_a2"].chosen.where == "mdoc, mean of 3 sections (2 to 4)"


@pytest.mark.parametrize(
    ("toml", "each", "total"),
    [("title='T'\ndose_e_per_a2 = 123.0", 3.0, 123.0), ("title='T'\ndose_per_tilt_e_per_a2 = 3.0", 3.0, 123.0)],
)
def test_total_and_tilt_dose_follow_from_each_other(told, toml, each, total):
    draft = told({"ts.rawtlt": "\n".join(map(str, range(-60, 61, 3))).encode()}, toml)
    assert (draft.tomogram.dose_per_tilt_e_per_a2, draft.tomogram.dose_e_per_a2) == (each, total)
    assert sorted(draft.origins[f] for f in ("dose_e_per_a2", "dose_per_tilt_e_per_a2")) == ["dataset.toml"] * 2
    assert {"dose_e_per_a2", "dose_per_tilt_e_per_a2"} & draft.derived


def test_one_section_that_differs_is_named(told):
    def each(number):
        return "Magnification = 33000" if number == 3 else ""

    draft = told({"ts.mdoc": mdoc(range(-9, 12, 3), each=each)})
    assert draft.tomogram.magnification is None
    where = {one.value: one.where for one in draft.evidence["magnification"].disagreeing}
    assert where == {53000.0: "mdoc, sections 0-2, 4-6", 33000.0: "mdoc, section 3"}


def test_the_header_of_the_stack_breaks_the_tie_of_two_mdocs(told):
    draft = told({"ts.mdoc": mdoc([-3, 0, 3]), "ts2.mdoc": mdoc([-3, 0, 3], pixel=10.8), "ts.st": mrc(10.8)})
    pixel = draft.evidence["pixel_spacing_angstrom"]
    assert (pixel.value, pixel.chosen.source) == (10.8, "ts2.mdoc")
    assert [one.source for one in pixel.disagreeing] == ["ts.mdoc"]


@pytest.mark.parametrize(
    ("spacing", "remark"),
    [
        (0, "makes no sense"),
        (1, "makes no sense"),
        (1e-3, "makes no sense"),
        (1e5, "makes no sense"),
        (float("nan"), "makes no sense"),
        ((21.6, 21.6, 43.2), "differs along the axes"),
    ],
)
def test_an_absurd_voxel_size_is_told_with_what_else_supports(told, spacing, remark):
    series = {"ts.st": mrc(5.4, columns=64, sections=41), "ts.mdoc": mdoc(range(-60, 63, 3))}
    draft = told({**series, "ts.rec": mrc(spacing, columns=16, group=1)})
    voxel = draft.evidence["voxel_spacing_angstrom"]
    assert (voxel.value, voxel.chosen.source) == (21.6, "ts.st")
    assert [(one.source, one.remark) for one in voxel.unusable] == [("ts.rec", remark)]
    (note,) = draft.notes
    assert note.startswith("ts.rec: the voxel size in its header, ")
    assert remark in note
    assert "21.6 Å is what the evidence supports: ts.st" in note


def test_the_pixels_of_frames_are_not_those_of_the_series(told):
    frames = mdoc([3.0, 3.0], pixel=2.7).replace(b"[ZValue", b"[FrameSet")
    draft = told({"ts.mdoc": mdoc([-3, 0, 3]), "ts_003.mdoc": frames, "ts.st": mrc(5.4)})
    pixel = draft.evidence["pixel_spacing_angstrom"]
    assert (pixel.value, pixel.chosen.source) == (5.4, "ts.mdoc")
    assert [(one.value, one.source) for one in pixel.disagreeing] == [(2.7, "ts_003.mdoc")]


def test_where_only_the_aligned_series_is_left_its_pixels_are_told(told):
    draft = told({"ts.ali": mrc(21.6, columns=16), "ts.rec": mrc(0, columns=16, group=1)})
    t = draft.tomogram
    assert (t.pixel_spacing_angstrom, t.voxel_spacing_angstrom, t.tilt_axes) == (21.6, 21.6, 1)
    assert draft.evidence["pixel_spacing_angstrom"].chosen.where == "MRC header of the aligned series"


def test_a_usable_voxel_size_is_not_second_guessed(told):
    draft = told({"ts.st": mrc(5.4, columns=64), "ts.rec": mrc(10.0, columns=16, group=1)})
    assert draft.tomogram.voxel_spacing_angstrom == 10.0
    assert len(draft.evidence["voxel_spacing_angstrom"].witnesses) == 1
    assert draft.notes == ()


def test_nothing_supports_a_voxel_size(told):
    draft = told({"ts.rec": mrc(0, columns=16, group=1)})
    assert draft.tomogram.voxel_spacing_angstrom is None
    assert "nothing else tells it" in draft.notes[0]


def test_the_lab_database_is_called_by_its_name(tmp_path):
    (tmp_path / "a.st").write_bytes(mrc(5.4))
    (found,) = FolderSource(tmp_path).datasets()
    dataset = SourceDataset(
        name=found.name,
        root=found.root,
        files=found.files,
        metadata={"title": "T", "microscope": "Polara", "pixel_spacing_angstrom": 9.9, "extra": {"exposure_s": 2.0}},
        metadata_origin="the lab database",
    )
    draft = describe(dataset, Settings())
    for field in ("title", "microscope", "pixel_spacing_angstrom", "exposure_s"):
        assert draft.origins[field] == "the lab database"
    assert draft.tomogram.extra == {"exposure_s": 2.0}
    assert [one.source for one in draft.evidence["pixel_spacing_angstrom"].disagreeing] == ["a.st"]


@pytest.mark.parametrize(
    ("toml", "species", "number", "note"),
    [
        ("species = 'Vibrio cholerae'\nncbi_taxon_id = 668", "Vibrio cholerae", 668, "taxon 666 at NCBI"),
        ("ncbi_taxon_id = 9606", "Homo sapiens", 9606, None),
        ("species = 'Unheard of'", "Unheard of", None, "is not in the taxonomy"),
    ],
)
def test_species(told, toml, species, number, note):
    draft = told({"a.st": mrc(5.4)}, f"title = 'T'\n{toml}")
    assert (draft.tomogram.species, draft.tomogram.ncbi_taxon_id) == (species, number)
    assert note is None or note in draft.notes[-1]
    assert bool(draft.notes) == (note is not None)


def test_a_hostile_mdoc_with_a_value_of_its_own_in_each_section(told):
    draft = told({"ts.mdoc": mdoc([0.0] * 3000, each=lambda n: f"Magnification = {1000 * 1.03 ** (n % 500):.0f}")})
    assert len(draft.evidence["magnification"].witnesses) <= 4


def test_a_title_of_a_hundred_thousand_spaces_takes_no_time(told):
    draft = told({"ts.mdoc": mdoc([-3, 0, 3], title="Our Krios" + " " * 99_000 + "x")})
    assert draft.tomogram.microscope == "Titan Krios"
    assert len(draft.tomogram.extra["microscope_as_written"]) <= 400


def test_without_a_title_there_is_a_draft_to_look_at(told):
    draft = told({"a.st": mrc(5.4)}, toml=None)
    assert (draft.tomogram.title, "title" in draft.evidence) == ("", False)


def test_a_zarr_folder_is_one_reconstruction(tmp_path):
    zarr = pytest.importorskip("zarr", reason="left out: zarr is not installed")
    space = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
    scale = [{"type": "scale", "scale": [13.3] * 3}]
    image = {"axes": space, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    attributes = {"ome": {"version": "0.5", "multiscales": [image]}}
    group = zarr.open_group(tmp_path / "d" / "v.zarr", mode="w", zarr_format=3, attributes=attributes)
    group.create_array("0", shape=(16, 32, 32), chunks=(8, 8, 8), dtype="i2")[:] = 1
    (dataset,) = FolderSource(tmp_path / "d").datasets()
    draft = describe(dataset, Settings(), title="T")
    assert len(dataset.files) > 30
    assert draft.tomogram.description == "Electron tomography data (1 reconstruction)"
    assert draft.tomogram.voxel_spacing_angstrom == 13.3
    (shown,) = shown_files(dataset.files)
    assert (shown.path, shown.look) == ("v.zarr/", "OME-Zarr, 1 level, 16 x 32 x 32")
    assert shown.size_bytes == dataset.size_bytes
