"""A real Kubo for tests: made, started and ended by us, on the loopback, knowing nobody.

What it holds stays in its folder when it ends. (A search in the network by somebody who runs no node is the business
of :mod:`etdb.blocks.temporary_kubo`.)
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from etdb.blocks.kubo_errors import KuboError, KuboSetupError, kubo_refusal
from etdb.blocks.temporary_kubo import find_kubo
from etdb.durable import make_folder, storage_errors, write_durably
from etdb.errors import EtdbError

__all__ = ["ISOLATED", "KuboDaemon"]

ISOLATED: Final[Mapping[str, Any]] = {
    "Addresses.API": "/ip4/127.0.0.1/tcp/0",
    "Addresses.Gateway": "/ip4/127.0.0.1/tcp/0",
    "Addresses.Swarm": ["/ip4/127.0.0.1/tcp/0"],
    "Addresses.AppendAnnounce": [],
    "AutoConf.Enabled": False,
    "AutoNAT.ServiceMode": "disabled",
    "AutoTLS.Enabled": False,
    "Bootstrap": [],
    "Discovery.MDNS.Enabled": False,
    "DNS.Resolvers": {},
    "Ipns.DelegatedPublishers": [],
    "Plugins.Plugins": {"telemetry": {"Config": {"Mode": "off"}}},
    "Routing.Type": "none",
    "Routing.DelegatedRouters": [],
    "Swarm.DisableNatPortMap": True,
    "Swarm.RelayClient.Enabled": False,
    "Swarm.RelayService.Enabled": False,
    "Swarm.EnableHolePunching": False,
    "Version.SwarmCheckEnabled": False,
}
"""Settings of a node that knows nobody and listens to this machine alone."""
_START_S: Final = 120.0
_STOP_S: Final = 30.0
_LOG_TAIL_BYTES: Final = 8192


class KuboDaemon:
    """One repository and the process that serves it; a context manager that starts and ends it.

    Args:
        folder: holds the repository (``repo``) and the log; made when it is not there.
        executable: the program; None looks for ``ipfs`` on the path.
        settings: by their dotted names, on top of those of a new repository.

    Attributes:
        api: the address of its RPC, once started; that of a socket when its settings say so.
        gateway: the address of its gateway; empty when it has none.
    """

    def __init__(self, folder: Path, *, executable: Path | None = None, settings: Mapping[str, Any] = ISOLATED) -> None:
        self.folder = folder.absolute()
        self.repository = self.folder / "repo"
        self.log_path = self.folder / "kubo.log"
        self.api = self.gateway = ""
        self._executable = executable or Path(find_kubo())
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> Self:
        """Make the repository when there is none, start the process, and wait until it answers.

        Raises:
            LockedError: another process uses the repository.
            DiskFullError: there is no room.
            KuboError: it does not start; the message holds what it said.
        """
        with storage_errors(self.folder):
            make_folder(self.folder)
            if not (self.repository / "config").exists():
                self.run("init", "--empty-repo")
            self._write_settings()
            with self.log_path.open("wb") as log:
                begin = time.monotonic()
                self._process = subprocess.Popen(
                    [str(self._executable), "daemon", "--migrate=false"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    cwd=self.folder,
                    start_new_session=True,
                )
        waiting = threading.Event()
        while (said := self.log_tail()).find("Daemon is ready") < 0:
            if self._process.poll() is not None:
                raise _not_started(said, str(self.repository))
            if time.monotonic() - begin > _START_S:
                self.kill()
                raise KuboError(f"Kubo does not start within {_START_S:.0f} s: {_last_line(said)}")
            waiting.wait(0.02)
        self.api, self.gateway = _url(said, "RPC API"), _url(said, "Gateway")
        return self

    def run(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Run one command of the program on this repository; what it prints.

        Raises:
            EtdbError: it failed; see :func:`~etdb.blocks.kubo_errors.kubo_refusal`.
        """
        done = subprocess.run(
            [str(self._executable), *arguments],
            input=stdin,
            capture_output=True,
            env=self._environment(),
            cwd=self.folder,
            check=False,
        )
        if done.returncode:
            raise kubo_refusal(_last_line(done.stderr.decode(errors="replace")), str(self.repository))
        return done.stdout

    def stop(self) -> None:
        """End the process and wait for it; may be called twice."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def log_tail(self) -> str:
        """The last of what it said."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_TAIL_BYTES))
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "LANG") if key in os.environ}
        return {**kept, "HOME": str(self.folder), "IPFS_PATH": str(self.repository), "IPFS_TELEMETRY": "off"}

    def _write_settings(self) -> None:
        path = self.repository / "config"
        document = json.loads(path.read_bytes())
        before = json.dumps(document)
        for name, value in self._settings.items():
            *above, last = name.split(".")
            table = document
            for key in above:
                if not isinstance(table.get(key), dict):
                    table[key] = {}
                table = table[key]
            table[last] = value
        if json.dumps(document) != before:
            write_durably(path, [json.dumps(document, indent=2).encode()])
            path.chmod(0o600)


def _not_started(said: str, where: str) -> EtdbError:
    line = _last_line(said)
    if "migration" in line:
        return KuboSetupError(f"the repository {where} is of another version of Kubo: {line}", hint="use a new folder")
    return kubo_refusal(line, where)


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("Error")), lines[-1] if lines else "")


def _url(said: str, what: str) -> str:
    tcp = re.search(rf"{what} server listening on /ip4/([\d.]+)/tcp/(\d+)", said)
    local = re.search(rf"{what} server listening on /unix(/.+)", said)
    return f"http://{tcp[1]}:{tcp[2]}" if tcp else f"unix:{local[1].strip()}" if local else ""
