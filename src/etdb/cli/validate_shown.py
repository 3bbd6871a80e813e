"""Findings as text, for ``etdb validate`` and for the plan of ``etdb publish``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from etdb.cli.output import Output, printable
from etdb.validate import CHECKS, SEVERITIES, Finding

__all__ = ["COLOURS", "show_findings", "tally_text"]

COLOURS = {"info": "dim", "warning": "yellow", "error": "red"}
_INDENT = " " * 9


def tally_text(findings: Sequence[Finding]) -> str:
    """How many there are of each severity: `1 error, 3 warnings`; "" for none."""
    counts = Counter(finding.severity for finding in findings)
    words = {"error": "error", "warning": "warning", "info": "remark"}
    return ", ".join(f"{n} {words[name]}{'s' * (n > 1)}" for name in SEVERITIES if (n := counts[name]))


def show_findings(out: Output, findings: Sequence[Finding], *, grouping: str, most: int) -> None:
    """Findings in groups, the worst first.

    Args:
        out: where to.
        findings: all of them.
        grouping: `finding`, `file` or `dataset`.
        most: findings shown of a group; 0 for all.
    """
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[_key(finding, grouping)].append(finding)
    order = {ident: at for at, ident in enumerate(CHECKS)}
    for key, group in sorted(groups.items(), key=lambda one: _rank(one[0], one[1], order, grouping)):
        shown = group[:most] if most else group
        if grouping == "finding":
            _show_of_check(out, key[0], group, shown)
        else:
            _show_of_place(out, "/".join(part for part in key if part), shown)
        if len(group) > len(shown):
            out.say(f"{_INDENT}... and {len(group) - len(shown)} more (--max-per-group 0 shows all)")
        if grouping == "finding":
            out.say(f"{_INDENT}[dim]do:[/] {printable(CHECKS[key[0]].hint)}")
        out.say("")


def _show_of_check(out: Output, ident: str, group: Sequence[Finding], shown: Sequence[Finding]) -> None:
    check = CHECKS[ident]
    datasets = len({(one.root, one.dataset) for one in group})
    count = f"{len(group)} in {datasets} dataset{'s' * (datasets > 1)}"
    out.say(f"[{COLOURS[check.severity]}]{check.severity:8}[/] [bold]{ident}[/]  {printable(check.title)} ({count})")
    for one in shown:
        place = f"{one.dataset}/{one.file}" if one.file else one.dataset
        out.say(f"{_INDENT}{printable(place)}: {printable(one.message)}")


def _show_of_place(out: Output, place: str, shown: Sequence[Finding]) -> None:
    out.say(f"[bold]{printable(place)}[/]")
    for one in shown:
        check = CHECKS[one.id]
        where = f"{printable(one.file)}: " if one.file and not place.endswith(f"/{one.file}") else ""
        out.say(f"  [{COLOURS[one.severity]}]{one.severity:8}[/] {one.id}  {printable(check.title)}")
        out.say(f"  {_INDENT}{where}{printable(one.message)}")


def _key(finding: Finding, grouping: str) -> tuple[str, ...]:
    if grouping == "finding":
        return (finding.id,)
    return (finding.dataset, finding.file) if grouping == "file" else (finding.dataset,)


def _rank(key: tuple[str, ...], group: Sequence[Finding], order: dict[str, int], grouping: str) -> tuple[object, ...]:
    if grouping == "finding":
        return (SEVERITIES.index(CHECKS[key[0]].severity), order[key[0]])
    return (min(SEVERITIES.index(one.severity) for one in group), *key)
