"""Run ``etdb`` and die by SIGKILL at a named transition of the journal, or note every transition that is passed.

    python killed_publisher.py LOG NAME MOMENT NTH -- WORDS OF THE COMMAND
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from etdb.cli import main
from etdb.publish import Journal

log, name, moment, nth = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
seen: dict[tuple[str, str], int] = {}


def observe(passed: str, when: str) -> None:
    count = seen[passed, when] = seen.get((passed, when), 0) + 1
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{passed} {when} {count}\n")
    if (passed, when, count) == (name, moment, nth):
        os.kill(os.getpid(), signal.SIGKILL)


original = Journal.__init__


def watched(self: Journal, path: Path) -> None:
    original(self, path, observer=observe)


Journal.__init__ = watched  # type: ignore[method-assign,assignment]
main(sys.argv[sys.argv.index("--") + 1 :])
