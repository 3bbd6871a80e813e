"""``etdb ledger``: export, import, check; and ``etdb import-legacy``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import (
    exported_path,
    fold_options,
    imported_path,
    memory_path,
    refuse_other_ledgers,
    refuse_other_network,
    refuse_texts_beside_proofs,
)
from etdb.cli.opening import find_workspace, open_catalogue, open_ledger
from etdb.cli.output import Output, printable, size_text
from etdb.counting import counted
from etdb.durable import write_durably
from etdb.errors import FormatError, InputError, VerificationError
from etdb.flo import network
from etdb.index import follow
from etdb.ledger.archive import LedgerFile
from etdb.ledger.archive_writing import LedgerWithHeaders, export_ledger
from etdb.ledger.legacy import read_legacy_lines
from etdb.ledger.legacy_store import LegacyImport, LegacyLedger

__all__ = ["import_legacy", "ledger"]

_SHOWN_LINES = 20
_BYTES = frozenset({"check", "read"})


@click.group("ledger")
def ledger() -> None:
    """The ledger as a file that anyone can check and index from, without a node."""


@command(
    "export",
    examples="""
    etdb ledger export flo.etdb-ledger                    what the protocol's records need of the chain
    etdb ledger export flo.etdb-ledger                    again: brings the file up to the newest block
    etdb ledger export all.etdb-ledger --messages all     every message, whatever it says""",
)
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--messages",
    type=click.Choice(["oip", "all"]),
    default="oip",
    show_default=True,
    help="Those that the Open Index Protocol's family may read, or all.",
)
@click.option("--from-height", type=click.IntRange(0), help="The first block; else the ledger's own first.")
def export(context: Context, file: str, messages: str, from_height: int | None) -> None:
    """Write headers, messages and inclusion proofs of the workspace's ledger into one file.

    A file that is there is brought up to the newest block. The same chain gives the same bytes, whoever writes them,
    so mirrors can compare the SHA-256.
    """
    workspace = find_workspace(context)
    with (
        open_ledger(workspace) as source,
        context.out.progress({"export": "exporting"}) as progress,
    ):
        if not isinstance(source, LedgerWithHeaders):
            raise InputError(
                "this workspace's ledger has no headers, so nothing could be checked in a file of it",
                hint="export from a workspace with a node, a chain or a ledger file",
            )
        report = export_ledger(
            source,
            Path(file),
            network_name=workspace.flo_network_name,
            messages=messages,
            start=from_height,
            progress=progress,
        )
    context.out.document(report)
    context.out.say(
        f"{printable(file)}: {counted(report.messages, 'message')} of blocks {report.start} to {report.height}, "
        f"{counted(report.new_blocks, 'new block')}, {size_text(report.size_bytes)}"
    )
    context.out.say(f"newest block  {report.tip_hash}\nSHA-256       {report.sha256}")


def _check_options(function: Any) -> Any:
    function = click.option(
        "--work", is_flag=True, help="Also check the proof of work of headers above the last checkpoint (slow)."
    )(function)
    return click.option("--tip", metavar="HASH", help="Refuse a file whose newest block is another.")(function)


@command("check", examples="etdb ledger check flo.etdb-ledger --work")
@click.argument("file", type=click.Path(dir_okay=False))
@_check_options
def check(context: Context, file: str, tip: str | None, work: bool) -> None:
    """Check a ledger file, and say what it proves and what it cannot. Needs no workspace."""
    with _opened(context, file, tip, work) as kept:
        _show_checked(context.out, kept)


@command("import", examples="etdb ledger import flo.etdb-ledger")
@click.argument("file", type=click.Path(dir_okay=False))
@_check_options
def import_file(context: Context, file: str, tip: str | None, work: bool) -> None:
    """Check a ledger file and make it the workspace's ledger; a newer one takes the place of an older."""
    workspace = find_workspace(context)
    refuse_other_ledgers(workspace)
    target = imported_path(workspace)
    with workspace.lock("index"), _opened(context, file, tip, work) as kept:
        refuse_other_network(workspace, kept)
        is_new = True
        if target.exists():
            try:
                with closing(LedgerFile(target, memory=memory_path(workspace))) as before:
                    is_new = before.checked.sha256 != kept.checked.sha256
                    _refuse_older(before, kept)
            except (FormatError, VerificationError):
                context.out.remark("the ledger file that was here is damaged; this one takes its place")
        if is_new:
            write_durably(target, kept.copy(kept.checked.size_bytes))
        if is_new or work:
            kept.remember(target, memory_path(workspace))
        _show_checked(context.out, kept)
    context.out.remark("Next: etdb index" if is_new else "This file was here already.")


def _refuse_older(before: LedgerFile, kept: LedgerFile) -> None:
    if kept.checked.height < before.checked.height:
        raise InputError(
            f"{kept.path} ends at block {kept.checked.height}, the ledger file here at {before.checked.height}",
            hint=f"to go back, remove {before.path} first",
        )


def _opened(context: Context, file: str, tip: str | None, work: bool) -> closing[LedgerFile]:
    with context.out.progress({"check": "checking"}, bytes_steps=_BYTES) as progress:
        kept = LedgerFile(Path(file), check_work=work, progress=progress)
    if tip is not None and tip.strip().lower() != kept.checked.tip_hash:
        kept.close()
        raise VerificationError(
            f"the newest block of {file} is {kept.checked.tip_hash}, not {tip}",
            hint="get the file from somebody else, or the hash",
        )
    return closing(kept)


def _show_checked(out: Output, kept: LedgerFile) -> None:
    checked = kept.checked
    held, open_claims = _claims(kept)
    out.document(
        {
            "file": str(kept.path),
            "network": checked.preamble.network,
            "start": checked.preamble.start,
            "height": checked.height,
            "tip_hash": checked.tip_hash,
            "messages": checked.messages,
            "selection": checked.preamble.messages,
            "checkpoints": checked.checkpoints,
            "work_checked": checked.work_checked,
            "size_bytes": checked.size_bytes,
            "sha256": checked.sha256.hex(),
            "held": held,
            "not_checked": open_claims,
        }
    )
    out.say(
        f"{printable(kept.path)}: {counted(checked.messages, 'message')} of blocks {checked.preamble.start} to "
        f"{checked.height} of {checked.preamble.network}, {size_text(checked.size_bytes)}"
    )
    out.say(f"SHA-256  {checked.sha256.hex()}")
    for line in held:
        out.say(f"[green]held[/green]         {line}")
    for line in open_claims:
        out.say(f"[yellow]not checked[/yellow]  {line}")


def _claims(kept: LedgerFile) -> tuple[list[str], list[str]]:
    """What the file proves, and what it cannot or was not asked to."""
    checked = kept.checked
    blocks = checked.height - checked.preamble.start + 1
    held = [
        f"the {blocks} headers follow one another by the network's rules, up to {checked.tip_hash}",
        f"the blocks commit to the messages, {checked.messages} of them",
    ]
    if checked.preamble.start == 0:
        held.append("the chain begins with the network's first block")
    if checked.checkpoints:
        held.append(f"it goes through {counted(checked.checkpoints, 'known block')}")
    if checked.work_checked:
        held.append(f"the proof of work of {counted(checked.work_checked, 'header')}, all above the last known block")
    rest = [
        "that no message was left out: compare files of several exporters, by the hash of the newest block and SHA-256",
        "that the newest blocks are of the chain that most work stands behind: compare their hash with a node's",
    ]
    if checked.preamble.network == "regtest":
        rest.append("any work: blocks of a local chain cost nothing, so whoever gave you the file may have made them")
    elif checked.work_height < checked.height:
        rest.append(f"the work of the headers above block {checked.work_height}: --work")
    return held, rest


ledger.add_command(export)
ledger.add_command(import_file)
ledger.add_command(check)


@command(
    "import-legacy",
    examples="""
    etdb init old --network main && etdb -w old import-legacy flodata.jsonl
    etdb -w old search caulobacter""",
)
@click.argument("file", type=click.Path(dir_okay=False))
def import_legacy(context: Context, file: str) -> None:
    """Take exported texts of the chain, one JSON object a line: txid, block, time, floData.

    For who has neither a node nor a ledger file. What the texts themselves prove is checked; that the chain holds them
    is the exporter's word, and each record says so. Taking the same lines again changes nothing. Lines that cannot be
    taken are named, and the exit status is 4.
    """
    workspace = find_workspace(context)
    refuse_other_ledgers(workspace)
    refuse_texts_beside_proofs(workspace)
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{file} is not a file", path=file)
    size = path.stat().st_size
    flo = network(workspace.flo_network_name)
    with (
        workspace.lock("index"),
        context.out.progress({"read": "reading", "index": "indexing"}, bytes_steps=_BYTES) as progress,
        closing(LegacyLedger(exported_path(workspace), workspace.network, writable=True)) as texts,
        open_catalogue(workspace, writable=True) as catalogue,
    ):

        def lines() -> Any:
            for read, line in read_legacy_lines(path):
                progress("read", read, size)
                yield line

        taken = texts.add(lines())
        report = follow(texts, catalogue, network=flo, progress=progress, **fold_options(texts))
    failure = None
    if taken.bad:
        failure = VerificationError(
            f"{len(taken.bad)} of {counted(taken.lines, 'line')} not taken, the first is line {taken.bad[0].line}: "
            f"{taken.bad[0].reason}",
            hint="the others are kept",
        )
    context.out.document({"import": taken, "index": report, **(failure.to_dict() if failure else {})})
    _show_taken(context.out, taken)
    context.out.say(f"{counted(report.records_new, 'new dataset')}, {counted(report.aside, 'message')} put aside")
    if failure:
        raise failure


def _show_taken(out: Output, taken: LegacyImport) -> None:
    out.say(f"{counted(taken.new, 'new message')}, {taken.known} known already")
    for bad in taken.bad[:_SHOWN_LINES]:
        out.say(f"[red]line {bad.line}: {printable(bad.reason)}[/red]")
    if len(taken.bad) > _SHOWN_LINES:
        out.say(f"... and {counted(len(taken.bad) - _SHOWN_LINES, 'more line')}")
