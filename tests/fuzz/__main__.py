"""Run fuzz targets, each in processes of its own, and say what was found.

    python -m tests.fuzz --seconds 60                 a minute for all targets together
    python -m tests.fuzz --seconds 60 --target flo_block

An input that breaks a target's invariant, takes longer than ten seconds or more than a gibibyte is a finding: it is
kept in the folder for temporary files, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime as dt
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGETS = tuple(sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py")))
RSS_MIB = 1024
INPUT_SECONDS = 10
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")
_COUNT = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_PEAK = re.compile(r"stat::peak_rss_mb:\s+(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="fuzzing time of all targets together (60)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be given again")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (1)")
    parser.add_argument("--seed", type=int, default=0, help="of what is made up; 0 takes another each time (0)")
    parser.add_argument("--out", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing left out: there is no atheris for this machine (it has wheels for Linux on x86-64)")
        return 0
    names = options.target or TARGETS
    seconds = max(1, round(options.seconds / len(names)))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda name: fuzz(name, seconds, options.seed), names))
    if options.out:
        document = {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "python": platform.python_version(),
            "atheris": metadata.version("atheris"),
            "seconds_each": seconds,
            "executions": sum(one["executions"] for one in results),
            "findings": sum(one["finding"] is not None for one in results),
            "targets": results,
        }
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    found = [one for one in results if one["finding"]]
    print(f"{len(results)} targets, {sum(one['executions'] for one in results):,} inputs, {len(found)} findings")
    return 1 if found else 0


def fuzz(name: str, seconds: int, seed: int = 0) -> dict[str, Any]:
    """Fuzz one target for so long."""
    kept = Path(tempfile.gettempdir()) / f"etdb-fuzz-{os.getpid()}-{name}-"
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as corpus:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.run_target", name, corpus),
                *(f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={RSS_MIB}"),
                *(f"-seed={seed}", "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={kept}", "-max_len=8192"),
            ],
            cwd=HERE.parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            errors="replace",
            timeout=seconds * 3 + 120,
        )
    text = done.stdout
    coverage = _COVERAGE.findall(text)
    result = {
        "target": name,
        "seconds": seconds,
        "executions": int((_COUNT.findall(text) or [0])[-1]),
        "coverage": int(coverage[-1][0]) if coverage else 0,
        "peak_mib": int((_PEAK.findall(text) or [0])[-1]),
        "finding": None,
    }
    inputs = sorted(kept.parent.glob(kept.name + "*"))
    if [one for one in inputs if "-timeout-" in one.name] == inputs and inputs and _is_fast(name, inputs[0]):
        # libFuzzer counts time on the clock: on a busy machine the process may not have run at all.
        result["stalled"] = True
        inputs[0].unlink()
        done.returncode, inputs = 0, []
    if done.returncode != 0 or inputs:
        result["finding"] = str(inputs[0]) if inputs else f"status {done.returncode}"
        print(text[text.find("=== Uncaught") :][-4000:])
    rate = result["executions"] / seconds
    print(
        f"{name:20} {result['executions']:>9,} inputs {rate:>8,.0f}/s  coverage {result['coverage']:>5}  "
        f"{result['peak_mib']:>4} MiB  {result['finding'] or 'held'}",
        flush=True,
    )
    return result


def _is_fast(name: str, path: Path) -> bool:
    """Whether a target holds on one input within the processor time that an input may take."""
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, name, str(path)],
        cwd=HERE.parents[1],
        capture_output=True,
        check=False,
        timeout=60 * INPUT_SECONDS,
    )
    return done.returncode == 0


_ALONE = f"""
import importlib, pathlib, resource, sys
target = importlib.import_module("tests.fuzz.targets." + sys.argv[1])
resource.setrlimit(resource.RLIMIT_CPU, ({INPUT_SECONDS}, {INPUT_SECONDS}))
target.check(pathlib.Path(sys.argv[2]).read_bytes())
"""


if __name__ == "__main__":
    sys.exit(main())
