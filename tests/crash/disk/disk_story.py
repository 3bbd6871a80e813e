"""A story: commands one after the other on a disk that is harmed, in a world that is not, and what must hold after.

A story begins with a disk that may have something on it already, all of it safe. Before each command the world (the
lab's table, a node's chain) is put as it was then; what the command did to the world stays done when its disk forgets.
"""

from __future__ import annotations

import json
import random
import shutil
from contextlib import closing
from pathlib import Path
from typing import ClassVar, NamedTuple

from disk_shim import STATUS_OF_TRACEBACK, Record, Runner, load_log
from disk_states import Disk, Model, store

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue, DatasetView, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import LocalChain

DISK_FULL_STATUS = 7
PASSPHRASE = "correct horse"


class Case(NamedTuple):
    """A place of the disk that cannot be read.

    ``match`` is in the path of the file; ``stage`` is the state of the disk: before that command. ``is_named`` is False
    where one of many files is meant.
    """

    stage: str
    command: str
    match: str
    statuses: tuple[int, ...]
    is_named: bool = True


class Story:
    """``disk`` is the one that is harmed; all else below ``root`` is the world."""

    LIFE: ClassVar[tuple[str, ...]] = ()
    CASES: ClassVar[tuple[Case, ...]] = ()

    def __init__(self, root: Path, runner: Runner) -> None:
        self.root, self.runner = root, runner
        root.mkdir()
        self.disk, self.log, self.secret = root / "disk", root / "log", root / "pass"
        self.workspace = self.disk / "ws"
        self.disk.mkdir()
        self.secret.touch(mode=0o600)
        self.secret.write_text(PASSPHRASE)
        self.done: dict[str, object] = {}
        """What each command had done when it was run to its end for the first time; see ``note``."""

    def close(self) -> None:
        """Let go of the world, and remove all."""
        shutil.rmtree(self.root)

    # -- what a story tells

    def words(self, name: str) -> list[object]:
        """The words of a command."""
        raise NotImplementedError

    def set_world(self, name: str) -> None:
        """The world as it is before a command; what it has become meanwhile is not forgotten."""

    def keep_world(self, name: str) -> None:
        """While a command is recorded: the world before it, and from now on what the command does to it."""

    def restore_world(self, name: str, _calls: int, _dice: random.Random) -> None:
        """The world when the recorded command had made so many calls."""
        self.set_world(name)

    def note(self, _name: str, _out: str) -> object:
        """What a command that ended well has promised, from its words and the disk."""
        return None

    def first_again(self, name: str) -> str:
        """The command to begin with after a power cut during one: what was not promised may be gone."""
        return name

    def is_done(self, _name: str, status: int, _err: str) -> bool:
        """Whether a command that is given again says that all is done."""
        return status == 0

    def assert_safe(self, ended: tuple[str, ...]) -> None:
        """Right behind the accident: what these commands promised is there, and nothing wrong under its own name."""

    def may_be_left_out(self, record: Record) -> bool:
        """Whether a command may end well without this: the copy from a log into its database, which comes again."""
        return record.path.endswith(".sqlite")

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """After all commands; these ones had ended before the accident."""
        raise NotImplementedError

    # -- running

    def run(
        self,
        name: str,
        mode: str = "",
        *,
        at: int = 0,
        match: str = "",
        fails: int = 0,
        output: Path | None = None,
        seconds: float = 0,
    ) -> tuple[int, str, str]:
        """Run a command; with a mode its disk is recorded, full or unreadable, and ``records`` gives the log."""
        self.log.unlink(missing_ok=True)
        env = {}
        if mode:
            env = {
                "ETDB_SHIM_MODE": mode,
                "ETDB_SHIM_ROOT": str(self.root if mode == "eio" else self.disk),
                "ETDB_SHIM_LOG": str(self.log),
                "ETDB_SHIM_AT": str(at),
                "ETDB_SHIM_FAILS": str(fails),
                "ETDB_SHIM_MATCH": match,
                "SQLITE_TMPDIR": str(self.disk),
            }
        return self.carry_out(name, env, output=output, seconds=seconds)

    def carry_out(
        self, name: str, env: dict[str, str], *, output: Path | None = None, seconds: float = 0
    ) -> tuple[int, str, str]:
        """One command, and what else happens while it runs."""
        return self.runner.run([str(word) for word in self.words(name)], output=output, seconds=seconds, **env)

    def records(self) -> list[Record]:
        """What the shim noted of the last command."""
        return load_log(self.log) if self.log.exists() else []

    def succeed(self, name: str) -> str:
        """Run a command that must end well; what it printed."""
        status, out, err = self.run(name)
        assert status == 0, (name, status, err)
        return out

    def prepare(self, *words: object) -> str:
        """A command before the story begins, or beside it."""
        status, out, err = self.runner.run([str(word) for word in words])
        assert status == 0, (words, status, err)
        return out

    def prepare_lab(self, *options: object) -> None:
        """A workspace with a key."""
        self.prepare("init", self.workspace, *options)
        self.prepare("-w", self.workspace, "key", "new", "me", "--passphrase-file", self.secret)

    def begin(self, name: str, mode: str) -> list[Record]:
        """Run a command to its end for the first time: its calls."""
        self.set_world(name)
        self.keep_world(name)
        status, out, err = self.run(name, mode)
        assert status == 0, (name, err)
        records = self.records()
        self.done[name] = self.note(name, out)
        return records

    def go_on(self, name: str, first: str = "") -> None:
        """The command in which the accident was, and those that follow; or from another one on."""
        interrupted = self.LIFE.index(name)
        for number, later in enumerate(self.LIFE):
            if number < self.LIFE.index(first or name):
                continue
            if number > interrupted:
                self.set_world(later)
            status, _, err = self.run(later)
            assert status == 0 or (number <= interrupted and self.is_done(later, status, err)), (
                name,
                later,
                status,
                err,
            )

    def stranger_finds(self, chain: LocalChain) -> dict[str, DatasetView]:
        """The datasets that anyone who reads a chain finds, by sid; each is there once."""
        for old in self.root.glob("stranger.sqlite*"):
            old.unlink()
        with closing(Catalogue(self.root / "stranger.sqlite", writable=True)) as catalogue:
            follow(chain, catalogue, network=REGTEST, check_transactions=True)
            views = catalogue.search(Query(limit=100)).results
        assert not any(view.claims.failed for view in views)
        found = {view.tomogram.sid: view for view in views}
        assert len(found) == len(views), "a dataset is there twice"
        return found

    def cid_of_file(self, path: Path) -> str:
        """The CID of a file as it lies there."""
        with closing(FilesInPlace(self.root / "judge.sqlite", content_folder=self.root / "judge")) as blocks:
            return str(blocks.add_file(path).cid)


def told(words: str) -> dict[str, str]:
    """The ids that `etdb publish` told, by sid."""
    return {one["sid"]: one["dataset_id"] for one in json.loads(words)["datasets"]}


def _records_of(folder: Path) -> list[Record]:
    """The calls that would have made a folder's content and synced it."""
    paths = sorted(folder.rglob("*"))
    records = []
    for path in paths:
        inside, inode = str(path.relative_to(folder)), path.stat().st_ino
        if path.is_dir():
            records.append(Record("M", False, inside, "", inode, 0, b"", 0))
        else:
            records.append(Record("O", False, inside, "", inode, 0, b"", 0))
            records.append(Record("W", False, inside, "", inode, 0, path.read_bytes(), 0))
            records.append(Record("F", False, inside, "", inode, 0, b"", 0))
    folders = ["", *(str(path.relative_to(folder)) for path in paths if path.is_dir())]
    return records + [Record("D", False, inside, "", 0, 0, b"", 0) for inside in folders]


class RecordedStory:
    """All commands of a story with each call recorded; then cut anywhere and lived on."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._before = _records_of(story.disk)
        self.records: list[Record] = []
        self.ends: list[int] = []
        for name in story.LIFE:
            self.records += story.begin(name, "record")
            self.ends.append(len(self.records))

    def during(self, when: int) -> str:
        """The command in which a cut is; ``after all`` behind the last."""
        return next((name for name, end in zip(self.story.LIFE, self.ends, strict=True) if when < end), "after all")

    def check(self, when: int, model: Model, kept: float, seed: int) -> None:
        """Cut the power when so many calls were made, and see that the commands go on and all that was said holds."""
        story, dice = self.story, random.Random(seed)
        shutil.rmtree(story.disk, ignore_errors=True)
        store(Disk(self._before + self.records[:when]).after_cut(model, kept, dice), story.disk)
        ended = tuple(name for name, end in zip(story.LIFE, self.ends, strict=True) if end <= when)
        # Behind the last one it is given once more: there is always a command that finds what the cut left.
        at = min(len(ended), len(story.LIFE) - 1)
        story.restore_world(story.LIFE[at], when - (self.ends[at - 1] if at else 0), dice)
        story.assert_safe(ended)
        story.go_on(story.LIFE[at], story.first_again(story.LIFE[at]))
        story.assert_whole(ended)


class StagedStory:
    """The state of the disk before each command of a story, and how often each command needs room."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._stages = story.root / "stages"
        self._stages.mkdir()
        self.needs: dict[str, int] = {}
        for name in story.LIFE:
            shutil.copytree(story.disk, self._stages / name)
            records = story.begin(name, "full")
            self.needs[name] = records[-1].count if records else 0

    def restore(self, name: str) -> tuple[str, ...]:
        """Disk and world as they were before a command; the commands before it."""
        shutil.rmtree(self.story.disk, ignore_errors=True)
        shutil.copytree(self._stages / name, self.story.disk)
        self.story.restore_world(name, 0, random.Random(0))
        return self.story.LIFE[: self.story.LIFE.index(name)]

    def check_full(self, name: str, at: int, *, fails: int = 0) -> bool:
        """No room from the n-th call on (or for so many calls); whether that kept the command from its end.

        A command needs room a few times more or fewer from run to run, so the last calls may not be reached.
        """
        story, ended = self.story, self.restore(name)
        status, out, err = story.run(name, "full", at=at, fails=fails)
        assert status in {0, DISK_FULL_STATUS}, (name, at, fails, status, err)
        if fails:
            # Room was there again when the command looked for the reason; it may also have got over it by itself.
            assert status == 0 or "run the same command again" in err, (name, at, err)
        elif status:
            self._assert_said(name, at, out, err)
        else:
            unsaid = [record for record in story.records() if record.failed and not story.may_be_left_out(record)]
            assert not unsaid, (name, at, unsaid[:3])
        story.assert_safe(ended)
        story.go_on(name)
        story.assert_whole(ended)
        return status == DISK_FULL_STATUS

    def _assert_said(self, name: str, at: int, out: str, err: str) -> None:
        for words in ("room", str(self.story.disk), "make room"):
            assert words in err, (name, at, err)
        assert "Traceback" not in err, (name, at, err)
        if out.startswith("{"):
            assert json.loads(out)["error"] == "disk-full"

    def check_output(self, name: str, at: int) -> None:
        """The same when the command's own words go to the full disk too: then only the status can say it."""
        self.restore(name)
        status, _, err = self.story.run(name, "full", at=at, output=self.story.disk / "said")
        assert status != STATUS_OF_TRACEBACK, (name, at, err)
        assert status in {0, DISK_FULL_STATUS}, (name, at, status, err)
        words = [record for record in self.story.records() if record.failed and record.path == "said.out"]
        assert status == DISK_FULL_STATUS or not words, "what was asked for was not said, and that is no success"

    def check_reads(self, case: Case, choose) -> int:
        """Let some of the reads fail, each in a run of its own; how many of the runs met one that did."""
        story = self.story
        self.restore(case.stage)
        story.run(case.command, "eio", match=case.match)
        reads = sum(record.op == "r" for record in story.records())
        assert reads, f"{case} reads nothing"
        met = 0
        for at in choose(reads):
            ended = self.restore(case.stage)
            status, _, err = story.run(case.command, "eio", match=case.match, at=at)
            failed = [record.path for record in story.records() if record.failed]
            assert status in {0, *case.statuses}, (case, at, status, err)
            assert "Traceback" not in err
            story.assert_safe(ended)
            met += bool(failed)
            if status:
                assert failed, (case, at, "something else went wrong", err)
                _assert_file_is_named(case, err)
            story.succeed(case.command)  # the disk is well again
            story.go_on(case.stage)
            story.assert_whole(ended)
        return met


def _assert_file_is_named(case: Case, err: str) -> None:
    """Which file, and what to do; where one leaf of many is meant, which offset too."""
    message, _, hint = err[err.index("etdb: ") :].rstrip().rpartition("\n")
    name = case.match.rstrip("/").rsplit("/", 1)[-1]
    assert name in message or not case.is_named, (case, err)
    assert hint.startswith("      "), (case, err)
    if name in {"big.dat", "blk00000.dat"}:
        assert "offset" in message or "byte" in message, (case, err)
