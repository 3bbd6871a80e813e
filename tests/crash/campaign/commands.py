"""Commands that are killed: how, and what became of them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from disk_shim import compile_shim, load_log

HERE = Path(__file__).parent
KILLED = -9


class Kill(NamedTuple):
    """One kill: ``kind`` is time, change (behind a call that changed the disk), tear (in a long write), transition
    (of the journal) or none; the others say when."""

    kind: str = "none"
    after_s: float | None = None
    change: int = 0
    transition: tuple[str, str, int] | None = None


class Ended(NamedTuple):
    """How a command ended: exit status, standard output and error, seconds."""

    status: int
    out: str
    err: str
    seconds: float


class Measured(NamedTuple):
    """What one run to the end takes: the kills of a scenario are drawn from it."""

    seconds: float
    changes: int
    transitions: tuple[tuple[str, str, int], ...] = ()

    def draw(self, dice: random.Random, share: float = 1.0) -> Kill:
        """A kill in this share of the run. Half of them early: a run first mends what the one before it left."""
        kinds = [("time", 3)]
        if self.changes:
            kinds += [("change", 5), ("tear", 1)]
        if self.transitions:
            kinds += [("transition", 3)]
        kind = dice.choices([name for name, _ in kinds], [weight for _, weight in kinds])[0]
        part = share * (dice.random() if dice.random() < 0.5 else math.exp(dice.uniform(-5.0, 0.0)))
        if kind == "time":
            return Kill(kind, after_s=part * self.seconds)
        if kind == "transition":
            return Kill(kind, transition=self.transitions[int(part * len(self.transitions))])
        return Kill(kind, change=1 + int(part * (self.changes - 1)))


class Commands:
    """A process that forks commands; one at a time."""

    def __init__(self, scratch: Path) -> None:
        self._output = scratch / "command"
        self._log = scratch / "changes"
        self._passed = scratch / "passed"
        library = compile_shim(scratch)
        self.counts_changes = library is not None
        self._process = subprocess.Popen(
            [sys.executable, HERE / "runner.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TERM": "dumb", **({"LD_PRELOAD": str(library)} if library else {})},
        )

    def run(
        self,
        words: list[str],
        kill: Kill = Kill(),  # noqa: B008 - a value
        *,
        disk: Path | None = None,
        batch_blocks: int = 0,
        mode: str = "",
        log: bool = False,
    ) -> Ended:
        """Run one command; ``disk`` is the folder in which changes are counted."""
        mode = {"change": "kill", "tear": "tear"}.get(kill.kind, mode)
        env = {}
        if mode:
            env = {
                "ETDB_SHIM_MODE": mode,
                "ETDB_SHIM_ROOT": str(disk),
                "ETDB_SHIM_LOG": str(self._log),
                "ETDB_SHIM_AT": str(kill.change),
                "SQLITE_TMPDIR": str(disk),
            }
        request = {
            "words": words,
            "out": str(self._output),
            "env": env,
            "seconds": 0,  # the runner sees to commands that hang
            "after_s": kill.after_s,
            "transition": kill.transition,
            "batch_blocks": batch_blocks,
            "log": str(self._passed) if log else "",
        }
        for suffix in (".out", ".err"):
            self._output.with_suffix(suffix).write_text("")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status, seconds = json.loads(self._process.stdout.readline())
        out, err = (self._output.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
        return Ended(status, out, err, seconds)

    def succeed(self, words: list[str], **named) -> Ended:
        """Run a command that must end well."""
        ended = self.run(words, **named)
        assert ended.status == 0, (ended.status, ended.err)
        return ended

    def measure(self, words: list[str], disk: Path, *, batch_blocks: int = 0) -> Measured:
        """Run it to the end with everything noted. The time is that of this run: the noting costs little."""
        self._log.unlink(missing_ok=True)
        self._passed.write_text("")
        mode = "record" if self.counts_changes else ""
        ended = self.succeed(words, disk=disk, batch_blocks=batch_blocks, mode=mode, log=True)
        changes = len(load_log(self._log)) if mode else 0
        passed = [line.split() for line in self._passed.read_text().splitlines()]
        return Measured(ended.seconds, changes, tuple((name, when, int(nth)) for name, when, nth in passed))

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.stdout.close()


def fresh_folder(path: Path) -> Path:
    """An empty folder in this place."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
