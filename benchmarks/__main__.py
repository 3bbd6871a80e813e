"""Run the cases, each in a process of its own, and write what was found."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import GIB, Settings, describe_machine
from benchmarks.table import write_table

CASES = (
    *("cids", "serve", "gateway", "download", "scan", "headers", "records", "archive", "sync", "nodes", "validate"),
    *("preview", "portal"),
)
HERE = Path(__file__).resolve().parent
_ROOM = 2 * GIB
_KIB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory beside references.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"any of {', '.join(CASES)}; all when none is named")
    parser.add_argument("--keep", action="store_true", help="also of some cases alone, beside what is kept of others")
    parser.add_argument("--gib", type=float, default=4.0, help="the data of the case cids (4)")
    parser.add_argument("--turns", type=int, default=3, help="how often each side is measured (3)")
    parser.add_argument("--records", type=Path, help="a table of tilt series for the case archive (made up)")
    parser.add_argument("--limit", type=int, help="no more records (case archive) or blocks (sync)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to write test data; by default in memory when there is room")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}")
    if options.one:
        print(json.dumps(_measure(options.one, _settings(options))))
        return
    results = [_in_own_process(case, options) for case in options.cases or CASES]
    document = {"machine": describe_machine(), "turns": options.turns, "cases": results}
    if options.keep or not options.cases:
        _keep(document)
    if any("error" in case for case in results):
        sys.exit(1)


def _keep(document: dict[str, Any]) -> None:
    """Write the results and the table; cases that were not run keep what the same machine found in as many turns."""
    target = HERE / "results" / "latest.json"
    before = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    if all(before.get(name) == document[name] for name in ("machine", "turns")):
        found = {case["case"]: case for case in (*before["cases"], *document["cases"])}
        document["cases"] = [found[name] for name in CASES if name in found]
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    write_table(document, HERE.parent / "docs" / "benchmarks.md")


def _in_own_process(case: str, options: argparse.Namespace) -> dict[str, Any]:
    print(f"{case} ...", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="etdb-bench-", dir=options.folder or _default_folder(case, options.gib)))
    command = [sys.executable, "-m", "benchmarks", "--one", case, "--folder", str(folder)]
    command += ["--gib", str(options.gib), "--turns", str(options.turns)]
    command += [f"--records={options.records.resolve()}"] if options.records else []
    command += [f"--limit={options.limit}"] if options.limit else []
    try:
        done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, check=False, text=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0:
        print(f"  failed with status {done.returncode}")
        return {"case": case, "error": f"status {done.returncode}"}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for figure in result["figures"]:
        aim = f"  (aim {figure['aim']})" if figure["aim"] is not None else ""
        print(
            f"  {figure['name']}: {figure['ours']:,.4g} {figure['unit']}, "
            f"{figure['ratio']:.2f} of {figure['reference_name']}{aim}"
        )
    print(f"  peak memory {result['peak_mib']:.0f} MiB", flush=True)
    return result


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        gib=options.gib, turns=options.turns, folder=options.folder, records=options.records, limit=options.limit
    )


def _measure(case: str, settings: Settings) -> dict[str, Any]:
    module = importlib.import_module(f"benchmarks.case_{case}")
    figures = module.run(settings)
    used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "case": case,
        "peak_mib": used[0] / _KIB,
        "peak_children_mib": used[1] / _KIB,
        "figures": [dataclasses.asdict(figure) | {"ratio": figure.ratio} for figure in figures],
    }


def _default_folder(case: str, gib: float) -> str | None:
    """Memory that looks like a disk, when it has room and the case is not about a disk's files; else the system's."""
    memory = "/dev/shm"
    if (
        case not in ("cids", "records", "archive", "sync", "nodes", "validate", "preview")
        and Path(memory).is_dir()
        and shutil.disk_usage(memory).free > gib * GIB + _ROOM
    ):
        return memory
    return None


main()
