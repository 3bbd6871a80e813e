"""``etdb publish``: from folders to records, with a plan and a question first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from decimal import Decimal, InvalidOperation
from typing import Any

import click
import msgspec

from etdb.blocks import FilesInPlace
from etdb.cli.app import Context, command
from etdb.cli.opening import (
    find_workspace,
    key_name,
    open_catalogue,
    open_files,
    open_ledger,
)
from etdb.cli.output import Output, printable
from etdb.cli.publish_previews import PublishPreviews, choose_previews, previews_option
from etdb.cli.publish_shown import show_plan, show_report
from etdb.cli.publish_validation import PlanValidation, ValidationMode, sent_already
from etdb.cli.publishing import LABELS, Asked, ask_consent, publisher_of, sending_limits, sending_options
from etdb.counting import counted
from etdb.describe import describe
from etdb.errors import EtdbError, InputError
from etdb.flo import PrivateKey
from etdb.flo.networks import BLOCK_SPACING_S
from etdb.publish import (
    Journal,
    Progress,
    PublishPlan,
    StillPendingError,
    Submission,
    plan_publish,
    plan_resume,
    verify_fee_rate,
    verify_means,
    verify_submission,
)
from etdb.schema import OldVersionError
from etdb.sources import FolderSource
from etdb.workspace import Workspace, lock_key

__all__ = ["publish"]

_NAMED = 3
_MOST_FAULTS = 50
_ASKED = 100  # sids that are looked up at once


class _Price(click.ParamType[Decimal]):
    """An amount of money, at least nothing."""

    name = "money"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read it exactly, as a decimal number."""
        try:
            price = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not price.is_finite() or price < 0:
            self.fail(f"{value!r} is not an amount of money", param, ctx)
        return price


@command(
    "publish",
    examples="""
    etdb publish /data/2026-11-20             every dataset folder below it: plan, ask, publish
    etdb publish ts_01 ts_02 --dry-run        only the plan; writes nothing
    etdb publish ts_01 --price 0.02           also say what the fees are in money (a FLO costs 0.02)
    etdb publish /data --yes --passphrase-file pass     unattended; run it again after any crash
    etdb publish ts_01 --zarr --dry-run       what a multiscale copy for viewers would take
    etdb publish /data --yes --skip-bad       leave out what is not ready yet: every night
    etdb publish /data --validation warn      publish what has errors too; see: etdb validate
    etdb publish /data --yes --no-wait        send what can be sent now; do not wait for blocks
    etdb publish /data --yes --wait-timeout 1800        give up waiting after half an hour
    etdb publish --resume                     go on with what is signed, also when /data is away""",
)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="PATH...")
@sending_options
@click.option(
    "--skip-bad", is_flag=True, help="Leave out datasets that are not ready, publish the others, and end with status 3."
)
@click.option(
    "--validation",
    "mode",
    type=click.Choice(["require", "warn", "skip"]),
    default="require",
    show_default=True,
    help="Refuse datasets with errors, only tell them, or do not look.",
)
@click.option(
    "--resume", is_flag=True, help="No PATH: go on with all that is signed already, without looking at its files."
)
@previews_option
@click.option("--zarr", is_flag=True, help="Also add a multiscale copy of the reconstruction for viewers (OME-Zarr).")
@click.option("--title", help="The title, for a single file without a dataset.toml.")
@click.option("--price", type=_Price(), metavar="MONEY", help="What one FLO costs, to show fees in money too.")
@click.option("--no-sha256", is_flag=True, help="Leave out the SHA-256 of whole files (CIDs are always made).")
def publish(
    context: Context,
    asked: Asked,
    paths: tuple[str, ...],
    skip_bad: bool,
    mode: ValidationMode,
    resume: bool,
    previews: bool | None,
    zarr: bool,
    title: str | None,
    price: Decimal | None,
    no_sha256: bool,
) -> None:
    """Publish datasets: hash the files where they are, write and sign the records, send them to the ledger.

    Nothing is copied and nothing is written into your folders. A dataset is a folder with files, and an optional
    dataset.toml for what the files cannot tell. Pictures and movies to look at are made, become part of the dataset and
    lie in the workspace. What is not sent yet is validated (see: etdb validate): errors are refused, warnings told.
    When one of several is not ready, nothing is published, and what is wrong with each is listed. What is published
    already is left as it is; a run that was cut off goes on.

    Blocks come at their own pace. The command waits until every record is final; meanwhile it sends again what the
    network forgets. It can be interrupted at any time, and the same command goes on.
    """
    out = context.out
    if not paths and not resume:
        raise click.UsageError("Missing argument 'PATH...': the folders of the datasets, or --resume.")
    if paths and resume:
        raise InputError("--resume goes on with everything that is signed: leave out --resume, or the paths")
    shows = choose_previews(previews, zarr=zarr)
    workspace = find_workspace(context)
    # Held from here, not from the first write: a second one hears it at once, not after its plan and its passphrase.
    with ExitStack() as locks:
        if not asked.dry_run:
            locks.enter_context(workspace.lock("publish"))
        address = workspace.keyring.show(key_name(workspace, asked.key)).address
        validation = PlanValidation(mode, sent_already(workspace, address, locks))
        submissions, faults = _submissions(workspace, paths, title, address, out, validation, shows)
        validation.show(out)
        left_out = _not_ready(faults, len(submissions)) if faults else None
        said = {**left_out.to_dict(), "left_out": [name for name, _ in faults]} if left_out else {}
        said |= validation.to_dict() if paths else {}
        if left_out is not None and (not skip_bad or not submissions):
            raise left_out
        limits, is_local = sending_limits(workspace), workspace.network == "local"
        if not asked.dry_run and not is_local:
            locks.enter_context(lock_key(address))
        with (
            out.progress({"sync": "reading the chain", "guess": "previews"}) as progress,
            open_ledger(workspace, progress=progress) as ledger,
        ):
            journal = Journal(workspace.journal_path) if workspace.journal_path.exists() else None
            planned = shows.planned(submissions, journal, address, workspace.content_folder, progress=progress)
            make_plan = plan_resume if resume else functools.partial(plan_publish, planned)
            plan = make_plan(
                publisher=address,
                journal=journal,
                ledger=ledger,
                limits=limits,
                final_depth=workspace.settings.limits.final_depth,
                block_spacing_s=0 if is_local else BLOCK_SPACING_S,
            )
            if journal is not None:
                journal.close()
            if plan.transactions:
                verify_fee_rate(ledger, limits)
        _refuse_published_elsewhere(workspace, plan)
        if asked.dry_run:
            out.document({**msgspec.to_builtins(plan), "previews": shows.document(), **said})
        show_plan(out, plan, price)
        shows.show(out)
        if asked.dry_run and left_out is not None:
            raise left_out
        if asked.dry_run:
            return
        if not is_local:
            verify_means(plan, limits)
        if plan.to_publish and not asked.yes:
            ask_consent(
                f"Publish {counted(plan.to_publish, 'dataset')} as {plan.publisher}, for good?",
                what="publishing",
                otherwise="nothing was published",
            )
        unlock = asked.unlocker(workspace)
        with open_ledger(workspace, writable=True) as ledger, open_files(workspace) as blocks:
            journal = Journal(workspace.journal_path)
            try:
                with out.progress(LABELS, bytes_steps=frozenset({"add"})) as progress:
                    key = _unlock_while_reading(unlock, blocks, submissions, sha256=not no_sha256, progress=progress)
                    submissions = shows.make(
                        workspace,
                        submissions,
                        journal=journal,
                        address=address,
                        blocks=blocks,
                        sha256=not no_sha256,
                        progress=progress,
                        note=lambda text: out.remark(printable(text)),
                    )
                    publisher = publisher_of(
                        workspace,
                        out,
                        asked,
                        plan,
                        journal=journal,
                        blocks=blocks,
                        ledger=ledger,
                        key=key,
                        progress=progress,
                        sha256=not no_sha256,
                    )
                    report = publisher.resume() if resume else publisher.run(submissions)
            finally:
                journal.close()
    out.document({**msgspec.to_builtins(report), **said})
    show_report(out, report)
    if not report.in_time:
        raise StillPendingError(
            f"{report.unfinished} of {counted(len(report.datasets), 'record')} not final after {report.seconds:.0f} s",
            hint="nothing is lost: run the same command again to go on, or look with: etdb status",
        )
    if left_out is not None:
        raise left_out


def _refuse_published_elsewhere(workspace: Workspace, plan: PublishPlan) -> None:
    """Records of this key that are on the ledger, as far as it is indexed, and that the journal does not know.

    Another machine published them, or the journal was lost: they must not be there twice.
    """
    new = [dataset.sid for dataset in plan.datasets if dataset.status == "new"]
    if not new or not workspace.catalogue_path.exists():
        return
    from etdb.catalogue import Query

    with suppress(OldVersionError), open_catalogue(workspace) as catalogue:  # of an older etdb: nothing is indexed yet
        for start in range(0, len(new), _ASKED):
            terms = {"publisher": (plan.publisher,), "sid": tuple(new[start : start + _ASKED])}
            found = catalogue.search(Query(terms=terms, limit=1)).results
            found += catalogue.search(Query(terms=terms, limit=1, withdrawn=True)).results
            if found:
                sid, dataset_id = found[0].tomogram.sid, found[0].dataset_id
                raise InputError(
                    f"{sid} is on the ledger already, published with this key as dataset {dataset_id},"
                    " and this workspace's journal does not know it",
                    hint="correct it with: etdb edit; leave it out, or give new data a sid of its own",
                    sid=sid,
                    dataset_id=dataset_id,
                )


def _unlock_while_reading(
    unlock: Callable[[], PrivateKey],
    blocks: FilesInPlace,
    submissions: Sequence[Submission],
    *,
    sha256: bool,
    progress: Progress,
) -> PrivateKey:
    """Open the key on one core while files are hashed on the others; what is hashed then is not read again."""
    total = sum(submission.size_bytes for submission in submissions)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("add", done, total)
        if unlocking.done():
            unlocking.result()  # a wrong passphrase ends it here, not behind the last file

    with ThreadPoolExecutor(1) as pool:
        unlocking = pool.submit(unlock)
        for submission in submissions:
            if unlocking.done():
                break
            blocks.add_files(list(submission.paths.values()), sha256=sha256, progress=advance)
        return unlocking.result()


def _not_ready(faults: Sequence[tuple[str, EtdbError]], ready: int) -> EtdbError:
    """What is wrong with each dataset that cannot be published."""
    if len(faults) == 1 and not ready:
        return faults[0][1]
    told = [
        f"  {printable(name)}: {error.message}{f' ({error.hint})' if error.hint else ''}"
        for name, error in faults[:_MOST_FAULTS]
    ]
    if len(faults) > _MOST_FAULTS:
        told.append(f"  and {len(faults) - _MOST_FAULTS} more")
    return InputError(
        "\n".join([f"{len(faults)} of {counted(len(faults) + ready, 'dataset')} not ready:", *told]),
        hint="mend them; --skip-bad publishes the others" if ready else "mend them",
    )


def _submissions(
    workspace: Workspace,
    paths: tuple[str, ...],
    title: str | None,
    address: str,
    out: Output,
    validation: PlanValidation,
    previews: PublishPreviews,
) -> tuple[list[Submission], list[tuple[str, EtdbError]]]:
    """The datasets that can be published, and of the others what is wrong."""
    if title is not None and len(paths) != 1:
        raise InputError("--title is for one path; several datasets cannot have the same title")
    submissions = []
    faults: list[tuple[str, EtdbError]] = []
    defaulted: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        source = FolderSource(path)
        for root in source.roots():
            try:
                dataset = source.read(root)
                draft = describe(dataset, workspace.settings, title=title)
                validation.verify(dataset, draft)
                paths_of = {file.path: file.absolute for file in dataset.files}
                submission = Submission(
                    tomogram=draft.tomogram,
                    paths=paths_of,
                    source=str(dataset.root),
                    derived=draft.derived,
                    respelt=draft.respelt,
                )
                verify_submission(submission, address)
            except InputError as error:
                faults.append((root.name, error))
                continue
            if draft.defaulted:
                defaulted.setdefault(draft.defaulted, []).append(dataset.name)
            submissions.append(submission)
            previews.consider(dataset, draft)
    for fields, names in defaulted.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        shown = printable(", ".join(names[:_NAMED])) + more
        out.remark(f"{shown}: by default {printable(', '.join(fields))}")
    return submissions, faults
