"""Which addresses of strangers are taken for gateways, and which are never called."""

import socket
import time

import pytest

from etdb.blocks.addresses import MAX_TRIED, connect, is_public_host, parse_http_address
from etdb.errors import FormatError, SourceError


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("/dns4/example.org/tcp/443/https", "https://example.org"),
        ("/dns/Example.org/tcp/443/tls/http/p2p/12D3KooWA", "https://example.org"),
        ("/dns6/example.org/https", "https://example.org"),
        ("/ip4/203.0.113.9/tcp/8080/http", "http://203.0.113.9:8080"),
        ("/ip6/2001:db8::1/tcp/80/http", "http://[2001:db8::1]"),
        ("/ip4/203.0.113.9/tcp/443/tls/sni/example.org/http", "https://example.org"),
        ("/dns/example.org/tcp/443/https/http-path/a%2Fb", "https://example.org/a/b"),
        ("https://example.org:8443/base/", "https://example.org:8443/base"),
        ("http://[2001:db8::1]:80/", "http://[2001:db8::1]"),
        ("/ip4/203.0.113.9/tcp/4001", None),
        ("/ip4/203.0.113.9/udp/4001/quic-v1/p2p/12D3KooWA", None),
        ("/dns4/example.org/tcp/443/wss", None),
        ("/unix/tmp/socket", None),
    ],
)
def test_what_http_can_use(address, url):
    assert parse_http_address(address) == url


@pytest.mark.parametrize(
    "address",
    [
        "",
        "example.org",
        "file:///etc/passwd",
        "gopher://example.org",
        "/dns4/exa mple.org/tcp/80/http",
        "/dns4/example.org/tcp/0/http",
        "/dns4/example.org/tcp/65536/http",
        "/dns4/example.org/tcp/+80/http",
        "/dns4/-x-/tcp/80/http",
        "/dns4/2130706433/tcp/80/http",
        "/dns4/0x7f.1/tcp/80/http",
        "/ip4/127.1/tcp/80/http",
        "/ip6/::g/tcp/80/http",
        "/dns4/example.org/tcp/80/http/http-path/%0d%0aHost:x",
        "http://user@example.org",
        "http://example.org/?a=b",
        "http://example.org:port",
        "http://[::1",
        "https://example.org/\r\nX: y",
        "/dns4/" + "a" * 600 + "/tcp/80/http",
        "/dns4/b\u00fccher.example/tcp/80/http",
    ],
)
def test_what_is_refused(address):
    with pytest.raises(FormatError):
        parse_http_address(address)


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("198.35.26.96", True),
        ("2620:0:860::1", True),
        ("example.org", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("localhost", False),
        ("a.LOCALHOST.", False),
        ("printer.local", False),
    ],
)
def test_hosts_that_a_stranger_may_name(host, is_public):
    assert is_public_host(host) is is_public


def test_a_name_that_leads_to_this_machine_is_not_called():
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SourceError, match=r"127\.0\.0\.1|::1"):
            connect("localhost", port, 1.0, deadline=time.monotonic() + 60, public_only=True, opened=asked.append)
        assert asked == []
        with connect(
            "localhost", port, 1.0, deadline=time.monotonic() + 60, public_only=False, opened=asked.append
        ) as found:
            assert found.getpeername()[1] == port


def test_a_name_of_many_silent_addresses_has_one_deadline_and_few_tries(monkeypatch):
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))] * 100
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: places)
    asked = []

    def refuse(opened):
        asked.append(opened.gettimeout())
        raise TimeoutError("silent")

    with pytest.raises(TimeoutError):
        connect("many", 9, 10.0, deadline=time.monotonic() + 5, public_only=False, opened=refuse)
    assert len(asked) == MAX_TRIED
    assert max(asked) <= 5
    with pytest.raises(TimeoutError, match="deadline"):
        connect("many", 9, 10.0, deadline=time.monotonic() - 1, public_only=False, opened=refuse)
    assert len(asked) == MAX_TRIED
