"""``etdb sync``: what a lab's sources released, changed or withdrew, published every night."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import click
import msgspec

from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace, key_name, ledger_limits, open_files, open_ledger
from etdb.cli.output import Output, printable
from etdb.cli.publish_previews import PublishPreviews, choose_previews, previews_option
from etdb.cli.publish_validation import PlanValidation, ValidationMode
from etdb.cli.publishing import (
    LABELS,
    Asked,
    ask_consent,
    indexed_records,
    publisher_of,
    sending_limits,
    sending_options,
)
from etdb.cli.stage import open_target, push_released
from etdb.counting import counted
from etdb.describe import Draft
from etdb.errors import ConfigurationError, InputError
from etdb.flo import PrivateKey
from etdb.flo.networks import BLOCK_SPACING_S
from etdb.publish import (
    Journal,
    PublishPlan,
    Recorded,
    StillPendingError,
    plan_publish,
    verify_fee_rate,
    verify_means,
)
from etdb.sources import Source, SourceDataset
from etdb.sync import Sync, SyncPlan, SyncReport, SyncState, open_source, report_text, store_report
from etdb.sync.preparing import Check
from etdb.sync.staging import StageReport
from etdb.workspace import Workspace, lock_key

__all__ = ["sync"]

_LOOKS = {"sync": "reading the chain", "read": "reading the lab's data", "guess": "previews"}


@command(
    "sync",
    examples="""
    etdb sync --dry-run                       look at every source of etdb.toml; say what would be done
    etdb sync --yes --passphrase-file pass    the nightly job: safe to run twice, and to interrupt
    etdb sync lab --yes --passphrase-file pass     only this source
    etdb sync --yes --stage --passphrase-file pass     then push what is released to the server outside
    etdb sync --yes --allow-withdrawals ...   yes, so many were withdrawn""",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@sending_options
@click.option(
    "--allow-withdrawals", is_flag=True, help="Withdraw however many the sources no longer release; look first."
)
@click.option(
    "--stage",
    "stage_target",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[TARGET]",
    help="Then push what is released to a folder, ssh://host/folder or s3://bucket/prefix; else as in [stage].",
)
@click.option(
    "--validation",
    "mode",
    type=click.Choice(["require", "warn", "skip"]),
    default="require",
    show_default=True,
    help="Hold back datasets with errors, only tell them, or do not look.",
)
@previews_option
def sync(
    context: Context,
    asked: Asked,
    names: tuple[str, ...],
    allow_withdrawals: bool,
    stage_target: str | None,
    mode: ValidationMode,
    previews: bool | None,
) -> None:
    """Publish what is new in the lab's sources, edit what changed, withdraw what is no longer released.

    The sources stand in etdb.toml. They are only read. A dataset with something wrong is held back, with the reason,
    and the others go on. When much is gone from a source, nothing of it is withdrawn until you allow it.

    Each run leaves a report in the workspace's reports folder. The status is 3 when a dataset or a source needs
    somebody.
    """
    out = context.out
    workspace = find_workspace(context)
    chosen = _chosen(workspace, names)
    with ExitStack() as stack:
        # Held from here, not from the first write: a second run hears it at once.
        for lock in () if asked.dry_run else ("sync", "publish"):
            stack.enter_context(workspace.lock(lock))
        address = workspace.keyring.show(key_name(workspace, asked.key)).address
        if not asked.dry_run and workspace.network != "local":
            stack.enter_context(lock_key(address))
        state = stack.enter_context(closing(SyncState(workspace.sync_path, writable=not asked.dry_run)))
        sources = {name: stack.enter_context(closing(open_source(workspace, name))) for name in chosen}
        unlock = None
        if not asked.dry_run:
            # Before an hour of reading, not after it.
            unlock = asked.unlocker(workspace)
        recorded = stack.enter_context(indexed_records(context, workspace))
        # What is published already is looked at too: an edit with errors is held back like a new record.
        validation = PlanValidation(mode, lambda _sid: False)
        shows = choose_previews(previews, zarr=False, revises=True)

        def check(dataset: SourceDataset, draft: Draft) -> Sequence[str]:
            validation.verify(dataset, draft)
            shows.consider(dataset, draft)
            return ()

        job, plan, costs = _look(
            workspace,
            address,
            sources,
            state,
            out,
            recorded,
            check,
            shows,
            dry_run=asked.dry_run,
            allow_withdrawals=allow_withdrawals,
        )
        if unlock is None:
            report = job.nothing_done(plan, costs)
            out.document(report)
            _say(out, report)
            _tell_if_somebody_is_needed(report)
            return
        if costs.transactions and workspace.network != "local":
            verify_means(costs, ledger_limits(workspace))
        if costs.transactions and not asked.yes:
            if sys.stdin.isatty():
                _say(out, job.nothing_done(plan, costs))
            ask_consent(f"Do this as {address}, for good?", what="publishing", otherwise="nothing was published")
        if not plan.is_empty:
            report = _run(workspace, job, plan, costs, unlock, out, asked, recorded, shows)
        else:
            report = msgspec.structs.replace(job.nothing_done(plan, costs), is_dry=False)
    staged = _stage(workspace, stage_target, out) if stage_target is not None else None
    if staged is not None:
        report = msgspec.structs.replace(
            report,
            staged={
                "datasets": staged.datasets,
                "new": staged.new,
                "files sent": staged.files_sent,
                "left": len(staged.left),
            },
            not_staged=staged.left,
        )
    place = store_report(workspace.reports_folder, report)
    out.document(report)
    _say(out, report)
    out.remark(printable(f"report: {place}"))
    if report.unfinished and asked.wait_timeout is not None:
        raise StillPendingError(
            f"{counted(report.unfinished, 'record')} not final yet",
            hint="nothing is lost: the next run goes on with them",
        )
    _tell_if_somebody_is_needed(report)


def _say(out: Output, report: SyncReport) -> None:
    for line in report_text(report).splitlines():
        out.say(printable(line))


def _chosen(workspace: Workspace, names: Sequence[str]) -> tuple[str, ...]:
    known = tuple(workspace.settings.source)
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"there is no [source.{name}] in {workspace.config_path}", hint=f"known: {', '.join(known) or 'none'}"
            )
    if not known:
        raise ConfigurationError(
            f"there is no [source.NAME] in {workspace.config_path}", hint="docs/reference/sources.md shows each kind"
        )
    return tuple(dict.fromkeys(names)) or known


def _look(
    workspace: Workspace,
    address: str,
    sources: dict[str, Source],
    state: SyncState,
    out: Output,
    recorded: Recorded,
    check: Check,
    shows: PublishPreviews,
    *,
    dry_run: bool,
    allow_withdrawals: bool,
) -> tuple[Sync, SyncPlan, PublishPlan]:
    with ExitStack() as stack:
        progress = stack.enter_context(out.progress(_LOOKS))
        ledger = stack.enter_context(open_ledger(workspace, progress=progress))
        journal = None
        if workspace.journal_path.exists():
            journal = stack.enter_context(closing(Journal(workspace.journal_path)))
        blocks = stack.enter_context(open_files(workspace))
        job = Sync(
            workspace.settings,
            address,
            sources,
            state=state,
            journal=journal,
            recorded=recorded,
            unseen=[name for name in workspace.settings.source if name not in sources],
            check=check,
            progress=progress,
        )
        plan = job.prepare(allow_withdrawals=allow_withdrawals)
        unplannable: set[str] = set()
        if dry_run:
            unplannable.update(plan.otherwise)
        elif journal is not None:
            job.drop_begun(plan, journal)
        is_local = workspace.network == "local"
        limits = sending_limits(workspace)
        costs = plan_publish(
            shows.planned(
                [one for one in plan.submissions if one.tomogram.sid not in unplannable],
                journal,
                address,
                workspace.content_folder,
                progress=progress,
            ),
            publisher=address,
            journal=journal,
            ledger=ledger,
            limits=limits,
            final_depth=workspace.settings.limits.final_depth,
            block_spacing_s=0 if is_local else BLOCK_SPACING_S,
            revise=True,
            withdraw={sid: reason for sid, reason in plan.withdrawals.items() if sid not in unplannable},
            recorded=recorded,
            is_unchanged=blocks.is_unchanged,
        )
        if costs.transactions:
            verify_fee_rate(ledger, limits)
        return job, plan, costs


def _run(
    workspace: Workspace,
    job: Sync,
    plan: SyncPlan,
    costs: PublishPlan,
    unlock: Callable[[], PrivateKey],
    out: Output,
    asked: Asked,
    recorded: Recorded,
    shows: PublishPreviews,
) -> SyncReport:
    with (
        open_ledger(workspace, writable=True) as ledger,
        open_files(workspace) as blocks,
        closing(Journal(workspace.journal_path)) as journal,
        out.progress(LABELS, bytes_steps=frozenset({"add"})) as progress,
    ):
        publisher = publisher_of(
            workspace,
            out,
            asked,
            costs,
            journal=journal,
            blocks=blocks,
            ledger=ledger,
            key=unlock(),
            progress=progress,
            recorded=recorded,
        )
        make = functools.partial(
            shows.make,
            workspace,
            journal=journal,
            address=costs.publisher,
            blocks=blocks,
            sha256=True,
            progress=progress,
            note=lambda text: out.remark(printable(text)),
        )
        return job.run(plan, publisher, complete=make)


def _stage(workspace: Workspace, target: str | None, out: Output) -> StageReport:
    with workspace.lock("stage"), open_target(workspace, target or None) as opened:
        return push_released(workspace, opened, out)


def _tell_if_somebody_is_needed(report: SyncReport) -> None:
    away = [source for source in report.sources if source.error]
    told: list[str] = [f"source {source.name}: {source.error}" for source in away]
    told += [
        f"source {source.name}: nothing was withdrawn: {source.doubt}" for source in report.sources if source.doubt
    ]
    held = sum(len(source.held_back) for source in report.sources)
    refused = sum(len(source.refused) for source in report.sources)
    counts = ((held, "held back"), (refused, "not understood"), (len(report.not_staged), "not staged"))
    told += [f"{count} of the datasets: {what}" for count, what in counts if count]
    if told:
        raise InputError("\n".join(told), hint="everything else is done; the report says more")
