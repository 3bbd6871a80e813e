"""What ``etdb describe`` shows of a dataset."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from etdb.cli.output import Output, printable, size_text
from etdb.describe import Draft, Evidence, Witness, look_text
from etdb.sources import DATASET_TOML, SourceDataset, SourceFile

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_draft"]

_FILES_OF_A_ROLE = 5
_HIDDEN = ("nsfw", "year")
_MISSING = ("species", "microscope", "pixel_spacing_angstrom", "voltage_kv")


def show_draft(
    out: Output, dataset: SourceDataset, draft: Draft, *, all_statements: bool, place: tuple[int, int] = (1, 1)
) -> None:
    """The fields with their origins, what disagrees beside them, the files by role, and remarks."""
    done, total = place
    if done > 1:
        out.say()
    count = f"{len(dataset.files)} files" if len(dataset.files) != 1 else "1 file"
    number = f"  [dim]{done} of {total}[/dim]" if total > 1 else ""
    out.say(f"[bold cyan]{printable(dataset.name)}[/bold cyan]  {count}, {size_text(dataset.size_bytes)}{number}")
    out.say()
    out.drawing(_fields(draft, all_statements=all_statements, value_letters=out.console.width * 2 // 5))
    out.say()
    out.drawing(_files(dataset.files, every=all_statements))
    if draft.notes:
        out.say()
    for note in draft.notes:
        out.say(f"[yellow]![/yellow] {printable(note)}")


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
        for one in _beside(evidence, all_statements=all_statements):
            table.add_row("", _stated(one, evidence), _origin(one))
    return table


def _beside(evidence: Evidence, *, all_statements: bool) -> Iterable[Witness]:
    """The statements under the one that is taken."""
    others = [one for one in evidence.witnesses if not _is_same(one, evidence.chosen)]
    return (
        others if all_statements else [one for one in others if one.agrees is not True and one.authority != "settings"]
    )


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
    for role, group in groupby(sorted(files, key=lambda one: one.role), key=lambda one: one.role):
        members = list(group)
        shown = members if every or len(members) <= _FILES_OF_A_ROLE + 1 else members[:_FILES_OF_A_ROLE]
        for number, file in enumerate(shown):
            look = printable(look_text(file)) or (f"[yellow]{printable(file.unread)}[/yellow]" if file.unread else "")
            name = role.replace("_", " ") if number == 0 else ""
            table.add_row(name, printable(file.path), look, size_text(file.size_bytes))
        if rest := members[len(shown) :]:
            table.add_row("", f"[dim]and {len(rest)} more[/dim]", "", size_text(sum(one.size_bytes for one in rest)))
    return table
