"""Runs one program, and ends it when its owner is gone: for processes that must never stay behind.

Started by :mod:`etdb.blocks.temporary_kubo` as a script of its own: ``guard.py FOLDER PROGRAM [ARGUMENT..]``. Its
standard input is a pipe that only the owner holds: when the owner closes it, or ends in whatever way (``kill -9``
included), the program is ended by its process id and FOLDER is removed. When the guard itself is killed, the kernel
ends the program (``PR_SET_PDEATHSIG`` of Linux, prctl(2)).

Only the standard library is used, so that it starts quickly and depends on nothing that could fail.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_SECONDS_TO_END = 10.0
_LOOK_S = 0.2


def main(arguments: list[str]) -> int:
    """Run the program until it ends or the owner is gone; gives its exit status."""
    folder, command = arguments[0], arguments[1:]
    # A Ctrl-C in the terminal is for the owner, who tells us by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    status = 1
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
        )
        try:
            while program.poll() is None and not _is_owner_gone():
                pass
        finally:
            _end(program)
        status = program.returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return status


def _is_owner_gone() -> bool:
    readable, _, _ = select.select([0], [], [], _LOOK_S)
    return bool(readable) and not os.read(0, 1)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux the pipe alone has to do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is not None:
        return
    program.terminate()
    try:
        program.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
