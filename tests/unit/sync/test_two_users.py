"""Inside and outside: two users of one machine. The one outside serves what was staged, and can read no key.

Whoever runs the tests as root has two other users; else there is one, and the rights of files are not tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from etdb.ledger import LocalChain
from etdb.workspace import Keyring, Workspace

INSIDE, OUTSIDE = 65_533, 65_534


class User:
    """Commands as a user who can do only what the rights of files allow."""

    def __init__(self, uid: int) -> None:
        self.uid = uid

    def run(self, *words: object, status: int = 0) -> str:
        done = subprocess.run(
            [*self.become(), sys.executable, *map(str, words)], capture_output=True, text=True, check=False, cwd="/",
            env={**os.environ, "PYTHONPATH": ":".join(sys.path), "HOME": "/nonexistent", "TMPDIR": "/tmp"},
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def become(self) -> list[str]:
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--no-new-privs"]

    def etdb(self, workspace: Path, *words: object, status: int = 0) -> str:
        return self.run("-m", "etdb", "-w", workspace, *words, status=status)


@pytest.fixture
def place():
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("left out: two users, because the tests do not run as root, or setpriv is not here")
    # Not a folder of pytest's: those are this user's alone.
    with tempfile.TemporaryDirectory(prefix="etdb-two-users-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def given_to(path: Path, uid: int) -> None:
    for one in (path, *path.rglob("*")):
        os.chown(one, uid, uid)


@pytest.fixture
def lab(place):
    """The lab's server: its workspace, its data and its table are for its own user alone."""
    root = place / "inside"
    workspace = Workspace.init(root / "ws")
    Keyring(workspace.keys_folder, workspace.flo_network_name, scrypt_n=2**14).new("me", "s3cret")
    LocalChain(workspace.chain_folder, writable=True).close()
    (root / "pass").touch(mode=0o600)
    (root / "pass").write_text("s3cret\n")
    for sid in ("a-1", "b-1"):
        (root / "data" / sid).mkdir(parents=True)
        (root / "data" / sid / "a.dat").write_bytes(sid.encode() * 1000)
    (root / "t.csv").write_text(
        "sid,title,species,acquired_on,released\na-1,One,Vibrio cholerae,2014-01-14,1\n"
        "b-1,Two,Vibrio cholerae,2014-01-14,0\n"
    )
    config = workspace.config_path
    config.write_text(config.read_text() + '[source.lab]\nkind = "csv"\nfolder = "../data"\ntable = "../t.csv"\n')
    given_to(root, INSIDE)
    root.chmod(0o700)
    (place / "public").mkdir(mode=0o755)
    given_to(place / "public", INSIDE)
    (place / "outside").mkdir(mode=0o700)
    given_to(place / "outside", OUTSIDE)
    return root


def test_outside_serves_what_is_released_and_cannot_sign(place, lab):
    inside, outside = User(INSIDE), User(OUTSIDE)
    inside.etdb(lab / "ws", "sync", "--yes", "--passphrase-file", lab / "pass", "--stage", place / "public")
    # What the user outside may not: the keys, the lab's data, and writing where it reads.
    for path in (lab / "ws" / "keys", lab / "data" / "a-1" / "a.dat", lab / "pass", lab):
        assert "PermissionError" in outside.run("-c", f"open({str(path)!r}).read()", status=1)
    assert "PermissionError" in outside.run("-c", f"open({str(place / 'public' / 'x')!r}, 'w')", status=1)
    workspace = place / "outside" / "ws"
    outside.run("-m", "etdb", "init", workspace)
    accepted = json.loads(outside.etdb(workspace, "--json", "stage", "accept", place / "public"))
    assert (accepted["datasets"], accepted["wrong"]) == (1, {})
    said = outside.etdb(workspace, "publish", place / "public" / "content", "--yes", "--title", "Mine", status=3)
    assert "there is no key" in said
    root = next((place / "public" / "roots").iterdir()).stem
    # It serves, from the staged folder, whoever asks by CID, and nothing that was not released.
    server = subprocess.Popen(
        [*outside.become(), sys.executable, "-m", "etdb", "-w", str(workspace), "--json", "serve", "--port", "0"],
        stdout=subprocess.PIPE, text=True, cwd="/", env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    try:
        assert server.stdout is not None
        lines = []
        while not lines or lines[-1].rstrip() != "}":
            lines.append(server.stdout.readline())
        url = json.loads("".join(lines))["gateway"]
        got = place / "got"
        reader = place / "reader"
        subprocess.run(
            [sys.executable, "-m", "etdb", "init", str(reader)], check=True, capture_output=True,
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "etdb", "-w", str(reader), "fetch", root, "--gateway", url, "-o", str(got)],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        server.terminate()
        server.communicate(timeout=20)
    found = {path.name: path.read_bytes() for path in got.rglob("*") if path.is_file()}
    assert found["a.dat"] == b"a-1" * 1000
    staged = {path.read_bytes() for path in (place / "public" / "content").iterdir()}
    assert b"b-1" * 1000 not in staged
    assert not any(b"s3cret" in data for data in staged)
