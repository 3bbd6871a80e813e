"""What the commands that send messages share: the options, the plan and the question, the key, the publisher."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import click
import msgspec
from msgspec import Struct

from etdb.blocks import FilesInPlace
from etdb.cli.app import Context
from etdb.cli.opening import (
    find_workspace,
    key_name,
    key_unlocker,
    ledger_limits,
    open_catalogue,
    open_files,
    open_ledger,
)
from etdb.cli.output import Output, printable
from etdb.cli.passphrase import passphrase_options
from etdb.cli.publish_shown import show_plan, show_report
from etdb.errors import CancelledError, InputError
from etdb.flo import MAX_MONEY_SAT, PrivateKey, network
from etdb.flo.networks import BLOCK_SPACING_S
from etdb.ledger import Ledger, Limits, LocalChain
from etdb.publish import (
    Journal,
    Pace,
    Progress,
    Publisher,
    PublishPlan,
    PublishReport,
    Recorded,
    StillPendingError,
    plan_resume,
    verify_fee_rate,
    verify_means,
)
from etdb.schema import OldVersionError
from etdb.workspace import Workspace, lock_key

__all__ = [
    "LABELS",
    "Asked",
    "ask_consent",
    "carry_out",
    "indexed_records",
    "pace_of",
    "publisher_of",
    "sending_limits",
    "sending_options",
]

LABELS: Final = {
    "add": "hashing",
    "preview": "previews",
    "make": "a preview",
    "send": "sending",
    "confirm": "confirming",
}
_REGTEST_POLL_S: Final = 0.5
_POLL_S: Final = 2.0


class Asked(Struct, frozen=True, kw_only=True):
    """What the options of a command that sends say."""

    yes: bool
    dry_run: bool
    key: str | None
    wait: bool
    wait_timeout: float | None
    passphrase_file: str | None
    passphrase_fd: int | None

    def unlocker(self, workspace: Workspace) -> Callable[[], PrivateKey]:
        """See :func:`~etdb.cli.opening.key_unlocker`."""
        return key_unlocker(workspace, self.key, passphrase_file=self.passphrase_file, passphrase_fd=self.passphrase_fd)


def sending_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options; the command gets them as ``asked``."""

    def run(context: Any, **options: Any) -> Any:
        names = ("yes", "dry_run", "wait", "wait_timeout", "passphrase_file", "passphrase_fd")
        told = {name: options.pop(name) for name in names}
        asked = Asked(key=options.pop("key_option"), **told)
        if asked.wait_timeout is not None and not asked.wait:
            raise InputError("--wait-timeout has no meaning with --no-wait")
        return function(context, asked=asked, **options)

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    run = passphrase_options(run)
    for option in (
        click.option(
            "--wait-timeout",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help="The longest to wait; without it, as long as it takes.",
        ),
        click.option(
            "--wait/--no-wait",
            default=True,
            show_default=True,
            help="Wait until all of it is final (final_depth blocks).",
        ),
        click.option("--key", "key_option", metavar="NAME", help="The key that signs; needed when there are several."),
        click.option("--dry-run", is_flag=True, help="Show what would be done, and stop."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
    ):
        run = option(run)
    return run


@contextmanager
def indexed_records(context: Context, workspace: Workspace) -> Iterator[Recorded]:
    """What the workspace's catalogue says of records; nothing when there is none yet."""
    with ExitStack() as stack:
        recorded: Recorded = _nothing
        if workspace.catalogue_path.exists():
            try:
                recorded = stack.enter_context(open_catalogue(workspace)).current
            except OldVersionError as error:
                context.out.remark(f"without the catalogue: {printable(error.message)}")
        yield recorded


def _nothing(_owner: str, _name: str, /) -> None:
    return None


def carry_out(
    context: Context,
    asked: Asked,
    *,
    plan: Callable[..., PublishPlan],
    act: Callable[[Publisher], PublishReport],
    question: str,
    recorded: Recorded,
) -> None:
    """Show a plan, ask, send, wait and report.

    Args:
        context: of the command.
        asked: its options.
        plan: makes the plan, given what ``plan_message`` takes beside its own.
        act: what is done then.
        question: asked before it.
        recorded: what the catalogue says.
    """
    workspace, out = find_workspace(context), context.out
    with ExitStack() as locks:
        if not asked.dry_run:
            locks.enter_context(workspace.lock("publish"))
        address = workspace.keyring.show(key_name(workspace, asked.key)).address
        limits, is_local = sending_limits(workspace), workspace.network == "local"
        if not asked.dry_run and not is_local:
            locks.enter_context(lock_key(address))
        final_depth = workspace.settings.limits.final_depth
        with (
            out.progress({"sync": "reading the chain"}) as progress,
            open_ledger(workspace, progress=progress) as ledger,
        ):
            journal = Journal(workspace.journal_path) if workspace.journal_path.exists() else None
            try:
                planned = plan(
                    publisher=address,
                    journal=journal,
                    ledger=ledger,
                    limits=limits,
                    final_depth=final_depth,
                    block_spacing_s=0 if is_local else BLOCK_SPACING_S,
                    **({} if plan is plan_resume else {"recorded": recorded}),
                )
            finally:
                if journal is not None:
                    journal.close()
            if planned.transactions:
                verify_fee_rate(ledger, limits)
        if asked.dry_run:
            out.document(planned)
        show_plan(out, planned, None)
        if asked.dry_run:
            return
        if not is_local:
            verify_means(planned, limits)
        if planned.to_publish and not asked.yes:
            ask_consent(question)
        unlock = asked.unlocker(workspace)
        with open_ledger(workspace, writable=True) as ledger, open_files(workspace) as blocks:
            journal = Journal(workspace.journal_path)
            try:
                with out.progress(LABELS, bytes_steps=frozenset({"add"})) as progress:
                    publisher = publisher_of(
                        workspace,
                        out,
                        asked,
                        planned,
                        journal=journal,
                        blocks=blocks,
                        ledger=ledger,
                        key=unlock(),
                        progress=progress,
                        recorded=recorded,
                    )
                    report = act(publisher)
            finally:
                journal.close()
    out.document(report)
    show_report(out, report)
    if not report.in_time:
        raise StillPendingError(
            f"the message is not final after {report.seconds:.0f} s",
            hint="nothing is lost: go on with: etdb publish --resume",
        )


def sending_limits(workspace: Workspace) -> Limits:
    """The workspace's limits; on a chain of one's own, whose coins cost nothing, without one on fees."""
    limits = ledger_limits(workspace)
    return msgspec.structs.replace(limits, max_fee_sat=MAX_MONEY_SAT) if workspace.network == "local" else limits


def publisher_of(
    workspace: Workspace,
    out: Output,
    asked: Asked,
    plan: PublishPlan,
    *,
    journal: Journal,
    blocks: FilesInPlace,
    ledger: Ledger,
    key: PrivateKey,
    progress: Progress,
    **more: Any,
) -> Publisher:
    """The publisher that carries out a plan as the options say; ``more`` goes to it as it is."""
    # The blocks of a chain of one's own come with the command: there is nothing to wait for.
    waits = asked.wait and workspace.network != "local"
    return Publisher(
        journal=journal,
        blocks=blocks,
        ledger=ledger,
        key=key,
        network=network(workspace.flo_network_name),
        limits=sending_limits(workspace),
        final_depth=workspace.settings.limits.final_depth,
        progress=progress,
        note=lambda text: out.remark(printable(text)),
        pace=pace_of(workspace, asked.wait_timeout) if waits else None,
        fund=functools.partial(_fund, ledger, plan),
        **more,
    )


def pace_of(workspace: Workspace, timeout_s: float | None) -> Pace:
    """How to wait for the blocks of the workspace's network."""
    return Pace(timeout_s=timeout_s, poll_s=_REGTEST_POLL_S if workspace.network == "regtest" else _POLL_S)


def _fund(ledger: Ledger, plan: PublishPlan) -> None:
    """On a chain of one's own coins cost nothing: mine until there are enough that are mature."""
    if isinstance(ledger, LocalChain):
        ledger.earn(plan.publisher, plan.fee_sat)


def ask_consent(question: str, *, what: str = "this", otherwise: str = "nothing was sent") -> None:
    """Ask before anything is sent.

    Raises:
        CancelledError: the answer is no, or nobody is there to answer.
    """
    if not sys.stdin.isatty():
        raise CancelledError(
            f"{what} needs your consent and there is no terminal to ask on",
            hint="look at the plan with --dry-run, then give --yes",
        )
    if not click.confirm(question, err=True):
        raise CancelledError(otherwise)
