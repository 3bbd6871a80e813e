"""The disk gives EIO: the file is named, nothing is believed, and with a sound disk the same command goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from disk_full import StagedLife
from disk_reads import CASES, Case, check

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def life(tmp_path_factory, runner) -> Iterator[StagedLife]:
    root = tmp_path_factory.mktemp("reads")
    yield StagedLife(root / "lab", runner)
    shutil.rmtree(root)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command} {case.match}")
def test_a_read_that_fails(life, case: Case):
    assert check(life, case, lambda reads: sorted({1, reads // 2 + 1})) > 0


def test_a_download_that_was_cut_off_fetches_again_what_cannot_be_read(life):
    lab = life.lab
    life.restore("download")
    lab.run("download", "full")
    last = max(record.count for record in lab.records() if record.op == "W" and record.path.endswith(".part"))
    life.restore("download")
    status, _, err = lab.run("download", "full", at=last)
    assert status == 7, err
    assert list(lab.got.rglob("*.part"))
    status, _, err = lab.run("download", "eio", match=".part", at=1)
    assert status == 0, err
    assert any(record.failed for record in lab.records()), "nothing was read again"
    life.lab.assert_files_are_right(lab.got)
