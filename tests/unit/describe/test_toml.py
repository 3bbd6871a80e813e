import datetime as dt
import re
import tomllib

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.describe.test_files_told import mdoc, mrc

from etdb.describe import describe, encode_draft
from etdb.sources import DatasetMetadata, FolderSource, SourceDataset, parse_dataset_toml
from etdb.workspace import Settings

FIELD = re.compile(r"# ([a-z_0-9]+ = .*)")


def drafted(tmp_path, toml="", **more):
    (tmp_path / "dataset.toml").write_text(toml)
    (tmp_path / "ts.st").write_bytes(mrc(5.41, sections=3))
    (tmp_path / "ts.mdoc").write_bytes(mdoc([-3, 0, 3]))
    (dataset,) = FolderSource(tmp_path).datasets()
    return dataset, describe(dataset, Settings(), needs_title=False, **more)


def test_as_it_stands_only_the_title_is_to_be_filled_in(tmp_path):
    text = encode_draft(*drafted(tmp_path))
    metadata, problems = parse_dataset_toml(text.encode())
    assert (problems, metadata.given()) == ([], {"title": ""})
    assert "# voltage_kv = 300.0 " in text
    assert "# ts.mdoc, mdoc" in text
    assert "# species = " in text


def test_with_every_mark_taken_away_it_says_what_the_draft_says(tmp_path):
    dataset, draft = drafted(tmp_path, "title = 'T'\nspecies = 'human'\nmicroscope = 'FEI Polara'\n")
    text = encode_draft(dataset, draft)
    told = text.partition("# What the files and settings tell:")
    uncommented = told[0] + FIELD.sub(r"\1", told[2])
    metadata, problems = parse_dataset_toml(uncommented.encode())
    assert problems == []
    given = metadata.given()
    assert given["species"] == "human"  # as people wrote it
    assert given["microscope"] == "FEI Polara"
    for field in ("voltage_kv", "pixel_spacing_angstrom", "tilt_min_deg", "tilt_count", "dose_e_per_a2", "acquired_on"):
        assert given[field] == getattr(draft.tomogram, field), field
    assert given["extra"]["exposure_s"] == 0.8
    (tmp_path / "dataset.toml").write_text(uncommented)
    (again,) = FolderSource(tmp_path).datasets()
    second = describe(again, Settings()).tomogram
    assert second.voltage_kv == draft.tomogram.voltage_kv
    assert second.ncbi_taxon_id == 9606


def test_what_is_in_dispute_is_there_to_choose_from(tmp_path):
    (tmp_path / "b.mdoc").write_bytes(mdoc([-3, 0, 3], pixel=7.7))
    (tmp_path / "ts.st").write_bytes(b"")
    text = encode_draft(*_without_stack(tmp_path))
    lines = [line for line in text.splitlines() if line.startswith("# pixel_spacing_angstrom")]
    assert [line.split()[3] for line in lines] == ["7.7", "5.4"]
    assert "Choose one:" in text


def _without_stack(tmp_path):
    (tmp_path / "ts.st").unlink()
    (tmp_path / "ts.mdoc").write_bytes(mdoc([-3, 0, 3]))
    (dataset,) = FolderSource(tmp_path).datasets()
    return dataset, describe(dataset, Settings(), needs_title=False)


def test_what_people_overrule_is_said_beside(tmp_path):
    text = encode_draft(*drafted(tmp_path, "title = 'T'\nvoltage_kv = 200\n"))
    (line,) = [line for line in text.splitlines() if "voltage_kv" in line]
    assert line.startswith("voltage_kv = 200.0 ")
    assert "but 300.0 says ts.mdoc" in line


def test_what_was_said_of_files_and_nested_values_stay(tmp_path):
    said = "title = 'T'\n[extra]\nbatch = {name = 'B', runs = [1, 2]}\n[files.'ts.st']\nrole = 'other'\n"
    text = encode_draft(*drafted(tmp_path, said))
    metadata, problems = parse_dataset_toml(text.encode())
    assert problems == []
    assert metadata.given()["extra"] == {"batch": {"name": "B", "runs": [1, 2]}}
    assert metadata.files["ts.st"].role == "other"


words = st.text(max_size=40)


@given(
    words.filter(str.strip),
    words,
    st.lists(words.filter(bool), max_size=3),
    st.dictionaries(words.filter(bool), words, max_size=3),
)
def test_any_text_that_people_gave_comes_back(title, notes, tags, extra):
    dataset = SourceDataset(
        name="d\n# x",
        root=None,
        files=(),
        metadata={"title": title, "notes": notes, "tags": tuple(tags), "extra": extra},
    )
    text = encode_draft(dataset, describe(dataset, Settings()))
    metadata, problems = parse_dataset_toml(text.encode())
    assert problems == []
    given_ = metadata.given()
    assert (given_["title"], given_.get("notes", "")) == (title, notes)
    assert given_.get("extra", {}) == {k: v for k, v in extra.items() if not k.endswith("_as_written")}


def test_dates_are_dates(tmp_path):
    text = encode_draft(*drafted(tmp_path, "title = 'T'\nacquired_on = 2026-01-02\n"))
    assert tomllib.loads(text)["acquired_on"] == dt.date(2026, 1, 2)
    assert set(tomllib.loads(text)) <= set(DatasetMetadata.__struct_fields__)
