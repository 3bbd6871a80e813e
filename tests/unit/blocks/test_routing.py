"""Routing servers that answer, lie, stall and flood."""

import json
import threading
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from etdb.blocks.http import HttpSource
from etdb.blocks.routing import MAX_ANSWER_BYTES, MAX_PROVIDERS, ask_routers, parse_providers, providers_of
from etdb.errors import ConfigurationError, FormatError, SourceError
from etdb.ipfs import DAG_PB, Cid, cid_of

CID = cid_of(b"somebody's")
PEER = "12D3KooWBPYKRYk6Vb2aZ1YxJYxA1y3xqXnSpMgKrSJvyGyNqKfW"
GATEWAY = {
    "Schema": "peer",
    "ID": PEER,
    "Addrs": ["/dns4/lab.example.org/tcp/443/https", "/ip4/203.0.113.7/tcp/4001"],
    "Protocols": ["transport-ipfs-gateway-http"],
    "Extra": 1,
}
NODE = {"Schema": "peer", "ID": PEER, "Addrs": ["/ip4/198.35.26.96/tcp/4001"], "Protocols": ["transport-bitswap"]}


@contextmanager
def router(body=b"", *, kind="application/json", status=200, headers=(), silent=False):
    asked, stopping = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Accept"]))
            if silent:
                stopping.wait(30)
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url, cid=CID, **options):
    source = HttpSource(url, timeout_s=1)
    try:
        return providers_of(source, cid, **options)
    finally:
        source.close()


def as_json(*records):
    return json.dumps({"Providers": records}).encode()


def as_lines(*records):
    return b"\n".join(json.dumps(one).encode() for one in records) + b"\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (as_json(GATEWAY, NODE), "application/json; charset=utf-8"),
        (as_lines(GATEWAY, NODE), "application/x-ndjson"),
    ],
)
def test_both_forms_of_an_answer(body, kind):
    with router(body, kind=kind) as (url, asked):
        gateway, node = ask(url)
    assert asked[0][0] == f"/routing/v1/providers/{CID}"
    assert gateway.urls == ("https://lab.example.org",)
    assert gateway.peer_id == PEER
    assert gateway.found_by == url
    assert not gateway.speaks_bitswap
    assert node.urls == ()
    assert node.speaks_bitswap


def test_an_old_cid_is_asked_for_in_the_new_form():
    old = Cid(version=0, codec=DAG_PB, digest=CID.digest)
    with router(as_json()) as (url, asked):
        assert ask(url, old) == ()
    assert asked[0][0] == f"/routing/v1/providers/{Cid(codec=DAG_PB, digest=CID.digest)}"


def test_nobody_has_it():
    for options in ({"body": b"{}"}, {"body": b'{"Providers": null}'}, {"status": 404, "body": b"no"}):
        with router(**options) as (url, _):
            assert ask(url) == ()
    with router(b"", kind="application/x-ndjson") as (url, _):
        assert ask(url) == ()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"body": b"<p>log in", "kind": "text/html"}, SourceError),
        ({"body": b"[" * 100_000}, FormatError),
        ({"body": b'{"Providers":' + b"[" * 1000}, FormatError),
        ({"body": b'{"Providers":["' + b"]" * 200_000 + b'",' + b"[" * 200_000}, FormatError),
        ({"body": b"{"}, FormatError),
        ({"body": b"[]"}, FormatError),
        ({"body": b'{"Providers": 7}'}, FormatError),
        ({"body": b'{"Providers": [NaN]}'}, FormatError),
        ({"body": b"\xff\xfe"}, FormatError),
        ({"body": as_lines(GATEWAY) + b"{cut", "kind": "application/x-ndjson"}, FormatError),
        ({"body": b" " * (MAX_ANSWER_BYTES + 1)}, FormatError),
        ({"status": 500, "body": b""}, SourceError),
        ({"status": 429, "body": b"", "headers": [("Retry-After", "7")]}, SourceError),
        ({"status": 302, "body": b"", "headers": [("Location", "/routing/v1/again")]}, SourceError),
        ({"silent": True}, SourceError),
    ],
)
def test_bad_servers_are_named(options, error):
    with router(**options) as (url, _), pytest.raises(error) as caught:
        ask(url)
    assert url in caught.value.message


def test_records_that_are_not_right_are_passed_over():
    strange = [
        7,
        None,
        {},
        {"Schema": "peer"},
        {"Schema": ["peer"], "ID": PEER},
        {"Schema": "news", "ID": PEER, "Addrs": ["/dns4/x.org/https"]},
        {"Schema": "peer", "ID": "../..", "Addrs": ["/ip4/203.0.113.7/tcp/4001"]},
        {"Schema": "peer", "ID": 5, "Addrs": "https://x.org"},
        {"Schema": "peer", "ID": "", "Addrs": [{}, 1, "rubbish", "https://x.org/?q", "https://right.org"]},
        {"Schema": "bitswap", "Protocol": "transport-bitswap", "ID": PEER, "Addrs": ["/ip4/203.0.113.8/tcp/1"]},
    ]
    first, second = parse_providers(as_json(*strange), is_lines=False, router="r", allow_private=False)
    assert first.urls == ("https://right.org",)
    assert first.refused == ("rubbish", "https://x.org/?q")
    assert second.protocols == ("transport-bitswap",)


def test_private_addresses_are_not_for_strangers():
    record = {**GATEWAY, "Addrs": ["/ip4/127.0.0.1/tcp/80/http", "http://10.0.0.1", "/dns4/localhost/tcp/1/http"]}
    body = as_json(record)
    (provider,) = parse_providers(body, is_lines=False, router="r", allow_private=False)
    assert provider.urls == ()
    assert len(provider.refused) == 3
    (provider,) = parse_providers(body, is_lines=False, router="r", allow_private=True)
    assert provider.urls == ("http://127.0.0.1", "http://10.0.0.1", "http://localhost:1")


def test_a_flood_is_cut():
    many = [{**NODE, "Addrs": [f"/ip4/203.0.113.7/tcp/{n + 1}"] * 500} for n in range(400)]
    found = parse_providers(as_json(*many), is_lines=False, router="r", allow_private=False)
    assert len(found) == MAX_PROVIDERS
    assert max(len(one.addresses) for one in found) <= 32


def test_several_servers_at_once_and_a_dead_one_takes_nothing():
    with ExitStack() as stack:
        first, _ = stack.enter_context(router(as_json(GATEWAY)))
        silent, _ = stack.enter_context(router(silent=True))
        second, _ = stack.enter_context(router(as_lines(NODE), kind="application/x-ndjson"))
        dead = "http://127.0.0.1:9"
        answers = ask_routers([first, silent, dead, second, first + "/"], CID, timeout_s=1)
    assert [one.router for one in answers] == [first, silent, dead, second]
    assert [len(one.providers) for one in answers] == [1, 0, 0, 1]
    assert [one.error is None for one in answers] == [True, False, False, True]


def test_servers_that_are_none():
    with pytest.raises(ConfigurationError, match="ftp://x"):
        ask_routers(["ftp://x"], CID)
    with pytest.raises(ConfigurationError, match="limit"):
        ask_routers([f"http://127.0.0.1:{n}" for n in range(1, 30)], CID)
