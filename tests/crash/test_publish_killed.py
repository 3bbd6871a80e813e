"""The publisher is killed before and after every transition of its journal; the same command then goes on.

The kill points are not chosen: each scenario is run once to the end with the transitions noted, and again for each
of them with a kill there. A transition of the tables that no scenario passes fails the test.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from publish_scenarios import SCENARIOS

from etdb.publish import DATASET_TRANSITIONS, TRANSACTION_TRANSITIONS, Journal

pytestmark = pytest.mark.crash

STRIPES = 4
FEWEST = 18
"""Kill points of the shortest scenario: what one look shows of all records is one transition of each kind."""


EVERY = {*DATASET_TRANSITIONS, *TRANSACTION_TRANSITIONS} - {"drop"}
"""Only a correction is dropped: ``test_corrections_killed`` passes that one."""


def prepared(pristine_lab, folder: Path, scenario: str):
    lab = pristine_lab.copy(folder)
    SCENARIOS[scenario](lab)
    lab.log.unlink(missing_ok=True)
    return lab


@pytest.fixture(scope="module", params=SCENARIOS)
def scenario(request) -> str:
    return request.param


@pytest.mark.parametrize("stripe", range(STRIPES))
def test_killed_anywhere_each_dataset_is_found_once(pristine_lab, tmp_path, scenario, stripe):
    start = prepared(pristine_lab, tmp_path / "start", scenario)
    whole = start.copy(tmp_path / "whole")
    whole.published()
    whole.assert_each_found_once()
    points = whole.passed()
    assert len(points) >= FEWEST
    for number, point in enumerate(points[stripe::STRIPES]):
        lab = start.copy(tmp_path / f"lab{number}")
        code, _, err = lab.publish(point)
        assert code == -9, (point, err)
        report = lab.published()
        assert {one["sid"] for one in report["datasets"]} == {"short", "long"}, point
        lab.assert_each_found_once()
        void = {entry.signed.txid for entry in journalled(lab, "void")}
        assert {txid for orphan in lab.orphans for txid in orphan.txids} <= void, point
        again = lab.published()
        assert again["transactions_sent"] == 0, point
        shutil.rmtree(lab.root)


def journalled(lab, state: str):
    journal = Journal(lab.workspace.journal_path)
    try:
        return journal.transactions(states=(state,))
    finally:
        journal.close()


def test_the_scenarios_pass_every_transition(pristine_lab, tmp_path):
    passed = set()
    for name in SCENARIOS:
        lab = prepared(pristine_lab, tmp_path / name, name)
        lab.published()
        passed |= {transition for transition, _, _ in lab.passed()}
    assert passed == EVERY


def test_a_strangers_copy_is_adopted_and_what_refers_to_the_old_id_is_signed_anew(pristine_lab, tmp_path):
    lab = prepared(pristine_lab, tmp_path / "lab", "stranger-changes-ids")
    journal = sqlite3.connect(lab.workspace.journal_path)
    before = {row[0] for row in journal.execute("SELECT txid FROM transactions WHERE part > 0")}
    journal.close()
    report = lab.published()
    found = lab.found()
    long = next(one for one in report["datasets"] if one["sid"] == "long")
    assert found["long"][0].dataset_id == long["dataset_id"]
    assert not before & set(found["long"][0].part_txids)


def test_coins_that_a_killed_run_left_at_the_limit_are_waited_for(pristine_lab, tmp_path):
    """Killed when the coins were split and no block had come, and again when all that hangs on the split was used."""
    lab = prepared(pristine_lab, tmp_path / "lab", "straight")
    assert lab.publish(("submit", "after", 1))[0] == -9
    assert lab.publish(("submit", "after", 1))[0] == -9
    lab.published()
    lab.assert_each_found_once()
    assert lab.published()["transactions_sent"] == 0
