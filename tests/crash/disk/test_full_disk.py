"""The disk is full at any call: exit status 7 and what to do, nothing corrupt, and the same command goes on.

A sample; all calls are tried by ``make powercuts``, with its result in ../results/full_disk.json.
"""

from __future__ import annotations

import random
import signal

import pytest
from disk_stories import STORIES

pytestmark = pytest.mark.crash

SEED = 7


@pytest.mark.parametrize("staged", STORIES, indirect=True)
def test_no_room(staged):
    """In each command: at the first call, which no command gets over, and at another one."""
    for command, needs in staged.needs.items():
        dice = random.Random(f"{SEED} {command}")
        assert staged.check_full(command, 1), command
        staged.check_full(command, dice.randrange(2, needs + 1), fails=dice.choice((0, 0, 1)))


@pytest.mark.parametrize("staged", ["workspace"], indirect=True)
def test_a_portal_starts_or_says_that_there_is_no_room(staged):
    lab = staged.story
    staged.restore("download")
    served, _, err = lab.run("serve", "full", seconds=4)
    assert served == -signal.SIGALRM, err
    needs = lab.records()[-1].count
    for at in sorted({1, needs // 2, needs}):
        staged.restore("download")
        # Longer than the first time: what it keeps doing must come as far again, however busy the machine is.
        status, _, err = lab.run("serve", "full", at=at, seconds=8)
        assert any(record.failed for record in lab.records())
        assert status in {7, -signal.SIGALRM}, err
        assert status != 7 or "make room" in err
        lab.succeed("download")


@pytest.mark.parametrize("staged", ["workspace"], indirect=True)
def test_no_room_for_the_words_either(staged):
    for command in ("key", "publish-one", "index"):
        for at in (1, staged.needs[command] // 2, staged.needs[command] + 1):
            staged.check_output(command, at)
