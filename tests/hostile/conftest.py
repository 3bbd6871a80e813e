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
