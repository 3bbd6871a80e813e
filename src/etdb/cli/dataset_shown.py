"""What ``etdb show`` says of a dataset: the same words, in the same order, as the page of the web site."""

from __future__ import annotations

import itertools

from etdb.catalogue import DatasetView
from etdb.cli.output import Output, printable, size_text
from etdb.cli.tables import Table
from etdb.counting import counted
from etdb.trust import Claim, Outcome, Verification

__all__ = ["show_claims", "show_dataset"]

_MARKS = {
    Outcome.HELD: "[green]held[/green]",
    Outcome.FAILED: "[bold red]FAILED[/bold red]",
    Outcome.NOT_CHECKED: "[dim]not checked[/dim]",
    Outcome.NOT_POSSIBLE: "[yellow]not possible[/yellow]",
}


def show_dataset(out: Output, view: DatasetView) -> None:
    """Title, ids, description, fields in groups, files, claims."""
    from etdb.web.shown import instant

    tomogram = view.tomogram
    out.say(f"[bold]{printable(tomogram.title)}[/bold]")
    if view.withdrawn is not None:
        when = instant(view.withdrawn.time_s)
        out.say(
            f"[bold red]WITHDRAWN[/bold red] on {when} by {printable(view.withdrawn.signed_by)}: "
            f"{printable(view.withdrawn.reason) or 'no reason is given'}"
        )
    if view.revisions > 1:
        newer = "" if view.revision == view.revisions else "; there is a newer one"
        out.say(
            f"revision {view.revision} of {view.revisions}{newer}  "
            f"[dim]what changed: etdb history {view.dataset_id[:12]}[/dim]"
        )
    out.table(_head(view))
    out.table(_fields(view))
    out.say()
    out.table(_files(view))
    out.say(f" {counted(len(tomogram.files), 'file')}, {size_text(tomogram.size_bytes)}")
    out.say()
    show_claims(out, view.claims)
    for duplicate in view.duplicates:
        out.say(f"[yellow]{duplicate.why}[/yellow] as {duplicate.dataset_id[:12]}")


def _head(view: DatasetView) -> Table:
    """What is copied, who and when, and what it is in sentences. A line of 80 letters holds an id or a CID."""
    from etdb.web.shown import instant

    tomogram = view.tomogram
    table = Table()
    table.add_row("Dataset", view.dataset_id)
    if view.revision > 1:
        table.add_row("Revision", view.revision_id)
    table.add_row("Location", printable(tomogram.location))
    name = f"{printable(view.publisher_name)} " if view.publisher_name else ""
    table.add_row("Publisher", name + printable(tomogram.publisher))
    if view.owner != tomogram.publisher:
        table.add_row("Owner now", printable(view.owner))
    table.add_row("Record's time", instant(tomogram.timestamp_s))
    table.add_row("Block", f"{view.height}, {instant(view.time_s)}, {counted(view.confirmations, 'confirmation')}")
    if tomogram.nsfw:
        table.add_row("Marked", "unsuitable")
    for title, text in (("Description", tomogram.description), ("Notes", tomogram.notes)):
        for number, line in enumerate(text.splitlines()):
            table.add_row("" if number else title, printable(line))
    return table


def _fields(view: DatasetView) -> Table:
    from etdb.web.metadata import described

    tomogram = view.tomogram
    table = Table()
    for group in described(tomogram):
        table.add_row("")
        table.add_row(f"[bold]{group.title}[/bold]")
        for label, values in itertools.groupby(group.values, key=lambda one: one.label):
            table.add_row(printable(label), printable(", ".join(one.text for one in values)))
    if tomogram.unknown:
        table.add_row("")
        table.add_row("[bold]Not known to this etdb[/bold]")
        for name, value in tomogram.unknown.items():
            table.add_row(printable(name), printable(value))
    return table


def _files(view: DatasetView) -> Table:
    files = Table("file", "role", "type", "size", elided="file")
    for entry in view.tomogram.files:
        files.add_row(
            printable(entry.path),
            printable(entry.role.replace("_", " ")),
            printable(entry.media_type),
            size_text(entry.size_bytes) if entry.size_bytes is not None else "?",
        )
    return files


def show_claims(out: Output, verification: Verification) -> None:
    """Print each claim with its outcome and what it means."""
    table = Table()
    for result in verification.results:
        meaning = Claim(result.claim).meaning
        detail = f" ({printable(result.detail)})" if result.detail else ""
        table.add_row(_MARKS[Outcome(result.outcome)], meaning + detail)
    out.table(table)
