"""A workspace that one may read and not write, as a colleague's: it is read, and nobody is told to remove anything."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

_BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
"""Without these root too may write only what its rights allow."""


def run(lab, *words):
    """A command by somebody who has no more rights than the files give."""
    prefix = _BOUND if os.geteuid() == 0 else []
    command = [*prefix, sys.executable, "-m", "etdb", "--workspace", str(lab.root), *words]
    return subprocess.run(command, capture_output=True, check=False, text=True)


@pytest.fixture
def closed(lab):
    """The workspace with nobody's right to write, and every log written back."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not here: reading a workspace without the right to write is left out")
    for path in lab.root.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    paths = [lab.root, *lab.root.rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    yield lab
    for path, mode in modes.items():
        path.chmod(mode)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_read(closed):
    before = files(closed.root)
    dataset_id = closed.run("search", "cell")["results"][0]["dataset_id"]
    for words in (
        ("search", "cell"),
        ("show", dataset_id),
        ("status",),
        ("verify", dataset_id, "--no-content"),
        ("download", dataset_id, "--output", str(closed.folder / "got")),
        ("doctor", "--deep"),
    ):
        done = run(closed, *words)
        assert (words[0], done.returncode) == (words[0], 0), done.stderr
    assert "all is well" in done.stdout
    assert files(closed.root) == before


def test_a_log_that_nobody_may_open_is_no_damage(closed):
    """A log without the file that is shared beside it: only who may write can read what is in it."""
    closed.root.chmod(0o755)
    (closed.root / "journal.sqlite-wal").write_bytes(b"what was committed last")
    closed.root.chmod(0o555)
    done = run(closed, "doctor")
    (closed.root / "journal.sqlite-wal").chmod(0o644)
    assert done.returncode == 7
    assert "not checked: the journal" in done.stdout
    assert "damaged" not in done.stdout
