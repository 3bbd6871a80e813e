"""``etdb validate``: check datasets before they are published."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import click
from msgspec import Struct

from etdb import __version__
from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace, open_files
from etdb.cli.output import Output, printable
from etdb.cli.tables import Table
from etdb.cli.validate_shown import show_findings, tally_text
from etdb.counting import counted
from etdb.errors import InputError
from etdb.sources import FolderSource
from etdb.validate import (
    CHECKS,
    SEVERITIES,
    Duplicates,
    Finding,
    KnownDigest,
    Severity,
    Terms,
    Validated,
    encode_sarif,
    validate_source,
    verify_ids,
    worst,
)
from etdb.workspace import NoWorkspaceError, Settings, Workspace

__all__ = ["validate"]

_LABELS = {"validate": "validating", "compare": "comparing"}
_FORMATS = ("text", "json", "json-lines", "sarif")


class FindingsError(InputError):
    """Datasets have errors."""

    code = "findings"


class WarningsError(InputError):
    """Datasets have warnings, and no errors."""

    code = "warnings"
    exit_status: ClassVar[int] = 8


class Summary(Struct, frozen=True, kw_only=True):
    """How much was looked at and found."""

    datasets: int
    files: int
    size_bytes: int
    errors: int
    warnings: int
    infos: int
    datasets_with_errors: int


class Report(Struct, frozen=True, kw_only=True):
    """All findings, and how many."""

    summary: Summary
    findings: tuple[Finding, ...]


@command(
    "validate",
    examples="""
    etdb validate /data/2026-11-20            every dataset below it; headers and some planes
    etdb validate ts_01 --full                also every plane of every stack and volume
    etdb validate /data --min-severity warning --ignore mdoc-missing
    etdb validate /data --grouping dataset    what each dataset has
    etdb validate /data --format sarif > report.sarif
    etdb validate --checks                    what is checked, with the ids""",
)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="PATH...")
@click.option("--full", is_flag=True, help="Read every plane, not a sample of them.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True, help="How findings are written."
)
@click.option(
    "--grouping",
    type=click.Choice(["finding", "file", "dataset"]),
    default="finding",
    show_default=True,
    help="What stands together in text.",
)
@click.option(
    "--max-per-group",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Findings shown of each group in text; 0 for all.",
)
@click.option(
    "--min-severity",
    "least",
    type=click.Choice(list(reversed(SEVERITIES))),
    default="info",
    show_default=True,
    help="Leave out what is less severe.",
)
@click.option("--ignore", multiple=True, metavar="ID", help="Leave out the check with this id; may be given again.")
@click.option("--title", help="The title, for a single file without a dataset.toml.")
@click.option("--checks", "list_checks", is_flag=True, help="No PATH: list what is checked.")
def validate(
    context: Context,
    paths: tuple[str, ...],
    full: bool,
    form: str,
    grouping: str,
    max_per_group: int,
    least: Severity,
    ignore: tuple[str, ...],
    title: str | None,
    list_checks: bool,
) -> None:
    """Check datasets before they are published: headers, lengths, planes, angles, dose, spacings, names, record.

    Nothing is written and no workspace is needed; within one, its settings and known digests are used. Of each stack
    and volume the first, the middle, the last and three more planes are looked at; with --full all of them. Datasets
    that are given together are compared: the same content twice is found.

    The exit status is that of the worst finding that is shown: 0 for none or info, 8 for warnings, 3 for errors.
    """
    verify_ids(ignore)
    out = context.out
    if form == "text" and out.json_mode:
        form = "json"
    if form != "text":
        # Standard output is for the document; words go to standard error.
        out = context.out = Output(json_mode=True, quiet=out.quiet)
    if list_checks:
        _list_checks(out)
        return
    if not paths:
        raise click.UsageError("Missing argument 'PATH...': the folders of the datasets, or --checks.")
    if title is not None and len(paths) != 1:
        raise InputError("--title is for one path; several datasets cannot have the same title")
    workspace = _workspace(context)
    terms = Terms(
        today=dt.datetime.now(dt.UTC).date(),
        full=full,
        ignore=frozenset(ignore),
        least=least,
        settings=workspace.settings if workspace is not None else Settings(),
        title=title,
    )
    looked: list[Validated] = []
    findings: list[Finding] = []
    lines = form == "json-lines"
    with _known_digests(workspace) as known, out.progress(_LABELS) as progress:
        duplicates = Duplicates(terms, known=known)
        sources = [FolderSource(path) for path in dict.fromkeys(paths)]
        total = sum(len(source.roots()) for source in sources)
        for source in sources:
            for one in validate_source(source, terms, places=duplicates.places):
                looked.append(one)
                findings += one.findings
                progress("validate", len(looked), total)
                for finding in one.findings if lines else ():
                    out.document_line(finding)
        repeated = duplicates.find(lambda done, of: progress("compare", done, of))
    for finding in repeated if lines else ():
        out.document_line(finding)
    findings += repeated
    summary = _summary(looked, findings)
    if form == "json":
        out.document(Report(summary=summary, findings=tuple(findings)))
    elif form == "sarif":
        out.document(encode_sarif(findings, version=__version__))
    show_findings(out, findings, grouping=grouping, most=max_per_group)
    _end(out, summary, findings)


def _end(out: Output, summary: Summary, findings: Sequence[Finding]) -> None:
    of = f"{counted(summary.datasets, 'dataset')}, {counted(summary.files, 'file')}"
    found = tally_text(findings)
    bad = worst(findings)
    if bad == "error":
        raise FindingsError(
            f"{found} in {of}", hint=f"{summary.datasets_with_errors} of them should not be published as they are"
        )
    if bad == "warning":
        raise WarningsError(f"{found} in {of}", hint="look at each; --ignore ID leaves out what is meant so")
    out.say(f"{of}: {found or 'nothing to tell'}")


def _summary(looked: Sequence[Validated], findings: Sequence[Finding]) -> Summary:
    count = {name: sum(1 for one in findings if one.severity == name) for name in SEVERITIES}
    return Summary(
        datasets=len(looked),
        files=sum(one.files for one in looked),
        size_bytes=sum(one.size_bytes for one in looked),
        errors=count["error"],
        warnings=count["warning"],
        infos=count["info"],
        datasets_with_errors=len({(one.root, one.dataset) for one in findings if one.severity == "error"}),
    )


def _list_checks(out: Output) -> None:
    out.document([{"id": one.id, "severity": one.severity, "title": one.title} for one in CHECKS.values()])
    table = Table("id", "severity", "what is wrong", fold_last=True)
    for one in CHECKS.values():
        table.add_row(one.id, one.severity, printable(one.title))
    out.table(table)


def _workspace(context: Context) -> Workspace | None:
    """The workspace, where there is one; one that is named must be there, and its settings must be right."""
    try:
        return find_workspace(context)
    except NoWorkspaceError:
        return None


@contextmanager
def _known_digests(workspace: Workspace | None) -> Iterator[KnownDigest]:
    if workspace is None or not workspace.digests_path.exists():
        yield lambda _path: None
        return
    with open_files(workspace) as files:
        yield files.known_sha256
