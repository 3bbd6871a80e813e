"""``etdb history``: what became of a dataset, revision by revision."""

from __future__ import annotations

import datetime as dt

import click

from etdb.catalogue import Revision
from etdb.cli.app import Context, command
from etdb.cli.correct import show_changes
from etdb.cli.opening import find_workspace, open_catalogue
from etdb.cli.output import Output, printable

__all__ = ["history"]

_SAID = {
    "publish": "published",
    "edit": "edited",
    "transfer": "given away",
    "deactivate": "withdrawn",
}


@command(
    "history",
    examples="""
    etdb history 3fa9c1                every revision: what differs, who did it, when and why
    etdb show 3fa9c1 --revision 1      the dataset as its first revision left it
    etdb download 3fa9c1 --revision 1  likewise its files; a revision's own id will do as well""",
)
@click.argument("dataset_id", metavar="ID")
def history(context: Context, dataset_id: str) -> None:
    """Every revision of a dataset, the first one first."""
    with open_catalogue(find_workspace(context)) as catalogue:
        revisions = catalogue.history(dataset_id)
        names = {one.signed_by: catalogue.publisher_name(one.signed_by) for one in revisions}
    context.out.document(revisions)
    for one in revisions:
        _show(context.out, one, len(revisions), names[one.signed_by])


def _show(out: Output, one: Revision, count: int, name: str) -> None:
    when = dt.datetime.fromtimestamp(one.time_s, dt.UTC).strftime("%Y-%m-%d %H:%M")
    who = f"{printable(name)} ({one.signed_by})" if name else printable(one.signed_by)
    out.say(f"[bold]revision {one.number} of {count}[/bold]  {_SAID.get(one.kind, one.kind)} {when} UTC by {who}")
    out.say(f"  {one.revision_id}  block {one.height}")
    if one.reason:
        out.say(f"  reason: {printable(one.reason)}")
    if one.kind == "transfer":
        out.say(f"  now owned by {printable(one.owner)}")
    if one.changes:
        show_changes(out, one.changes)
    out.say()
