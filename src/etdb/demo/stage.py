"""Where the demo plays: whose ledger takes the records, and who hands out the files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etdb.demo.commands import Commands

__all__ = ["Stage"]


class Stage:
    """A ledger of one's own and the gateway of ``etdb serve``. A child class brings nodes that others wrote."""

    ledger = "a ledger of its own"
    """In the report."""
    publish_options: tuple[str, ...] = ()

    def init_publisher(self, etdb: Commands, workspace: Path) -> None:
        """Make the publisher's workspace."""
        etdb.run("init", str(workspace))

    def fund(self, address: str) -> None:
        """See to it that an address has coins; a ledger of one's own gives them when they are needed."""

    @contextmanager
    def sharing(self, workspace: Path) -> Iterator[str]:
        """While it holds, what the publisher's workspace published can be fetched from the URL that it gives."""
        with Commands(workspace).serving() as url:
            yield url

    def init_reader(self, etdb: Commands, reader: Path, publisher: Path, url: str) -> None:
        """Make a workspace for a stranger, who knows the ledger and a URL."""
        etdb.run("init", str(reader), "--ledger", str(publisher / "chain"), "--gateway", url)
