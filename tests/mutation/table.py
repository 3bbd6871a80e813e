"""The results of all rooms as one table: python -m tests.mutation.table writes results/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def table(documents: list[dict[str, Any]]) -> str:
    lines = [
        "# Mutation testing",
        "",
        "One node of the syntax tree changed at a time (`mutants.py`): operators, constants, conditions, returned",
        "values, calls and raises left out. Each mutant ran against the tests that reach it, the fastest first,",
        "up to the first that failed or ten seconds of processor time. Made by `make mutants`. Survivors ran once more",
        "(`--again`) when tests had been written for them.",
        "",
        "| module | mutants | run | killed | timed out | survived | of these explained | not reached | date |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for document in documents:
        for one in [document, *document["modules"]]:
            alive = [found for module in one.get("modules", [one]) for found in module["survivors"]]
            name = f"**{document['room']}**" if one is document else one["module"]
            counts = [one[key] for key in ("mutants", "run", "killed", "timed_out", "survived")]
            explained = sum(bool(found["why"]) for found in alive)
            date = document["date"] if one is document else ""
            lines.append(
                f"| {name} | " + " | ".join(map(str, [*counts, explained, one["not_reached"]])) + f" | {date} |"
            )
    lines += ["", "## Survivors", ""]
    for document in documents:
        for module in document["modules"]:
            lines += [f"- `{found['mutant']}`: {found['why'] or 'not explained'}" for found in module["survivors"]]
    lines += [
        "",
        "## Not reached",
        "",
        "Read while modules are loaded, before a mutant is put in its place, or by tests of another room:",
        "",
    ]
    for document in documents:
        for module in document["modules"]:
            lines += [f"- `{module['module']} {owner}`: {count}" for owner, count in module["not_reached_in"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    (RESULTS / "README.md").write_text(table(found), encoding="utf-8")
