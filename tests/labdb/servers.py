"""Real database servers, each in a folder of its own, on a socket or a free port, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pymysql

LEFT_OUT_MARIADB = "left out: a real MariaDB, because mariadbd is not on this machine (see tests/interop/setup.sh)"
LEFT_OUT_POSTGRES = "left out: a real PostgreSQL, because its server is not on this machine (tests/interop/setup.sh)"
_NOBODY = "nobody"
_START_S = 60


def mariadb_path() -> str | None:
    return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/libexec")


def postgres_folder() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def _as_nobody() -> list[str]:
    """Before a command: neither server likes to be root's."""
    if os.getuid() != 0:
        return []
    user = pwd.getpwnam(_NOBODY)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder of the server's user. Not one of pytest's: each new session of pytest shuts those to other users."""
    with tempfile.TemporaryDirectory(prefix="etdb-server-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.getuid() == 0:
            user = pwd.getpwnam(_NOBODY)
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder


@contextmanager
def _running(command: list[str], log: Path, ready: Path | int, name: str) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _START_S
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{name} does not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT if name == "PostgreSQL" else signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(ready: Path | int) -> bool:
    family, address = (
        (socket.AF_UNIX, str(ready)) if isinstance(ready, Path) else (socket.AF_INET, ("127.0.0.1", ready))
    )
    with socket.socket(family) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mariadb() -> Iterator[Path]:
    """A MariaDB without TCP; gives its socket. Its `root` has no password: the folder is the test's own."""
    with _own_folder() as server:
        yield from _mariadb(server)


def mariadb_root(sock: Path, **more: Any) -> closing[pymysql.Connection]:
    """A connection that may do everything."""
    return closing(pymysql.connect(unix_socket=str(sock), user="root", autocommit=True, **more))


def _mariadb(server: Path) -> Iterator[Path]:
    sock = server / "mariadb.sock"
    install = shutil.which("mariadb-install-db")
    assert install is not None
    data = [f"--datadir={server}/data", "--no-defaults"]
    done = subprocess.run(
        [*_as_nobody(), install, data[1], data[0], "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True,
        text=True,
        check=False,
        cwd=server,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    command = [*_as_nobody(), str(mariadb_path()), data[1], data[0], "--skip-networking", f"--socket={sock}"]
    # What MySQL 5.1 was: no strict mode, latin1 everywhere, MyISAM.
    command += ["--sql-mode=", "--character-set-server=latin1", "--collation-server=latin1_swedish_ci"]
    command += [f"--pid-file={server}/mariadb.pid", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"]
    with _running(command, server / "mariadb.log", sock, "MariaDB"):
        yield sock


@contextmanager
def postgresql() -> Iterator[int]:
    """A PostgreSQL on a free port of 127.0.0.1; gives the port. Its superuser is `lab`, the password `s3cret`."""
    with _own_folder() as server:
        yield from _postgresql(server)


def _postgresql(server: Path) -> Iterator[int]:
    binaries = postgres_folder()
    assert binaries is not None
    password = server / "password"
    password.write_text("s3cret\n")
    password.chmod(0o644)
    make = [*_as_nobody(), str(binaries / "initdb"), "-D", f"{server}/data", "-U", "lab", "-A", "scram-sha-256"]
    make += [f"--pwfile={password}", "--encoding=UTF8", "--no-sync", "--locale=C.UTF-8"]
    done = subprocess.run(
        make,
        capture_output=True,
        text=True,
        check=False,
        cwd=server,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    port = _free_port()
    command = [*_as_nobody(), str(binaries / "postgres"), "-D", f"{server}/data", "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    with _running(command, server / "postgres.log", port, "PostgreSQL"):
        yield port
