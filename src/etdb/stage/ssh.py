"""Staging over SSH: the system's `ssh`, which knows the lab's keys and hosts; there only a shell and `sha256sum`.

One connection stays open for all files (`ControlMaster`). It never asks: a password or an unknown host ends the work.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import IO, Final
from urllib.parse import unquote, urlsplit

from etdb.durable import scratch_folder
from etdb.errors import ConfigurationError, FormatError, SourceError
from etdb.stage.layout import NAME
from etdb.stage.port import LEFT_OVER_DAYS, Piece, Progress, WrongBytesError, chunks_of, source_errors

__all__ = ["SshTarget"]

_STEP: Final = 1 << 20
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:]{2,45}")
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_OPTIONS: Final = (
    *("-T", "-x", "-a", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
)
MAX_SAID_BYTES: Final = 256 << 20
"""The most that a host may say to one command: a listing of a million and a half of files."""
_LOOK_S: Final = 0.1
_WRONG, _NO_TOOL, _CUT_OFF = 65, 69, 75
# `ls -n` says the size in its fifth column, by POSIX; our names have no spaces.
_LIST: Final = (
    "cd -- {folder} 2>/dev/null || exit 0; "
    f"find content roots -type f -name '.*.part' -mtime +{LEFT_OVER_DAYS} -exec rm -f {{{{}}}} + 2>/dev/null; "
    "find content roots -type f -exec ls -ln {{}} + 2>/dev/null || :"
)
_PUT: Final = """set -eu
umask 022
mkdir -p -- {folder}/content {folder}/roots
cd -- {folder}
cat {write} {part}
# A connection that breaks looks like an end: what came stays, to be gone on with.
[ "$(wc -c < {part})" -ge {size} ] || exit 75
if command -v sha256sum >/dev/null; then sum=$(sha256sum < {part})
elif command -v shasum >/dev/null; then sum=$(shasum -a 256 < {part})
else exit 69; fi
case "$sum" in
{sha256}*) sync {part} 2>/dev/null || :; mv -f {part} {name} ;;
*) rm -f {part}; exit 65 ;;
esac
"""


class SshTarget:
    """See :class:`~etdb.stage.port.StageTarget`.

    Args:
        url: ``ssh://user@host:port/folder``; the folder is absolute, or of the user's own home as ``/~/folder``.

    Raises:
        ConfigurationError: not such an address, or there is no `ssh` here.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port, user = parts.hostname or "", parts.port, unquote(parts.username or "")
        except ValueError:
            host, port, user, parts = "", None, "", urlsplit("")
        folder = unquote(parts.path).rstrip("/")
        wrong = parts.scheme != "ssh" or parts.password is not None or parts.query or parts.fragment
        if wrong or not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)) or not folder.isprintable():
            raise ConfigurationError(
                f"{url.rpartition('@')[2]} is not an address to stage to",
                hint="such as ssh://drop@www.example.org/srv/etdb; a password cannot stand in it",
            )
        if not folder:
            raise ConfigurationError(
                f"ssh://{host} names no folder", hint="such as ssh://drop@www.example.org/srv/etdb"
            )
        if shutil.which("ssh") is None:
            raise ConfigurationError("there is no ssh on this machine", hint="install OpenSSH's client")
        self._folder = folder.removeprefix("/~/") if folder.startswith("/~/") else folder
        self._place = f"{user}@{host}" if user else host
        self.name = f"ssh://{self._place}{f':{port}' if port else ''}{folder}"
        self._port = ["-p", str(port)] if port else []
        # A socket's path may have 107 letters: it lies in the system's own folder for such things.
        self._scratch = ExitStack()
        self._sockets = self._scratch.enter_context(scratch_folder("etdb-ssh-"))
        self._parts: dict[str, int] = {}
        self._is_open = True

    def present(self) -> dict[str, int]:
        """See :class:`~etdb.stage.port.StageTarget`."""
        listed = self._run(_LIST.format(folder=shlex.quote(self._folder)))
        found: dict[str, int] = {}
        self._parts = {}
        for line in listed.decode("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) < 9 or not words[4].isdecimal() or len(words[4]) > 18:
                continue
            name, size = words[-1], int(words[4])
            inside, _, last = name.rpartition("/")
            if NAME.fullmatch(name):
                found[name] = size
            elif NAME.fullmatch(whole := f"{inside}/{last.removeprefix('.').removesuffix('.part')}"):
                self._parts[whole] = size
        return found

    def put(self, piece: Piece, *, progress: Progress = lambda _count: None) -> None:
        """See :class:`~etdb.stage.port.StageTarget`; what an earlier try brought is known from :meth:`present`."""
        done = self._parts.pop(piece.name, 0)
        if done > piece.size_bytes:
            done = 0
        inside, _, last = piece.name.rpartition("/")
        part = f"{inside}/.{last}.part"
        script = _PUT.format(
            folder=shlex.quote(self._folder),
            write=">>" if done else ">",
            part=part,
            name=piece.name,
            size=piece.size_bytes,
            sha256=piece.sha256,
        )
        with source_errors(piece):
            source = piece.path.open("rb")
        with source:
            source.seek(done)
            progress(done)
            self._run(script, chunks_of(piece, source, _STEP), progress=progress, name=piece.name)

    def close(self) -> None:
        """See :class:`~etdb.stage.port.StageTarget`."""
        if self._is_open:
            self._is_open = False
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    ["ssh", *self._sharing(), *self._port, "-O", "exit", "--", self._place],
                    capture_output=True,
                    timeout=30,
                    check=False,
                )
            self._scratch.close()

    def _sharing(self) -> list[str]:
        return ["-o", "ControlMaster=auto", "-o", f"ControlPath={self._sockets}/%C", "-o", "ControlPersist=60"]

    def _run(
        self,
        script: str,
        chunks: Iterator[bytes] | None = None,
        *,
        progress: Progress = lambda _count: None,
        name: str = "",
    ) -> bytes:
        command = ["ssh", *_OPTIONS, *self._sharing(), *self._port, "--", self._place, f"sh -c {shlex.quote(script)}"]
        # The connection that stays open keeps the standard error open too: a file does not wait for it.
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE if chunks else subprocess.DEVNULL, stdout=out, stderr=said
            )
            watch = _Watch(process, (said, out))
            try:
                if chunks is not None and process.stdin is not None:
                    with suppress(BrokenPipeError), process.stdin as pipe:  # its status says why
                        for chunk in chunks:
                            pipe.write(chunk)
                            progress(len(chunk))
                status = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                watch.end()
            if watch.found_too_much:
                raise FormatError(
                    f"{self.name} says more than {MAX_SAID_BYTES} bytes to one command",
                    hint=f"try: ssh -o BatchMode=yes {self._place} true",
                    source=self.name,
                )
            said.seek(0)
            out.seek(0)
            if status:
                raise self._error(status, said.read(4096), name)
            return out.read(MAX_SAID_BYTES)

    def _error(self, status: int, said: bytes, name: str) -> SourceError | WrongBytesError:
        if status == _WRONG and name:
            return WrongBytesError(
                f"{name} has other bytes in {self.name} than were sent",
                hint="it was removed there; run the same command again",
                source=self.name,
            )
        if status == _CUT_OFF:
            return SourceError(f"{self.name}: {name} was cut off", hint="run the same command again", source=self.name)
        if status == _NO_TOOL:
            return SourceError(f"{self.name} has neither sha256sum nor shasum", source=self.name)
        lines = said.decode("utf-8", "replace").strip().splitlines()
        told = "".join(letter if letter.isprintable() else " " for letter in (lines[-1] if lines else "no answer"))
        return SourceError(
            f"{self.name}: {told[:300]}", hint=f"try: ssh -o BatchMode=yes {self._place} true", source=self.name
        )


class _Watch:
    """Ends a process that writes too much into these files, beside whoever waits for it or writes to it."""

    def __init__(self, process: subprocess.Popen[bytes], files: tuple[IO[bytes], ...]) -> None:
        self._process, self._files = process, files
        self.found_too_much = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look a last time, and no more."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ended.wait(_LOOK_S)
            if any(os.fstat(one.fileno()).st_size > MAX_SAID_BYTES for one in self._files):
                self.found_too_much = True
                self._process.kill()
                return
