"""``etdb index``: follow the ledger into the catalogue."""

from __future__ import annotations

import contextlib
import functools
import threading

import click

from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import fold_options
from etdb.cli.opening import find_workspace, open_catalogue, open_ledger
from etdb.cli.output import Output, printable
from etdb.counting import counted
from etdb.errors import EtdbError
from etdb.flo import network
from etdb.index import IndexReport, follow, watch

__all__ = ["index"]

_POLL_S = 2.0
_PATIENCE_S = 5.0
"""`etdb serve` has the catalogue for a moment only."""


@command(
    "index",
    examples="""
    etdb index                 what is new since the last time
    etdb index --follow        stay and follow the ledger until Ctrl-C""",
)
@click.option("--follow", "follow_on", is_flag=True, help="Go on with new blocks until interrupted.")
def index(context: Context, follow_on: bool) -> None:
    """Read the ledger's new blocks, join and verify records, and put them into the catalogue.

    Reorganisations are followed; what is not valid is kept aside with its reason. With --json, --follow prints a
    line of JSON whenever it has read blocks.
    """
    workspace = find_workspace(context)
    out = context.out
    with (
        workspace.lock("index", patience_s=_PATIENCE_S),
        out.progress({"sync": "reading the chain", "index": "indexing"}) as progress,
        open_ledger(workspace, progress=progress) as ledger,
        open_catalogue(workspace, writable=True) as catalogue,
    ):
        flo_network = network(workspace.flo_network_name)
        if not follow_on:
            report = follow(ledger, catalogue, network=flo_network, progress=progress, **fold_options(ledger))
            out.document(report)
            _show(out, report)
            return
        wait = functools.partial(threading.Event().wait, _POLL_S)
        options = fold_options(ledger)
        with contextlib.suppress(KeyboardInterrupt):
            for report in watch(
                ledger, catalogue, network=flo_network, wait=wait, away=functools.partial(_show_away, out), **options
            ):
                out.document_line(report)
                _show(out, report)


def _show_away(out: Output, error: EtdbError) -> None:
    out.remark(f"{printable(error.message)}; waiting for it")


def _show(out: Output, report: IndexReport) -> None:
    gone = (
        f", {report.records_removed} gone with {counted(report.blocks_removed, 'block')}"
        if report.blocks_removed
        else ""
    )
    revised = f", {report.revisions_new} revised" if report.revisions_new else ""
    out.say(
        f"{counted(report.blocks, 'block')} read up to {report.height}: "
        f"{counted(report.records_new, 'new dataset')}{gone}{revised}, "
        f"{counted(report.aside, 'message')} put aside, in {report.seconds:.1f} s"
    )
