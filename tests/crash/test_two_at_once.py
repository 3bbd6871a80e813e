"""Two commands on one workspace at once: both work, or the second says at once who is there; neither spoils anything.

The first stands still in the middle of its work (by SIGSTOP, behind its n-th change of the disk), at several places;
the second runs meanwhile; then the first goes on to its end.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "disk"))
from disk_shim import compile_shim, load_log
from lab import Lab

pytestmark = pytest.mark.crash

DONE, LOCKED = 0, 7
PLACES = (0.2, 0.5, 0.8)
# Writes of these files are in the middle of a command's work.
MIDDLES = {"publish": "journal.sqlite-wal", "index": "catalogue.sqlite-wal", "download": ".part"}
BIG_BYTES = (2 << 20) + 77
# What each first command leaves to the others while it stands still.
SECONDS = {
    "publish": {"publish": LOCKED, "index": DONE, "download": DONE, "verify": DONE, "status": DONE, "key": DONE},
    "index": {"index": LOCKED, "publish": DONE, "download": DONE, "search": DONE, "status": DONE},
    "download": {"download": LOCKED, "download-metadata": LOCKED, "publish": DONE, "index": DONE, "verify": DONE},
}


class Room:
    """A lab with one dataset that is published and indexed and one that is not, and commands as processes."""

    def __init__(self, root: Path) -> None:
        self.root, self.lab, self.got = root, Lab(root / "lab"), root / "got"

    def words(self, name: str) -> list[str]:
        """The words of a command."""
        workspace = ["-w", str(self.lab.workspace.root), "--json"]
        secret = ["--passphrase-file", str(self.lab.root / "pass")]
        return {
            "publish": [*workspace, "publish", str(self.lab.data), "--yes", "--key", "me", *secret],
            "index": [*workspace, "index"],
            "download": [*workspace, "download", "--query", "short", "-o", str(self.got)],
            "download-metadata": [*workspace, "download", "--query", "short", "-o", str(self.got), "--type", "none"],
            "verify": [*workspace, "verify", (self.root / "id").read_text()],
            "search": [*workspace, "search", "record"],
            "status": [*workspace, "status"],
            "key": [*workspace, "key", "new", "other", *secret],
            "serve": [*workspace, "serve", "--port", "0"],
        }[name]

    def start(self, name: str, **env: str) -> subprocess.Popen:
        """A command of its own."""
        words = [sys.executable, "-m", "etdb", *self.words(name)]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **env})

    def shim(self, library: Path, mode: str, at: int = 0) -> dict[str, str]:
        """The settings of a process that is watched, or stands still."""
        return {
            "LD_PRELOAD": str(library),
            "ETDB_SHIM_MODE": mode,
            "ETDB_SHIM_ROOT": str(self.root),
            "ETDB_SHIM_LOG": str(self.root.with_suffix(".log")),
            "ETDB_SHIM_AT": str(at),
        }

    def run(self, name: str) -> tuple[int, str, str]:
        """A command to its end."""
        return ended(self.start(name))


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit status, output, error."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    library = compile_shim(tmp_path_factory.mktemp("shim"))
    if library is None:
        pytest.skip("left out: to stop a command in its work needs Linux and a C compiler (cc)")
    return library


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, pristine_lab) -> Path:
    root = tmp_path_factory.mktemp("room") / "room"
    root.mkdir()
    lab = pristine_lab.copy(root / "lab")
    (lab.data / "short" / "big.dat").write_bytes(random.Random(3).randbytes(BIG_BYTES))
    (lab.data / "long").rename(root / "long")
    report = lab.published()
    (root / "id").write_text(report["datasets"][0]["dataset_id"])
    assert Room(root).run("index")[0] == DONE
    (root / "long").rename(lab.data / "long")
    return root


@pytest.fixture
def room(pristine, tmp_path) -> Room:
    shutil.copytree(pristine, tmp_path / "room")
    return Room(tmp_path / "room")


@pytest.fixture(scope="module")
def places(pristine, library, tmp_path_factory) -> dict[str, list[int]]:
    """For each first command, the changes of the disk behind which it is in the middle of its work.

    Not every change will do: for a moment, when a database is opened or closed, nobody else may get at it.
    """
    found = {}
    for name in SECONDS:
        root = tmp_path_factory.mktemp("measured") / "room"
        shutil.copytree(pristine, root)
        room = Room(root)
        if name == "index":
            assert room.run("publish")[0] == DONE
        process = room.start(name, **room.shim(library, "record"))
        assert ended(process)[0] == DONE
        records = load_log(root.with_suffix(".log"))
        inside = [n for n, one in enumerate(records, 1) if one.op == "W" and one.path.endswith(MIDDLES[name])]
        found[name] = [inside[int(part * len(inside))] for part in PLACES]
    return found


@pytest.mark.parametrize("first", SECONDS)
def test_a_second_command_while_one_is_in_the_middle_of_its_work(pristine, tmp_path, library, places, first):
    done, named = dict.fromkeys(SECONDS[first], 0), set()
    for place in places[first]:
        shutil.copytree(pristine, tmp_path / f"room-{place}")
        room = Room(tmp_path / f"room-{place}")
        if first == "index":
            assert room.run("publish")[0] == DONE
        process = room.start(first, **room.shim(library, "stop", place))
        _, state = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(state), process.communicate()
        try:
            for second, expected in SECONDS[first].items():
                status, out, err = room.run(second)
                done[second] += status == DONE
                # Where the first stands still within a change of a database, others may not get at that database.
                assert status in {expected, LOCKED}, (second, place, status, err)
                if status == LOCKED:
                    said = json.loads(out)
                    assert said["error"] == "locked", (second, place, said)
                    assert said["hint"]
                if expected == LOCKED and "pid" in said:
                    named.add(second)
                    assert said["pid"] == process.pid
                    assert f"process {process.pid}" in said["message"]
        finally:
            os.kill(process.pid, signal.SIGCONT)
        status, _, err = ended(process)
        assert status == DONE, err
        assert_all_is_well(room)
    assert all(done[second] >= len(PLACES) // 2 for second, expected in SECONDS[first].items() if expected == DONE), (
        done
    )


def assert_all_is_well(room: Room) -> None:
    """Every dataset is there once, and comes back as it was."""
    status, _, err = room.run("publish")
    assert status == DONE, err
    again = json.loads(room.run("publish")[1])
    assert again["transactions_sent"] == 0
    room.lab.assert_each_found_once()
    assert room.run("index")[0] == DONE
    status, _, err = room.run("download")
    assert status == DONE, err
    (folder,) = room.got.iterdir()
    for source in (room.lab.data / "short").iterdir():
        if source.name != "dataset.toml":
            assert (folder / source.name).read_bytes() == source.read_bytes()
    assert not [path for path in folder.rglob("*") if path.suffix in {".part", ".map", ".tmp", ".lock"}]


@pytest.mark.parametrize("name", SECONDS)
def test_the_lock_of_a_killed_command_holds_nobody_up(room, library, places, name):
    if name == "index":
        assert room.run("publish")[0] == DONE
    process = room.start(name, **room.shim(library, "kill", places[name][1]))
    assert ended(process)[0] == -signal.SIGKILL
    status, _, err = room.run(name)
    assert status == DONE, err


def test_a_gateway_serves_what_is_published_while_it_runs(room):
    """One serves, one publishes and one indexes."""
    server = room.start("serve")
    try:
        url = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")["gateway"]
        publishing = room.start("publish")
        indexing = [room.run("index") for _ in range(3)]
        status, out, err = ended(publishing)
        assert status == DONE, err
        assert [status for status, _, _ in indexing] == [DONE] * 3, indexing
        for dataset in json.loads(out)["datasets"]:
            request = urllib.request.Request(f"{url}/ipfs/{dataset['root_cid']}?format=raw")
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert answer.status == 200
    finally:
        server.terminate()
        server.communicate()
    assert_all_is_well(room)
