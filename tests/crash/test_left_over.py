"""What a kill leaves beside a file that is being written is gone after the next write of it."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest

from etdb import durable
from etdb.errors import LockedError
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
