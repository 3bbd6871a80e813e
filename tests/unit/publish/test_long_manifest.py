"""A manifest that no reader would take is not published."""

from __future__ import annotations

import datetime as dt

import pytest

from etdb.blocks import FilesInPlace
from etdb.errors import InputError
from etdb.oip import FileEntry, Tomogram
from etdb.publish import steps


@pytest.mark.parametrize("room", [0, -1])
def test_a_manifest_of_the_longest_that_is_read_and_one_byte_more(tmp_path, monkeypatch, room):
    files = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    (tmp_path / "a.txt").write_text("a")
    added = files.add_file(tmp_path / "a.txt")
    record = Tomogram(publisher="F", timestamp_s=0, title="t", files=(FileEntry(path="a.txt"),))
    hashed = steps.HashedFiles(added={"a.txt": added}, tomogram=record)
    day = dt.date(2026, 1, 2)
    steps.store_manifest(files, hashed, day)
    kept = {one.name: one.stat().st_size for one in (tmp_path / "content").iterdir()}
    (length,) = kept.values()
    monkeypatch.setattr(steps, "MAX_JSON_BYTES", length + room)
    if room < 0:
        with pytest.raises(InputError, match=f"takes {length} bytes"):
            steps.store_manifest(files, hashed, day)
    else:
        steps.store_manifest(files, hashed, day)
    files.close()
