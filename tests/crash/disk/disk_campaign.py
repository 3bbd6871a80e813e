"""The long run over disk faults: many power cuts, a full disk at every call, a failed read at every read.

python tests/crash/disk/disk_campaign.py {power,full,reads} [--story NAME] [--tries N] [--seconds S] [--seed N]

Each story of disk_stories.py has its share of the tries and of the seconds. Writes one result for all stories to
tests/crash/results/{power_cuts,full_disk,read_errors}.json and ends with status 1 when something failed.
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
from disk_shim import Runner, compile_shim
from disk_states import plan_cuts
from disk_stories import STORIES, told_story
from disk_story import RecordedStory, StagedStory, Story

RESULTS = Path(__file__).parent.parent / "results"
NAMES = {"power": "power_cuts", "full": "full_disk", "reads": "read_errors"}
Try = tuple[str, dict[str, Any], Callable[[], int | None]]
"""Of what kind, what exactly, and how."""


def power_cuts(story: Story, tries: int, seed: int) -> tuple[int, Iterator[Try]]:
    """Cuts everywhere in a recorded story."""
    recorded = RecordedStory(story)
    cuts = plan_cuts(recorded.records, recorded.ends, tries, seed)

    def each() -> Iterator[Try]:
        for when, model, kept, dice in cuts:
            what = {"after_calls": when, "model": model, "kept": round(kept, 3), "seed": dice}
            kind = f"{model}, {recorded.during(when)}"
            yield kind, what, lambda cut=(when, model, kept, dice): recorded.check(*cut)

    return len(cuts), each()


def full_disks(story: Story, tries: int, seed: int) -> tuple[int, Iterator[Try]]:
    """Every call that needs room, once for good and once for that call alone; in a shuffled order."""
    staged = StagedStory(story)
    calls = [
        (name, at, fails) for name, count in staged.needs.items() for at in range(1, count + 1) for fails in (0, 1)
    ]
    random.Random(seed).shuffle(calls)

    def each() -> Iterator[Try]:
        for name, at, fails in calls[:tries]:
            what = {"command": name, "at": at, "fails": fails}
            yield name, what, lambda call=(name, at, fails): staged.check_full(call[0], call[1], fails=call[2])

    return len(calls), each()


def read_errors(story: Story, tries: int, seed: int) -> tuple[int, Iterator[Try]]:
    """Of each kind of file in each command, up to a number of its reads."""
    staged = StagedStory(story)
    a_case = max(1, tries // len(story.CASES))

    def some(reads: int) -> list[int]:
        return sorted(random.Random(seed).sample(range(1, reads + 1), min(reads, a_case)))

    def each() -> Iterator[Try]:
        for case in story.CASES:
            yield f"{case.command} {case.match}", {"at_most": a_case}, lambda case=case: staged.check_reads(case, some)

    return len(story.CASES), each()


def run_story(name: str, runner: Runner, words: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """All tries of one story, or as many as there is time for; always one."""
    begun = time.monotonic()
    tried: collections.Counter[str] = collections.Counter()
    failures: list[dict[str, Any]] = []
    reads = 0
    with told_story(name, runner) as story:
        prepare = {"power": power_cuts, "full": full_disks, "reads": read_errors}[words.campaign]
        possible, each = prepare(story, words.tries, words.seed)
        for kind, what, act in each:
            tried[kind] += 1
            try:
                met = act()
                reads += met if words.campaign == "reads" else 0
            except Exception as error:
                shown = f"{type(error).__name__}: {error}".replace(str(story.root), "")
                failures.append({"kind": kind, **what, "error": shown[:400]})
            if time.monotonic() - begun > seconds:
                break
    return {
        "possible": possible,
        "tried": sum(tried.values()),
        **({"reads_that_failed": reads} if words.campaign == "reads" else {}),
        "failed": len(failures),
        "failures": failures[:100],
        "tried_by_kind": dict(sorted(tried.items())),
        "seconds": round(time.monotonic() - begun),
    }


def main() -> int:
    """Run one campaign and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign", choices=NAMES)
    parser.add_argument("--story", choices=STORIES, action="append", help="only this one; may be given again")
    parser.add_argument("--tries", type=int, default=2_000, help="of each story")
    parser.add_argument("--seconds", type=float, default=1e9, help="of all stories together")
    parser.add_argument("--seed", type=int, default=20_261_123)
    words = parser.parse_args()
    names = words.story or list(STORIES)
    target = RESULTS / f"{NAMES[words.campaign]}.json"
    with tempfile.TemporaryDirectory() as scratch:
        library = compile_shim(Path(scratch))
        if library is None:
            sys.stderr.write("left out: the disk's faults need Linux and a C compiler (cc)\n")
            return 0
        runner = Runner(library, Path(scratch))
        stories = json.loads(target.read_text()).get("stories", {}) if words.story and target.exists() else {}
        failed = 0
        for name in names:
            stories[name] = found = run_story(name, runner, words, words.seconds / len(names))
            sys.stdout.write(f"{words.campaign}, {name}: {found['tried']} tried, {found['failed']} failed\n")
            sys.stdout.flush()
            failed += found["failed"]
        runner.close()
    result = {
        "campaign": words.campaign,
        "seed": words.seed,
        "tried": sum(one["tried"] for one in stories.values()),
        "failed": sum(one["failed"] for one in stories.values()),
        "stories": {name: stories[name] for name in STORIES if name in stories},
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    RESULTS.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
