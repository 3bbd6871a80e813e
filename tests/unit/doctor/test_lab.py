"""What a workspace leans on outside of itself: a damage and a near miss each."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from etdb.blocks.kubo import KuboNode
from etdb.doctor import Finding, Services, examine
from etdb.flo import REGTEST
from etdb.ledger import LocalChain
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient
from etdb.testing.fake_node import FakeNode
from etdb.workspace import Workspace

CHECKS = ("node", "coins", "kubo", "gateways")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    with closing(LocalChain(tmp_path / "chain", writable=True)) as found:
        found.mine(3)
        yield found


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "w").mkdir()
    made = Workspace.init(tmp_path / "w")
    made.keyring.new("lab", "a long enough passphrase")
    return made


def found_with(workspace: Workspace, services: Services) -> list[Finding]:
    """The findings on what is outside."""
    return [one for one in examine(workspace, services=services).findings if one.check in CHECKS]


def node_services(node: FakeNode, folder: Path) -> Services:
    return Services(open_node=lambda: FloNode(RpcClient(node.url), REGTEST, folder / "node.sqlite", fresh_s=0))


def address(workspace: Workspace) -> str:
    return workspace.keyring.show("lab").address


def test_nothing_is_looked_at_that_was_not_named(workspace: Workspace) -> None:
    assert found_with(workspace, Services()) == []


def test_a_key_without_coins_and_with_enough(workspace: Workspace, chain: LocalChain, tmp_path: Path) -> None:
    with FakeNode(chain) as node:
        (one,) = found_with(workspace, node_services(node, tmp_path))
        assert (one.check, one.severity) == ("coins", "error")
        assert "holds 0 satoshi" in one.what
        assert address(workspace) in one.advice
        chain.earn(address(workspace), 1)
        assert found_with(workspace, node_services(node, tmp_path)) == []


def test_a_node_that_is_not_there(workspace: Workspace, chain: LocalChain, tmp_path: Path) -> None:
    with FakeNode(chain) as node:
        services = node_services(node, tmp_path)
    (one,) = found_with(workspace, services)
    assert (one.check, one.severity) == ("node", "error")
    assert one.advice


def test_a_node_that_is_behind(workspace: Workspace, chain: LocalChain, tmp_path: Path) -> None:
    chain.earn(address(workspace), 1)
    with FakeNode(chain) as node:
        node.info = {"headers": 5000}
        (one,) = found_with(workspace, node_services(node, tmp_path))
        assert "behind" in one.what
        assert "wait" in one.advice


def test_a_clock_that_is_hours_behind_the_chain(
    workspace: Workspace, chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.earn(address(workspace), 1)
    with FakeNode(chain) as node:
        assert found_with(workspace, node_services(node, tmp_path)) == []  # it has read the headers now
        now = time.time()
        monkeypatch.setattr("etdb.doctor.lab.time.time", lambda: now - 3600)
        assert found_with(workspace, node_services(node, tmp_path)) == []
        monkeypatch.setattr("etdb.doctor.lab.time.time", lambda: now - 4 * 3600)
        (one,) = found_with(workspace, node_services(node, tmp_path))
        assert "ahead of the clock" in one.what


class Answering(http.server.BaseHTTPRequestHandler):
    """Says what it was told to."""

    answers: dict[str, tuple[int, object]]

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        name = self.path.partition("?")[0].removeprefix("/api/v0/")
        status, document = self.answers.get(name, (404, "no such command"))
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        """The same."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def answering(answers: dict[str, tuple[int, object]]) -> Iterator[str]:
    handler = type("Handler", (Answering,), {"answers": answers})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_kubo_that_is_too_old_or_not_there(workspace: Workspace) -> None:
    with answering({"version": (200, {"Version": "0.9.1", "Repo": "10"})}) as url:
        (one,) = found_with(workspace, Services(open_kubo=lambda: KuboNode(url)))
        assert (one.check, one.severity) == ("kubo", "error")
        assert "0.9.1" in one.what
    (one,) = found_with(workspace, Services(open_kubo=lambda: KuboNode(url)))
    assert (one.check, one.severity) == ("kubo", "error")
    assert one.advice


def test_a_gateway_that_is_there_and_one_that_is_not(workspace: Workspace) -> None:
    toml = workspace.root / "etdb.toml"
    text = toml.read_text()
    with answering({}) as url:
        toml.write_text(text.replace('# gateways = ["http://127.0.0.1:8080"]', f'gateways = ["{url}"]'))
        assert found_with(Workspace.find(workspace.root), Services(has_gateways=True)) == []
    (one,) = found_with(Workspace.find(workspace.root), Services(has_gateways=True))
    assert (one.check, one.severity, one.where) == ("gateways", "warning", url)
