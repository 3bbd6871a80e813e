"""Fixtures of the judges from npm. A test here skips with one line when they are not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # so that tests here can say: from fcoin_node import FcoinNode

from fcoin_node import LEFT_OUT, FcoinNode, is_installed  # noqa: E402


@pytest.fixture(scope="session")
def npm_judges() -> Path:
    """The folder with node_modules; skips with one line when the judges are not installed."""
    if not is_installed():
        pytest.skip(LEFT_OUT)
    return HERE


@pytest.fixture
def fcoin_node(npm_judges: Path, tmp_path: Path) -> Iterator[FcoinNode]:
    """A full node on regtest with nothing but its genesis block; its log is shown when the test fails."""
    node = FcoinNode(tmp_path / "fcoin")
    try:
        yield node.start()
    finally:
        print(node.log_tail())
        node.stop()


@pytest.fixture
def run_node(npm_judges: Path) -> Callable[..., str]:
    """Run a script of tests/interop with node, its standard input given; what it prints."""

    def run(script: str, text: str = "") -> str:
        done = subprocess.run(
            ["node", str(npm_judges / script)], input=text, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
