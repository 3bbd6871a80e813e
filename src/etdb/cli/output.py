"""What commands print: for people with colours and progress bars, for programs one JSON document."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from etdb.cli.tables import Table
from etdb.durable import storage_error
from etdb.errors import EtdbError, StorageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID

__all__ = ["Output", "output_error", "printable", "size_text"]

# Letters that a terminal acts on or that turn text round. JSON may write any of them as an escape of the same meaning.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size_text(size_bytes: float) -> str:
    """A size for people, in decimal units."""
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError


def printable(text: object) -> str:
    """Foreign text made safe for a terminal: no control or bidirectional characters, no markup."""
    shown = "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    if not _has_markup(shown):
        return shown
    from rich.markup import escape

    return escape(shown)


def _has_markup(text: str) -> bool:
    return "[" in text or "\\" in text


def _write_line(stream: TextIO, text: str) -> None:
    """What needs no drawing is written without the library that draws."""
    stream.write(text + "\n")
    stream.flush()


def output_error(error: OSError) -> StorageError:
    """Standard output is a file on a disk that is full, or that fails."""
    hint = "what the command did is done; the same command says it again"
    return storage_error(error, Path("standard output"), hint=hint, full_hint=f"make room; {hint}")


@contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(error) from error


class Output:
    """Where a command's words go.

    Args:
        json_mode: print one JSON document on standard output and nothing else there.
        quiet: no progress and no remarks.
    """

    def __init__(self, *, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet
        self._is_documented = False

    @functools.cached_property
    def console(self) -> Console:
        """Standard output, for people. The library that draws takes longer to load than most commands take."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=True)

    @functools.cached_property
    def remarks(self) -> Console:
        """Standard error, for people."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def document(self, value: Any) -> None:
        """The command's result, in JSON mode; otherwise nothing."""
        self._write(value, indent=2)

    def document_line(self, value: Any) -> None:
        """One result of many, in JSON mode a line by itself, for a command that goes on."""
        self._write(value, indent=-1)

    def _write(self, value: Any, *, indent: int) -> None:
        if self.json_mode:
            self._is_documented = True
            with _printing():
                text = msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()
                sys.stdout.write(_UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text) + "\n")
                sys.stdout.flush()

    def say(self, text: str = "") -> None:
        """A line for people (rich markup; foreign text goes through ``printable`` first)."""
        if not self.json_mode:
            with _printing():
                if _has_markup(text):
                    self.console.print(text)
                else:
                    _write_line(sys.stdout, text)

    def table(self, table: Table) -> None:
        """A table for people."""
        if not self.json_mode:
            with _printing():
                self.console.print(table.drawn(self.console.width))

    def drawing(self, drawn: RenderableType) -> None:
        """Something that the library draws, for people; its lines are as wide as the terminal."""
        if not self.json_mode:
            with _printing():
                self.console.print(drawn, soft_wrap=False)

    def remark(self, text: str) -> None:
        """A line about the work, on standard error."""
        if not self.quiet:
            with suppress(OSError):  # nobody can be told, and nothing depends on it
                if _has_markup(text):
                    self.remarks.print(text)
                else:
                    _write_line(sys.stderr, text)

    def error(self, error: EtdbError) -> None:
        """What went wrong, where, and what to do next."""
        # A result that holds its own failure has been printed: a second document could not be parsed.
        with suppress(OSError):
            if self.json_mode and not self._is_documented:
                self.document(error.to_dict())
        with suppress(OSError):
            lines = "\n".join(printable(line) for line in error.message.split("\n"))
            self.remarks.print(f"[red]etdb: {lines}[/red]")
            if error.hint:
                self.remarks.print(f"      {printable(error.hint)}")

    @contextmanager
    def progress(
        self, labels: dict[str, str], *, bytes_steps: frozenset[str] = frozenset()
    ) -> Iterator[Callable[[str, int, int], None]]:
        """A function ``(step, done, total)`` that draws a bar a step; silent when nobody watches.

        Args:
            labels: what each step is called for people.
            bytes_steps: the steps that count bytes, shown with a rate.
        """
        if self.quiet or self.json_mode or not self.remarks.is_terminal:
            yield lambda _step, _done, _total: None
            return
        from rich.console import Group
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        text = TextColumn("{task.description:<12}")
        moved = Progress(
            text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=self.remarks
        )
        counted = Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=self.remarks)
        tasks: dict[str, tuple[Progress, TaskID]] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                bars = moved if step in bytes_steps else counted
                tasks[step] = (bars, bars.add_task(labels.get(step, step), total=total or None))
            bars, task = tasks[step]
            bars.update(task, completed=done, total=total or None)

        with Live(Group(moved, counted), console=self.remarks, refresh_per_second=8):
            yield show
