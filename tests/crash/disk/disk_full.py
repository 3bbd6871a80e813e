"""The disk has no room at the n-th call that needs some: what the command says, and that it goes on afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from disk_lab import PASSPHRASE, TITLES, Lab
from disk_power import LIFE
from disk_shim import STATUS_OF_TRACEBACK, Record, Runner

from etdb.workspace import Workspace

DISK_FULL_STATUS = 7


class StagedLife:
    """The state of the disk before each command of a life, and how often each command needs room."""

    def __init__(self, root: Path, runner: Runner) -> None:
        root.mkdir()
        self.lab = Lab(root, runner)
        self._stages = root / "stages"
        self._stages.mkdir()
        self.needs: dict[str, int] = {}
        self.said: dict[str, str] = {}
        for name in LIFE:
            shutil.copytree(self.lab.disk, self._stages / name)
            status, out, err = self.lab.run(name, "full")
            assert status == 0, err
            self.needs[name] = self.lab.records()[-1].count
            self.said[name] = out

    def restore(self, name: str) -> None:
        """The disk as it was before a command."""
        shutil.rmtree(self.lab.disk)
        shutil.copytree(self._stages / name, self.lab.disk)

    def check(self, name: str, at: int, *, fails: int = 0) -> bool:
        """No room from the n-th call on (or for so many calls); whether that kept the command from its end.

        A command needs room a few times more or fewer from run to run, so the last calls may not be reached.
        """
        self.restore(name)
        status, out, err = self.lab.run(name, "full", at=at, fails=fails)
        refused = [record for record in self.lab.records() if record.failed]
        assert status in {0, DISK_FULL_STATUS}, (name, at, status, err)
        if fails:
            # Room was there again when the command looked for the reason; it may also have got over it by itself.
            assert status == 0 or "run the same command again" in err, (name, at, err)
        elif status:
            self._assert_said(name, at, out, err)
        elif refused:
            assert all(is_harmless(record) for record in refused), (name, at, refused)
        self.lab.assert_files_are_right(self.lab.got)
        self._go_on(name, at)
        return status == DISK_FULL_STATUS

    def _assert_said(self, name: str, at: int, out: str, err: str) -> None:
        assert "Traceback" not in err, (name, at, err)
        assert "room" in err, (name, at, err)
        assert str(self.lab.disk) in err, (name, at, err)
        assert "make room" in err, (name, at, err)
        if out.startswith("{"):
            assert json.loads(out)["error"] == "disk-full"

    def _go_on(self, name: str, at: int) -> None:
        """There is room again: the same command, and those that follow."""
        for later in LIFE[LIFE.index(name) :]:
            status, _, err = self.lab.run(later)
            is_there = later == name and later in {"init", "key", "reader"} and status == 3 and "already" in err
            assert status == 0 or is_there, (name, at, later, status, err)
        self.lab.assert_whole(self.published_before(name))
        assert Workspace(self.lab.workspace).keyring.unlock("me", PASSPHRASE)
        files = sum(path.is_file() for path in self.lab.data.rglob("*")) - len(TITLES)
        assert self.lab.assert_files_are_right(self.lab.got) >= files

    def published_before(self, name: str) -> dict[str, str]:
        """The ids that were told by the commands before this one."""
        promised: dict[str, str] = {}
        for earlier in LIFE[: LIFE.index(name)]:
            if earlier.startswith("publish"):
                promised |= {one["sid"]: one["dataset_id"] for one in json.loads(self.said[earlier])["datasets"]}
        return promised

    def check_output(self, name: str, at: int) -> None:
        """The same when the command's own words go to the full disk too: then only the status can say it."""
        self.restore(name)
        status, _, err = self.lab.run(name, "full", at=at, output=self.lab.disk / "said")
        assert status != STATUS_OF_TRACEBACK, (name, at, err)
        assert status in {0, DISK_FULL_STATUS}, (name, at, status, err)
        words = [record for record in self.lab.records() if record.failed and record.path == "said.out"]
        assert status == DISK_FULL_STATUS or not words, "what was asked for was not said, and that is no success"


def is_harmless(record: Record) -> bool:
    """Whether a command may end well without this: the copy from a log into its database, which comes again."""
    return record.path.endswith(".sqlite")
