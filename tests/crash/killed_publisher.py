"""Run ``etdb`` in a process that dies by SIGKILL at a named transition of the journal, and notes those it passes."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from etdb.cli import main
from etdb.cli.opening import ledger_limits, open_files
from etdb.describe import describe
from etdb.flo import REGTEST
from etdb.ledger import LocalChain
from etdb.publish import Journal, Publisher, Submission
from etdb.sources import FolderSource
from etdb.workspace import Keyring, Workspace


def die_at(kill: tuple[str, str, int], log: Path | None = None) -> None:
    """From now on in this process: note the transitions that are passed, and die at one."""
    name, moment, nth = kill
    seen: dict[tuple[str, str], int] = {}

    def observe(passed: str, when: str) -> None:
        count = seen[passed, when] = seen.get((passed, when), 0) + 1
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{passed} {when} {count}\n")
        if (passed, when, count) == (name, moment, nth):
            os.kill(os.getpid(), signal.SIGKILL)

    original = Journal.__init__

    def watched(self: Journal, path: Path, **_: Any) -> None:
        original(self, path, observer=observe)

    Journal.__init__ = watched  # type: ignore[method-assign]


def run_and_die(log: Path, kill: tuple[str, str, int], output: Path, words: list[str]) -> None:
    """The command, as a user would give it, with its standard output and error in files."""
    die_at(kill, log)
    _redirect(output)
    main(words)


def revise_and_die(log: Path, kill: tuple[str, str, int], output: Path, given: tuple[Path, Path, str]) -> None:
    """What sync does with what changed in a folder."""
    root, data, passphrase = given
    die_at(kill, log)
    _redirect(output)
    workspace = Workspace(root)
    submissions = []
    for place in FolderSource(str(data)).roots():
        dataset = FolderSource(str(data)).read(place)
        submissions.append(
            Submission(
                tomogram=describe(dataset, workspace.settings).tomogram,
                paths={file.path: file.absolute for file in dataset.files},
                source=str(dataset.root),
            )
        )
    key = Keyring(workspace.keys_folder, workspace.flo_network_name, scrypt_n=2**14).unlock("me", passphrase)
    with (
        closing(Journal(workspace.journal_path)) as journal,
        closing(LocalChain(workspace.chain_folder, writable=True, limits=ledger_limits(workspace))) as ledger,
        open_files(workspace) as blocks,
    ):
        publisher = Publisher(
            journal=journal,
            blocks=blocks,
            ledger=ledger,
            key=key,
            network=REGTEST,
            limits=ledger_limits(workspace),
            fund=lambda: ledger.earn(key.address(REGTEST), 100_000_000),
        )
        report = publisher.run(submissions, revise=True, reasons={"long": "measured anew"})
    print(msgspec.json.encode(report).decode())


def _redirect(output: Path) -> None:
    for suffix, number in ((".out", 1), (".err", 2)):
        descriptor = os.open(output.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
