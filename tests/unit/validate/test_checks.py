"""Every check finds what it is for and nothing beside it: real files, damaged on purpose."""

from __future__ import annotations

import pytest
from tests.unit.validate import cases_of_annotations
from tests.unit.validate.cases import CASES
from tests.unit.validate.lab import Lab

from etdb.testing.rights import no_power_over_files
from etdb.validate import CHECKS

# What a table of changes cannot make: it has a test of its own below, or in the file that is named.
ELSEWHERE = {
    "file-unreadable": "below",
    "dataset-too-large": "below",
    "duplicate-content": "test_duplicates.py",
    "duplicate-within": "test_duplicates.py",
}
PARAMETERS = [
    pytest.param(ident, found, near, id=f"{ident}: {what}")
    for ident, cases in CASES.items()
    for what, found, near in cases
]


def test_a_good_dataset_has_no_finding(lab):
    assert lab.find() == []


def test_nor_has_one_with_everything_beside_it(lab):
    cases_of_annotations.everything(lab)
    assert lab.find() == []
    lab.full = True
    assert lab.find() == []


@pytest.mark.parametrize(("ident", "found", "near"), PARAMETERS)
def test_what_is_found_and_what_is_near(tmp_path, ident, found, near):
    damaged, sound = Lab(tmp_path / "damaged"), Lab(tmp_path / "sound")
    found(damaged)
    near(sound)
    told = [finding for finding in damaged.find() if finding.id == ident]
    assert told, sorted(damaged.ids())
    for finding in told:
        assert finding.severity == CHECKS[ident].severity
        assert finding.message
        assert finding.hint == CHECKS[ident].hint
        assert finding.dataset == "ts_01"
        assert finding.message.isprintable(), "safe to show"
    assert [finding for finding in sound.find() if finding.id == ident] == []


def test_every_check_has_both():
    assert set(CASES) | set(ELSEWHERE) == set(CHECKS)
    assert not set(CASES) & set(ELSEWHERE)


def test_what_this_user_may_not_read(lab):
    target = lab.root / Lab.VOLUME
    target.chmod(0)
    try:
        with no_power_over_files():
            assert "file-unreadable" in lab.ids()
    finally:
        target.chmod(0o644)
    assert "file-unreadable" not in lab.ids()


def test_too_many_files(lab, monkeypatch):
    count = sum(1 for path in lab.root.rglob("*") if path.is_file() and path.name != "dataset.toml")
    monkeypatch.setattr("etdb.sources.folder.MAX_FILES", count)
    assert "dataset-too-large" not in lab.ids()
    lab.write("one-more.txt", "x")
    assert "dataset-too-large" in lab.ids()


def test_each_check_says_what_it_is():
    for check in CHECKS.values():
        assert check.id == check.id.lower()
        assert check.title[0].isupper() or check.title.startswith("dataset.toml")
        assert check.hint
        assert not check.title.endswith(".")
