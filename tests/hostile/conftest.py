"""The figures of a run, for ``results/``: HOSTILE_OUT=file pytest tests/hostile."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.hostile.measuring import FIGURES, Cost, cost_of


@pytest.fixture
def spends(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Run work in a child and hold it to a bound of memory; what it took is kept for the table."""

    def run(work: Callable[[], Any], *, at_most_mib: float) -> Cost:
        cost = cost_of(work)
        FIGURES.append(
            {
                "case": request.node.name.removeprefix("test_").replace("_", " "),
                "bound_mib": at_most_mib,
                "peak_mib": round(cost.peak_mib, 1),
                "cpu_s": round(cost.cpu_s, 2),
                "ended": type(cost.error).__name__ if cost.error else "result",
            }
        )
        assert cost.peak_mib <= at_most_mib, cost
        return cost

    return run


def pytest_sessionfinish() -> None:
    where = os.environ.get("HOSTILE_OUT")
    if where and FIGURES:
        document = {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "python": platform.python_version(),
            "cases": FIGURES,
        }
        Path(where).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        Path(where).with_name("README.md").write_text(_table(document), encoding="utf-8")


def _table(document: dict[str, Any]) -> str:
    lines = [
        "# What hostile input costs",
        "",
        f"Measured on {document['date']} with Python {document['python']} by `make hostile`, each in a process of its",
        "own: memory above what it began with (of commands: all of it), and processor time.",
        "",
        "| case | bound MiB | peak MiB | processor s | ended with |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in document["cases"]:
        case = one["case"].replace("|", "\\|")
        lines.append(f"| {case} | {one['bound_mib']} | {one['peak_mib']} | {one['cpu_s']} | {one['ended']} |")
    return "\n".join(lines) + "\n"
