import datetime as dt
import struct
import typing

import pytest

from etdb.describe import describe
from etdb.errors import InputError
from etdb.oip.tomogram import Tomogram
from etdb.sources import DatasetMetadata, FolderSource
from etdb.workspace import DescribeSettings, PublisherSettings, Settings


def mrc(spacing, sections=3, group=0) -> bytes:
    raw = bytearray(1024)
    struct.pack_into("<4i", raw, 0, 2, 2, sections, 1)
    struct.pack_into("<3i", raw, 28, 2, 2, sections)
    struct.pack_into("<3f", raw, 40, 2 * spacing, 2 * spacing, sections * spacing)
    struct.pack_into("<3i", raw, 64, 1, 2, 3)
    struct.pack_into("<i", raw, 88, group)
    raw[208:216] = b"MAP DD\0\0"
    return bytes(raw) + bytes(8 * sections)


def mdoc(angles, magnification=53000) -> bytes:
    sections = "".join(
        f"[ZValue = {i}]\nTiltAngle = {a}\nExposureDose = 2.5\nTargetDefocus = -4\nMagnification = {magnification}\n"
        f"DateTime = 30-Nov-15  15:21:38\n"
        for i, a in enumerate(angles)
    )
    return f"PixelSpacing = 5.4\nVoltage = 300\nVersion = SerialEM Version 4.0.20 32-bit\n{sections}".encode()


@pytest.fixture
def made(tmp_path):
    def make(toml="title = 'T'", settings=None, given=None, **files):
        folder = tmp_path / "d 1"
        folder.mkdir()
        if toml is not None:
            (folder / "dataset.toml").write_text(toml)
        for name, data in files.items():
            (folder / name.replace("__", ".")).write_bytes(data)
        (dataset,) = FolderSource(folder).datasets()
        return describe(dataset, settings or Settings(), given)

    return make


def test_files_tell_what_they_agree_on(made):
    draft = made(a__st=mrc(5.4), a__st__mdoc=mdoc([-3, 0, 3]), b__rec=mrc(10.8, group=1))
    t = draft.tomogram
    assert (t.tilt_min_deg, t.tilt_max_deg, t.tilt_step_deg, t.tilt_constant_increment) == (-3.0, 3.0, 3.0, True)
    assert (t.pixel_spacing_angstrom, t.voxel_spacing_angstrom, t.voltage_kv, t.magnification) == (
        5.4,
        10.8,
        300,
        53000,
    )
    assert (t.dose_e_per_a2, t.defocus_um) == (7.5, -4.0)
    assert (t.acquired_on, t.year, t.acquisition_software) == (dt.date(2015, 11, 30), 2015, "SerialEM 4.0.20")
    assert draft.origins["voltage_kv"] == "a.st.mdoc"
    assert draft.origins["voxel_spacing_angstrom"] == "b.rec"
    assert [(f.path, f.role, f.software) for f in t.files] == [
        ("a.st", "tilt_series", "SerialEM 4.0.20"),
        ("a.st.mdoc", "metadata", ""),
        ("b.rec", "reconstruction", ""),
    ]
    assert (t.publisher, t.timestamp_s, t.location) == ("", 0, "")


def test_disagreement_leaves_the_field_empty(made):
    draft = made(a__mdoc=mdoc([0, 3], 1000), b__mdoc=mdoc([0, 9], 2000), c__rec=mrc(5, group=1), d__rec=mrc(7, group=1))
    t = draft.tomogram
    assert (t.magnification, t.tilt_max_deg, t.voxel_spacing_angstrom, t.dose_e_per_a2) == (None, None, None, 5.0)
    disputed = draft.evidence["magnification"]
    assert [(one.value, one.source) for one in disputed.disagreeing] == [(1000.0, "a.mdoc"), (2000.0, "b.mdoc")]
    assert "magnification" not in draft.origins


def test_the_raw_witness_comes_before_the_binned_copy(made):
    draft = made(a__st=mrc(5.4), a__ali=mrc(21.6), a__mdoc=mdoc([0, 3]))
    assert draft.tomogram.pixel_spacing_angstrom == 5.4
    assert draft.origins["pixel_spacing_angstrom"] == "a.mdoc"


def test_order_of_authority(made):
    settings = Settings(
        publisher=PublisherSettings(institution="Of settings", lab="Lab", licence="CC0-1.0"),
        describe=DescribeSettings(species="S", acquisition_software="Of settings", microscope="Polara"),
    )
    draft = made(
        toml="title = 'Of toml'\nvoltage_kv = 200\nnotes = 'n'\ntilt_min_deg = 0\n[extra]\nx = 1",
        settings=settings,
        given={"title": "Of command", "lab": "Of command"},
        a__mdoc=mdoc([-3, 0]),
        a__st=b"x",
    )
    t = draft.tomogram
    assert (t.title, t.lab, t.institution, t.voltage_kv, t.tilt_min_deg) == (
        "Of command",
        "Of command",
        "Of settings",
        200.0,
        0.0,
    )
    assert (t.acquisition_software, t.microscope, t.species, t.extra) == ("SerialEM 4.0.20", "Polara", "S", {"x": 1})
    expected = {
        "title": "the command line",
        "voltage_kv": "dataset.toml",
        "institution": "etdb.toml",
        "acquisition_software": "a.mdoc",
        "description": "default",
        "tags": "etdb.toml",
    }
    assert {k: draft.origins[k] for k in expected} == expected
    assert draft.defaulted == ("description", "sid")


def test_defaults_are_visible(made):
    draft = made(a__st=b"x", b__st=b"x")
    assert draft.defaulted == ("description", "species", "sid")
    assert draft.tomogram.description == "Electron tomography data (2 tilt series)"
    assert draft.tomogram.species


@pytest.mark.parametrize("toml", [None, "species = 'x'", "title = ''", "title = '  '"])
def test_a_missing_title_says_where_to_write_it(made, toml, tmp_path):
    with pytest.raises(InputError) as caught:
        made(toml=toml, a__st=b"x")
    assert "d 1 has no title" in caught.value.message
    assert 'title = "..."' in caught.value.hint
    assert str(tmp_path / "d 1" / "dataset.toml") in caught.value.hint


def test_a_single_file_gets_its_title_from_the_command(tmp_path):
    (tmp_path / "a.rec").write_bytes(b"x")
    (dataset,) = FolderSource(tmp_path / "a.rec").datasets()
    with pytest.raises(InputError) as caught:
        describe(dataset, Settings())
    assert caught.value.hint == "give one: --title TITLE"
    assert describe(dataset, Settings(), title="A").tomogram.title == "A"


@pytest.mark.parametrize("given", [{"titel": "x"}, {"title": 3}])
def test_wrong_words_on_the_command_line(made, given):
    with pytest.raises(InputError):
        made(given=given, a__st=b"x")


def test_dataset_toml_knows_every_field_of_a_record_that_a_person_can_tell():
    ours = {"publisher", "timestamp_s", "year", "storage_network", "location", "files", "unknown"}
    assert set(DatasetMetadata.__struct_fields__) - {"files"} == set(Tomogram.__struct_fields__) - ours
    assert typing.get_type_hints(Tomogram)["timestamp_s"] is int
