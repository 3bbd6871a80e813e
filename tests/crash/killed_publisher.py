"""Run ``etdb`` in a process that dies by SIGKILL at a named transition of the journal, and notes those it passes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from etdb.cli import main
from etdb.publish import Journal


def die_at(kill: tuple[str, str, int], log: Path | None = None) -> None:
    """From now on in this process: note the transitions that are passed, and die at one."""
    name, moment, nth = kill
    seen: dict[tuple[str, str], int] = {}

    def observe(passed: str, when: str) -> None:
        count = seen[passed, when] = seen.get((passed, when), 0) + 1
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{passed} {when} {count}\n")
        if (passed, when, count) == (name, moment, nth):
            os.kill(os.getpid(), signal.SIGKILL)

    original = Journal.__init__

    def watched(self: Journal, path: Path, **_: Any) -> None:
        original(self, path, observer=observe)

    Journal.__init__ = watched  # type: ignore[method-assign]


def run_and_die(log: Path, kill: tuple[str, str, int], output: Path, words: list[str]) -> None:
    """The command, as a user would give it, with its standard output and error in files."""
    die_at(kill, log)
    for suffix, number in ((".out", 1), (".err", 2)):
        descriptor = os.open(output.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    main(words)
