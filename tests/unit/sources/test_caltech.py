"""The Caltech database: what its rows mean, and its text. The rows are in SQLite here; MariaDB is in tests/interop."""

import datetime as dt
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.labdb import publicdb

from etdb.errors import SourceFileError
from etdb.sources.caltech import CaltechSource
from etdb.sources.database import Database
from etdb.sources.mojibake import mend_mojibake

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "etdb"
SID = "rr2014-01-14-5"


@given(st.text())
def test_text_that_went_wrong_comes_out_right(text):
    try:
        stored = b"".join(bytes([byte]) for byte in text.encode()).decode("cp1252", "surrogateescape")
        shown = "".join(chr(ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in stored)
    except UnicodeEncodeError:
        return
    # A text that is mojibake itself is mended further: nobody can tell it from one.
    assert mend_mojibake(shown) in {text, mend_mojibake(text)}


def test_text_that_was_right_stays():
    for text in ("plain", "Å 4 °C, 10 µm", "naïve", "β-barrel", "日本", "“quoted”", "café Ã", ""):
        assert mend_mojibake(text) == text


@pytest.fixture
def lab(tmp_path, shared_vectors):
    """One series: the record that is on the chain, as the rows that it was made from, and its files."""

    def make(*, files=True, length_unit="", **changes):
        tables = real_rows()
        for place, columns in changes.items():
            table, _, number = place.partition("__")
            tables[table][int(number or 0)].update(columns)
        folder = tmp_path / "data"
        if files:
            for path in real_files():
                place = folder / "Caps" / path.name if path.parts[0] == "AutoCaps" else folder / SID / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(path.name.encode())
            (folder / "Videos").mkdir(exist_ok=True)
            movie = folder / SID / f"keymov_{SID}.mp4"
            if movie.exists():
                movie.rename(folder / "Videos" / movie.name)
        database = tmp_path / "publicdb.sqlite"
        database.unlink(missing_ok=True)
        with closing(sqlite3.connect(database)) as db, db:
            for statement in publicdb.create_statements(shared_vectors("mysql_publicdb.json"), dialect="sqlite"):
                db.execute(statement)
            for statement, values in publicdb.insert_statements(tables, mark="?"):
                db.executemany(statement, values)
        return CaltechSource(Database("sqlite:///publicdb.sqlite", base=tmp_path), folder, length_unit=length_unit)

    return make


def on_chain():
    path = SHARED / "oip042_onchain_record_rr2014-01-14-5.json"
    if not path.exists():
        pytest.skip("left out: the real record is not beside this checkout")
    return json.loads(path.read_text())["artifact"]


def real_files():
    return [Path(file["fname"]) for file in on_chain()["storage"]["files"]]


def real_rows():
    """The rows behind the record on the chain. Made up: numbers of rows, and what the record does not say."""
    record = on_chain()
    details = record["details"]
    notes = details["artNotes"].removeprefix("Tilt series notes: ").removesuffix("\n")
    of_series = {"REF|TiltSeriesData|tiltseries": SID, "status": 0}
    files = {file["fname"]: file for file in record["storage"]["files"]}
    return {
        "UserData": [{"DEF_id": 7, "username": "rr", "fullname": details["microscopist"], "var": "rr", "email": "x@y"}],
        "SpeciesData": [
            {"DEF_id": 3, "SpeciesName": details["speciesName"], "strain": details["strain"], "TXT_notes": ""}
            | {"tax_id": details["NCBItaxID"]}
        ],
        "ScopeData": [{"DEF_id": 2, "scopename": details["scopeName"], "TXT_notes": "FEI, 300 kV"}],
        "PublicationData": [
            {"DEF_id": 5, "title": "A title.", "authors": "A. Author", "journal": "Structure", "issue": "21"}
            | {"pages": "1-9", "year": "2013"}
        ],
        "FeatureData": [{"DEF_id": 1, "featurename": "Phage"}, {"DEF_id": 2, "featurename": "S-layer"}],
        "ListFeature": [
            {"DEF_id": 1, "REF|TiltSeriesData|tiltseries": SID, "REF|FeatureData|featurename": "1", "checked": "1"},
            {"DEF_id": 2, "REF|TiltSeriesData|tiltseries": SID, "REF|FeatureData|featurename": "2", "checked": "0"},
        ],
        "TiltSeriesData": [
            publicdb._series(
                0,
                SID,
                title=record["info"]["title"],
                TXT_notes=notes,
                tomo_date=dt.datetime.fromtimestamp(details["date"], dt.UTC).date().isoformat(),
                scope=details["scopeName"].upper(),
                single_dual=details["tiltSingleDual"],
                tilt_min=details["tiltMin"],
                tilt_max=details["tiltMax"],
                tilt_step=f"{details['tiltStep']} deg",
                tilt_constant=details["tiltConstant"],
                dosage=details["dosage"],
                defocus=details["defocus"],
                magnification=details["magnification"],
                voxel=0.96,
                software_acquisition=files["rawdata/stiv10h3_0004.mrc"]["software"],
                software_process=files["3dimage_37677/stiv10h3_0004_full.rec"]["software"],
                keymov=2,
                keywords="virus; archaea",
                treatment="infected",
                sample="whole cells",
                feature="",
                loadpath="/secret/path",
            )
            | {"REF|UserData|user": "7", "REF|SpeciesData|specie": "3", "REF_PublicationData_publication": "5"}
        ],
        "DataFile": [
            of_series
            | {"DEF_id": 100 + number, "filetype": "2dimage", "auto": 2, "filename": Path(name).name}
            | {"TXT_notes": file.get("fNotes", "")}
            for number, (name, file) in enumerate(files.items())
            if name.startswith("AutoCaps/")
        ],
        "ThreeDFile": [
            of_series
            | {"DEF_id": 37676, "title": "", "TXT_notes": "", "classify": "rawdata", "filename": "stiv10h3_0004.mrc"}
            | {"pixel_size": 0.48},
            of_series
            | {"DEF_id": 37677, "title": "Full volume", "TXT_notes": "by SIRT", "classify": "reconstruction"}
            | {"filename": "stiv10h3_0004_full.rec", "pixel_size": 0.96},
        ],
    }


def test_the_record_on_the_chain_again(lab):
    """Every field and file that go-etdb published of this series, from rows like those that it read."""
    dataset = lab().read(SID)
    details, metadata = on_chain()["details"], dataset.metadata
    assert metadata["title"] == on_chain()["info"]["title"]
    assert metadata["species"] == details["speciesName"].strip()
    assert metadata["strain"] == details["strain"]
    assert metadata["ncbi_taxon_id"] == details["NCBItaxID"]
    assert metadata["microscope"] == details["scopeName"]
    assert metadata["microscopist"] == details["microscopist"]
    assert metadata["acquired_on"] == dt.date(2014, 1, 14)
    for field, name in (
        ("tilt_min_deg", "tiltMin"), ("tilt_max_deg", "tiltMax"), ("tilt_step_deg", "tiltStep"),
        ("dose_e_per_a2", "dosage"), ("defocus_um", "defocus"), ("magnification", "magnification"),
        ("tilt_axes", "tiltSingleDual"),
    ):  # fmt: skip
        assert metadata[field] == details[name], field
    assert metadata["tilt_constant_increment"] is True
    assert details["artNotes"].strip() in metadata["notes"]
    roles = {"snapshot": "snapshot", "reconstruction": "reconstruction", "tilt_series": "tiltSeries"}
    roles |= {"thumbnail": "thumbnail", "key_image": "keyimg", "key_movie": "keymov"}
    published = {file["fname"]: file for file in on_chain()["storage"]["files"]}
    assert {file.path for file in dataset.files} == set(published)
    for file in dataset.files:
        told = published[file.path]
        assert roles[file.role] == told["subtype"]
        assert file.software == told.get("software", "")
        assert told.get("fNotes", "") in file.notes
        assert file.display_name in {told.get("dname", ""), ""}
        assert file.absolute.read_bytes() == Path(file.path).name.encode()
    assert "/secret/path" not in repr(metadata)
    assert "x@y" not in repr(metadata)


def test_what_go_etdb_left_out(lab):
    metadata = lab(length_unit="nm").read(SID).metadata
    assert metadata["voxel_spacing_angstrom"] == 9.6
    assert metadata["pixel_spacing_angstrom"] == 4.8
    assert metadata["keywords"] == ("virus", "archaea", "Phage")
    assert metadata["extra"] == {"features": ["Phage"]}
    assert metadata["sample_preparation"] == "Sample: whole cells\nTreatment: infected"
    assert metadata["publications"] == ("A. Author. A title. Structure 21, 1-9 (2013)",)
    assert metadata["acquisition_software"] == "UCSFTomo"
    volume = next(file for file in lab().read(SID).files if file.role == "reconstruction")
    assert volume.notes == "Full volume\nby SIRT"
    assert volume.display_name == "stiv10h3_0004_full.rec"


def test_lengths_without_a_unit_are_no_angstroms(lab):
    dataset = lab().read(SID)
    assert "voxel_spacing_angstrom" not in dataset.metadata
    assert dataset.metadata["extra"]["voxel"] == 0.96
    assert any("length_unit" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("columns", "released", "reason"),
    [
        ({"ispublic": 0}, False, "not public"),
        ({"ispublic": 1, "status": 1, "delete_text": "wrong sample"}, False, "deleted: wrong sample"),
        ({"ispublic": 1, "status": 0}, True, ""),
    ],
)
def test_what_is_released(lab, columns, released, reason):
    listing = lab(TiltSeriesData__0=columns).listing()
    assert listing.released == ((SID,) if released else ())
    assert listing.withheld == ({} if released else {SID: reason})


def test_deleted_files_are_not_published(lab):
    dataset = lab(DataFile__0={"status": 1}, ThreeDFile__1={"status": 2}).read(SID)
    paths = [file.path for file in dataset.files]
    assert "AutoCaps/rr2014-01-14-5_slicer3727.jpg" not in paths
    assert not any(path.startswith("3dimage_") for path in paths)
    assert "rawdata/stiv10h3_0004.mrc" in paths


def test_zeros_that_mean_nothing_and_zeros_that_do(lab):
    dataset = lab(
        TiltSeriesData__0={"dosage": 0, "magnification": 0, "tilt_min": 0, "defocus": 0, "voxel": 0, "scope": "0"},
        SpeciesData__0={"tax_id": 0},
        ThreeDFile__0={"pixel_size": 0},
        ThreeDFile__1={"pixel_size": 0},
    ).read(SID)
    assert {"dose_e_per_a2", "magnification", "ncbi_taxon_id", "extra.voxel", "microscope"}.isdisjoint(dataset.metadata)
    assert dataset.metadata["tilt_min_deg"] == 0
    assert dataset.metadata["defocus_um"] == 0
    assert [note for note in dataset.notes if "is 0 in the database" in note] == [
        "dosage is 0 in the database: taken as not known",
        "magnification is 0 in the database: taken as not known",
    ]


@pytest.mark.parametrize(("text", "step"), [("1", 1.0), ("1.5 deg", 1.5), ("2-3", 2.0), ("", None), ("auto", None)])
def test_steps_as_people_typed_them(lab, text, step):
    dataset = lab(TiltSeriesData__0={"tilt_step": text}).read(SID)
    assert dataset.metadata.get("tilt_step_deg") == step
    assert any("tilt_step" in note for note in dataset.notes) == (text not in {"1", ""})


def test_people_and_species_by_name_and_a_title_that_is_missing(lab):
    dataset = lab(
        TiltSeriesData__0={"REF|UserData|user": "RR", "REF|SpeciesData|specie": "sulfolobus solfataricus", "title": ""}
    ).read(SID)
    assert dataset.metadata["microscopist"] == "Rasika Ramdasi"
    assert dataset.metadata["title"] == "Sulfolobus solfataricus"


def test_a_missing_data_file_holds_back_and_a_missing_picture_does_not(lab, tmp_path):
    source = lab()
    (tmp_path / "data" / SID / f"keyimg_{SID}_s.jpg").unlink()
    dataset = source.read(SID)
    assert any("keyimg_rr2014-01-14-5_s.jpg is named by the source and is not there" in note for note in dataset.notes)
    (tmp_path / "data" / "Caps" / "rr2014-01-14-5_slicer3727.jpg").unlink()
    (tmp_path / "data" / SID / "rawdata" / "stiv10h3_0004.mrc").unlink()
    with pytest.raises(SourceFileError) as caught:
        source.read(SID)
    assert len(caught.value.fields["problems"]) == 2


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a/b", "", "a\nb"])
def test_names_of_files_lead_nowhere_else(lab, name):
    with pytest.raises(SourceFileError):
        lab(ThreeDFile__0={"filename": name}).read(SID)


def test_a_kind_that_nobody_knows_is_said(lab):
    with pytest.raises(SourceFileError) as caught:
        lab(DataFile__0={"filetype": "hologram"}, ThreeDFile__0={"classify": "dream"}).read(SID)
    assert [problem.partition(":")[0] for problem in caught.value.fields["problems"]] == [
        "DataFile 100",
        "ThreeDFile 37676",
    ]


def test_two_series_of_one_id(lab, shared_vectors):
    source = lab()
    row = real_rows()["TiltSeriesData"][0] | {"DEF_id": 99}
    with closing(sqlite3.connect(source._database._url.database.removeprefix("file:"))) as db, db:
        for statement, values in publicdb.insert_statements({"TiltSeriesData": [row]}, mark="?"):
            db.executemany(statement, values)
    assert source.listing().released == ()
    assert len(source.listing().refused) == 1
