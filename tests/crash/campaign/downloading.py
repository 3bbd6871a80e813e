"""Download, killed: nothing wrong under its final name, what had arrived is not fetched again, nothing is left over."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

from lab import Lab

from campaign.commands import Commands, Ended, Measured

LEAF_BYTES = 1 << 20
BIG_BYTES = 3 * LEAF_BYTES + 17
HIDDEN = ".etdb-incomplete"
RECEIVED = "etdb-dataset.json"


class DownloadScenario:
    """A workspace with two published datasets, read in place or through a gateway."""

    def __init__(self, name: str, scratch: Path, commands: Commands) -> None:
        self.name, self.commands = name, commands
        self.lab = Lab.make(scratch / name / "lab")
        dice = random.Random(2)
        folder = self.lab.data / "short" / "sub"
        folder.mkdir()
        (folder / "big.dat").write_bytes(dice.randbytes(BIG_BYTES))
        (folder / "small.dat").write_bytes(dice.randbytes(4321))
        (self.lab.data / "long" / "other.dat").write_bytes(dice.randbytes(LEAF_BYTES + 5))
        self.lab.published()
        self.workspace = self.lab.workspace.root
        commands.succeed(["-w", str(self.workspace), "--json", "index"])
        self._server: subprocess.Popen | None = None
        self.files: dict[str, bytes] = {}
        self.cids: dict[str, str] = {}
        self.reader, self.gateway = self.workspace, ""
        if name.endswith("gateway"):
            self._serve(scratch / name / "reader")
        whole = self.begin(scratch / name / "whole", random.Random(0))
        self.measured: Measured = commands.measure(whole.words(), whole.disk)
        ended = commands.succeed(whole.words())
        self.total_bytes = json.loads(ended.out)["kept_bytes"]
        self.files = files_in(whole.disk)
        received = [path for path in self.files if path.endswith(RECEIVED)]
        for path in received:
            for one in json.loads(self.files.pop(path))["files"]:
                self.cids[f"{path.partition('/')[0]}/{one['target']}"] = one["cid"]
        self.names = set(files_in(whole.disk))
        for path in self.lab.data.rglob("*"):
            if path.is_file() and path.name != "dataset.toml":
                assert path.read_bytes() in self.files.values()

    def _serve(self, reader: Path) -> None:
        """A reader without the files, and a gateway that has them."""
        chain = self.workspace / "chain"
        self.commands.succeed(["init", str(reader), "--ledger", str(chain)])
        self.commands.succeed(["-w", str(reader), "--json", "index"])
        self._server = subprocess.Popen(  # ended by close
            [sys.executable, "-m", "etdb", "-w", self.workspace, "--json", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        document = "".join(iter(self._server.stdout.readline, "}\n")) + "}"
        self.reader, self.gateway = reader, json.loads(document)["gateway"]

    def close(self) -> None:
        """End the gateway."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server.stdout.close()

    def begin(self, folder: Path, dice: random.Random) -> DownloadCase:
        """An empty folder to download into."""
        folder.mkdir(parents=True)
        return DownloadCase(self, folder, dice)


class DownloadCase:
    """One folder into which a download is killed."""

    def __init__(self, scenario: DownloadScenario, folder: Path, dice: random.Random) -> None:
        self.scenario, self.disk, self.dice = scenario, folder, dice
        self.commands = scenario.commands
        self.batch_blocks = 0
        self.jobs = dice.choice((1, 2, 4))
        self.arrived_bytes = 0
        self.damaged: dict[str, bytes] = {}
        self.notes = {"damaged": 0, "bytes_kept_of_interrupted": 0}

    def words(self) -> list[str]:
        """The next command; now and then something that arrived was damaged before it."""
        if self.dice.random() < 0.15:
            self._damage()
        self.arrived_bytes = self._count_arrived()
        gateway = ["--gateway", self.scenario.gateway] if self.scenario.gateway else []
        words = ["-w", str(self.scenario.reader), "--json", "download", "--query", "record", "-o", str(self.disk)]
        return [*words, "--jobs", str(self.jobs), *gateway]

    def assert_after_kill(self) -> None:
        """Whatever has its final name is right, all of it."""
        for path, data in files_in(self.disk).items():
            if data == self.damaged.get(path):
                continue  # the download has not come to look at it yet
            if path in self.scenario.files:
                assert data == self.scenario.files[path], f"{path} is wrong, with {len(data)} bytes"
            elif path.endswith(RECEIVED):
                json.loads(data)

    def assert_done(self, ended: Ended) -> None:
        """Everything is there and right and nothing else, and what had arrived was not fetched."""
        report = json.loads(ended.out)
        assert report["complete"]
        assert report["kept_bytes"] + report["fetched_bytes"] == self.scenario.total_bytes
        assert report["kept_bytes"] == self.arrived_bytes, (report["kept_bytes"], self.arrived_bytes)
        self.notes["bytes_kept_of_interrupted"] += self.arrived_bytes
        self.damaged.clear()
        self.assert_after_kill()
        there = set(files_in(self.disk, hidden=True))
        assert there == self.scenario.names, f"left over or missing: {sorted(there ^ self.scenario.names)}"
        again = json.loads(self.commands.succeed(self.words_again()).out)
        assert (again["fetched_bytes"], again["kept_bytes"]) == (0, self.scenario.total_bytes)

    def words_again(self) -> list[str]:
        """The same command, with nothing damaged before it."""
        dice, self.dice = self.dice, random.Random(0)
        self.dice.random = lambda: 1.0  # type: ignore[method-assign]
        words = self.words()
        self.dice = dice
        return words

    def _damage(self) -> None:
        paths = [path for path in self.disk.rglob("*") if path.is_file() and path.stat().st_size]
        parts = [path for path in paths if path.suffix == ".part"]
        whole = [path for path in paths if HIDDEN not in path.parts and path.name != RECEIVED]
        if parts or whole:
            path = self.dice.choice(sorted(parts + whole))
            data = bytearray(path.read_bytes())
            data[self.dice.randrange(len(data))] ^= 1 << self.dice.randrange(8)
            path.write_bytes(data)
            self.damaged[str(path.relative_to(self.disk))] = bytes(data)
            self.notes["damaged"] += 1

    def _count_arrived(self) -> int:
        """Bytes of leaves that lie there and are right, looked at without the code that is killed."""
        arrived = 0
        for path, right in self.scenario.files.items():
            folder, _, target = path.partition("/")
            stem = hashlib.sha256(f"{self.scenario.cids[path]} {target}".encode()).hexdigest()[:32]
            hidden = self.disk / folder / HIDDEN
            part, marks = hidden / f"{stem}.part", hidden / f"{stem}.map"
            found, bits = read(self.disk / path), b"\xff"
            if part.exists():
                # A file of one leaf comes in one piece; a part of it is never looked at.
                found, bits = read(part), read(marks)[8:] if len(right) > LEAF_BYTES else b""
            for number, at in enumerate(range(0, len(right), LEAF_BYTES)):
                leaf = right[at : at + LEAF_BYTES]
                marked = number // 8 < len(bits) and bits[number // 8] >> number % 8 & 1
                arrived += len(leaf) if marked and found[at : at + LEAF_BYTES] == leaf else 0
        return arrived


def read(path: Path) -> bytes:
    """The bytes of a file; none when it is not there."""
    return path.read_bytes() if path.exists() else b""


def files_in(folder: Path, *, hidden: bool = False) -> dict[str, bytes]:
    """The bytes of all files in a folder, by their path in it."""
    paths = (path for path in folder.rglob("*") if path.is_file() and (hidden or HIDDEN not in path.parts))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
