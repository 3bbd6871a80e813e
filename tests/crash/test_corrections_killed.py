"""Edits and withdrawals are killed at every transition of the journal; the same command goes on, nothing is twice."""

from __future__ import annotations

import json
import shutil
from contextlib import closing

import pytest
from lab import Lab
from publish_scenarios import few_lanes, malleate

from etdb.ledger import LocalChain
from etdb.publish import Journal

pytestmark = pytest.mark.crash

STRIPES = 2
FEWEST = 10
TITLE = "A corrected title"
NOTES = "ü" * 1300


class Correction:
    """One thing that a lab does after it published, and what a stranger should find then."""

    def __init__(self, words, *, prepare=lambda _lab: None, expected) -> None:
        self.words = words
        self.prepare = prepare
        self.expected = expected

    def run(self, lab, kill=("", "", 0)):
        return lab.command(self.words, kill) if self.words else lab.revise(kill)


def stranger_copies(words):
    """The correction is signed and stored, and a stranger sends its first part under another id."""

    def prepare(lab):
        assert lab.command(words, ("prepare", "after", 1))[0] == -9
        with (
            closing(Journal(lab.workspace.journal_path)) as journal,
            closing(LocalChain(lab.workspace.chain_folder, writable=True)) as chain,
        ):
            entry = journal.transactions(states=("signed",))[0]
            chain.submit(malleate(entry.signed.raw))

    return prepare


def chain_loses(words):
    """The correction is in blocks; then the chain is what it was before."""

    def prepare(lab):
        settings = lab.workspace.config_path
        settings.write_text(settings.read_text().replace("final_depth = 1\n", "final_depth = 6\n"))
        assert lab.command(words, ("prepare", "after", 1))[0] == -9
        before = lab.root / "chain-before"
        shutil.copytree(lab.workspace.chain_folder, before)
        assert lab.command(words)[0] == 0
        shutil.rmtree(lab.workspace.chain_folder)
        before.rename(lab.workspace.chain_folder)

    return prepare


def disks_change(lab):
    """Metadata of one dataset, a file of the other; an edit that is not wanted any more was begun."""
    settings = lab.data / "short" / "dataset.toml"
    text = settings.read_text()
    settings.write_text(text.replace("A short record", "Not wanted"))
    assert lab.revise(("sign", "after", 1))[0] == -9
    settings.write_text(text)
    long = lab.data / "long" / "dataset.toml"
    long.write_text(long.read_text().replace("A record in several parts", TITLE))
    (lab.data / "long" / "a.rawtlt").write_text("0.0\n3.0\n6.0\n")


EDIT = ("edit", "short", "--set", f"title={TITLE}", "--set", f"notes={NOTES}", "--reason", "it was wrong")
CORRECTIONS = {
    "edit": Correction(EDIT, expected={"short": (TITLE, 2), "long": ("A record in several parts", 1)}),
    "edit that a stranger copies": Correction(
        EDIT, prepare=stranger_copies(EDIT), expected={"short": (TITLE, 2), "long": ("A record in several parts", 1)}
    ),
    "edit whose blocks are lost": Correction(
        EDIT, prepare=chain_loses(EDIT), expected={"short": (TITLE, 2), "long": ("A record in several parts", 1)}
    ),
    "deactivate": Correction(
        ("deactivate", "long", "--reason", "wrong specimen"), expected={"short": ("A short record", 1)}
    ),
    "revise": Correction((), prepare=disks_change, expected={"short": ("A short record", 1), "long": (TITLE, 2)}),
}


@pytest.fixture(scope="module")
def published_lab(pristine_lab, tmp_path_factory) -> Lab:
    lab = pristine_lab.copy(tmp_path_factory.mktemp("published") / "lab")
    few_lanes(lab)
    lab.published()
    return lab


def prepared(published_lab, folder, correction):
    lab = published_lab.copy(folder)
    correction.prepare(lab)
    lab.log.unlink(missing_ok=True)
    return lab


def check(lab, correction):
    found = lab.found()
    assert {sid: [(one.tomogram.title, one.revisions) for one in views] for sid, views in found.items()} == {
        sid: [wanted] for sid, wanted in correction.expected.items()
    }
    assert not any(view.claims.failed for views in found.values() for view in views)
    assert lab.refused == ()
    assert not lab.orphans or all(set(one.txids) <= lab.void() for one in lab.orphans)


@pytest.mark.parametrize("stripe", range(STRIPES))
@pytest.mark.parametrize("name", CORRECTIONS)
def test_killed_anywhere_a_correction_counts_once(published_lab, tmp_path, name, stripe):
    correction = CORRECTIONS[name]
    start = prepared(published_lab, tmp_path / "start", correction)
    whole = start.copy(tmp_path / "whole")
    code, _, err = correction.run(whole)
    assert code == 0, err
    check(whole, correction)
    points = whole.passed()
    assert len(points) >= FEWEST
    if name == "revise":
        assert "drop" in {transition for transition, _, _ in points}
    for number, point in enumerate(points[stripe::STRIPES]):
        lab = start.copy(tmp_path / f"lab{number}")
        code, _, err = correction.run(lab, point)
        assert code == -9, (point, err)
        code, out, err = correction.run(lab)
        # What was final already when it was killed is done: the command says so and does nothing.
        assert code == 0 or json.loads(out)["message"].startswith(("nothing differs", "long is withdrawn")), (
            point,
            err,
        )
        check(lab, correction)
        code, _, err = lab.publish_resume()
        assert code == 0, (point, err)
        check(lab, correction)
        shutil.rmtree(lab.root)
