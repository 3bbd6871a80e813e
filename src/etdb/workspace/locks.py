"""Locks between processes: `flock` on a file that also says who holds it.

The kernel lets go of such a lock when its process dies, however it dies, so that a stale one cannot exist. The file
mostly stays; who removes it does so while holding the lock, and who gets the lock of a file that is gone lets go of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from etdb.durable import storage_errors
from etdb.errors import LockedError

__all__ = ["hold_lock", "lock_key"]

MAX_HOLDER_BYTES = 4096
WORD = re.compile(r"[a-z][a-z-]{1,15}")


class _Holder(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    command: str


@contextlib.contextmanager
def hold_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock while the block runs; do not wait for it.

    Args:
        path: the lock's file; made when missing.
        shared: many may hold it so, but nobody then holds it alone.

    Raises:
        LockedError: somebody else holds it; `pid` and `command` say who, where that is known.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _locked(path, descriptor) from None
        if not _is_at(path, descriptor):
            # Its last holder removed it between our two steps; another file of this name may be locked by now.
            raise LockedError(
                f"{path.stem} was in use until now", hint="run the same command again", lock=path.stem
            ) from None
        note = msgspec.json.encode(_Holder(pid=os.getpid(), command=_command()))
        with storage_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, note, 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_key(address: str) -> Iterator[None]:
    """Be the only publisher of this user on this machine that signs with a key, whatever its workspace.

    The lock lies in a folder that goes with the session (XDG Base Directory, ``XDG_RUNTIME_DIR``) or with the machine's
    run. Where there is no such folder that only this user can write, there is no lock: another machine has none either.

    Raises:
        LockedError: another process publishes with the key; `pid` and `command` say which.
    """
    folder = _runtime_folder()
    if folder is None:
        yield
        return
    with hold_lock(folder / f"key-{address}.lock"):
        yield


def _runtime_folder() -> Path | None:
    given = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(given) / "etdb" if given else Path(tempfile.gettempdir()) / f"etdb-{os.getuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if is_ours else None


def _locked(path: Path, descriptor: int) -> LockedError:
    holder = None
    with contextlib.suppress(msgspec.DecodeError, ValueError):
        holder = msgspec.json.decode(os.pread(descriptor, MAX_HOLDER_BYTES, 0), type=_Holder)
    if holder is None or not _is_alive(holder.pid):
        # Of several that share a lock the file names the last, which may have gone.
        return LockedError(f"{path.stem} is in use by another process", hint="wait until it has ended", lock=path.stem)
    return LockedError(
        f"{path.stem} is in use by process {holder.pid} ({holder.command})",
        hint="wait until it has ended",
        lock=path.stem,
        pid=holder.pid,
        command=holder.command,
    )


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command() -> str:
    """The program and its subcommands: plain words only, because any other argument may be a secret or a path."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    words = [program if program not in {"", "__main__.py"} else "etdb"]
    for word in sys.argv[1:4]:
        if not WORD.fullmatch(word):
            break
        words.append(word)
    return " ".join(words)
