"""``etdb stage``: push and accept: released data for a server outside, which serves and cannot sign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace, open_files
from etdb.cli.output import Output, printable, size_text
from etdb.counting import counted
from etdb.errors import ConfigurationError, InputError, VerificationError
from etdb.publish import Journal
from etdb.stage import StageTarget
from etdb.sync.accepting import accept as accept_staged
from etdb.sync.staging import Released, StageReport, push, released_datasets
from etdb.workspace import Workspace

__all__ = ["open_target", "push_released", "show_staged", "stage"]

_MOST_SHOWN = 20


@click.group("stage")
def stage() -> None:
    """Put released datasets where a server outside serves them; the keys stay here."""


@command(
    "push",
    examples="""
    etdb stage push /mnt/public/etdb               a disk that the server outside reads
    etdb stage push ssh://drop@www.example.org/srv/etdb     over SSH, with this user's keys
    etdb stage push s3://bucket/etdb               an S3 store, with the keys of ~/.aws
    etdb stage push                                the target of [stage] in etdb.toml""",
)
@click.argument("target", required=False)
def push_command(context: Context, target: str | None) -> None:
    """Push every dataset whose record is final and that is not withdrawn.

    What is there already is not sent again; what was cut off is gone on with; each file gets its name there only when
    it has the right hash. Nothing whole is ever removed there.
    """
    out, workspace = context.out, find_workspace(context)
    with workspace.lock("stage"), open_target(workspace, target) as opened:
        report = push_released(workspace, opened, out)
    out.document(report)
    show_staged(out, report)
    if report.left:
        raise InputError(
            f"{counted(len(report.left), 'dataset')} could not be staged",
            hint="mend them, then run the same command again",
        )


@command(
    "accept",
    examples="""
    etdb stage accept /srv/etdb && etdb serve      on the server outside, as its own user""",
)
@click.argument("folder", type=click.Path(path_type=Path))
def accept_command(context: Context, folder: Path) -> None:
    """On the server outside: take up what was staged in a folder, and be ready to serve it from there.

    Every new file is hashed, and taken up only when it is what its name says. The folder is only read. A server that
    is running serves what was taken up at once.
    """
    out, workspace = context.out, find_workspace(context)
    with (
        workspace.lock("stage"),
        open_files(workspace) as blocks,
        out.progress({"accept": "hashing"}) as progress,
    ):
        report = accept_staged(folder.absolute(), blocks, progress=lambda done, total: progress("accept", done, total))
    out.document(report)
    out.say(f"{report.datasets} datasets can be served, {report.new} of them new ({size_text(report.size_bytes)})")
    for name, why in list(report.wrong.items())[:_MOST_SHOWN]:
        out.say(f"  [red]not taken up[/red] {printable(name)}: {printable(why)}")
    if report.wrong:
        raise VerificationError(
            f"{len(report.wrong)} staged datasets are not what they say", hint="have them staged again"
        )


stage.add_command(push_command)
stage.add_command(accept_command)


@contextmanager
def open_target(workspace: Workspace, named: str | None) -> Iterator[StageTarget]:
    """The place that is named, or that of the settings.

    Raises:
        ConfigurationError: there is none, or it is not an address.
    """
    settings = workspace.settings.stage
    text = named or settings.target
    if not text:
        raise ConfigurationError(
            "there is no target to stage to", hint="name one, or set target under [stage] in etdb.toml"
        )
    target: StageTarget
    if text.startswith("ssh://"):
        from etdb.stage.ssh import SshTarget

        target = SshTarget(text)
    elif text.startswith("s3://"):
        from etdb.stage.s3 import S3Target

        target = S3Target(text, endpoint_url=settings.endpoint_url, profile=settings.profile)
    elif "://" in text:
        raise ConfigurationError(
            f"{text.partition('://')[0]}:// is not a way to stage", hint="ssh://, s3:// or a folder"
        )
    else:
        from etdb.stage.folder import FolderTarget

        # A path on the command line is seen from where the user is, one of the settings from the workspace.
        target = FolderTarget(Path(text) if named else workspace.place(text))
    with closing(target):
        yield target


def push_released(workspace: Workspace, target: StageTarget, out: Output) -> StageReport:
    """Push what is final and not withdrawn. Errors as :func:`~etdb.sync.staging.push`."""
    released: list[Released] = []
    if workspace.journal_path.exists():
        with closing(Journal(workspace.journal_path)) as journal:
            released = released_datasets(journal)
    with (
        open_files(workspace) as blocks,
        out.progress({"stage": "staging"}, bytes_steps=frozenset({"stage"})) as progress,
    ):
        return push(released, blocks, target, progress=lambda done, total: progress("stage", done, total))


def show_staged(out: Output, report: StageReport) -> None:
    """What was pushed, for people."""
    out.say(
        f"{counted(report.datasets, 'dataset')} at {printable(report.target)}, {report.new} of them new: "
        f"{counted(report.files_sent, 'file')}, {size_text(report.bytes_sent)} sent"
    )
    for sid, why in list(report.left.items())[:_MOST_SHOWN]:
        out.say(f"  [yellow]left[/yellow] {printable(sid)}: {printable(why)}")
