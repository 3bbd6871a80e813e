"""Driving the real command line in processes of its own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etdb.errors import EtdbError, InputError, LedgerError, SourceError, StorageError, VerificationError

__all__ = ["Commands", "StepFailedError"]

_STEP_SECONDS = 600
_END_SECONDS = 10
_START_LINES = 20


class StepFailedError(EtdbError):
    """A command that the demo ran did not succeed."""

    code = "demo-step"


_FAMILIES: dict[int, type[EtdbError]] = {
    family.exit_status: family for family in (InputError, VerificationError, SourceError, LedgerError, StorageError)
}


class Commands:
    """The `etdb` command on one workspace.

    Args:
        workspace: the workspace that every command gets; also the folder that they run in.
        passphrase: given to commands that need one, through a descriptor and never as an argument.
    """

    def __init__(self, workspace: Path, passphrase: str = "") -> None:
        self.workspace = workspace
        self._passphrase = passphrase
        self.seconds = 0.0

    def run(self, *arguments: str, passphrase: bool = False) -> dict[str, Any]:
        """Run one command to its end and return its JSON document; `seconds` says how long it took.

        Raises:
            EtdbError: it ended with a status other than 0; of the family that the status stands for.
        """
        reader = self._offer_passphrase() if passphrase else None
        extra = [] if reader is None else ["--passphrase-fd", str(reader)]
        started = time.monotonic()
        try:
            outcome = subprocess.run(
                [*self._start(), *arguments, *extra],
                cwd=self.workspace,
                env=self._environment(),
                pass_fds=() if reader is None else (reader,),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_STEP_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise StepFailedError(f"etdb {arguments[0]} did not end within {_STEP_SECONDS} seconds") from error
        finally:
            if reader is not None:
                os.close(reader)
        self.seconds = time.monotonic() - started
        return self._document(arguments, outcome)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """`etdb serve` on a free port of this machine while the block runs; gives its URL."""
        process = subprocess.Popen(
            [*self._start(), "serve", "--host", "127.0.0.1", "--port", "0"],
            cwd=self.workspace,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield self._announced_url(process)
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _start(self) -> list[str]:
        return [sys.executable, "-m", "etdb", "--workspace", str(self.workspace), "--json"]

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name != "ETDB_WORKSPACE"}

    def _offer_passphrase(self) -> int:
        reader, writer = os.pipe()
        with os.fdopen(writer, "w") as pipe:
            pipe.write(self._passphrase + "\n")
        return reader

    def _document(self, arguments: tuple[str, ...], outcome: subprocess.CompletedProcess[str]) -> dict[str, Any]:
        try:
            document = json.loads(outcome.stdout) if outcome.stdout.strip() else {}
        except ValueError:
            document = {"message": outcome.stdout.strip()[-500:]}
        if not isinstance(document, dict):
            document = {"items": document}
        if outcome.returncode != 0:
            said = document.get("message") or _last_line(outcome.stderr) or "it gave no reason"
            family = _FAMILIES.get(outcome.returncode, StepFailedError)
            raise family(f"etdb {arguments[0]}: {said}", hint=str(document.get("hint", "")), status=outcome.returncode)
        return document

    def _announced_url(self, process: subprocess.Popen[str]) -> str:
        """The gateway's URL, from the JSON document that `serve` prints once it listens."""
        assert process.stdout is not None
        text = ""
        for _ in range(_START_LINES):
            line = process.stdout.readline()
            text += line
            if not line:
                break
            try:
                return str(json.loads(text)["gateway"])
            except ValueError:
                continue
        process.terminate()
        said = _last_line(process.stderr.read()) if process.stderr is not None else ""
        raise StepFailedError(f"etdb serve did not start: {said or text.strip() or 'it gave no reason'}")


def _last_line(text: str) -> str:
    """What a program said last: of a traceback, the line that names the error."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
