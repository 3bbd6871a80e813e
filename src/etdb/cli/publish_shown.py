"""What ``etdb publish`` shows: the plan before, and what became of it."""

from __future__ import annotations

from decimal import Decimal

from etdb.cli.output import Output, printable, size_text
from etdb.cli.tables import Table
from etdb.counting import counted
from etdb.publish import PlannedDataset, PublishPlan, PublishReport

__all__ = ["show_plan", "show_report"]

_SAT_PER_FLO = 100_000_000
_SHOWN = 20
_FIELDS = 6


def show_plan(out: Output, plan: PublishPlan, price: Decimal | None) -> None:
    """What will be published, what it costs, and how long a chain of others will take; ``price`` is of one FLO."""
    table = Table("dataset", "title", "files", "size", "transactions", "", elided="title")
    for dataset in plan.datasets[:_SHOWN]:
        table.add_row(
            printable(dataset.sid),
            printable(dataset.title),
            str(dataset.files),
            size_text(dataset.size_bytes),
            str(dataset.transactions),
            _status(dataset),
        )
    out.table(table)
    if len(plan.datasets) > _SHOWN:
        out.say(f"... and {len(plan.datasets) - _SHOWN} more")
    flo = Decimal(plan.fee_sat) / _SAT_PER_FLO
    money = f", {flo * price:.4f} in money" if price is not None else ""
    out.say(
        f"[bold]{plan.to_publish}[/bold] to publish, {size_text(plan.size_bytes)}; "
        f"{counted(plan.transactions, 'transaction')} on the {plan.ledger} ledger, fees {flo.normalize():f} FLO{money}"
    )
    pending = sum(dataset.status == "pending" for dataset in plan.datasets)
    if pending:
        out.say(f"{pending} more {'is sent and waits' if pending == 1 else 'are sent and wait'} for blocks")
    if plan.block_spacing_s and plan.blocks:
        out.say(
            f"all confirmed after about {counted(plan.blocks, 'block')}, {_duration(plan.seconds_until_confirmed)}; "
            f"all final after {plan.blocks + plan.final_depth - 1}, {_duration(plan.seconds_until_final)} "
            f"(a block every {plan.block_spacing_s:.0f} s on average, often later, and when nobody else fills them)"
        )


def _status(dataset: PlannedDataset) -> str:
    """What the run does with it; how far it is where that says all."""
    if dataset.what in ("new", "unchanged"):
        return dataset.status
    fields = ", ".join(dataset.fields[:_FIELDS]) + (", ..." if len(dataset.fields) > _FIELDS else "")
    about = f" ({printable(fields)})" if fields else f" ({printable(dataset.reason)})" if dataset.reason else ""
    unfinished = f", {dataset.status}" if dataset.status == "unfinished" else ""
    return f"{dataset.what}{about}{unfinished}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_report(out: Output, report: PublishReport) -> None:
    """What became of each dataset, and what still waits."""
    for dataset in report.datasets[:_SHOWN]:
        what = dataset.what + (f" (revision {dataset.revision})" if dataset.revision > 1 else "")
        out.say(f"[bold]{printable(dataset.sid)}[/bold]  {what}, {dataset.state}")
        if dataset.dataset_id:
            out.say(f"  id        {dataset.dataset_id}")
        if dataset.root_cid:
            out.say(f"  location  {dataset.root_cid}")
    if len(report.datasets) > _SHOWN:
        out.say(f"... and {len(report.datasets) - _SHOWN} more")
    if report.orphaned:
        out.say(
            f"[yellow]{counted(len(report.orphaned), 'orphaned part')}[/yellow] on the ledger, of no record: "
            "that does no harm"
        )
    out.say(f"{counted(report.transactions_sent, 'transaction')} sent in {report.seconds:.1f} s.")
    if report.unfinished and report.ledger != "local":
        unsent = f"{report.unsent_transactions} to be sent, " if report.unsent_transactions else ""
        out.say(
            f"{report.unfinished} of {counted(len(report.datasets), 'record')} not final yet: {unsent}"
            f"{counted(report.waiting_transactions, 'transaction')} to come into a block. "
            "Run the same command again to go on, or look with: etdb status"
        )
    else:
        out.say("Next: etdb index")
