"""A recorded life, and what happens after the power is cut in the middle of it."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from pathlib import Path

from disk_lab import PASSPHRASE, TITLES, Lab
from disk_shim import Record, Runner
from disk_states import Disk, Model, store

from etdb.workspace import Workspace

LIFE = ("init", "key", "publish-one", "publish-all", "reader", "index", "download")


class RecordedLife:
    """All commands of a life on an empty disk, each call recorded; then cut anywhere and lived on."""

    def __init__(self, root: Path, runner: Runner) -> None:
        root.mkdir()
        self.lab = Lab(root, runner)
        self.records: list[Record] = []
        self.ends: list[int] = []
        self.said: dict[str, str] = {}
        for name in LIFE:
            status, out, err = self.lab.run(name, "record")
            assert status == 0, (name, err)
            self.records += self.lab.records()
            self.ends.append(len(self.records))
            self.said[name] = out
        shutil.rmtree(self.lab.disk)

    def check(self, when: int, model: Model, kept: float, seed: int) -> None:
        """Cut the power when so many calls were made, and see that the commands go on and all that was said holds."""
        lab = self.lab
        shutil.rmtree(lab.disk, ignore_errors=True)
        state = Disk(self.records[:when]).after_cut(model, kept, random.Random(seed))
        store(state, lab.disk)
        ended = [name for name, end in zip(LIFE, self.ends, strict=True) if end <= when]
        self._assert_promises(ended)
        lab.assert_files_are_right(lab.got)
        for name in LIFE:
            # What has ended is asked for once more where that is harmless: what was free is made again.
            if name in {"init", "key", "reader"}:
                self._make_if_missing(name, is_promised=name in ended)
            else:
                lab.succeed(name)
        lab.assert_whole(self._promised(ended))
        assert lab.assert_files_are_right(lab.got) == lab.assert_files_are_right(lab.root / "again")

    def _promised(self, ended: list[str]) -> dict[str, str]:
        promised: dict[str, str] = {}
        for name in ("publish-one", "publish-all"):
            if name in ended:
                promised |= {one["sid"]: one["dataset_id"] for one in json.loads(self.said[name])["datasets"]}
        return promised

    def _assert_promises(self, ended: list[str]) -> None:
        if "init" in ended:
            Workspace(self.lab.workspace)
        if "reader" in ended:
            assert Workspace(self.lab.disk / "reader").settings.gateways
        if "key" in ended:
            Workspace(self.lab.workspace).keyring.unlock("me", PASSPHRASE)
        if "download" in ended:
            kept = self.lab.assert_files_are_right(self.lab.got)
            files = sum(path.is_file() for path in self.lab.data.rglob("*")) - len(TITLES)
            assert kept >= files, "a download that was complete is not"

    def _make_if_missing(self, name: str, *, is_promised: bool) -> None:
        """A workspace or key that the cut left is whole; one that it did not leave can be made."""
        status, _, err = self.lab.run(name)
        if status == 0:
            assert not is_promised, f"{name} was lost"
            return
        assert status == 3, err
        assert "already" in err, err
        with contextlib.suppress(IndexError):
            workspace = Workspace(self.lab.disk / "reader" if name == "reader" else self.lab.workspace)
            if name == "key":
                workspace.keyring.unlock("me", PASSPHRASE)
            elif name == "reader":
                assert workspace.settings.gateways, "the reader's settings are only half there"
