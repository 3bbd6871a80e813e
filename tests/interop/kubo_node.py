"""A real Kubo as a judge: offline without a daemon, or as daemons on the loopback; always scratch repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etdb.blocks.kubo import KuboNode
from etdb.testing.kubo_daemon import ISOLATED, KuboDaemon

KUBO_VERSION = "0.42.0"
LEFT_OUT = "left out: Kubo is not built; run tests/interop/setup.sh where go is installed"
# How each profile is said to Kubo: the profile of its `init`, settings, options of `add`.
PROFILES: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "unixfs-v1-2025": ("unixfs-v1-2025", {}, ()),
    "unixfs-v0-2015": ("unixfs-v0-2015", {}, ()),
    # What `ipfs add --nocopy` did in 2018: raw leaves below nodes of version 0, and no sharding.
    "etdb-2018": (
        "unixfs-v0-2015",
        {"Import.UnixFSHAMTDirectorySizeThreshold": "1GiB"},
        ("--raw-leaves", "--cid-version=0"),
    ),
}


def kubo_path() -> Path:
    """Where setup.sh builds it, outside of the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "etdb-interop" / f"kubo-{KUBO_VERSION}" / "ipfs"


class Kubo:
    """One repository with the settings of one import profile."""

    def __init__(self, folder: Path, profile: str = "unixfs-v1-2025") -> None:
        name, settings, self._options = PROFILES[profile]
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "IPFS_PATH": str(folder / "repo"),
            "IPFS_TELEMETRY": "off",
        }
        self.run("init", f"--profile={name},test")
        for key, value in settings.items():
            self.run("config", key, value)

    def run(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Run one command to its end; what it prints."""
        done = subprocess.run(
            [str(kubo_path()), "--offline", *arguments],
            input=stdin,
            capture_output=True,
            env=self._environment,
            cwd=self._folder,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"ipfs {arguments[0]}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def version(self) -> str:
        return self.run("version", "--number").decode().strip()

    def add(self, path: Path, *options: str, only_hash: bool = True) -> str:
        """The CID of a file or folder."""
        hashing = ("--only-hash",) if only_hash else ()
        return self.run("add", "-r", "-Q", *hashing, *self._options, *options, "--", str(path)).decode().strip()

    def add_stream(self, pieces: Iterable[bytes], *options: str) -> str:
        """The CID of what comes in pieces; nothing is kept."""
        with subprocess.Popen(
            [str(kubo_path()), "--offline", "add", "-Q", "--only-hash", *self._options, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            cwd=self._folder,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            for piece in pieces:
                process.stdin.write(piece)
            process.stdin.close()
            cid = process.stdout.read().decode().strip()
            words = process.stderr.read().decode(errors="replace")
        assert process.returncode == 0, words
        return cid

    def add_row(self, row: dict[str, Any], folder: Path) -> str:
        """The CID of a row's tree, which is written into ``folder`` first."""
        from ipfs_content import write_tree

        write_tree(row, folder)
        return self.add(folder)


class Kubos:
    """Starts daemons that know nobody, listen to this machine alone, and end with the test.

    Each can take files in place from everywhere below ``folder``'s parent, unless its settings say otherwise.
    """

    def __init__(self) -> None:
        self._daemons: list[KuboDaemon] = []
        self._nodes: list[KuboNode] = []

    def start(self, folder: Path, *, executable: Path | None = None, **settings: Any) -> KuboDaemon:
        """A running daemon; settings by their names, ``__`` for the dots."""
        chosen = {name.replace("__", "."): value for name, value in settings.items()}
        daemon = KuboDaemon(
            folder,
            executable=executable or kubo_path(),
            settings={**ISOLATED, "Experimental.FilestoreEnabled": True, **chosen},
        )
        self._daemons.append(daemon)
        return daemon.start()

    def node(self, daemon: KuboDaemon, **options: Any) -> KuboNode:
        """Our side of it, closed with the test."""
        node = KuboNode(daemon.api, **options)
        self._nodes.append(node)
        return node

    def connect(self, one: KuboDaemon, other: KuboDaemon) -> None:
        """Make two know each other."""
        self.node(one).connect(self.node(other).info().addresses[0])

    def log_tails(self) -> str:
        """What they said last."""
        return "\n".join(f"-- {daemon.folder}\n{daemon.log_tail()}" for daemon in self._daemons)

    def stop(self) -> None:
        """End them all, by their process ids."""
        for node in self._nodes:
            node.close()
        for daemon in self._daemons:
            daemon.stop()
