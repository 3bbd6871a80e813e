"""What people see of a dataset in a terminal of 80 letters."""

import datetime as dt
import re

import pytest

from etdb.cli.app import etdb
from etdb.counting import counted
from etdb.manifest import MANIFEST_NAME, counted_files
from etdb.oip import Tomogram
from etdb.web.metadata import described

RECORD = """
title = "A short record"
description = "One line.\\nAnother \\u001b[31mline."
acquired_on = 2026-11-01
species = "Bdellovibrio"
voltage_kv = 300
tilt_min_deg = -60.0
tilt_max_deg = 57
keywords = ["needle", "layers"]

[extra]
source_sha256 = "23b07379a1e973a4f69445b0a634687d4af4bb6a806d24bdce49be57afbd36f8"
"""


@pytest.fixture
def shown(desk, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (desk.short / "dataset.toml").write_text(RECORD)
    return desk


def test_ids_are_whole_lines_after_publish(shown):
    said = shown.publish()
    assert said.status == 0
    dataset_id = shown.index()
    location = shown.run("--json", "show", dataset_id).document["tomogram"]["location"]
    lines = said.out.splitlines()
    at = lines.index("short  new, final")
    assert lines[at + 1 : at + 3] == [f"  id        {dataset_id}", f"  location  {location}"]
    assert all(len(line) <= 80 for line in (*lines, *shown.run("search").out.splitlines()) if "ledger" not in line)


def test_show_says_it_in_the_words_and_the_order_of_the_page(shown):
    shown.publish()
    dataset_id = shown.index()
    view = shown.run("--json", "show", dataset_id).document
    lines = shown.run("show", dataset_id[:8]).out.splitlines()
    assert lines[:3] == [
        "A short record",
        f"Dataset        {dataset_id}",
        f"Location       {view['tomogram']['location']}",
    ]
    time = dt.datetime.fromtimestamp(view["tomogram"]["timestamp_s"], dt.UTC)
    assert f"Record's time  {time:%Y-%m-%d %H:%M} UTC" in lines
    assert "Description    One line." in lines
    assert "               Another \N{REPLACEMENT CHARACTER}[31mline." in lines
    assert not any("timestamp" in line or "tilt_min" in line or "_kv" in line for line in lines)
    found = [re.split(r" {2,}", line, maxsplit=1) for line in lines]
    said = dict(one for one in found if len(one) == 2)
    assert said["Tilt range"] == "\N{MINUS SIGN}60° to 57°"
    assert said["Voltage"] == "300 kV"
    assert said["Keywords"] == "needle, layers"
    assert said["source_sha256"] in RECORD
    names = [one[0] for one in found if len(one) == 2]
    order = [
        value.label
        for group in described(Tomogram(title="T", species="x", acquired_on=dt.date(2026, 1, 1), voltage_kv=1.0))
        for value in group.values
    ]
    assert [name for name in names if name in order] == order
    assert f" {counted(len(view['tomogram']['files']), 'file')}, " in "\n".join(lines)


def test_sorts_are_named_as_they_are(desk):
    text = desk.run_bare("search", "--help").out
    assert re.search(r"--sort \[[a-z_]+(\|\s*[a-z_-]+)+\]", text)
    assert "[|" not in text


def test_no_choice_of_any_command_is_empty():
    def choices(command):
        for param in command.params:
            yield from getattr(param.type, "choices", ())
        for one in getattr(command, "commands", {}).values():
            yield from choices(one)

    assert all(str(one) for one in choices(etdb))


def test_counts():
    assert [counted(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert counted(2, "copy", "copies") == "2 copies"
    assert counted_files([MANIFEST_NAME, "a", "b"]) == "2 files and the manifest"
    assert counted_files(["a"]) == "1 file"


def test_the_manifest_is_not_counted_with_the_files(shown):
    """The same number in the plan, in the record and behind the download."""
    planned = shown.run("publish", shown.data, "--dry-run").out.splitlines()[1].split()
    shown.publish()
    dataset_id = shown.index()
    files = len(shown.run("--json", "show", dataset_id).document["tomogram"]["files"])
    claim = shown.run("verify", dataset_id).out
    assert str(files) in planned
    assert f"({counted(files, 'file')} and the" in " ".join(claim.split())
