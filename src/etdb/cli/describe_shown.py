"""What ``etdb describe`` shows of a dataset."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from etdb.cli.output import Output, printable, size_text
from etdb.counting import counted
from etdb.describe import Draft, Evidence, Witness, shown_files
from etdb.sources import DATASET_TOML, SourceDataset, SourceFile

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["brief_line", "show_brief", "show_draft"]

_FILES_OF_A_ROLE = 5
_HIDDEN = ("nsfw", "year")


def show_draft(
    out: Output, dataset: SourceDataset, draft: Draft, *, all_statements: bool, place: tuple[int, int] = (1, 1)
) -> None:
    """The fields with their origins, what disagrees beside them, the files by role, and remarks."""
    done, total = place
    if done > 1:
        out.say()
    count = counted(len(dataset.files), "file")
    number = f"  [dim]{done} of {total}[/dim]" if total > 1 else ""
    out.say(f"[bold cyan]{printable(dataset.name)}[/bold cyan]  {count}, {size_text(dataset.size_bytes)}{number}")
    out.say()
    out.drawing(_fields(draft, all_statements=all_statements, value_letters=max(22, out.console.width * 3 // 10)))
    out.say()
    out.drawing(_files(dataset.files, every=all_statements))
    if draft.notes:
        out.say()
    for note in draft.notes:
        out.say(f"[yellow]![/yellow] {printable(note)}")


def brief_line(dataset: SourceDataset, draft: Draft) -> tuple[str, ...]:
    """What a person looks for in hundreds of datasets, a cell each."""
    t = draft.tomogram
    known = {"title": t.title, "species": "species" not in draft.defaulted, "date": t.acquired_on}
    missing = [name for name, value in known.items() if not value]
    disputed = [one.label for one in draft.evidence.values() if one.disagreeing or (one.unusable and not one.chosen)]
    tilts = f"{t.tilt_min_deg:g} to {t.tilt_max_deg:g}°" if None not in (t.tilt_min_deg, t.tilt_max_deg) else ""
    return (
        printable(dataset.name),
        tilts + (f" / {t.tilt_step_deg:g}°" if tilts and t.tilt_step_deg is not None else ""),
        _number(t.pixel_spacing_angstrom),
        _number(t.voxel_spacing_angstrom),
        _number(t.dose_e_per_a2),
        f"[red]{', '.join(missing)}[/red]" if missing else "",
        f"[yellow]{printable(', '.join(disputed))}[/yellow]" if disputed else "",
    )


def show_brief(out: Output, lines: Iterable[tuple[str, ...]]) -> None:
    """The lines of all datasets under their headings."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("dataset", "tilts / step", "pixel Å", "voxel Å", "dose", "missing", "disagreements"):
        is_number = heading in {"pixel Å", "voxel Å", "dose"}
        is_name = heading == "dataset"
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            overflow="ellipsis" if is_name else "fold",
            no_wrap=is_number or is_name,
            min_width=len(heading) if heading == "disagreements" else None,
        )
    for line in lines:
        table.add_row(*line)
    out.drawing(table)


def _number(value: float | None) -> str:
    return f"{value:.4g}" if value is not None else ""


def _grid() -> Table:
    from rich.table import Table

    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _fields(draft: Draft, *, all_statements: bool, value_letters: int) -> Table:
    table = _grid()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", min_width=12, max_width=value_letters)
    table.add_column(overflow="fold")
    if "title" not in draft.evidence:
        table.add_row("title", "[red]missing[/red]", f'[dim]write title = "..." into {DATASET_TOML}[/dim]')
    for name, evidence in draft.evidence.items():
        if name in _HIDDEN:
            continue
        if evidence.chosen is None:
            usable = any(one.is_usable for one in evidence.witnesses)
            shown = "[yellow]in dispute[/yellow]" if usable else "[yellow]unknown[/yellow]"
            table.add_row(evidence.label, shown, f"[dim]{evidence.rule}[/dim]" if usable else "")
        else:
            style = "dim" if name in draft.defaulted else "bold"
            value = f"[{style}]{printable(_text(evidence.value, evidence.unit))}[/{style}]"
            if evidence.chosen.written and evidence.chosen.written != evidence.value:
                value += f" [dim]({printable(evidence.chosen.written)})[/dim]"
            table.add_row(evidence.label, value, _origin(evidence.chosen))
        for one, count in _beside(evidence, all_statements=all_statements):
            more = f" [dim]and {count - 1} more[/dim]" if count > 1 else ""
            table.add_row("", _stated(one, evidence), _origin(one) + more)
    return table


def _beside(evidence: Evidence, *, all_statements: bool) -> Iterable[tuple[Witness, int]]:
    """The statements under the one that is taken; of many files that say the same, the first and how many."""
    others = [one for one in evidence.witnesses if not _is_same(one, evidence.chosen)]
    if all_statements:
        return [(one, 1) for one in others]
    alike: dict[tuple[object, ...], list[Witness]] = {}
    for one in others:
        # A second axis like the first is nothing to look at.
        if one.authority == "settings" or one.agrees or (not one.is_usable and one.value == evidence.value):
            continue
        alike.setdefault((str(one.value), one.authority, one.remark), []).append(one)
    return [(members[0], len(members)) for members in alike.values()]


def _is_same(one: Witness, chosen: Witness | None) -> bool:
    return chosen is not None and (one.source, one.where, one.value) == (chosen.source, chosen.where, chosen.value)


def _stated(one: Witness, evidence: Evidence) -> str:
    if not one.is_usable:
        return f"[dim]{printable(_text(one.value, evidence.unit if isinstance(one.value, float) else ''))}[/dim]"
    text = printable(_text(one.value, evidence.unit))
    return f"[green]=[/green] [dim]{text}[/dim]" if one.agrees else f"[yellow]≠ {text}[/yellow]"


def _origin(one: Witness) -> str:
    words = printable(one.source)
    # The name of an mdoc says already that it is one.
    where = one.where.removeprefix("mdoc, ").removeprefix("mdoc ") if one.source.endswith(".mdoc") else one.where
    if where and where != "mdoc":
        words += f"[dim], {printable(where)}[/dim]"
    return words + (f" [yellow]({printable(one.remark)})[/yellow]" if one.remark else "")


def _text(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        words = "yes" if value else "no"
    elif isinstance(value, float):
        words = f"{value:,.10g}"
    elif isinstance(value, (list, tuple)):
        words = ", ".join(str(one) for one in value)
    else:
        words = value.isoformat() if isinstance(value, dt.date) else str(value)
    return words + (unit if unit in ("°", "x") else f" {unit}" if unit else "")


def _files(files: Iterable[SourceFile], *, every: bool) -> Table:
    table = _grid()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for role, group in groupby(shown_files(files), key=lambda one: one.role):
        members = list(group)
        shown = members if every or len(members) <= _FILES_OF_A_ROLE + 1 else members[:_FILES_OF_A_ROLE]
        for number, one in enumerate(shown):
            look = printable(one.look) or (f"[yellow]{printable(one.unread)}[/yellow]" if one.unread else "")
            name = role.replace("_", " ") if number == 0 else ""
            table.add_row(name, printable(one.path), look, size_text(one.size_bytes))
        if rest := members[len(shown) :]:
            table.add_row("", f"[dim]and {len(rest)} more[/dim]", "", size_text(sum(one.size_bytes for one in rest)))
    return table
