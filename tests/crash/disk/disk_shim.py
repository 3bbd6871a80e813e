"""The shim between a process and its disk: compile it, run commands behind it, read its log."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

STATUS_OF_TRACEBACK = 99
HERE = Path(__file__).parent
HEAD = struct.Struct("<ccHHQQII")


class Record(NamedTuple):
    """One call that changed the disk, made a change last, or (with ``op`` 'r') read; see ``note`` in shim.c.

    ``op``: O a file is made, W write, T length set (``offset``), R rename, L link, U unlink, M mkdir, X rmdir, F file
    synced, D folder synced, P mapped shared and writable, A room reserved. ``count`` is the number of calls so far
    that need room, or of reads.
    """

    op: str
    failed: bool
    path: str
    other: str
    inode: int
    offset: int
    data: bytes
    count: int


def compile_shim(folder: Path) -> Path | None:
    """The shared library in a scratch folder; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    target = folder / "shim.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]
    subprocess.run([*words, "-o", target, HERE / "shim.c", "-ldl", "-lpthread"], check=True)
    return target


def load_log(path: Path) -> list[Record]:
    """All records of a log, in the order in which things happened."""
    data, at, records = path.read_bytes(), 0, []
    while at < len(data):
        op, failed, path_length, other_length, inode, offset, length, count = HEAD.unpack_from(data, at)
        at += HEAD.size
        parts = []
        for size in (path_length, other_length, length):
            parts.append(data[at : at + size])
            at += size
        records.append(
            Record(
                op.decode(),
                failed != b"\0",
                *(os.path.normpath(os.fsdecode(part)) if part else "" for part in parts[:2]),
                inode,
                offset,
                parts[2],
                count,
            )
        )
    return records


class Runner:
    """Commands behind the shim, one after the other."""

    def __init__(self, library: Path, scratch: Path) -> None:
        self.output = scratch / "command"
        self._process = subprocess.Popen(
            [sys.executable, HERE / "disk_runner.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(library), "TERM": "dumb"},
        )

    def run(
        self, words: list[str], *, output: Path | None = None, seconds: float = 0, **env: str
    ) -> tuple[int, str, str]:
        """Exit status (99: a traceback), standard output, standard error. Without ``env`` nothing is wrong."""
        where = output or self.output
        self._process.stdin.write(
            json.dumps({"words": words, "out": str(where), "env": env, "seconds": seconds}) + "\n"
        )
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the runner is gone"
        return int(line), where.with_suffix(".out").read_text(), where.with_suffix(".err").read_text()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
