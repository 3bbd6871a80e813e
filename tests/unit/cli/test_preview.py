"""``etdb preview``, and the previews that ``etdb publish`` adds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "media"))
from volumes import noise, write_mrc

from etdb.cli import publish_previews

INPUT = 3


@pytest.fixture
def lab(desk):
    """The desk with one dataset of a tomogram, instead of its short one."""
    folder = desk.dataset("cell")
    (folder / "a.rawtlt").unlink()
    write_mrc(folder / "cell_rec.mrc", noise((12, 64, 80)), 13.1)
    return desk


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_would_be_made_is_told_and_nothing_is_written(lab):
    before = files_in(lab.root)
    said = lab.run("--json", "preview", lab.data, "--zarr")
    assert said.status == 0
    short, cell = sorted(said.document["datasets"], key=lambda one: one["sid"] != "short")
    assert (short["planned"], "nothing" in lab.run("preview", lab.data).out) == ([], True)
    assert [one["path"] for one in cell["planned"]][-1] == "keymov_cell.mp4"
    assert cell["zarr_files"] == 3
    assert 12 * 64 * 80 * 2 < cell["zarr_max_bytes"] < 200_000
    assert files_in(lab.root) == before


def test_they_go_into_a_folder_and_one_bad_dataset_stops_no_other(lab):
    bad = lab.dataset("bad")
    path = write_mrc(bad / "bad_rec.mrc", noise((4, 20, 20)))
    path.write_bytes(path.read_bytes()[:-3])
    unreadable = lab.dataset("worse")
    (unreadable / "empty.mrc").touch()
    out, sheet = lab.root / "look", lab.root / "sheet.html"
    said = lab.run("--json", "preview", lab.data, "--output", out, "--contact-sheet", sheet, "--zarr")
    assert said.status == INPUT
    document = said.document
    assert [one["dataset"] for one in document["failed"]] == ["worse"]
    made = {one["sid"]: [file["path"] for file in one["made"]] for one in document["datasets"]}
    assert made["short"] == made["bad"] == []
    assert "keymov_cell.mp4" in made["cell"]
    assert "cell.ome.zarr/zarr.json" in made["cell"]
    assert files_in(out / "cell") == sorted(made["cell"])
    page = sheet.read_text()
    assert page.count("<article") == 4
    assert page.count("data:image/jpeg;base64,") == 1
    assert "cut off" in page
    assert "empty" in page


@pytest.mark.parametrize("option", ["--output", "--contact-sheet"])
def test_nothing_is_written_into_a_dataset(lab, option):
    before = files_in(lab.data)
    said = lab.run("preview", lab.data, option, lab.data / "cell" / "here")
    assert (said.status, "never written to" in said.err) == (INPUT, True)
    assert files_in(lab.data) == before


def test_publish_makes_them_once_and_they_are_part_of_the_dataset(lab):
    before = files_in(lab.data)
    plan = lab.run("--json", "publish", lab.data / "cell", "--dry-run").document
    assert plan["datasets"][0]["files"] == 6
    assert [one["sid"] for one in plan["previews"]] == ["cell"]
    assert not lab.workspace.previews_folder.exists()
    first = lab.run("--json", "publish", lab.data / "cell", "--zarr", "--yes", "--passphrase-file", lab.secret).document
    assert first["datasets"][0]["state"] == "final"
    assert files_in(lab.data) == before
    dataset = lab.index()
    files = {one["path"]: one for one in lab.run("--json", "show", dataset).document["tomogram"]["files"]}
    assert {path: one["role"] for path, one in files.items() if ".zarr/" not in path} == {
        "cell_rec.mrc": "reconstruction",
        "keyimg_cell.jpg": "key_image",
        "keyimg_cell.webp": "key_image",
        "keyimg_cell_s.jpg": "thumbnail",
        "keyimg_cell_s.webp": "thumbnail",
        "keymov_cell.mp4": "key_movie",
    }
    assert "cell.ome.zarr/0/c/0/0/0" in files
    got = lab.root / "got"
    assert lab.run("download", dataset, "--output", got).status == 0
    assert lab.run("doctor").status == 0


def test_a_published_dataset_keeps_what_its_record_names(lab, monkeypatch):
    """Whatever is installed, asked for or made otherwise by then; and nothing is made."""
    first = lab.run("--json", "publish", lab.data / "cell", "--yes", "--passphrase-file", lab.secret).document
    monkeypatch.setattr(publish_previews, "PreviewKeeper", None)
    (lab.data / "cell" / "cell_rec.mrc").touch()
    for options in ((), ("--no-previews",), ("--zarr",)):
        words = ("publish", lab.data / "cell", *options, "--yes", "--passphrase-file", lab.secret)
        if options != ("--no-previews",):
            monkeypatch.setattr(publish_previews, "PreviewKeeper", lambda *_, **__: None)
        said = lab.run("--json", *words)
        assert said.status == 0, said.err
        assert standing(said.document) == standing(first)
        assert said.document["transactions_sent"] == 0


def standing(report):
    """What is on the ledger of each dataset, whatever this run had to do for it."""
    names = ("sid", "state", "dataset_id", "revision", "root_cid")
    return [{name: one[name] for name in names} for one in report["datasets"]]


def test_without_previews_and_later_with_them(lab):
    plain = lab.run("--json", "publish", lab.data / "cell", "--no-previews", "--yes", "--passphrase-file", lab.secret)
    again = lab.run("--json", "publish", lab.data / "cell", "--yes", "--passphrase-file", lab.secret)
    assert again.status == 0  # what is published stays as it is
    assert standing(again.document) == standing(plain.document)
    assert len(list(lab.workspace.content_folder.iterdir())) == 1


def test_what_cannot_be_made_is_told_and_the_dataset_goes_on(lab, monkeypatch):
    from etdb.media import MovieError
    from etdb.preview import keeping

    make = keeping.make_product

    def broken(product, folder, progress):
        if product.kind == "movie":
            raise MovieError("ffmpeg fell over")
        return make(product, folder, progress)

    monkeypatch.setattr(keeping, "make_product", broken)
    said = lab.run("publish", lab.data / "cell", "--yes", "--passphrase-file", lab.secret)
    assert said.status == 0
    assert "cell is published without its movie: ffmpeg fell over" in said.err


def test_libraries_that_are_missing(lab, monkeypatch):
    monkeypatch.setattr(publish_previews, "has_modules", lambda *_: False)
    plan = lab.run("--json", "publish", lab.data / "cell", "--dry-run").document
    assert plan["previews"] == []
    monkeypatch.setitem(sys.modules, "PIL", None)
    said = lab.run("publish", lab.data / "cell", "--previews", "--dry-run")
    assert (said.status, "pip install 'etdb[previews]'" in said.err) == (INPUT, True)
    said = lab.run("publish", lab.data / "cell", "--zarr", "--no-previews")
    assert (said.status, "--zarr is a preview" in said.err) == (INPUT, True)


def test_previews_are_found_again_when_the_digests_are_lost(lab):
    assert lab.publish(lab.data / "cell").status == 0
    lab.workspace.digests_path.unlink()
    assert lab.run("doctor").status != 0
    said = lab.run("repair", "--yes")
    assert said.status == 0, said.err + said.out
    assert lab.run("doctor").status == 0


def test_status_counts_them(lab):
    assert lab.publish(lab.data / "cell").status == 0
    parts = {one["name"]: one for one in lab.run("--json", "status").document["folder"]}
    assert parts["content"]["worth"] == "precious"
    assert parts["content"]["files"] == 6  # five previews and the manifest
    assert (parts["previews"]["worth"], parts["previews"]["files"]) == ("costly", 2)
    assert np.isclose(
        parts["content"]["size_bytes"], sum(p.stat().st_size for p in lab.workspace.content_folder.iterdir())
    )
