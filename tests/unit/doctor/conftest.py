"""A workspace with one published dataset, made once and copied for each test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etdb.doctor import Finding, examine, repair
from etdb.testing.images import mrc_header
from etdb.workspace import Workspace

PASSPHRASE = "a long enough passphrase"


class Lab:
    """A workspace and the folder that it publishes from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "workspace"
        self.data = folder / "lab"

    def run(self, *arguments: str, status: int = 0) -> dict:
        reader, writer = os.pipe()
        os.write(writer, (PASSPHRASE + "\n").encode())
        os.close(writer)
        secret = ("--passphrase-fd", str(reader)) if arguments[0] in {"publish", "key"} else ()
        done = subprocess.run(
            [sys.executable, "-m", "etdb", "--workspace", str(self.root), "--json", *arguments, *secret],
            pass_fds=(reader,),
            capture_output=True,
            check=False,
        )
        os.close(reader)
        assert done.returncode == status, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout else {}

    def publish(self, *arguments: str) -> dict:
        return self.run("publish", str(self.data), "--yes", *arguments)

    def examine(self, *, deep: bool = False) -> list[Finding]:
        return list(examine(Workspace(self.root), deep=deep).findings)

    def found(self, check: str, *, deep: bool = False) -> list[Finding]:
        return [one for one in self.examine(deep=deep) if one.check == check]

    def repair(self, *, deep: bool = False) -> list[str]:
        done = repair(Workspace(self.root), deep=deep)
        assert [one.error for one in done] == [""] * len(done)
        return [one.finding.check for one in done]


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("template")).folder


def make_lab(folder):
    lab = Lab(folder)
    for name in ("one", "two"):
        dataset = lab.data / name
        dataset.mkdir(parents=True)
        text = f'title = "Cell {name}"\nspecies = "V"\nacquired_on = 2014-01-14\n'
        (dataset / "dataset.toml").write_text(text)
        data = name.encode() * 400_000
        (dataset / "cell.mrc").write_bytes(mrc_header(len(data)) + data)
        (dataset / "note.txt").write_text(f"of {name}")
    lab.run("init", str(lab.root))
    lab.run("key", "new", "lab")
    lab.publish()
    lab.run("index")
    lab.root.rename(lab.root.with_name("kept"))
    return lab


@pytest.fixture
def lab(template, tmp_path):
    """The same workspace at another place; the data stay where they are, and are not to be changed."""
    lab = Lab(tmp_path)
    lab.data = template / "lab"
    shutil.copytree(template / "kept", lab.root)
    return lab


@pytest.fixture
def own(tmp_path):
    """A workspace whose data a test may change."""
    lab = make_lab(tmp_path / "own")
    (lab.folder / "kept").rename(lab.root)
    return lab
