"""What a run of `etdb sync` did, as a value, as text, and as files in the workspace."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from etdb.counting import counted
from etdb.durable import write_durably

__all__ = ["Change", "SourceOutcome", "SyncReport", "report_text", "store_report"]

_KEPT: Final = 400
_IN_FILE: Final = 1000


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, or will do, with one dataset. ``what`` is of ``etdb.publish``; ``state`` of the journal."""

    sid: str
    what: str
    title: str = ""
    fields: tuple[str, ...] = ()
    reason: str = ""
    dataset_id: str = ""
    revision: int = 0
    state: str = ""


class SourceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One source.

    Attributes:
        name, shown: its name in the settings, and its path or address.
        released: how many datasets it releases.
        unchanged: how many of them are published as they are.
        changes: what was done.
        held_back: sid and what is wrong with it; the others went on.
        withheld: how many the source has and does not release.
        refused: rows that are no datasets.
        not_withdrawn: what would be withdrawn if it were allowed: sid and reason.
        doubt: why it was not.
        error: why the source could not be read; then nothing else is said, and nothing was withdrawn.
    """

    name: str
    shown: str = ""
    released: int = 0
    unchanged: int = 0
    changes: tuple[Change, ...] = ()
    held_back: dict[str, str] = {}
    withheld: int = 0
    refused: tuple[str, ...] = ()
    not_withdrawn: dict[str, str] = {}
    doubt: str = ""
    error: str = ""


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``is_dry`` means that nothing was done, and `changes` are what would be.

    ``not_staged`` are datasets that could not be pushed, each with why.
    """

    started: dt.datetime
    publisher: str
    ledger: str
    is_dry: bool
    sources: tuple[SourceOutcome, ...]
    transactions_sent: int = 0
    fee_sat: int = 0
    unfinished: int = 0
    seconds: float = 0
    staged: dict[str, int] = {}
    not_staged: dict[str, str] = {}

    @property
    def changed(self) -> int:
        """How many datasets were published, edited or withdrawn."""
        return sum(len(source.changes) for source in self.sources)


_VERBS: Final = {
    "new": ("published", "to publish"),
    "edited": ("edited", "to edit"),
    "files changed": ("revised, files changed", "to revise, files changed"),
    "deactivated": ("withdrawn", "to withdraw"),
    "waiting": ("waiting for their former record", "waiting for their former record"),
    "withdrawn": ("withdrawn before, and stay so", "withdrawn before, and stay so"),
    "unchanged": ("gone on with", "to go on with"),
}


def report_text(report: SyncReport, *, shown: int = 10) -> str:
    """The report for people: what was done, then what needs them; of each at most so many lines."""

    def few(told: Sequence[str]) -> list[str]:
        first = [f"    {line}" for line in told[:shown]]
        return first + ([f"    and {len(told) - shown} more"] if len(told) > shown else [])

    lines = []
    for source in report.sources:
        lines.append(f"{source.name}  {source.shown}".rstrip())
        if source.error:
            lines.append(f"  not read: {source.error}")
            continue
        lines.append(f"  {source.released} released, {source.unchanged} unchanged, {source.withheld} not released")
        for what, (done, planned) in _VERBS.items():
            some = [change for change in source.changes if change.what == what]
            if some:
                lines.append(f"  {len(some)} {planned if report.is_dry else done}:")
                lines += few([_change_line(change) for change in some])
        if source.held_back:
            lines.append(f"  {len(source.held_back)} held back:")
            lines += few([f"{sid}: {' '.join(why.split())}" for sid, why in source.held_back.items()])
        if source.refused:
            lines.append(f"  {len(source.refused)} not understood:")
            lines += few(source.refused)
        if source.doubt:
            lines.append(f"  nothing was withdrawn: {source.doubt}. If it is so: --allow-withdrawals")
            lines += few([f"{sid}: {why}" for sid, why in source.not_withdrawn.items()])
    if not report.changed:
        lines.append("Nothing to publish." if report.is_dry else "Nothing was published.")
    elif not report.is_dry:
        lines.append(f"{counted(report.transactions_sent, 'transaction')} sent in {report.seconds:.1f} s.")
    if report.unfinished:
        lines.append(f"{counted(report.unfinished, 'record')} not final yet: the next run goes on.")
    if report.staged:
        lines.append(f"Staged: {', '.join(f'{value} {key}' for key, value in report.staged.items())}.")
    lines += few([f"{sid}: {why}" for sid, why in report.not_staged.items()])
    return "\n".join(lines)


def _change_line(change: Change) -> str:
    told = change.reason or change.title
    fields = f" ({', '.join(change.fields[:6])})" if change.fields else ""
    return f"{change.sid}{fields}{f': {told}' if told else ''}"


def store_report(folder: Path, report: SyncReport) -> Path:
    """Write the report as JSON and text, and keep the newest reports only; the path of the text.

    Raises:
        StorageError: the folder cannot be written.
    """
    name = f"sync-{report.started:%Y%m%dT%H%M%S.%f}Z"
    write_durably(folder / f"{name}.json", [msgspec.json.format(msgspec.json.encode(report), indent=1), b"\n"])
    text = folder / f"{name}.txt"
    write_durably(text, [report_text(report, shown=_IN_FILE).encode("utf-8", "replace"), b"\n"])
    for old in sorted(folder.glob("sync-*Z.*"))[: -2 * _KEPT]:
        with suppress(OSError):
            old.unlink()
    return text
