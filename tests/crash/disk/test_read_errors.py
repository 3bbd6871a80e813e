"""The disk gives EIO: the file is named, nothing is believed, and with a sound disk the same command goes on."""

from __future__ import annotations

import pytest
from disk_stories import STORIES

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("staged", STORIES, indirect=True)
def test_a_read_that_fails(staged):
    for number, case in enumerate(staged.story.CASES):
        # The first read or one in the middle.
        assert staged.check_reads(case, lambda reads, at=number % 2: [reads // 2 + 1 if at else 1]) > 0, case


@pytest.mark.parametrize("staged", ["workspace"], indirect=True)
def test_a_download_that_was_cut_off_fetches_again_what_cannot_be_read(staged):
    lab = staged.story
    staged.restore("download")
    lab.run("download", "full")
    last = max(record.count for record in lab.records() if record.op == "W" and record.path.endswith(".part"))
    staged.restore("download")
    status, _, err = lab.run("download", "full", at=last)
    assert status == 7, err
    assert list(lab.got.rglob("*.part"))
    status, _, err = lab.run("download", "eio", match=".part", at=1)
    assert status == 0, err
    assert any(record.failed for record in lab.records()), "nothing was read again"
    lab.assert_files_are_right(lab.got)
