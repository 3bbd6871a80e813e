"""Cells, CSV, YAML and names of folders: what is right, what is refused, and how it is said."""

import datetime as dt
import string
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.errors import ConfigurationError, InputError, SourceFileError
from etdb.sources.cells import RECORD_COLUMNS, dataset_cells, file_cells, truth
from etdb.sources.rows import RowSource, Table
from etdb.sources.tables import csv_source, parse_csv, parse_yaml
from etdb.sources.tree import TreeSource

HERE = Path("table")


def test_cells_become_what_the_record_says():
    values, problems = dataset_cells(
        {
            "title": "  A title ",
            "acquired_on": "2014-01-14 13:05:00",
            "ncbi_taxon_id": "666",
            "tilt_min_deg": Decimal("-60.5"),
            "tilt_max_deg": 0,
            "tilt_constant_increment": "yes",
            "nsfw": False,
            "authors": "A. Author; B. Author;",
            "keywords": ["x", "y"],
            "notes": None,
            "strain": "  ",
            "lab": 7,
            "extra.grid": Decimal(12),
            "extra.when": dt.date(2014, 1, 2),
        }
    )
    assert problems == []
    assert values == {
        "title": "  A title ",
        "acquired_on": dt.date(2014, 1, 14),
        "ncbi_taxon_id": 666,
        "tilt_min_deg": -60.5,
        "tilt_max_deg": 0.0,
        "tilt_constant_increment": True,
        "nsfw": False,
        "authors": ("A. Author", "B. Author"),
        "keywords": ("x", "y"),
        "lab": "7",
        "extra": {"grid": 12, "when": "2014-01-02"},
    }


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("titel", "x", "did you mean `title`"),
        ("grid", "x", "extra.grid"),
        ("tilt_min_deg", "-60 deg", "not a number"),
        ("tilt_min_deg", "-600", ">= -180"),
        ("tilt_min_deg", "nan", "finite"),
        ("dose_e_per_a2", -1, ">= 0"),
        ("ncbi_taxon_id", 6.5, "whole"),
        ("ncbi_taxon_id", 0, ">= 1"),
        ("acquired_on", "14.1.2014", "2014-01-14"),
        ("acquired_on", "2014-13-01", "2014-01-14"),
        ("nsfw", "perhaps", "neither yes nor no"),
        ("title", b"bytes", "not text"),
        ("magnification", True, "not a number"),
        ("extra.x", float("inf"), "finite"),
        ("extra.x", Decimal("sNaN"), "finite"),
        ("nsfw", Decimal("sNaN"), "NaN"),
        ("title", "x" * ((1 << 20) + 1), "longer than"),
    ],
)
def test_a_cell_that_is_wrong_is_said_so(column, cell, says):
    values, problems = dataset_cells({"species": "fine", column: cell})
    assert values == {}
    assert len(problems) == 1
    assert says in problems[0]


def test_a_zero_is_not_an_empty_cell():
    assert dataset_cells({"tilt_min_deg": "0", "defocus_um": 0, "dose_e_per_a2": 0})[0] == {
        "tilt_min_deg": 0.0,
        "defocus_um": 0.0,
        "dose_e_per_a2": 0.0,
    }


@given(st.dictionaries(st.sampled_from([*RECORD_COLUMNS, "extra.x", "odd"]), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.dates(),
    st.lists(st.text(), max_size=3), st.dictionaries(st.text(), st.integers(), max_size=2),
)))  # fmt: skip
def test_any_row_gives_fields_or_problems(row):
    values, problems = dataset_cells(row)
    assert not (values and problems)
    assert all(isinstance(problem, str) and problem for problem in problems)


def test_what_is_said_of_a_file():
    assert file_cells({"role": "tilt_series", "notes": None, "software": "IMOD"})[0].software == "IMOD"
    assert file_cells({"role": "raw"})[1][0].startswith("role: Invalid enum value 'raw'")
    assert file_cells({"colour": "x"})[1] == ["unknown column `colour` of a file"]


def test_yes_and_no():
    assert [truth(cell) for cell in (1, "1", "Yes", True, "on")] == [True] * 5
    assert [truth(cell) for cell in (0, "0", " no ", False, "off")] == [False] * 5
    for cell in (2, "2", "", "maybe", 0.5):
        with pytest.raises(ValueError, match="neither"):
            truth(cell)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_in_its_dialects(delimiter):
    text = f'\ufeffsid{delimiter}title\r\na-1{delimiter}"A ""line""\nbreak"\r\n\r\nb-1{delimiter}é\r\n'
    assert parse_csv(text.encode(), HERE) == [{"sid": "a-1", "title": 'A "line"\nbreak'}, {"sid": "b-1", "title": "é"}]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no first line"),
        (b"sid,sid\n1,2\n", "each once"),
        (b"sid,title\na,b,c\n", "line 2: 3 cells, but 2 columns"),
        (b"sid,title\na,caf\xe9\n", "not UTF-8"),
        (b'sid,title\na,"never ends\n', "line 2"),
        (b"sid,title\na," + b"x" * (1 << 21) + b"\n", "field larger"),
    ],
)
def test_csv_that_is_none(data, says):
    with pytest.raises(InputError, match=says):
        parse_csv(data, HERE)


def test_yaml():
    text = b"""
datasets:
  - sid: a-1
    title: "1"
    acquired_on: 2014-01-14
    extra: {grid: B-12}
    files:
      - rawdata/a.mrc
      - {path: b.mrc, role: subvolume, notes: best}
  - sid: b-1
"""
    datasets, files = parse_yaml(text, HERE)
    assert datasets == [
        {"sid": "a-1", "title": "1", "acquired_on": dt.date(2014, 1, 14), "extra.grid": "B-12"},
        {"sid": "b-1"},
    ]
    assert files == [
        {"path": "rawdata/a.mrc", "sid": "a-1"},
        {"path": "b.mrc", "role": "subvolume", "notes": "best", "sid": "a-1"},
    ]
    assert parse_yaml(b"- {sid: a}\n", HERE) == ([{"sid": "a"}], None)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: &x [1]\nb: *x\n", "aliases"),
        (b"- {sid: a, sid: b}\n", "twice"),
        (b"- !!python/object/apply:os.system ['true']\n", "constructor"),
        (b"[" * 5000, "table"),
        (b"just text", "not a list of datasets"),
        (b"datasets: [1, 2]", "not a list of datasets"),
        (b"- {sid: a, files: x}", "not a list"),
        (b"- \xff", "table"),
    ],
)
def test_yaml_that_is_none(data, says):
    with pytest.raises(InputError, match=says):
        parse_yaml(data, HERE)


def rows(*datasets, files=None, folder=HERE):
    return RowSource("here", folder, lambda: Table(datasets=datasets, files=files))


def test_rows_that_are_no_datasets_are_told_and_the_others_go_on():
    listing = rows(
        {"sid": "a"}, {"sid": None}, {"sid": "x/y"}, {"sid": "b"}, {"sid": "b", "released": 0}, {"sid": ".."},
        {"sid": "c", "released": None}, {"sid": "d", "released": "perhaps"}, {"sid": "e", "released": 0,
        "withheld_because": "embargo"}, files=[{"sid": "z", "path": "p"}],
    ).listing()  # fmt: skip
    assert listing.released == ("a",)
    assert listing.withheld == {
        "c": "not released", "d": "released: 'perhaps' is neither yes nor no", "e": "embargo"
    }  # fmt: skip
    assert len(listing.refused) == 5
    assert "b: more than one row has this sid" in listing.refused
    assert "1 row of files of no dataset that is listed" in listing.refused


@pytest.mark.parametrize("path", ["../other/a.mrc", "/etc/passwd", "a/../../b", "", "a//b", "./a", "a\nb", "a\\b"])
def test_a_file_of_a_table_stays_below_its_folder(tmp_path, path):
    (tmp_path / "a").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.mrc").write_bytes(b"x")
    for column in ("path", "place"):
        file = {"sid": "a", "path": "ok.mrc", column: path} if path or column == "path" else {"sid": "a", "path": ""}
        with pytest.raises(SourceFileError):
            rows({"sid": "a", "title": "t"}, files=[file], folder=tmp_path).read("a")
    with pytest.raises(SourceFileError):
        rows({"sid": "a", "folder": path or "/"}, folder=tmp_path).read("a")


def test_a_file_that_is_listed_twice(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"x")
    with pytest.raises(SourceFileError, match="listed twice"):
        rows({"sid": "a"}, files=[{"sid": "a", "path": "x"}] * 2, folder=tmp_path).read("a")


def test_dataset_toml_fills_in_and_the_table_wins(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.mrc").write_bytes(b"x")
    (tmp_path / "a" / "dataset.toml").write_text('title = "Of the folder"\nstrain = "Of the folder"\n')
    (tmp_path / "t.csv").write_text("sid,title\na,Of the table\n")
    source = csv_source(tmp_path / "t.csv", tmp_path, defaults={"strain": "default", "lab": "default"})
    dataset = source.read("a")
    assert dataset.metadata["title"] == "Of the table"
    assert dataset.metadata["lab"] == "default"


def test_a_tree_of_names(tmp_path):
    for place in ("Li/2014-01-14_a-1", "Li/2014-01-15_b-1", "Hu/2014-02-30_c-1", "Hu/notes", ".git/2014-01-01_d-1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x.mrc").write_bytes(b"x")
    (tmp_path / "Li" / "2014-01-15_b-1" / "dataset.toml").write_text('microscopist = "Zhuo Li"\n')
    source = TreeSource(tmp_path, pattern="{microscopist}/{acquired_on}_{sid}", defaults={"lab": "J"})
    assert source.listing().released == ("c-1", "a-1", "b-1")
    assert source.read("a-1").metadata == {
        "microscopist": "Li", "acquired_on": dt.date(2014, 1, 14), "sid": "a-1", "lab": "J"
    }  # fmt: skip
    assert source.read("b-1").metadata["microscopist"] == "Zhuo Li"
    with pytest.raises(SourceFileError, match="2014-02-30"):
        source.read("c-1")


def test_a_sid_in_two_places_is_neither(tmp_path):
    for place in ("x/a-1", "y/a-1", "y/b-1"):
        (tmp_path / place).mkdir(parents=True)
    listing = TreeSource(tmp_path, pattern="{lab}/{sid}").listing()
    assert listing.released == ("b-1",)
    assert listing.refused == ("a-1: more than one folder has this sid",)


def test_a_tree_that_is_not_there_is_no_empty_tree(tmp_path):
    with pytest.raises(SourceFileError, match="cannot be listed"):
        TreeSource(tmp_path / "gone").listing()


@pytest.mark.parametrize("pattern", ["", "{lab}", "{sid}/{sid}", "{colour}/{sid}", "{sid", "a}{sid}", "{sid}//{lab}"])
def test_a_pattern_that_is_none(tmp_path, pattern):
    with pytest.raises(ConfigurationError):
        TreeSource(tmp_path, pattern=pattern)


@given(st.text(string.ascii_letters + string.digits + "._- {}", max_size=30))
def test_any_pattern_is_one_or_is_refused(pattern):
    try:
        TreeSource(HERE, pattern=pattern)
    except ConfigurationError:
        return
    assert "{sid}" in pattern
