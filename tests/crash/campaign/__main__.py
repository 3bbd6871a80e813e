"""The campaign's command line: cases one after the other, and the result as JSON."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import json
import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import etdb
from campaign.commands import KILLED, Commands, Kill
from campaign.downloading import DownloadScenario
from campaign.indexing import IndexScenario
from campaign.publishing import SCENARIOS as PUBLISH
from campaign.publishing import PublishScenario

MAX_IN_A_ROW = 30
MAX_UNHARMED = 3
# How many kills of each: the index has the shortest command, and the most places to be killed in.
WEIGHTS = {**dict.fromkeys(PUBLISH, 1.0), "publish-many": 0.5, "index": 3.0, "download": 2.0, "download-gateway": 1.0}
SCRATCH = Path("/dev/shm")  # what the disk would lose is another test's; this one kills processes only
MAX_FAILURES = 20


class Case(NamedTuple):
    """What became of one case."""

    scenario: str
    number: int
    kills: tuple[Kill, ...]
    runs: int
    failure: str
    notes: dict[str, int]


def main() -> int:
    """Run it; 1 when anything failed."""
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    scratch = Path(tempfile.mkdtemp(prefix="etdb-kills-", dir=options.scratch))
    cases: list[Case] = []
    try:
        with ExitStack() as stack:
            commands = stack.enter_context(closing(Commands(scratch)))
            if not commands.counts_changes:
                say("left out: kills at a call that changes the disk need Linux and a C compiler (cc)")
            scenarios = make_scenarios(options.only or list(WEIGHTS), scratch, commands, stack)
            began = time.monotonic()
            for case in played(options, scenarios, scratch):
                cases.append(case)
                if len(cases) % 50 == 0:
                    store_result(options, scenarios, cases, started, time.monotonic() - began)
            sys.stdout.write(store_result(options, scenarios, cases, started, time.monotonic() - began))
    finally:
        if not options.keep or not any(case.failure for case in cases):
            shutil.rmtree(scratch, ignore_errors=True)
    return 1 if any(case.failure for case in cases) else 0


def parse_options() -> argparse.Namespace:
    """The words of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=WEIGHTS, help="this scenario; may be repeated")
    parser.add_argument("--case", type=int, help="this case of one scenario alone, as a failure names it")
    parser.add_argument("--out", type=Path, help="where to write the result")
    parser.add_argument("--scratch", type=Path, default=SCRATCH if os.access(SCRATCH, os.W_OK) else None)
    parser.add_argument("--keep", action="store_true", help="leave the folders of cases that failed")
    options = parser.parse_args()
    if options.case is not None and len(options.only or ()) != 1:
        parser.error("--case needs one --only")
    return options


def make_scenarios(names: list[str], scratch: Path, commands: Commands, stack: ExitStack) -> dict[str, Any]:
    """Each scenario, measured once."""
    scenarios: dict[str, Any] = {}
    for name in names:
        kind: Any = PublishScenario if name in PUBLISH else IndexScenario if name == "index" else DownloadScenario
        (scratch / name).mkdir()
        scenarios[name] = kind(name, scratch, commands)
        if hasattr(scenarios[name], "close"):
            stack.callback(scenarios[name].close)
    return scenarios


def played(options: argparse.Namespace, scenarios: dict[str, Any], scratch: Path) -> Iterator[Case]:
    """Cases until there are enough kills: always of the scenario that lacks most of its share."""
    kills = dict.fromkeys(scenarios, 0)
    numbers = dict.fromkeys(scenarios, 0)
    failures = 0
    while sum(kills.values()) < options.kills and failures < MAX_FAILURES:
        name = min(scenarios, key=lambda one: kills[one] / WEIGHTS[one])
        number = numbers[name] if options.case is None else options.case
        numbers[name] += 1
        case = play(scenarios[name], options.seed, number, scratch / "case")
        kills[name] += len(case.kills)
        if case.failure:
            failures += 1
            say(f"FAILED {name} --seed {options.seed} --case {number}\n{case.failure}")
            if options.keep:
                (scratch / "case").rename(scratch / f"failed-{name}-{number}")
        yield case
        if options.case is not None:
            return


def play(scenario: Any, seed: int, number: int, folder: Path) -> Case:
    """One case: kills in a row, then to the end."""
    dice = random.Random(f"{seed} {scenario.name} {number}")
    kills: list[Kill] = []
    runs, failure, unharmed = 0, "", 0
    shutil.rmtree(folder, ignore_errors=True)
    case = scenario.begin(folder, dice)
    try:
        in_a_row = min(MAX_IN_A_ROW, 1 + int(dice.expovariate(0.1)))
        for _ in range(in_a_row):
            # The more was done by former runs, the less is left to be killed in.
            kill = scenario.measured.draw(dice, 0.5**unharmed)
            ended = case.commands.run(case.words(), kill, disk=case.disk, batch_blocks=case.batch_blocks)
            runs += 1
            if ended.status != KILLED:
                assert ended.status == 0, f"status {ended.status}: {ended.err}"
                unharmed += 1
                if unharmed == MAX_UNHARMED:
                    break
                continue
            kills.append(kill)
            case.assert_after_kill()
        ended = case.commands.succeed(case.words(), batch_blocks=case.batch_blocks)
        runs += 1
        case.assert_done(ended)
    except Exception:  # whatever it was, the other cases go on
        failure = "".join(f"  after {kill}\n" for kill in kills) + traceback.format_exc()
    return Case(scenario.name, number, tuple(kills), runs, failure, case.notes)


def summed_up(cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """The counts of all cases."""
    by_scenario: dict[str, dict[str, int]] = {}
    for case in cases:
        counts = by_scenario.setdefault(case.scenario, collections.Counter())
        counts["cases"] += 1
        counts["runs"] += case.runs
        counts["kills"] += len(case.kills)
        for kill in case.kills:
            counts[f"kills_by_{kill.kind}"] += 1
        counts["most_kills_in_a_row"] = max(counts["most_kills_in_a_row"], len(case.kills))
        for note, count in case.notes.items():
            counts[note] += count
    for name, counts in by_scenario.items():
        places = {kill.change for case in cases if case.scenario == name for kill in case.kills if kill.change}
        counts["different_changes_killed_at"] = len(places)
    kinds = collections.Counter(kill.kind for case in cases for kill in case.kills)
    return {
        "seed": options.seed,
        "kills": sum(kinds.values()),
        "kills_by_kind": dict(kinds),
        "cases": len(cases),
        "scenarios": {name: dict(counts) for name, counts in by_scenario.items()},
        "failures": [
            {"scenario": case.scenario, "case": case.number, "kills": case.kills, "what": case.failure}
            for case in cases
            if case.failure
        ],
    }


def store_result(
    options: argparse.Namespace, scenarios: dict[str, Any], cases: list[Case], started: str, seconds: float
) -> str:
    """What there is so far, as a JSON document."""
    result = summed_up(cases, options) | {
        "started": started,
        "seconds": round(seconds, 1),
        "versions": versions(),
        "lengths_of_whole_runs": {
            name: {"seconds": round(one.measured.seconds, 3), "changes": one.measured.changes}
            for name, one in scenarios.items()
        },
    }
    result["kills_per_second"] = round(result["kills"] / seconds, 2)
    result["complete"] = result["kills"] >= options.kills
    text = json.dumps(result, indent=2) + "\n"
    if options.out:
        options.out.write_text(text)
    say(f"{result['kills']} kills in {len(cases)} cases, {result['kills_per_second']} a second")
    return text


def versions() -> dict[str, str]:
    """What ran; the commit where this is a checkout."""
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, check=False, capture_output=True, text=True
    )
    return {
        "commit": head.stdout.strip(),
        "etdb": etdb.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
    }


def say(text: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
