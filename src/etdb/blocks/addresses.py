"""Addresses that strangers give: which of them HTTP can use, and which must not be called.

A routing server may say anything. Its addresses are parsed strictly, and an address of this machine or of a network
behind it is never called unless the user allows it: otherwise a stranger could have us ask our own printer. Names are
looked at again when they are resolved, see :func:`connect`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from etdb.errors import FormatError, SourceError

__all__ = ["MAX_ADDRESS_CHARACTERS", "connect", "is_public_host", "parse_http_address"]

MAX_ADDRESS_CHARACTERS = 512
MAX_TRIED = 8
"""Addresses of one name that are called."""
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?", re.ASCII | re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9._~/-]*", re.ASCII)
_HOSTS = frozenset({"ip4", "ip6", "dns", "dns4", "dns6"})
_SCHEMES = {
    ("http",): "http",
    ("https",): "https",
    ("tls", "http"): "https",
}


def parse_http_address(text: str) -> str | None:
    """The URL of an address over HTTP, or None when it is of another transport.

    Args:
        text: a multiaddr such as ``/dns4/example.org/tcp/443/tls/http/p2p/12D3..`` or a URL of the form
            ``https://example.org`` (IPIP-518).

    Returns:
        ``http://`` or ``https://``, host, port where it is not the scheme's own, and a path when there is one.

    Raises:
        FormatError: it begins like an address over HTTP and is not right.
    """
    if len(text) > MAX_ADDRESS_CHARACTERS or not text.isascii() or not text.isprintable():
        raise FormatError(f"an address of {len(text)} characters that is none: {text[:60]!r}")
    if text.startswith(("http://", "https://")):
        return _parse_url(text)
    if not text.startswith("/"):
        raise FormatError(f"{text[:80]!r} is not an address")
    return _parse_multiaddr(text.split("/")[1:], text)


def is_public_host(host: str) -> bool:
    """Whether a host may be called on a stranger's word: a public address, or a name (see :func:`connect`)."""
    try:
        return _is_public(host.strip("[]"))
    except ValueError:
        return not host.rstrip(".").lower().endswith(("localhost", ".local", ".internal"))


def connect(
    host: str,
    port: int,
    timeout_s: float,
    *,
    deadline: float,
    public_only: bool,
    opened: Callable[[socket.socket], None],
) -> socket.socket:
    """Connect to the first address of a host that answers.

    Args:
        host: a name or an address.
        port: of TCP.
        timeout_s: for each address; no more than some are tried.
        deadline: for all of them, of ``time.monotonic``.
        public_only: a name that leads to this machine or into a private network is refused: what was looked up is
            what is called, so that no second look-up can say something else.
        opened: told of each socket before it connects; it may refuse.

    Raises:
        SourceError: refused.
        OSError: nobody answers.
    """
    last: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:MAX_TRIED]:
        address = str(place[0])
        if public_only and not _is_public(address):
            raise SourceError(
                f"{host} leads to {address}, which is not a public address",
                hint="allow it with --allow-private, or `allow_private` under [fetch] in etdb.toml",
                source=host,
            )
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise last or TimeoutError("the deadline of the request is over")
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(min(timeout_s, left_s))
            opened(connected)
            connected.connect(place)
        except OSError as error:
            connected.close()
            last = error
        else:
            return connected
    raise last or OSError(f"{host} has no address")


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            found = inner
        elif found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _parse_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FormatError(f"{text[:80]!r} is not an address") from None
    if parts.query or parts.fragment or parts.username is not None or not _PATH.fullmatch(parts.path):
        raise FormatError(f"{text[:80]!r} is not the address of a gateway")
    kind = "dns"
    if ":" in host:
        kind = "ip6"
    return _url(parts.scheme, _host(kind, host, text), port, parts.path)


def _parse_multiaddr(words: list[str], text: str) -> str | None:
    if words[0] not in _HOSTS or len(words) < 2:
        return None
    host, rest = _host(words[0], words[1], text), words[2:]
    port: int | None = None
    if rest[:1] == ["tcp"] and len(rest) > 1:
        port, rest = _port(rest[1], text), rest[2:]
    if len(rest) >= 2 and rest[-2] == "p2p":
        rest = rest[:-2]
    path = ""
    if len(rest) >= 2 and rest[-2] == "http-path":
        path = "/" + unquote(rest[-1]).strip("/")
        if not _PATH.fullmatch(path):
            raise FormatError(f"{text[:80]!r} is not the address of a gateway")
        rest = rest[:-2]
    if rest[:2] == ["tls", "sni"] and len(rest) == 4 and rest[3] == "http":
        # The certificate is the name's: so is the connection.
        host, rest = _host("dns", rest[2], text), ["https"]
    scheme = _SCHEMES.get(tuple(rest))
    return None if scheme is None else _url(scheme, host, port, path)


def _host(kind: str, host: str, text: str) -> str:
    try:
        if kind == "ip4":
            return str(ipaddress.IPv4Address(host))
        if kind == "ip6":
            return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        raise FormatError(f"{text[:80]!r} is not an address") from None
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise FormatError(f"{text[:80]!r} has no right name of a host")
    labels = host.rstrip(".").split(".")
    if labels[-1].isdigit() or labels[-1].lower().startswith("0x"):
        # Resolvers take 2130706433 and 0x7f.1 for 127.0.0.1.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise FormatError(f"{text[:80]!r} has no right name of a host") from None
    return host.lower()


def _port(word: str, text: str) -> int:
    if not word.isdecimal() or not 0 < int(word[:6]) < 65536 or len(word) > 5:
        raise FormatError(f"{text[:80]!r} has no right port")
    return int(word)


def _url(scheme: str, host: str, port: int | None, path: str) -> str:
    if port == 0:
        raise FormatError(f"{scheme}://{host} has no right port")
    is_usual = port is None or port == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}{'' if is_usual else f':{port}'}{path.rstrip('/')}"
