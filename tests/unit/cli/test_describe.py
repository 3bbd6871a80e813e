"""``etdb describe`` as people run it: reads only, says all, and goes on after a bad dataset."""

import json
from pathlib import Path

import pytest
from tests.unit.describe.test_files_told import mdoc, mrc


@pytest.fixture
def lab(tmp_path):
    for name, pixel in (("one", 5.4), ("two", 7.9)):
        folder = tmp_path / "lab" / name
        folder.mkdir(parents=True)
        (folder / "ts.st").write_bytes(mrc(pixel))
        (folder / "ts.mdoc").write_bytes(mdoc([-3, 0, 3]))
    return tmp_path / "lab"


@pytest.fixture
def outside(desk, tmp_path, monkeypatch):
    """No workspace anywhere."""
    monkeypatch.delenv("ETDB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    return desk


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob("*"))}


def test_every_dataset_of_a_folder_without_a_workspace(outside, lab):
    before = listing(lab)
    said = outside.run_bare("describe", lab)
    assert said.status == 0, said.err
    one, _, two = said.out.partition("two  ")
    assert "one  2 files" in one
    assert "1 of 2" in one
    assert "5.4 Å" in one
    assert "≠" not in one
    assert "≠ 7.9 Å" in two  # the header against the mdoc
    assert "ts.st, MRC header" in " ".join(two.split())
    assert "missing" in one  # the title
    assert "3 x 8 x 8 int16, 5.4 Å" in one
    assert listing(lab) == before


def test_with_all_statements(outside, lab):
    said = outside.run_bare("describe", lab / "one", "--all")
    assert "= 5.4 Å" in said.out


def test_a_line_for_each(outside, lab):
    said = outside.run_bare("describe", lab, "--brief")
    one, two = (line.split() for line in said.out.splitlines() if line.startswith(("one", "two")))
    assert one == ["one", "-3", "to", "3°", "/", "3°", "5.4", "7.5", "title,", "species"]
    assert two[:2] + two[-2:] == ["two", "-3", "pixel", "size"]


def test_json_has_the_whole_evidence(outside, lab):
    said = outside.run_bare("describe", lab, "--json")
    one, two = said.document["datasets"]
    assert said.document["unreadable"] == []
    assert (one["dataset"], one["record"]["pixel_spacing_angstrom"]) == ("one", 5.4)
    pixel = two["evidence"]["pixel_spacing_angstrom"]
    assert (pixel["value"], pixel["unit"], pixel["chosen"]["source"]) == (5.4, "Å", "ts.mdoc")
    assert [(w["value"], w["source"], w["where"], w["agrees"]) for w in pixel["witnesses"]] == [
        (5.4, "ts.mdoc", "mdoc", True), (7.9, "ts.st", "MRC header", False)
    ]  # fmt: skip
    assert {f["path"]: (f["role"], f["look"]) for f in one["files"]}["ts.st"][0] == "tilt_series"
    assert one["record"]["extra"]["exposure_s"] == 0.8


def test_what_cannot_be_read_is_named_and_the_others_are_described(outside, lab):
    (lab / "one" / "dataset.toml").write_text("titel = 3")
    said = outside.run_bare("describe", lab)
    assert said.status == 3
    assert "two  2 files" in said.out
    assert "one cannot be published" in said.err
    assert "title" in said.err
    again = outside.run_bare("describe", lab, lab.parent / "nowhere", "--json")
    assert again.status == 3
    assert [one["dataset"] for one in again.document["datasets"]] == ["two"]
    assert {Path(one["dataset"]).name for one in again.document["unreadable"]} == {"one", "nowhere"}


def test_a_toml_to_correct_goes_where_it_is_told_and_nowhere_else(outside, lab, tmp_path):
    said = outside.run_bare("describe", lab / "one", "--toml")
    assert said.out.splitlines()[2].startswith('title = ""')
    target = tmp_path / "one.toml"
    written = outside.run_bare("describe", lab / "one", "--toml", "--output", target)
    assert (written.status, written.out, target.read_text()) == (0, "", said.out)
    before = listing(lab)
    for inside in (lab / "one" / "dataset.toml", lab / "one" / "sub.toml"):
        refused = outside.run_bare("describe", lab / "one", "--toml", "--output", inside)
        assert refused.status == 3
        assert "inside of the dataset" in refused.err
    (tmp_path / "link").symlink_to(lab / "one")
    refused = outside.run_bare("describe", lab / "one", "--toml", "--output", tmp_path / "link" / "x.toml")
    assert "inside of the dataset" in refused.err
    assert "there already" in outside.run_bare("describe", lab / "one", "--toml", "--output", target).err
    assert listing(lab) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--output", "x"), "--output is for --toml"),
        (("--toml", "--json"), "two forms"),
        (("--toml",), "of one dataset"),
    ],
)
def test_words_that_do_not_go_together(outside, lab, words, told):
    said = outside.run_bare("describe", lab, *words)
    assert said.status == 3
    assert told in said.err


def test_the_settings_of_the_workspace_fill_gaps_and_say_so(desk, lab):
    (desk.workspace.root / "etdb.toml").write_text('[describe]\nspecies = "E. coli"\nmicroscope = "Caltech Polara"\n')
    record = desk.run("describe", lab / "one", "--json").document["datasets"][0]
    assert (record["record"]["species"], record["record"]["ncbi_taxon_id"]) == ("Escherichia coli", 562)
    microscope = record["evidence"]["microscope"]
    assert (microscope["value"], microscope["chosen"]["source"]) == ("Titan Krios", "ts.mdoc")


def test_hostile_names_and_values_do_not_reach_the_terminal(outside, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "[red]x.mdoc").write_bytes(mdoc([-3, 0, 3], title="\x1b[31mKrios\x07 Camera -> 1:[bold]\x1b]0;x"))
    (folder / "dataset.toml").write_text('title = "[link=x]\\u001b[2J\\u202e"\n')
    for words in ((), ("--all",), ("--toml",)):
        said = outside.run_bare("describe", folder, *words)
        assert said.status == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(said.out + said.err)
    assert "[red]x.mdoc" in outside.run_bare("describe", folder).out
    assert json.loads(outside.run_bare("describe", folder, "--json").out)
