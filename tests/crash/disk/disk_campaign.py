"""The long run over disk faults: many power cuts, a full disk at every call, a failed read at every read.

python tests/crash/disk/disk_campaign.py {power,full,reads} [--tries N] [--seconds S] [--seed N]

Writes tests/crash/results/{power_cuts,full_disk,read_errors}.json and ends with status 1 when something failed.
"""

from __future__ import annotations

import argparse
import collections
import json
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from disk_full import StagedLife
from disk_power import LIFE, RecordedLife
from disk_reads import CASES, check
from disk_shim import Runner, compile_shim
from disk_states import plan_cuts

RESULTS = Path(__file__).parent.parent / "results"
NAMES = {"power": "power_cuts", "full": "full_disk", "reads": "read_errors"}
Try = tuple[str, dict[str, Any], Callable[[], object]]
"""Of what kind, what exactly, and how."""


def power_cuts(root: Path, runner: Runner, tries: int, seed: int) -> tuple[int, Iterator[Try]]:
    """Cuts everywhere in a recorded life."""
    life = RecordedLife(root, runner)
    cuts = plan_cuts(life.records, life.ends, tries, seed)

    def each() -> Iterator[Try]:
        for when, model, kept, dice in cuts:
            what = {"after_calls": when, "model": model, "kept": round(kept, 3), "seed": dice}
            during = next((name for name, end in zip(LIFE, life.ends, strict=True) if when < end), "after all")
            yield f"{model}, {during}", what, lambda cut=(when, model, kept, dice): life.check(*cut)

    return len(cuts), each()


def full_disks(root: Path, runner: Runner, tries: int, seed: int) -> tuple[int, Iterator[Try]]:
    """Every call that needs room, once for good and once for that call alone; in a shuffled order."""
    life = StagedLife(root, runner)
    calls = [(name, at, fails) for name, count in life.needs.items() for at in range(1, count + 1) for fails in (0, 1)]
    random.Random(seed).shuffle(calls)

    def each() -> Iterator[Try]:
        for name, at, fails in calls[:tries]:
            what = {"command": name, "at": at, "fails": fails}
            yield name, what, lambda call=(name, at, fails): life.check(call[0], call[1], fails=call[2])

    return len(calls), each()


def read_errors(root: Path, runner: Runner, tries: int, seed: int) -> tuple[int, Iterator[Try]]:
    """Of each kind of file in each command, up to a number of its reads."""
    life = StagedLife(root, runner)
    a_case = max(1, tries // len(CASES))

    def some(reads: int) -> list[int]:
        return sorted(random.Random(seed).sample(range(1, reads + 1), min(reads, a_case)))

    def each() -> Iterator[Try]:
        for case in CASES:
            yield f"{case.command} {case.match}", {"runs": a_case}, lambda case=case: check(life, case, some)

    return len(CASES), each()


def main() -> int:
    """Run one campaign and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign", choices=NAMES)
    parser.add_argument("--tries", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=20_261_123)
    words = parser.parse_args()
    begun = time.monotonic()
    tried: collections.Counter[str] = collections.Counter()
    failures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        library = compile_shim(Path(scratch))
        if library is None:
            sys.stderr.write("left out: the disk's faults need Linux and a C compiler (cc)\n")
            return 0
        runner = Runner(library, Path(scratch))
        prepare = {"power": power_cuts, "full": full_disks, "reads": read_errors}[words.campaign]
        possible, each = prepare(Path(scratch) / "root", runner, words.tries, words.seed)
        for kind, what, act in each:
            tried[kind] += 1
            try:
                act()
            except Exception as error:
                failures.append({**what, "error": f"{type(error).__name__}: {error}"[:400].replace(scratch, "")})
            if time.monotonic() - begun > words.seconds:
                break
        runner.close()
    result = {
        "campaign": words.campaign,
        "seed": words.seed,
        "possible": possible,
        "tried": sum(tried.values()),
        "failed": len(failures),
        "failures": failures[:100],
        "tried_by_kind": dict(sorted(tried.items())),
        "seconds": round(time.monotonic() - begun),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{NAMES[words.campaign]}.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(f"{words.campaign}: {result['tried']} of {possible} tried, {len(failures)} failed\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
