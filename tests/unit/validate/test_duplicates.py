"""The same content in several datasets, found with as little reading as can be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from etdb.blocks import FilesInPlace
from etdb.sources import FolderSource
from etdb.validate import duplicates as room
from etdb.validate import find_duplicates, places_of

BIG = os.urandom(299_999) + b"."


def lab(root: Path, files: dict[str, bytes]) -> list[room.Place]:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    source = FolderSource(root)
    return [place for one in source.roots() for place in places_of(source.survey(one)[0])]


def told(places: list[room.Place], **words) -> list[tuple[str, str, str]]:
    return [
        (one.id, f"{one.dataset}/{one.file}", str(one.evidence["other"])) for one in find_duplicates(places, **words)
    ]


def test_across_and_within(tmp_path):
    places = lab(
        tmp_path, {"d1/a.st": BIG, "d2/b.st": BIG, "d2/c.st": BIG[:-1] + b"x", "d3/x.rec": b"y", "d3/y.rec": b"y"}
    )
    assert told(places) == [("duplicate-content", "d2/b.st", "d1/a.st"), ("duplicate-within", "d3/y.rec", "x.rec")]


def test_one_byte_in_the_middle_of_a_sample_or_outside_of_it(tmp_path):
    for at in (0, 100_000, 150_000, 299_999):
        other = bytearray(BIG)
        other[at] ^= 1
        assert told(lab(tmp_path / str(at), {"d1/a.st": BIG, "d2/a.st": bytes(other)})) == []


def test_texts_are_no_duplicates(tmp_path):
    same = b"-60\n0\n60\n"
    assert told(lab(tmp_path, {"d1/a.rawtlt": same, "d1/a.st": b"1", "d2/a.rawtlt": same, "d2/a.st": b"2"})) == []


def test_one_file_by_two_names_is_no_copy(tmp_path):
    places = lab(tmp_path, {"d1/raw/a.st": BIG})
    (tmp_path / "d1" / "best.st").symlink_to("raw/a.st")
    assert told(lab(tmp_path, {})) == []
    assert told(places + places) == []


def test_only_what_has_the_size_of_another_is_read(tmp_path, monkeypatch):
    places = lab(tmp_path, {"d1/a.st": BIG, "d2/a.st": BIG + b"x"})
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("nothing is to be read"))
    assert told(places) == []


def test_known_digests_are_used_and_old_ones_are_not(tmp_path, monkeypatch):
    places = lab(tmp_path / "lab", {"d1/a.st": BIG, "d2/a.st": BIG})
    files = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    try:
        for place in places:
            files.add_file(place.absolute)
        assert files.known_sha256(places[0].absolute) == hashlib.sha256(BIG).digest()
        monkeypatch.setattr(room, "_digest", lambda _: pytest.fail("it is known"))
        assert len(told(places, known=files.known_sha256)) == 1
        os.utime(places[0].absolute, ns=(1, 1))
        assert files.known_sha256(places[0].absolute) is None
        assert files.known_sha256(tmp_path / "never added") is None
    finally:
        files.close()


def test_what_went_away_is_left_out(tmp_path):
    places = lab(tmp_path, {"d1/a.st": BIG, "d2/a.st": BIG, "d3/a.st": BIG})
    (tmp_path / "d1" / "a.st").unlink()
    assert told(places) == [("duplicate-content", "d3/a.st", "d2/a.st")]
