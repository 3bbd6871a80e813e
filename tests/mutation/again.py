"""Results brought up to date: their survivors ran once more, against tests that may be new."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.mutation.explained import reason_of

__all__ = ["alive_in", "bring_up_to_date"]


def alive_in(document: dict[str, Any]) -> set[str]:
    """The survivors in words."""
    return {one["mutant"] for module in document["modules"] for one in module["survivors"]}


def bring_up_to_date(path: Path, outcomes: Counter[tuple[str, str]]) -> None:
    """Write results again; ``outcomes`` count what became of the survivors, by words and outcome.

    A survivor whose line is no longer there is left out: it was run, and what it said is of other code.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    for module in document["modules"]:
        left = []
        for text, count in Counter(one["mutant"] for one in module["survivors"]).items():
            alive = min(count, outcomes[text, "survived"])
            late = min(count - alive, outcomes[text, "timed_out"])
            gone = count if not sum(outcomes[text, name] for name in ("killed", "survived", "timed_out")) else 0
            left += [{"mutant": text, "why": reason_of(text)}] * alive
            for where in (module, document):
                where["survived"] -= count - alive
                where["timed_out"] += late
                where["killed"] += count - alive - late - gone
                where["run"] -= gone
        module["survivors"] = left
    document["date"] = dt.datetime.now(dt.UTC).date().isoformat()
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
