"""The disk is full at any call: exit status 7 and what to do, nothing corrupt, and the same command goes on.

A sample; all calls are tried by ``make powercuts``, with its result in ../results/full_disk.json.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator

import pytest
from disk_full import StagedLife
from disk_power import LIFE

pytestmark = pytest.mark.crash

SAMPLE = 2
SEED = 7


@pytest.fixture(scope="module")
def life(tmp_path_factory, runner) -> Iterator[StagedLife]:
    root = tmp_path_factory.mktemp("full")
    yield StagedLife(root / "lab", runner)
    shutil.rmtree(root)


@pytest.mark.parametrize("name", LIFE)
def test_no_room(life, name):
    dice = random.Random(f"{SEED} {name}")
    calls = {1, *dice.sample(range(2, life.needs[name] + 1), SAMPLE)}
    stopped = 0
    for at in sorted(calls):
        stopped += life.check(name, at, fails=dice.choice((0, 0, 1)))
    assert stopped


def test_a_portal_starts_or_says_that_there_is_no_room(life):
    life.restore("download")
    served, _, err = life.lab.run("serve", "full", seconds=4)
    assert served == -signal.SIGALRM, err
    needs = life.lab.records()[-1].count
    for at in sorted({1, needs // 2, needs}):
        life.restore("download")
        # Longer than the first time: what it keeps doing must come as far again, however busy the machine is.
        status, _, err = life.lab.run("serve", "full", at=at, seconds=8)
        assert any(record.failed for record in life.lab.records())
        assert status in {7, -signal.SIGALRM}, err
        assert status != 7 or "make room" in err
        life.lab.succeed("download")


@pytest.mark.parametrize("name", ["key", "publish-one", "index"])
def test_no_room_for_the_words_either(life, name):
    for at in (1, life.needs[name] // 2, life.needs[name] + 1):
        life.check_output(name, at)
