"""One shim and one runner for all tests of this folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from disk_lab import Lab
from disk_shim import Runner, compile_shim


@pytest.fixture(scope="session")
def runner(tmp_path_factory) -> Iterator[Runner]:
    scratch = tmp_path_factory.mktemp("disk")
    library = compile_shim(scratch)
    if library is None:
        pytest.skip("left out: the disk's faults need Linux and a C compiler (cc)")
    runner = Runner(library, scratch)
    yield runner
    runner.close()


@pytest.fixture
def lab(tmp_path, runner) -> Iterator[Lab]:
    root = tmp_path / "lab"
    root.mkdir()
    yield Lab(root, runner)
    shutil.rmtree(root)
