"""What a kill leaves beside a file that is being written is gone after the next write of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from etdb import durable
from etdb.catalogue import Catalogue, snapshot
from etdb.cli import main
from etdb.doctor import examine, files
from etdb.errors import LockedError
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import LocalChain
from etdb.stage.folder import FolderTarget
from etdb.stage.ssh import SshTarget
from etdb.sync import staging
from etdb.web.api import export
from etdb.workspace import Workspace
from etdb.workspace.locks import hold_lock

pytestmark = pytest.mark.crash


def forked(action) -> int:
    """Run it in a process of its own; how that ended."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_while_writing(target: Path) -> None:
    def pieces():
        yield b"half of it"
        os.kill(os.getpid(), signal.SIGKILL)

    assert ended(forked(lambda: durable.write_durably(target, pieces()))) == -signal.SIGKILL


@pytest.mark.parametrize("replace", [True, False])
def test_nothing_is_left_after_the_next_write(tmp_path, replace):
    target = tmp_path / "dataset.json"
    for _ in range(3):
        killed_while_writing(target)
        assert not target.exists()
    durable.write_durably(target, [b"whole"], replace=replace)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]
    assert target.read_bytes() == b"whole"


def test_many_writers_of_one_file_wait_for_each_other(tmp_path):
    target = tmp_path / "dataset.json"
    killed_while_writing(target)
    texts = [bytes([65 + number]) * 300_000 for number in range(6)]

    def write(text: bytes) -> None:
        for _ in range(10):
            durable.write_durably(target, [text[:100_000], text[100_000:]])

    writers = [forked(lambda text=text: write(text)) for text in texts]
    assert [ended(pid) for pid in writers] == [0] * len(writers)
    assert target.read_bytes() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_one_of_many_makes_a_file_that_may_not_be_replaced(tmp_path):
    target = tmp_path / "key.json"

    def make() -> None:
        try:
            durable.write_durably(target, [b"x" * 100_000], replace=False)
        except FileExistsError:
            os._exit(3)

    assert sorted(ended(pid) for pid in [forked(make) for _ in range(8)]) == [0] + [3] * 7
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_a_lock_that_was_removed_by_its_last_holder_is_nobodys(tmp_path, monkeypatch):
    """Two processes never hold two locks of the same name, though the file is removed at the end of a download."""
    path = tmp_path / "download.lock"
    real = fcntl.flock

    def removed_meanwhile(descriptor: int, how: int) -> None:
        path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with pytest.raises(LockedError) as caught, hold_lock(path):
        pass
    assert caught.value.hint
    monkeypatch.undo()
    with hold_lock(path):
        assert path.exists()


def kill_at_call(monkeypatch, owner, name, *, after=False):
    """From now on the process that calls this function dies, before it or after it."""
    original = getattr(owner, name)

    def dying(*given, **named):
        if after:
            original(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(owner, name, dying)


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (snapshot, "_copy", False),
        (snapshot, "_copy", True),
        (snapshot, "Database", False),
        (snapshot, "Database", True),
    ],
)
def test_a_workspace_that_begins_with_a_catalogue_is_made_by_the_same_command(
    tmp_path, monkeypatch, owner, name, after
):
    given, folder = tmp_path / "given.sqlite", tmp_path / "ws"
    Catalogue(tmp_path / "portal.sqlite", writable=True).close()
    snapshot.write_snapshot(tmp_path / "portal.sqlite", given)
    words = ["init", str(folder), "--catalogue", str(given)]
    for _ in range(2):
        with monkeypatch.context() as patch:
            kill_at_call(patch, owner, name, after=after)
            assert ended(forked(lambda: main(words))) == -signal.SIGKILL

    def succeed():
        with pytest.raises(SystemExit) as exit_:
            main(words)
        assert exit_.value.code == 0

    assert ended(forked(succeed)) == 0
    with Catalogue(folder / "cache" / "catalogue.sqlite") as catalogue:
        assert catalogue.tip() is None
    assert [path.name for path in (folder / "cache").iterdir() if ".new" in path.name] == []


def test_an_export_that_was_killed_is_removed_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def half(path: Path) -> None:
        path.write_bytes(b"half of it")
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(3):
        assert ended(forked(lambda: export._made(half, "text/plain", "txt"))) == -signal.SIGKILL
    with durable.scratch_folder("etdb-export-") as in_use:
        (in_use / "file").write_bytes(b"somebody's")
        reply = export._made(lambda path: path.write_bytes(b"whole"), "text/plain", "txt")
        assert b"".join(reply.pieces) == b"whole"
        assert list(tmp_path.iterdir()) == [in_use]
        assert (in_use / "file").read_bytes() == b"somebody's"
    assert list(tmp_path.iterdir()) == []


def killed_in(action) -> None:
    assert ended(forked(action)) == -signal.SIGKILL


def test_a_connection_over_ssh_that_was_killed_is_removed_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/false")  # nothing is asked of it here

    def half() -> None:
        SshTarget("ssh://drop@www.example.org/srv/etdb")
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(3):
        killed_in(half)
    target = SshTarget("ssh://drop@www.example.org/srv/etdb")
    assert len(list(tmp_path.glob("etdb-ssh-*"))) == 1
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    target.close()
    assert list(tmp_path.iterdir()) == []


def test_a_doctor_that_was_killed_is_cleaned_up_after(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    workspace = Workspace.init(tmp_path / "ws")
    LocalChain.init(workspace.chain_folder)
    with (
        closing(LocalChain(workspace.chain_folder)) as chain,
        Catalogue(workspace.catalogue_path, writable=True) as kept,
    ):
        follow(chain, kept, network=REGTEST, check_transactions=True)
    for _ in range(2):
        with monkeypatch.context() as patch:
            kill_at_call(patch, files, "follow")
            killed_in(lambda: examine(workspace, deep=True))
    assert len(list(temporary.glob("etdb-doctor-*"))) == 1
    examine(workspace, deep=True)
    assert list(temporary.iterdir()) == []


def test_a_preview_that_was_killed_is_removed_by_the_next_one(tmp_path):
    """The next of whichever: what a power cut brings back of a dataset that is published long since goes too."""
    for _ in range(2):
        with durable.scratch_folder("preview-", tmp_path / "cache") as folder:
            (folder / "movie.mp4").write_bytes(b"half")
            left = tmp_path / "cache" / "preview-left.scratch"
            left.mkdir(exist_ok=True)
            (left / "movie.mp4").write_bytes(b"of another")
    with durable.scratch_folder("preview-", tmp_path / "cache"):
        assert not left.exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_description_of_a_dataset_that_was_being_staged_is_removed_by_the_next_run(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    one = staging.Released(sid="cell", root_cid="bafybeiewa6awfl2wiukxhpbd53joksmlpye76z5guep53zlrzrdkhma2m4")
    target = FolderTarget(tmp_path / "staged")
    for _ in range(3):
        with monkeypatch.context() as patch:
            kill_at_call(patch, target, "put")
            assert ended(forked(lambda: staging._put_root(target, one, {}, 0))) == -signal.SIGKILL
    staging._put_root(target, one, {}, 0)
    assert list(target.present()) == [staging.root_name(one.root_cid)]
    assert list(temporary.iterdir()) == []
