"""The power is cut while stores are made, used and read: the same commands go on, and what was said holds.

A sample; all that a longer run found is in ../results/power_cuts.json (``make powercuts``).
"""

from __future__ import annotations

import random

import pytest
from disk_shim import Record
from disk_states import Disk, plan_cuts
from disk_stories import STORIES

pytestmark = pytest.mark.crash

ANYWHERE = 5
SEED = 20_261_123


@pytest.mark.parametrize("recorded", STORIES, indirect=True)
def test_what_a_command_said_holds_when_nothing_unsynced_is_left(recorded):
    """The harshest disk, right behind the end of each command."""
    for end in recorded.ends:
        recorded.check(end, "strict", 0.0, 0)


@pytest.mark.parametrize("recorded", STORIES, indirect=True)
def test_a_cut_anywhere(recorded):
    cuts = plan_cuts(recorded.records, recorded.ends, 2 * ANYWHERE, SEED)
    for cut in [one for one in cuts if one[0] not in recorded.ends][:ANYWHERE]:
        recorded.check(*cut)


# -- the judge itself: it must see what is wrong


def seen(*calls: tuple) -> Disk:
    return Disk(
        Record(op, False, path, other, inode, offset, data, 0) for op, path, other, inode, offset, data in calls
    )


def made(name: str, inode: int, data: bytes) -> list[tuple]:
    return [("O", name, "", inode, 0, b""), ("W", name, "", inode, 0, data)]


def states(disk: Disk, model: str, *, kept: float = 0.5, count: int = 60) -> list[dict[str, bytes | None]]:
    return [disk.after_cut(model, kept, random.Random(seed)) for seed in range(count)]


def test_a_rename_without_a_sync_can_leave_an_empty_file():
    disk = seen(
        *made("old", 1, b"1"), ("F", "old", "", 1, 0, b""), *made("new", 2, b"22"), ("R", "new", "old", 0, 0, b"")
    )
    for model in ("strict", "ordered"):
        assert {b"1", b"", b"22"} <= {state.get("old") for state in states(disk, model)}


def test_only_a_synced_folder_keeps_a_name_where_posix_is_all_there_is():
    file = [("M", "a", "", 0, 0, b""), *made("a/f", 1, b"data"), ("F", "a/f", "", 1, 0, b"")]
    lost = {tuple(state) for state in states(seen(*file), "strict")}
    assert lost == {(), ("a",), ("a", "a/f")}
    assert {tuple(state) for state in states(seen(*file), "ordered")} == {("a", "a/f")}
    still_lost = {tuple(state) for state in states(seen(*file, ("D", "a", "", 0, 0, b"")), "strict")}
    assert still_lost == {(), ("a", "a/f")}, "the folder's own name is not synced yet"
    (safe,) = {
        tuple(state) for state in states(seen(*file, ("D", "a", "", 0, 0, b""), ("D", "", "", 0, 0, b"")), "strict")
    }
    assert safe == ("a", "a/f")


def test_an_unsynced_write_is_there_or_not_or_torn_at_a_sector():
    first = [*made("f", 1, b"a" * 2048), ("F", "f", "", 1, 0, b""), ("D", "", "", 0, 0, b"")]
    disk = seen(*first, ("W", "f", "", 1, 0, b"b" * 2048))
    for model in ("strict", "ordered"):
        contents = {state["f"] for state in states(disk, model, count=200)}
        assert {b"a" * 2048, b"b" * 2048} < contents
        for content in contents:
            assert {content[at : at + 512] for at in range(0, 2048, 512)} <= {b"a" * 512, b"b" * 512}
    assert {state["f"] for state in states(disk, "strict", kept=0.0)} == {b"a" * 2048}


def test_a_way_to_write_that_does_not_sync_is_found_out():
    """What ``write_durably`` does without its two syncs loses a file that was there."""
    calls = [*made(".f.tmp", 1, b"new"), ("R", ".f.tmp", "f", 0, 0, b"")]
    found = {state.get("f") for state in states(seen(*calls), "strict")}
    assert found == {None, b"", b"new"}
    synced = [*calls[:2], ("F", ".f.tmp", "", 1, 0, b""), calls[2], ("D", "", "", 0, 0, b"")]
    assert {state.get("f") for state in states(seen(*synced), "strict")} == {b"new"}
