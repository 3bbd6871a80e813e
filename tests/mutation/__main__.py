"""Does a test fail when the code is wrong? Mutants of a room, each against the tests that reach it.

    python -m tests.mutation --room trust                  all mutants of a room
    python -m tests.mutation --room flo --sample 300       a seeded sample of them

The tests are collected once. Each mutant has a process of its own, in which one function is exchanged and the tests
that call it run, the fastest first, up to the first that fails. A survivor is a change that no test notices.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from tests.mutation.rooms import ROOMS
from tests.mutation.running import MutationRun


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n")[0])
    parser.add_argument("--room", required=True, choices=tuple(ROOMS))
    parser.add_argument("--module", action="append", help="only this file of the room; may be given again")
    parser.add_argument("--sample", type=int, help="run so many of all mutants, chosen by the seed")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--seconds", type=float, help="begin no mutant after so long")
    parser.add_argument("--again", type=Path, help="only the survivors of these results, which are brought up to date")
    parser.add_argument("--out", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    run = MutationRun(options)
    status = pytest.main(
        [
            *("-p", "no:terminal", "-p", "no:xdist", "--capture=no"),
            *("-o", "addopts=", "-o", "timeout=0", "-o", "faulthandler_timeout=0", "--import-mode=importlib"),
            *ROOMS[options.room].tests,
        ],
        plugins=[run],
    )
    return 0 if run.is_done else status or 1


if __name__ == "__main__":
    sys.exit(main())
