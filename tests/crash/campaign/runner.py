"""Run ``etdb`` commands in forked children and kill them; started with the shim preloaded where there is one.

One JSON line in for each command: ``words``, ``out``, ``env`` (see disk_runner), and ``after_s`` (kill it after this
time), ``transition`` (kill it there) and ``batch_blocks`` (how many blocks the index takes at once). One JSON line
back: the exit status, negative for a signal, and how long the command took. A command that hangs is killed and has
status ``HUNG``.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

HUNG = 98
MAX_SECONDS = 120.0


def become(request: dict) -> None:
    """In the child: the command itself, with what the request asks for."""
    import disk_runner

    from etdb.index import following
    from etdb.publish import Publisher

    os.setpgid(0, 0)
    # One day for all runs: the manifest holds the date, and so the root CID depends on it.
    noon_s = int(time.time()) // 86_400 * 86_400 + 43_200
    Publisher.__init__.__kwdefaults__["clock"] = lambda: noon_s + time.monotonic() % 40_000
    if request["batch_blocks"]:
        following.BATCH_BLOCKS = request["batch_blocks"]
    if request["transition"] or request["log"]:
        from killed_publisher import die_at

        die_at(tuple(request["transition"] or ("", "", 0)), Path(request["log"]) if request["log"] else None)
    disk_runner.run(request)


def run(request: dict) -> tuple[int, float]:
    """Exit status and seconds."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        become(request)
    after_s = request["after_s"]
    watch = os.pidfd_open(child)
    status = None
    if not select.select([watch], [], [], MAX_SECONDS if after_s is None else after_s)[0]:
        status = HUNG if after_s is None else None
        os.kill(child, signal.SIGKILL)
    _, state = os.waitpid(child, 0)
    seconds = time.monotonic() - began
    os.close(watch)
    # What a command starts must end with it: nothing may be left that writes.
    try:
        os.killpg(child, 0)
    except ProcessLookupError:
        pass
    else:
        time.sleep(1.0)
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        else:
            status = HUNG
    return os.waitstatus_to_exitcode(state) if status is None else status, seconds


def serve() -> None:
    """Run what is asked for until the other side goes away."""
    here = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(here), str(here / "disk")]
    import disk_runner

    for name in (*disk_runner.PRELOADED, "killed_publisher"):
        importlib.import_module(name)
    for line in sys.stdin:
        status, seconds = run(json.loads(line))
        sys.stdout.write(json.dumps([status, seconds]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
