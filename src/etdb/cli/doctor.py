"""``etdb doctor`` and ``etdb repair``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import click

from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import kept_ledger_path
from etdb.cli.opening import find_workspace, has_node, ledger_limits, open_kubo, open_ledger, open_node
from etdb.cli.output import Output, printable
from etdb.doctor import CHECKS, Examination, Services, examine
from etdb.doctor import repair as mend
from etdb.errors import CancelledError, StorageError
from etdb.ledger import Ledger
from etdb.workspace import Workspace

__all__ = ["doctor", "repair"]

_LABELS: Final = {name: name for name in CHECKS}
_COLOURS: Final = {"note": "dim", "warning": "yellow", "error": "red"}


class UnwellError(StorageError):
    """The workspace has findings that are more than notes."""

    code = "unwell"


@command(
    "doctor",
    examples="""
    etdb doctor                       look at the whole workspace; change nothing
    etdb doctor --kubo                also the Kubo that the data is served from
    etdb doctor --deep                also read every published file again, and fold the ledger again
    etdb --json doctor                for a program""",
)
@click.option("--deep", is_flag=True, help="Read every published file and every block again.")
@click.option("--kubo", is_flag=True, help="Look at the Kubo of the settings too.")
def doctor(context: Context, deep: bool, kubo: bool) -> None:
    """Look for what is wrong with the workspace and with what it leans on. Changes nothing.

    Room, keys, databases, ledger, manifests, files; and where the settings name them: the FLO node (there, in step,
    coins for its keys, the clock), the gateways; with --kubo the Kubo. What was not looked at is listed apart. Ends
    with 0 when all that was looked at is well, else with 7.
    """
    workspace = find_workspace(context)
    services = Services(
        open_ledger=_given_ledger(workspace),
        open_node=functools.partial(open_node, workspace) if has_node(workspace) else None,
        open_kubo=functools.partial(open_kubo, workspace) if kubo else None,
        limits=ledger_limits(workspace),
        has_gateways=True,
    )
    with context.out.progress(_LABELS) as progress:
        found = examine(workspace, deep=deep, services=services, progress=progress)
    context.out.document(found)
    _show(context.out, found)
    if not found.is_well:
        mendable = sum(1 for one in found.findings if one.repair)
        raise UnwellError(
            f"{_count(found)} in {workspace.root}",
            hint=f"mend {mendable} of them with: etdb repair" if mendable else "see what each advises",
        )
    context.out.say(f"{len(found.checked)} checks: all is well")


@command(
    "repair",
    examples="""
    etdb repair --dry-run             say what would be done
    etdb repair                       say it, ask, do it, and look again
    etdb repair --yes                 unattended""",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--deep", is_flag=True, help="Look as deep as: etdb doctor --deep")
def repair(context: Context, dry_run: bool, yes: bool, deep: bool) -> None:
    """Mend what the doctor finds. What is replaced is kept beside under another name; your folders are only read."""
    workspace = find_workspace(context)
    out = context.out
    with workspace.lock("publish"), workspace.lock("index"):
        services = Services(open_ledger=_given_ledger(workspace))
        with out.progress(_LABELS) as progress:
            found = examine(workspace, deep=deep, services=services, progress=progress)
        planned = [one for one in found.findings if one.repair]
        _show(out, found)
        if dry_run:
            out.document(found)
            return
        if planned and not yes:
            _ask(len(planned))
        with out.progress(_LABELS) as progress:
            done = mend(workspace, deep=deep, services=services, progress=progress)
            after = examine(workspace, deep=deep, services=services, progress=progress)
    out.document({"mended": done, "left": after.findings, "not_checked": after.not_checked})
    for one in done:
        what = printable(one.done or f"could not be mended: {one.error}")
        out.say(f"{one.finding.check:10} {printable(one.finding.where)}: {what}")
    if not after.is_well:
        out.say("")
        _show(out, after)
        raise UnwellError(f"{_count(after)} left in {workspace.root}", hint="see what each advises")
    out.say(f"{len(after.checked)} checks: all is well")


def _given_ledger(workspace: Workspace) -> Callable[[], AbstractContextManager[Ledger]] | None:
    """What opens the workspace's ledger when it was given one: a file, or one that the settings name."""
    is_given = workspace.settings.ledger or kept_ledger_path(workspace) is not None
    return functools.partial(open_ledger, workspace) if is_given else None


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise CancelledError(
            "mending needs your consent and there is no terminal to ask on",
            hint="look at what would be done with --dry-run, then give --yes",
        )
    if not click.confirm(f"Mend {count} of them?", err=True):
        raise CancelledError("nothing was changed")


def _count(found: Examination) -> str:
    counts = {name: sum(1 for one in found.findings if one.severity == name) for name in ("error", "warning")}
    return " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)


def _show(out: Output, found: Examination) -> None:
    for one in found.findings:
        loss = ", lost from here" if one.is_loss else ""
        out.say(f"[{_COLOURS[one.severity]}]{one.severity:8}[/] {one.check:10} {printable(one.where)}{loss}")
        out.say(f"         {printable(one.what)}")
        if one.repair:
            out.say(f"         repair: {printable(one.repair)}")
        if one.advice:
            out.say(f"         do: {printable(one.advice)}")
    for passed_over in found.not_checked:
        out.say(f"[dim]not looked at[/] {passed_over.check}: {printable(passed_over.because)}")
