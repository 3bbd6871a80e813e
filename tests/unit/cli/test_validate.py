"""``etdb validate``, and what ``etdb publish`` does about findings."""

from __future__ import annotations

import json

import pytest

from etdb.testing.images import mrc_header
from etdb.validate import CHECKS

FINE, WARNINGS, INPUT, USAGE = 0, 8, 3, 2
IMAGE = mrc_header(2048) + bytes(range(256)) * 8


def lines(said) -> list[dict]:
    return [json.loads(line) for line in said.out.splitlines()]


@pytest.fixture
def bad(desk):
    """A second dataset, with an error, warnings and remarks."""
    folder = desk.dataset("bad")
    (folder / "cut.rec").write_bytes(IMAGE[:-1])
    (folder / "aux.txt").write_text("x")
    return folder


def test_a_good_dataset(desk):
    said = desk.run("validate", desk.short)
    assert (said.status, said.err) == (FINE, "")
    assert "1 dataset, 1 file: nothing to tell" in said.out


def test_text_is_grouped_by_finding_with_place_numbers_and_hint(desk, bad):
    said = desk.run("validate", desk.data)
    assert said.status == INPUT
    blocks = said.out.strip().split("\n\n")
    assert next(block.split()[:2] for block in blocks) == ["error", "mrc-truncated"]
    assert "bad/cut.rec: 1 byte is missing: it has 3071, its header tells of 3072" in blocks[0]
    assert "do: copy it again" in blocks[0]
    severities = [block.split()[0] for block in blocks]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert "1 error, 1 warning" in said.err


@pytest.mark.parametrize("grouping", ["file", "dataset"])
def test_other_groupings(desk, bad, grouping):
    said = desk.run("validate", desk.data, "--grouping", grouping)
    first = said.out.splitlines()[0]
    assert first == ("bad/cut.rec" if grouping == "file" else "bad")
    assert "mrc-truncated" in said.out


def test_a_long_group_is_cut_and_says_so(desk):
    for n in range(12):
        (desk.short / f"{n:02}.rec").write_bytes(IMAGE[:-1] + b"xx")
    said = desk.run("validate", desk.short)
    assert "... and 2 more" in said.out
    assert "... and" not in desk.run("validate", desk.short, "--max-per-group", "0").out


def test_the_exit_status_is_of_the_worst_that_is_shown(desk, bad):
    assert desk.run("validate", bad).status == INPUT
    assert desk.run("validate", bad, "--ignore", "mrc-truncated").status == WARNINGS
    assert desk.run("validate", bad, "--ignore", "mrc-truncated", "--min-severity", "error").status == FINE
    (bad / "cut.rec").unlink()
    (bad / "aux.txt").unlink()
    (bad / "dataset.toml").write_text('title = "x"\n')
    said = desk.run("validate", bad)
    assert (said.status, "species-missing" in said.out) == (FINE, True), "remarks alone are no failure"
    assert "species-missing" not in desk.run("validate", bad, "--min-severity", "warning").out


def test_json(desk, bad):
    for words in (("--json",), ("--format", "json")):
        said = desk.run("validate", desk.data, *words)
        assert said.status == INPUT
        document = said.document
        assert document["summary"]["datasets"] == 2
        assert document["summary"]["errors"] == document["summary"]["datasets_with_errors"] == 1
        (error,) = [one for one in document["findings"] if one["severity"] == "error"]
        assert (error["id"], error["dataset"], error["file"]) == ("mrc-truncated", "bad", "cut.rec")
        assert error["evidence"] == {"size_bytes": 3071, "expected_bytes": 3072}
        assert error["hint"] == CHECKS["mrc-truncated"].hint


def test_json_lines(desk, bad):
    found = lines(desk.run("validate", desk.data, "--format", "json-lines"))
    assert next(one["id"] for one in found) == "mrc-truncated"
    assert all(set(one) >= {"id", "severity", "dataset", "file", "message", "evidence", "hint"} for one in found)


def test_json_lines_of_nothing_is_nothing(desk):
    said = desk.run("validate", desk.short, "--format", "json-lines")
    assert (said.status, said.out) == (FINE, "")


def test_sarif(desk, bad):
    document = desk.run("validate", desk.data, "--format", "sarif").document
    (run,) = document["runs"]
    (error,) = [one for one in run["results"] if one["level"] == "error"]
    assert run["tool"]["driver"]["rules"][error["ruleIndex"]]["id"] == error["ruleId"] == "mrc-truncated"
    location = error["locations"][0]["physicalLocation"]["artifactLocation"]
    base = run["originalUriBaseIds"][location["uriBaseId"]]["uri"]
    assert base + location["uri"] == (bad / "cut.rec").as_uri()


def test_the_same_content_in_two_datasets(desk):
    for name in ("d1", "d2"):
        (desk.dataset(name) / "a.rec").write_bytes(IMAGE)
    said = desk.run("validate", desk.data / "d1", desk.data / "d2")
    assert (said.status, "duplicate-content" in said.out) == (WARNINGS, True)
    assert "d2/a.rec: the same 3072 bytes as d1/a.rec" in said.out
    assert "duplicate-content" not in desk.run("validate", desk.data / "d1").out
    assert "duplicate-content" not in desk.run("validate", desk.data, "--ignore", "duplicate-content").out


def test_a_folder_that_publish_refuses_is_looked_at_whole(desk, bad):
    (bad / "empty.txt").touch()
    (bad / "b\x1b[31m.txt").write_text("x")
    said = desk.run("--json", "validate", bad)
    assert {"file-empty", "name-unsafe", "mrc-truncated", "name-not-portable"} <= {
        one["id"] for one in said.document["findings"]
    }
    assert "\x1b" not in said.out + said.err


def test_no_workspace_is_needed_and_one_that_is_named_must_be_there(desk, bad):
    assert desk.run_bare("validate", desk.short).status == FINE
    assert desk.run_bare("-w", desk.root / "none", "validate", desk.short).status == INPUT


def test_the_settings_of_a_workspace_are_used(desk):
    (desk.short / "dataset.toml").write_text('title = "x"\n')
    settings = desk.workspace.root / "etdb.toml"
    settings.write_text(settings.read_text() + '\n[describe]\nspecies = "Bdellovibrio bacteriovorus"\n')
    assert "species-missing" in desk.run_bare("validate", desk.short).out
    assert "species-missing" not in desk.run("validate", desk.short).out


def test_a_single_file_has_its_title_from_the_command(desk):
    image = desk.root / "one.rec"
    image.write_bytes(IMAGE)
    assert "title-missing" in desk.run("validate", image).out
    assert "title-missing" not in desk.run("validate", image, "--title", "A volume").out


def test_words_that_mean_nothing(desk):
    said = desk.run("validate", desk.short, "--ignore", "mrc-truncate")
    assert (said.status, "did you mean mrc-truncated?" in said.err) == (INPUT, True)
    assert desk.run("validate").status == USAGE
    assert desk.run("validate", desk.short, desk.data, "--title", "x").status == INPUT
    assert desk.run("validate", desk.root / "nothing").status == INPUT
    assert desk.run("validate", desk.short, "--format", "yaml").status == USAGE


def test_the_checks_can_be_listed(desk):
    said = desk.run_bare("--json", "validate", "--checks")
    assert [one["id"] for one in said.document] == list(CHECKS)
    assert "mrc-truncated" in desk.run_bare("validate", "--checks").out


class TestPublish:
    def test_errors_are_refused_before_anything_is_done(self, desk, bad):
        said = desk.publish()
        assert said.status == INPUT
        assert "1 of 2 datasets not ready" in said.err
        assert "cut.rec: An MRC file is shorter than its header says: 1 byte is missing" in said.err
        assert desk.states() == {}

    def test_the_others_go_on(self, desk, bad):
        said = desk.publish(desk.data, "--skip-bad")
        assert said.status == INPUT
        assert desk.states() == {"final": 1}

    def test_warnings_are_told_and_go_on(self, desk):
        (desk.short / "aux.txt").write_text("x")
        said = desk.publish()
        assert said.status == FINE
        assert "validation: 1 warning" in said.err
        assert "name-not-portable" in said.err

    def test_what_is_asked_for_goes_on_with_errors(self, desk, bad):
        for mode in ("warn", "skip"):
            said = desk.run("publish", desk.data, "--dry-run", "--validation", mode)
            assert said.status == FINE
            assert ("mrc-truncated" in said.err) == (mode == "warn")
        assert desk.publish(desk.data, "--validation", "warn").status == FINE
        assert desk.states() == {"final": 2}

    def test_counts_are_in_the_document(self, desk, bad):
        counts = desk.run("--json", "publish", desk.data, "--dry-run", "--skip-bad").document["validation"]
        assert (counts["error"], counts["warning"]) == (1, 1)
        assert (
            "validation" not in desk.run("--json", "publish", desk.short, "--dry-run", "--validation", "skip").document
        )

    def test_what_is_published_already_stays_and_stops_nothing(self, desk, bad):
        assert desk.publish(desk.data, "--validation", "skip").status == FINE
        desk.dataset("new")
        said = desk.publish()
        assert said.status == FINE, said.err
        assert desk.states() == {"final": 3}
