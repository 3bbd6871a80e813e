"""The disk is full at any call: exit status 7 and what to do, nothing corrupt, and the same command goes on.

A sample; all calls are tried by ``make powercuts``, with its result in ../results/full_disk.json.
"""

from __future__ import annotations

import random
import shutil
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


@pytest.mark.parametrize("name", ["key", "publish-one", "index"])
def test_no_room_for_the_words_either(life, name):
    for at in (1, life.needs[name] // 2, life.needs[name] + 1):
        life.check_output(name, at)
