"""Where a Kubo's RPC is: an address as people and Kubo itself write it."""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from etdb.blocks.http import TimedSocket
from etdb.errors import InputError

__all__ = ["DEFAULT_KUBO", "KuboAddress", "KuboConnection", "parse_kubo_address"]

DEFAULT_KUBO: Final = "http://127.0.0.1:5001"
_HINT: Final = f"it looks like {DEFAULT_KUBO}, unix:/run/ipfs/api.sock or /ip4/127.0.0.1/tcp/5001"


class KuboAddress(Struct, frozen=True, kw_only=True):
    """An address that was read.

    Attributes:
        text: as messages show it.
        host: a name or an address; empty for a socket.
        port: of TCP.
        is_tls: https.
        prefix: a path in front of ``/api/v0``.
        socket_path: of a Unix socket; None for TCP.
    """

    text: str
    host: str = ""
    port: int = 0
    is_tls: bool = False
    prefix: str = ""
    socket_path: Path | None = None

    @property
    def is_private(self) -> bool:
        """Whether what is said there stays on this machine or is encrypted."""
        if self.is_tls or self.socket_path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_kubo_address(text: str) -> KuboAddress:
    """Read ``http://host:port``, ``unix:/path``, or the multiaddr that stands in the file ``api`` of a repository.

    Raises:
        InputError: none of them.
    """
    text = text.strip() or DEFAULT_KUBO
    local = re.fullmatch(r"(?:unix:(?://)?|/unix)(/.+)", text)
    if local:
        return KuboAddress(text=f"unix:{local[1]}", socket_path=Path(local[1]))
    multi = re.fullmatch(r"/(?:ip4|ip6|dns|dns4|dns6)/([^/]+)/tcp/(\d{1,5})(/https|/tls/http|/http)?/?", text)
    if multi:
        scheme = "https" if multi[3] in {"/https", "/tls/http"} else "http"
        text = f"{scheme}://{f'[{multi[1]}]' if ':' in multi[1] else multi[1]}:{multi[2]}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"{text!r} is not the address of a Kubo", hint=_HINT) from None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise InputError(f"{text!r} is not the address of a Kubo", hint=_HINT)
    is_tls = parts.scheme == "https"
    prefix = parts.path.rstrip("/").removesuffix("/api/v0")
    return KuboAddress(
        text=text.rstrip("/"), host=host, port=port or (443 if is_tls else 5001), is_tls=is_tls, prefix=prefix
    )


_MAX_TRAILER_BYTES = 65_536
_MAX_TRAILER_LINES = 100


class _Answer(http.client.HTTPResponse):
    """A response that keeps the trailer in which Kubo says that a stream ended with an error.

    Attributes:
        stream_error: what the trailer says.
        has_last_chunk: whether a chunked answer came to its end; http.client takes a Kubo that died for an end too.
    """

    stream_error = ""
    has_last_chunk = False

    def _read_and_discard_trailer(self) -> None:
        lines: list[bytes] = []
        while (line := self.fp.readline(_MAX_TRAILER_BYTES)) not in {b"\r\n", b"\n"}:
            lines.append(line)
            if not line.endswith(b"\n") or len(lines) > _MAX_TRAILER_LINES:
                return
        self.stream_error = http.client.parse_headers(io.BytesIO(b"".join(lines))).get("X-Stream-Error", "")
        self.has_last_chunk = True


class KuboConnection(http.client.HTTPConnection):
    """A connection to a Kubo, with a deadline for reading."""

    deadline = 0.0
    s_per_byte = 0.0
    response_class = _Answer

    def __init__(self, address: KuboAddress, timeout_s: float) -> None:
        super().__init__(address.host or "localhost", address.port or None, timeout=timeout_s)
        self._address = address

    def connect(self) -> None:
        """Connect to the host, or to the socket."""
        if self._address.socket_path is not None:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                plain.settimeout(self.timeout)
                plain.connect(str(self._address.socket_path))
            except BaseException:
                plain.close()
                raise
        else:
            plain = socket.create_connection((self._address.host, self._address.port), self.timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._address.is_tls:
                import ssl  # noqa: PLC0415 - nearly every Kubo is on this machine

                plain = ssl.create_default_context().wrap_socket(plain, server_hostname=self._address.host)
        self.sock: Any = TimedSocket(plain, self)
