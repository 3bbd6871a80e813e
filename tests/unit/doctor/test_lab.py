"""What a workspace leans on outside of itself: a damage and a near miss each."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

from etdb.blocks.kubo import KuboNode
from etdb.doctor import Finding, Services, examine
from etdb.flo import REGTEST
from etdb.ledger import Limits, LocalChain
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient
from etdb.publish import Journal
from etdb.testing.fake_node import FakeNode
from etdb.testing.records import RecordSigner
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


def worse(found: list[Finding]) -> list[Finding]:
    """Those that are more than notes."""
    return [one for one in found if one.severity != "note"]


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
        (one,) = found_with(workspace, node_services(node, tmp_path))
        assert (one.check, one.severity) == ("coins", "note")
        assert int(one.what.partition("about ")[2].partition(" records")[0]) > 10_000


def test_coins_beside_what_waits_in_the_journal(workspace: Workspace, chain: LocalChain, tmp_path: Path) -> None:
    """As many messages as the coins pay for, and then one more than that."""
    chain.earn(address(workspace), 1)
    draft = RecordSigner("lab").tomogram(publisher=address(workspace), location="", notes="n" * 9_000)
    with FakeNode(chain) as node, closing(Journal(workspace.journal_path)) as journal:
        services = msgspec.structs.replace(
            node_services(node, tmp_path), limits=Limits(fee_rate_sat_per_kb=300_000_000)
        )
        for number in range(100):
            planned = msgspec.structs.replace(draft, sid=f"d{number}")
            journal.plan(address(workspace), planned.sid, "/data", msgspec.json.encode(planned))
            (one,) = found_with(workspace, services)
            assert one.check == "coins"
            assert f"{number + 1} messages that wait in the journal" in one.what
            if one.severity == "error":
                break
            assert one.severity == "note"
        assert number > 2
        assert "not enough" in one.what
        assert address(workspace) in one.advice
        journal.plan("o" * 34, "another's", "/data", msgspec.json.encode(draft))
        assert found_with(workspace, services) == [one]


@pytest.mark.parametrize(
    "beside",
    [(-9_000, "error"), (-700, "warning"), (-500, ""), (500, ""), (700, "warning"), (9_000, "error")],
)
def test_a_clock_beside_that_of_the_node(
    workspace: Workspace, chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: tuple[int, str]
) -> None:
    ahead_s, severity = beside
    chain.earn(address(workspace), 1)
    there = formatdate(time.time() - ahead_s, usegmt=True)
    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "date_time_string", lambda *_: there)
    with FakeNode(chain) as node:
        found = [one for one in found_with(workspace, node_services(node, tmp_path)) if one.check == "node"]
    assert [one.severity for one in found] == [severity][: bool(severity)]
    assert all(("ahead of" if ahead_s > 0 else "behind") in one.what for one in found)


@pytest.mark.parametrize(
    ("offset", "severity"), [(9_000, ["error"]), (-700, ["warning"]), (60, []), ("x", []), (1e99, [])]
)
def test_a_clock_beside_those_of_the_node_s_peers(
    workspace: Workspace, chain: LocalChain, tmp_path: Path, offset: object, severity: list[str]
) -> None:
    chain.earn(address(workspace), 1)
    with FakeNode(chain) as node:
        said = {"subversion": "/FLOCore:0.15.2/", "timeoffset": offset}
        node.before = lambda method, _: said if method == "getnetworkinfo" else None
        found = [one for one in found_with(workspace, node_services(node, tmp_path)) if one.check == "node"]
    assert [one.severity for one in found] == severity


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT", "x" * 5_000])
def test_a_date_that_is_none_says_nothing(
    workspace: Workspace, chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    chain.earn(address(workspace), 1)
    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "date_time_string", lambda *_: date)
    with FakeNode(chain) as node:
        assert [one.check for one in found_with(workspace, node_services(node, tmp_path))] == ["coins"]


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
        assert worse(found_with(workspace, node_services(node, tmp_path))) == []  # it has read the headers now
        now = time.time()
        monkeypatch.setattr("etdb.doctor.lab.time.time", lambda: now - 3600)
        assert worse(found_with(workspace, node_services(node, tmp_path))) == []
        monkeypatch.setattr("etdb.doctor.lab.time.time", lambda: now - 4 * 3600)
        (one,) = worse(found_with(workspace, node_services(node, tmp_path)))
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
