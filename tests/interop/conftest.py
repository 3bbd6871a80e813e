"""Fixtures of the judges. A test here skips with one line when its judge is not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# So that tests here can say: from fcoin_node import FcoinNode; and use the rules of the vectors.
sys.path[:0] = [str(HERE), str(HERE.parent / "vectors" / "make")]

import kubo_node  # noqa: E402
from fcoin_node import LEFT_OUT, FcoinNode, is_installed  # noqa: E402
from peers import peer_lines  # noqa: E402


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """At the end: against whom."""
    if config.getoption("-m") in {"interop", "node"}:
        terminalreporter.write_sep("-", "peers that nobody here wrote")
        for line in peer_lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def npm_judges() -> Path:
    """The folder with node_modules; skips with one line when the judges are not installed."""
    if not is_installed():
        pytest.skip(LEFT_OUT)
    return HERE


@pytest.fixture(scope="session")
def kubos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, kubo_node.Kubo]:
    """A repository of Kubo for each import profile; skips with one line when Kubo is not built."""
    if not kubo_node.kubo_path().exists():
        pytest.skip(kubo_node.LEFT_OUT)
    folder = tmp_path_factory.mktemp("kubo")
    return {profile: kubo_node.Kubo(folder / profile, profile) for profile in kubo_node.PROFILES}


@pytest.fixture
def start_kubos() -> Iterator[kubo_node.Kubos]:
    """Starts Kubo daemons; what they said is shown when the test fails. Skips with one line when Kubo is not built."""
    if not kubo_node.kubo_path().exists():
        pytest.skip(kubo_node.LEFT_OUT)
    kubos = kubo_node.Kubos()
    try:
        yield kubos
    finally:
        print(kubos.log_tails())
        kubos.stop()


@pytest.fixture
def kubo_daemon(start_kubos: kubo_node.Kubos, tmp_path: Path) -> kubo_node.KuboDaemon:
    """A running Kubo that takes every file of the test's folder in place."""
    return start_kubos.start(tmp_path)


@pytest.fixture
def kubo_pair(start_kubos: kubo_node.Kubos, tmp_path: Path) -> tuple[kubo_node.KuboDaemon, kubo_node.KuboDaemon]:
    """Two Kubos that are connected: one as ``kubo_daemon``, and one that has nothing."""
    lab, reader = start_kubos.start(tmp_path), start_kubos.start(tmp_path / "reader")
    start_kubos.connect(reader, lab)
    return lab, reader


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
            ["node", str(npm_judges / script)], input=text, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
