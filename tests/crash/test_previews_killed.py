"""SIGKILL at any moment while previews are made: nothing half is taken up, and what was kept stays the same bytes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "media"))
from volumes import noise, write_mrc

from etdb.blocks import FilesInPlace

pytestmark = pytest.mark.crash

KILLS = 6
KEEPER = Path(__file__).with_name("preview_keeper.py")


def keep(dataset, workspace, seconds=None):
    """What was said to be kept: CID by path; killed after so many seconds, counted from its first line."""
    command = [sys.executable, str(KEEPER), str(dataset), str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begin\n"
        if seconds is not None:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        said = process.stdout.read().splitlines()
    assert process.returncode in ((0,) if seconds is None else (0, -signal.SIGKILL))
    return dict(line.rsplit(" ", 1) for line in said if line.count(" ") == 1)


def test_killed_at_any_moment(tmp_path):
    dataset = tmp_path / "lab" / "cell"
    write_mrc(dataset / "cell_rec.mrc", noise((40, 200, 200), np.int16))
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    started = time.monotonic()
    whole = keep(dataset, tmp_path / "first")
    took = time.monotonic() - started
    dice = random.Random(7)
    interrupted = 0
    for number in range(KILLS):
        workspace = tmp_path / f"ws{number}"
        acknowledged = keep(dataset, workspace, dice.uniform(0, took))
        interrupted += len(acknowledged) < len(whole)
        content = workspace / "content"
        kept = {path.name: path.read_bytes() for path in content.iterdir()} if content.is_dir() else {}
        ended = keep(dataset, workspace)
        assert set(ended) == set(whole)
        assert acknowledged.items() <= ended.items()  # what was once kept is what is given again
        for name, data in kept.items():
            if not name.startswith("."):
                assert (content / name).read_bytes() == data
        blocks = FilesInPlace(tmp_path / "check.sqlite", content_folder=content)
        for name in ended.values():
            assert str(blocks.add_file(content / name).cid) == name
        blocks.close()
        assert list((workspace / "cache").iterdir()) == []
        assert not [one for one in workspace.rglob("*.tmp") if "sqlite" not in one.name and one.parent != content]
    assert interrupted > 0
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == before
