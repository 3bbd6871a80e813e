"""Run ``etdb`` commands, each in a forked child whose disk may misbehave; started with the shim preloaded.

One JSON line in for each command: ``words``, ``out`` (where its standard output and error go, without suffix),
``env`` (the shim's settings, see shim.c) and ``seconds`` (SIGALRM ends it then; 0 waits). One line back: the exit
status, negative for a signal. A child is a fork of
a process that has imported everything, so that a run takes a fraction of a second.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

PRELOADED = (
    "etdb.cli.publish",
    "etdb.cli.index",
    "etdb.cli.fetch",
    "etdb.cli.keys",
    "etdb.cli.workspace",
    "etdb.cli.serve",
    "etdb.cli.sync",
    "etdb.cli.stage",
    "etdb.cli.correct",
    "etdb.cli.ledger",
    "etdb.preview",
)
STATUS_OF_TRACEBACK = 99


def run(request: dict) -> None:
    """In the child: become the command. What a user would see as a traceback ends with a status of its own."""
    from etdb.cli import main

    Path(request["out"]).with_suffix(".pid").write_text(str(os.getpid()))
    for suffix, number in ((".out", 1), (".err", 2)):
        descriptor = os.open(request["out"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.update(request["env"])
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    if request["env"]:
        ctypes.CDLL(None).shim_begin()
    try:
        main(request["words"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        status = STATUS_OF_TRACEBACK
        traceback.print_exc()
    # As the interpreter does when it ends: what cannot be written by now is lost, and Python says so with status 120.
    try:
        sys.stdout.flush()
    except OSError:
        status = STATUS_OF_TRACEBACK
    os._exit(status)


def serve() -> None:
    """Run what is asked for until the other side goes away."""
    for name in PRELOADED:
        importlib.import_module(name)
    from etdb.workspace import Keyring

    # The lowest cost that a key may have: keys are made and opened hundreds of times.
    Keyring.__init__.__kwdefaults__["scrypt_n"] = 2**14
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        _, state = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(state)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
