"""Whatever a routing server says, only public gateways over HTTP come of it, or one of our errors."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from etdb.blocks.addresses import is_public_host, parse_http_address
from etdb.blocks.routing import MAX_ADDRESSES, MAX_PROVIDERS, parse_providers
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    peer = b'{"Schema":"peer","ID":"12D3KooWA","Addrs":["%s"],"Protocols":["transport-ipfs-gateway-http"]}'
    addresses = [
        b"/dns4/example.org/tcp/443/https",
        b"/ip4/127.0.0.1/tcp/80/http",
        b"/ip6/::ffff:10.0.0.1/tcp/80/tls/http/p2p/12D3KooWA",
        b"/dns/a/tcp/443/tls/sni/b/http/http-path/c%2Fd",
        b"https://[2001:db8::1]:8443/x",
        b"http://0x7f.1/",
    ]
    return [
        *(b'{"Providers":[' + peer % one + b"]}" for one in addresses),
        b"\n".join(peer % one for one in addresses),
        b'{"Providers":null}',
        *addresses,
    ]


def check(data: bytes) -> None:
    for is_lines in (False, True):
        with suppress(FormatError):
            found = parse_providers(data, is_lines=is_lines, router="r", allow_private=False)
            assert len(found) <= MAX_PROVIDERS
            for provider in found:
                assert len(provider.addresses) <= MAX_ADDRESSES
                for url in provider.urls:
                    _verify_url(url)
                    assert is_public_host(urlsplit(url).hostname or "")
    with suppress(FormatError):
        url = parse_http_address(data.decode("utf-8", "surrogateescape"))
        if url is not None:
            _verify_url(url)


def _verify_url(url: str) -> None:
    parts = urlsplit(url)
    assert parts.scheme in {"http", "https"}
    assert parts.hostname
    assert parts.port is None or 0 < parts.port < 65536
    assert not parts.query + parts.fragment
    assert parts.username is None
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
