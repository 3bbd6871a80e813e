"""What many sections say, in few words: `mdoc, all 41 sections`, `mdoc, sections 0-3, 7`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from etdb.describe.evidence import agree
from etdb.describe.rules import FieldRule

__all__ = ["mean_of", "spread"]

MAX_GROUPS = 4
MAX_KEPT = 16
MAX_RUNS = 6


def spread(rule: FieldRule, values: Sequence[float | None], what: str) -> list[tuple[float, str]]:
    """The different values that the sections give, the commonest first, each with the sections that give it."""
    groups: list[tuple[float, list[int]]] = []
    for number, value in enumerate(values):
        if value is None:
            continue
        for first, sections in groups:
            if agree(rule, first, value):
                sections.append(number)
                break
        else:
            if len(groups) < MAX_KEPT:  # of a file with a value of its own in each section not all are compared
                groups.append((value, [number]))
    groups.sort(key=lambda group: -len(group[1]))
    return [(value, f"{what}, {_named(sections, len(values))}") for value, sections in groups[:MAX_GROUPS]]


def mean_of(rule: FieldRule, values: Sequence[float | None], what: str) -> list[tuple[float, str]]:
    """One value for what is meant to vary with the tilt, such as the exposure: the mean, where all sections tell it."""
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return []
    if all(agree(rule, known[0], value) for value in known):
        return [(known[0], f"{what}, {_named(range(len(known)), len(known))}")]
    mean = float(f"{fmean(known):.4g}")
    return [(mean, f"{what}, mean of {len(known)} sections ({min(known):g} to {max(known):g})")]


def _named(sections: Sequence[int], total: int) -> str:
    if len(sections) == total:
        return f"all {total} sections" if total > 1 else "its section"
    runs: list[list[int]] = []
    for number in sections:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs[:MAX_RUNS])
    word = "section" if len(sections) == 1 else "sections"
    return f"{word} {shown}" + (", ..." if len(runs) > MAX_RUNS else "")
