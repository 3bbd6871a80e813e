"""``etdb download`` and ``etdb verify``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import click
import msgspec

from etdb.catalogue import All, Catalogue, DatasetView, Expression, Observation, parse_query
from etdb.cli.app import Context, command
from etdb.cli.dataset_shown import show_claims
from etdb.cli.find import filter_option
from etdb.cli.kept_ledger import has_evidence
from etdb.cli.opening import find_workspace, open_catalogue, open_ledger
from etdb.cli.output import Output, printable, size_text
from etdb.cli.sources import SourceWords, open_sources, source_options
from etdb.cli.tables import Table
from etdb.cli.verify_against import verify_against
from etdb.counting import counted
from etdb.download import (
    FILE_CLASSES,
    DatasetReport,
    DownloadPlan,
    DownloadReport,
    Evidence,
    SourcePool,
    TransactionEvidence,
    plan_download,
    targets_of,
)
from etdb.download import (
    download as run_download,
)
from etdb.errors import (
    ConfigurationError,
    EtdbError,
    FormatError,
    InputError,
    LedgerError,
    SourceError,
    StorageError,
    VerificationError,
)
from etdb.ipfs import parse_cid
from etdb.ledger import Ledger
from etdb.oip import Tomogram
from etdb.schema import is_unchangeable
from etdb.sources.received import RECEIVED_NAME, load_received
from etdb.trust import Claim, Outcome, Verification
from etdb.verify import FLO_NETWORK_OF, OF_THE_LEDGER, verify_dataset, verify_folder
from etdb.web.complexfilter import load_filter

__all__ = ["download", "verify"]

_MANY = 1000


@command(
    "download",
    examples="""
    etdb download 3fa9c1                                   a dataset, by the beginning of its id
    etdb download --query 'carboxysome' --type reconstructions --dry-run
    etdb download --where species='Caulobacter crescentus' --type none     the metadata of all of them
    etdb download --filter query.json --dry-run            what the portal's advanced search saved
    etdb download 3fa9c1 --output data --jobs 8 --gateway http://127.0.0.1:8080""",
)
@click.argument("ids", nargs=-1)
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="Of one dataset, as this revision left it.")
@click.option("--query", metavar="WORDS", help="All datasets that a search for these words finds.")
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help="All datasets that a filter finds.")
@filter_option
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([*FILE_CLASSES, "none"]),
    help="Only files of this class; none is metadata alone. May be repeated.",
)
@click.option(
    "--output",
    "-o",
    default=".",
    type=click.Path(file_okay=False),
    help="Where to put the dataset folders.",
    show_default=True,
)
@click.option("--jobs", "-j", default=4, show_default=True, type=click.IntRange(1, 64), help="Threads that fetch.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, and stop.")
@source_options
def download(
    context: Context,
    ids: tuple[str, ...],
    revision: int | None,
    query: str | None,
    where: tuple[str, ...],
    filter_file: Path | None,
    types: tuple[str, ...],
    output: str,
    jobs: int,
    dry_run: bool,
    words: SourceWords,
) -> None:
    """Fetch datasets, every block checked before it is written.

    Each dataset gets a folder of its own. Interrupted, the same command goes on; complete files are checked again,
    not fetched again.
    """
    out = context.out
    workspace = find_workspace(context)
    with open_catalogue(workspace) as catalogue:
        condition = load_filter(filter_file) if filter_file is not None else None
        views = _chosen(catalogue, ids, query, where, revision, condition=condition)
    _remark_withdrawn(out, views)
    plan = plan_download([(one.dataset_id, one.tomogram) for one in views], types)
    if dry_run:
        out.document(plan)
    _show_plan(out, plan)
    if dry_run:
        return
    with open_ledger(workspace) as ledger:
        evidence = {one.dataset_id: _evidence(ledger, one) for one in views}
    with (
        open_sources(workspace, words, tell=out.remark) as sources,
        out.progress({"fetch": "fetching"}, bytes_steps=frozenset({"fetch"})) as bar,
    ):
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar("fetch", done, plan.size_bytes)

        report = run_download(
            plan,
            sources.stores,
            output,
            jobs=jobs,
            finder=sources.finder,
            progress=advance,
            evidence=evidence,
        )
    failure = _failure(report)
    out.document({**_document(report), **(failure.to_dict() if failure else {})})
    _show_report(out, report)
    if failure:
        raise failure


def _remark_withdrawn(out: Output, views: Sequence[DatasetView]) -> None:
    for one in views:
        if one.withdrawn is not None:
            why = printable(one.withdrawn.reason) or "no reason is given"
            out.remark(f"{one.dataset_id[:12]} was withdrawn by its owner: {why}")


def _chosen(
    catalogue: Catalogue,
    ids: Sequence[str],
    query: str | None,
    where: Sequence[str],
    revision: int | None,
    *,
    condition: Expression | None,
) -> list[DatasetView]:
    is_asked = query is not None or bool(where) or condition is not None
    if not ids and not is_asked:
        raise InputError(
            "say what to download", hint="dataset ids, --query WORDS, --where FIELD=VALUE, or --filter FILE"
        )
    if condition == All(()):
        raise InputError("an empty filter is everything", hint="to take all: --where size_bytes=0..")
    if revision is not None and (len(ids) != 1 or is_asked):
        raise InputError("--revision is of one dataset, which is named by its id", hint="etdb history ID lists them")
    views = [catalogue.get(one, revision=revision) for one in ids]
    if is_asked:
        pairs = []
        for one in where:
            name, _, value = one.partition("=")
            if not value.strip(" ."):
                # It would mean everything that has the field: too much to be brought by a slip.
                raise InputError(
                    f"the filter {one!r} chooses nothing",
                    hint=f"{name}=VALUE, {name}=MIN..MAX, {name}=MIN.. or {name}=..MAX",
                    field=name,
                )
            pairs.append((name, value))
        cursor = ""
        while True:
            asked = parse_query(pairs, text=query or "", limit=_MANY, cursor=cursor)
            page = catalogue.search(msgspec.structs.replace(asked, condition=condition))
            views += page.results
            cursor = page.next_cursor
            if not cursor:
                break
        if not views:
            raise InputError("no dataset fits", hint="try the same words with: etdb search")
    return views


def _evidence(ledger: Ledger, view: DatasetView) -> Evidence:
    transactions = []
    for txid in view.txids if has_evidence(ledger) else ():
        proof = ledger.evidence(txid)
        transactions.append(
            TransactionEvidence(
                raw_transaction=proof.raw_transaction,
                header=proof.header,
                position=proof.position,
                branch=proof.branch,
                height=proof.height,
                network=proof.network,
                has_work=proof.has_work,
            )
        )
    claims = {str(one.claim): str(one.outcome) for one in view.claims.results}
    network_name = transactions[0].network if transactions else ""
    return Evidence(network=network_name, transactions=tuple(transactions), claims=claims)


def _document(report: DownloadReport) -> dict[str, object]:
    return {
        "complete": report.is_complete,
        "fetched_bytes": report.fetched_bytes,
        "kept_bytes": report.kept_bytes,
        "sources": report.sources,
        "banned": [{"source": one.name, "reason": one.reason} for one in report.banned],
        "datasets": [
            {
                "dataset_id": one.dataset_id,
                "folder": str(one.folder),
                "files": one.files,
                "has_manifest": one.has_manifest,
                "fetched_bytes": one.fetched_bytes,
                "kept_bytes": one.kept_bytes,
                "differences": one.differences,
                "failed": [{"path": bad.path, **bad.error.to_dict()} for bad in one.failed],
            }
            for one in report.datasets
        ],
    }


def _show_plan(out: Output, plan: DownloadPlan) -> None:
    table = Table("dataset", "into", "files", "size", elided="into")
    for one in plan.datasets[:20]:
        size = sum(file.size_bytes or 0 for file in one.files)
        table.add_row(one.dataset_id[:12], printable(one.folder), str(len(one.files)), size_text(size))
    out.table(table)
    if len(plan.datasets) > 20:
        out.say(f"... and {len(plan.datasets) - 20} more")
    unknown = f", {plan.files_of_unknown_size} of unknown size" if plan.files_of_unknown_size else ""
    out.say(
        f"[bold]{plan.files}[/bold] {'file' if plan.files == 1 else 'files'}, {size_text(plan.size_bytes)}{unknown}"
    )


def checked_files(report: DatasetReport) -> str:
    """How many files of a dataset are here and right; the manifest is not one of the record's."""
    files = counted(report.files - report.has_manifest, "file")
    return f"{files} and the manifest" if report.has_manifest else files


def _show_report(out: Output, report: DownloadReport) -> None:
    for one in report.datasets:
        out.say(f"{printable(one.folder)}  {checked_files(one)} checked, {size_text(one.fetched_bytes)} fetched")
        for name in one.differences:
            out.say(f"  [yellow]manifest and record differ in {printable(name)}[/yellow]")
        for bad in one.failed:
            out.say(f"  [red]{printable(bad.path)}: {printable(bad.error.message)}[/red]")
    for banned in report.banned:
        out.say(f"[red]{printable(banned.name)} gave wrong data and was left: {printable(banned.reason)}[/red]")


def _failure(report: DownloadReport) -> EtdbError | None:
    failed = [bad for one in report.datasets for bad in one.failed]
    if not failed:
        return None
    if isinstance(failed[0].error, ConfigurationError):
        return failed[0].error
    message = f"{counted(len(failed), 'file')} not complete, the first is {failed[0].path}: {failed[0].error.message}"
    if all(isinstance(bad.error, VerificationError) for bad in failed):
        return VerificationError(message, hint="try another gateway; what is right is kept")
    return SourceError(message, hint="run the same command again, or with another --gateway; what has arrived is kept")


@command(
    "verify",
    examples="""
    etdb verify data/ts-01-3fa9c1        a downloaded folder; needs no network and no workspace
    etdb verify 3fa9c1                   a dataset of the catalogue, from its sources
    etdb verify 3fa9c1 --revision 1      the same, as its first revision left it
    etdb verify 3fa9c1 --no-content      what the ledger proves of it, and nothing is fetched
    etdb verify /archive/rr2014-01-14-5 --record 8a07e957
                                         files from elsewhere: are they what the record signs?
    etdb verify files --record record.json       the same, with the record in a file; or with a CID""",
)
@click.argument("what", metavar="FOLDER|ID")
@click.option(
    "--record", metavar="ID|FILE|CID", help="Compare the files of a folder, however they came, with this record."
)
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="Of a dataset, as this revision left it.")
@click.option(
    "--no-content", is_flag=True, help="Of a dataset of the catalogue check what the ledger proves; fetch nothing."
)
@source_options
def verify(
    context: Context, what: str, record: str | None, revision: int | None, no_content: bool, words: SourceWords
) -> None:
    """Check every claim about a dataset, and say of each whether it held.

    The exit status is 4 when a claim failed, 5 when content was to be read and no source has all of it.
    """
    out = context.out
    with ExitStack() as stack:
        bar = stack.enter_context(out.progress({"check": "checking"}, bytes_steps=frozenset({"check"})))
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar("check", done, 0)

        about: dict[str, str] = {}
        is_content_wanted = False
        if record is not None:
            verification = verify_against(context, Path(what), record, advance)
        elif Path(what).is_dir():
            about, verification = _verify_folder(context, Path(what), stack, advance)
        else:
            is_content_wanted = not no_content
            asked = words if is_content_wanted else None
            about, verification = _verify_dataset(context, what, revision, asked, stack, advance)
    failure: EtdbError | None = None
    content = verification[Claim.FILE_BYTES]
    if verification.failed:
        failure = VerificationError(
            f"{counted(len(verification.failed), 'claim')} failed", hint="do not rely on these data"
        )
    elif is_content_wanted and content.outcome is Outcome.NOT_CHECKED:
        failure = SourceError(
            content.detail, hint="name another source, or leave the files alone with --no-content; the rest was checked"
        )
    out.document({**about, **msgspec.to_builtins(verification), **(failure.to_dict() if failure else {})})
    for name, value in about.items():
        out.say(f"{name.replace('_', ' '):<10}  {printable(value)}")
    show_claims(out, verification)
    if failure:
        raise failure


def _about(dataset_id: str, tomogram: Tomogram, network: str) -> dict[str, str]:
    """Whose it is, as the record says; the claims tell what of it holds."""
    return {
        "dataset_id": dataset_id,
        "publisher": tomogram.publisher,
        "location": tomogram.location,
        "network": network,
    }


def _verify_folder(
    context: Context, folder: Path, stack: ExitStack, advance: Callable[[int], None]
) -> tuple[dict[str, str], Verification]:
    """A folder speaks for itself; a workspace, where there is one, adds its own view of the chain."""
    if not (folder / RECEIVED_NAME).is_file():
        raise InputError(
            f"{folder} is not a dataset folder: it has no {RECEIVED_NAME}",
            hint="name a folder that etdb download made, a dataset's id, or the record with --record",
        )
    received = load_received(folder)
    network = received.transactions[0].network if received.transactions else received.network
    about = _about(received.dataset_id, received.tomogram, network)

    def check(block_hash_at: Callable[[int], str | None] | None) -> Verification:
        return verify_folder(
            folder, targets_of=targets_of, received=received, block_hash_at=block_hash_at, progress=advance
        )

    try:
        return about, check(_chain_here(context, network, stack))
    except (LedgerError, StorageError) as error:
        # It is asked before any file is read, so that nothing is read twice.
        context.out.remark(f"without the workspace's ledger: {printable(error.message)}")
        return about, check(None)


def _chain_here(context: Context, network: str, stack: ExitStack) -> Callable[[int], str | None] | None:
    """The workspace's chain, if there is one of this network that has headers."""
    try:
        workspace = find_workspace(context)
    except (ConfigurationError, StorageError):
        return None
    if workspace.flo_network_name != FLO_NETWORK_OF.get(network, network):
        return None
    try:
        ledger = stack.enter_context(open_ledger(workspace))
    except EtdbError as error:
        context.out.remark(f"without the workspace's ledger: {printable(error.message)}")
        return None
    return _hashes_of(ledger) if has_evidence(ledger) else None


def _verify_dataset(
    context: Context,
    named: str,
    revision: int | None,
    words: SourceWords | None,
    stack: ExitStack,
    advance: Callable[[int], None],
) -> tuple[dict[str, str], Verification]:
    """A dataset of the catalogue: its evidence from the ledger, its bytes from the sources; what is seen is noted.

    Without ``words`` for the sources its bytes are left alone.
    """
    workspace = find_workspace(context)
    can_note = not is_unchangeable(workspace.catalogue_path)
    catalogue = stack.enter_context(open_catalogue(workspace, writable=can_note))
    view = catalogue.get(named, revision=revision)
    ledger = stack.enter_context(open_ledger(workspace))
    pool = None
    if words is not None:
        sources = stack.enter_context(open_sources(workspace, words, tell=context.out.remark))
        pool = SourcePool(sources.stores, finder=sources.finder)
        with suppress(FormatError):  # a location that is none is said where it is used
            pool = pool.for_dataset(parse_cid(view.tomogram.location))
            pool.seek()
    verification = verify_dataset(
        view.dataset_id,
        view.tomogram,
        [ledger.evidence(txid) for txid in view.txids] if has_evidence(ledger) else [],
        pool,
        block_hash_at=_hashes_of(ledger),
        progress=advance,
    )
    if not has_evidence(ledger):
        # What the fold found in the texts stands; of what they cannot prove it says so.
        verification = verification.with_results(one for one in view.claims.results if one.claim in OF_THE_LEDGER)
    if not can_note:
        context.out.remark("the catalogue can only be read here, so what was seen is not noted in it")
    for result in verification.results if can_note else ():
        if result.outcome is Outcome.NOT_CHECKED:
            continue  # who did not look has nothing to say against what was seen before
        catalogue.observe(
            Observation(
                dataset_id=view.content_id,
                claim=result.claim,
                outcome=result.outcome,
                detail=result.detail,
                source="etdb verify",
                time_s=int(time.time()),
            )
        )
    about = _about(view.dataset_id, view.tomogram, workspace.flo_network_name)
    if view.revisions > 1:
        about["revision"] = f"{view.revision} of {view.revisions}"
    if view.withdrawn is not None:
        about["withdrawn"] = view.withdrawn.reason or "no reason is given"
    return about, verification


def _hashes_of(ledger: Ledger) -> Callable[[int], str | None]:
    def block_hash_at(height: int) -> str | None:
        ref = ledger.block_ref(height)
        return ref.block_hash if ref else None

    return block_hash_at
