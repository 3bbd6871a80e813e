"""Bytes over ``http.client``: kept connections, a deadline for each request, no redirects, no surprises.

A peer that sends one byte a minute keeps an ordinary socket timeout from ever firing. Here each request has a deadline
of its own, checked at every read from the socket.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from etdb.blocks.addresses import connect
from etdb.errors import EtdbError, FormatError, InputError, NotFoundError, SourceError

__all__ = ["HttpSource", "Stop"]

_READ_BUFFER = 64 * 1024
_MAX_ERROR_BODY = 64 * 1024
_CONNECT_TIMEOUT_S = 10.0
MAX_RETRY_AFTER_S = 24 * 3600.0


class Stop:
    """Ends requests from another thread: the one that waits for bytes gets a :class:`SourceError` at once.

    As a context it is used by all requests that its thread begins inside.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._socket: socket.socket | TimedSocket | None = None
        self._lock = threading.Lock()

    @staticmethod
    def current() -> Stop | None:
        """The one whose context this thread is in."""
        found: Stop | None = getattr(_here, "stop", None)
        return found

    def __enter__(self) -> Self:
        self._outer = self.current()
        _here.stop = self
        return self

    def __exit__(self, *_: object) -> None:
        _here.stop = self._outer

    def set(self) -> None:
        """End it; may be called twice, and before it has begun."""
        with self._lock:
            self.is_set = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def watch(self, connected: socket.socket | TimedSocket | None) -> None:
        """Take over the socket that the request uses now; None when it uses none any more.

        Raises:
            TimeoutError: it was stopped already.
        """
        with self._lock:
            self._socket = connected
            if self.is_set and connected is not None:
                raise TimeoutError("stopped")


_here = threading.local()


class HttpSource:
    """One server. Can be used from several threads: each request has a connection to itself.

    Args:
        url: ``http://`` or ``https://``, with a path in front when the server has one.
        timeout_s: seconds to connect, and of silence.
        slowest_bytes_per_s: with this rate each request's deadline is set; slower peers are given up.
        max_idle: connections that are kept for the next request.
        public_only: never call an address of this machine or of a private network, whatever the name leads to.
        headers: of every request.

    Raises:
        InputError: not such a URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        slowest_bytes_per_s: int = 16 * 1024,
        max_idle: int = 16,
        public_only: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
            raise InputError(f"{url!r} is not the address of a gateway", hint="it looks like http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self._is_tls, self._host, self._port = parts.scheme == "https", host, port
        self._prefix = parts.path.rstrip("/")
        self._timeout_s, self._slowest, self._max_idle = timeout_s, slowest_bytes_per_s, max_idle
        self._public_only = public_only
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._idle: list[_AnyConnection] = []
        self._lock = threading.Lock()

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        *,
        expected_bytes: int | None,
        headers: dict[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; gives the response with status 200 or 206, its body unread.

        Args:
            method: GET or HEAD.
            path: from ``/``, already quoted.
            expected_bytes: the size that the deadline allows for; None lets it move on with the bytes that come.
            headers: more headers.

        Raises:
            NotFoundError: the server answers 404 or 410.
            SourceError: it cannot be reached, is too slow, redirects, breaks off, or answers anything else; fields
                ``status``, and ``retry_after_s`` where the server says when it may be asked again.
        """
        deadline = time.monotonic() + self._timeout_s + (expected_bytes or 0) / self._slowest
        stop = Stop.current() or Stop()
        connection, response = self._send(method, self._prefix + path, headers or {}, deadline, stop)
        connection.s_per_byte = 1 / self._slowest if expected_bytes is None else 0.0
        is_clean = False
        try:
            if response.status not in {200, 206}:
                is_clean = self._drain(response)
                raise self._refusal(response, path)
            if response.getheader("Content-Encoding", "identity") != "identity":
                raise SourceError(f"{self.url} sends {path} encoded, unasked", source=self.url)
            yield response
            is_clean = response.isclosed()
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, EtdbError):
                raise
            raise self._trouble(error, path) from error
        finally:
            stop.watch(None)
            response.close()
            self._give_back(connection, keep=is_clean)

    def read_into(self, response: http.client.HTTPResponse, buffer: memoryview) -> int:
        """Fill ``buffer`` from a body; gives the bytes read, fewer only at its end."""
        done = 0
        while done < len(buffer):
            count = response.readinto(buffer[done:])
            if not count:
                break
            done += count
        return done

    def read_all(self, response: http.client.HTTPResponse, max_bytes: int, what: str) -> bytes:
        """A whole body of at most ``max_bytes``.

        Raises:
            FormatError: it is larger; nothing more than the limit is read.
            SourceError: it broke off.
        """
        if response.length is not None and response.length > max_bytes:
            raise FormatError(f"{what} from {self.url} has {response.length} bytes; {max_bytes} are the limit")
        data = response.read(response.length) if response.length is not None else response.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise FormatError(f"{what} from {self.url} has more than {max_bytes} bytes")
        if response.length:
            raise SourceError(f"{self.url} broke off in the middle of {what}", source=self.url)
        return data

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _send(
        self, method: str, path: str, headers: dict[str, str], deadline: float, stop: Stop
    ) -> tuple[_AnyConnection, http.client.HTTPResponse]:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            is_fresh = connection is None
            if connection is None:
                connection = (_TlsConnection if self._is_tls else _Connection)(
                    self._host, self._port, timeout=self._timeout_s
                )
                connection.public_only = self._public_only
            connection.deadline = deadline
            try:
                connection.stop = stop
                if connection.sock is not None:
                    stop.watch(connection.sock)
                connection.request(method, path, headers={**self._headers, **headers})
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if isinstance(error, EtdbError):
                    raise
                # A kept connection that the server has closed meanwhile says nothing about the server.
                if is_fresh or stop.is_set or isinstance(error, TimeoutError):
                    raise self._trouble(error, path) from error
            except BaseException:
                connection.close()
                raise

    def _give_back(self, connection: _AnyConnection, *, keep: bool) -> None:
        with self._lock:
            if keep and connection.sock is not None and len(self._idle) < self._max_idle:
                self._idle.append(connection)
                return
        connection.close()

    def _drain(self, response: http.client.HTTPResponse) -> bool:
        """Read a short error text, so that the connection can be used again."""
        if response.length is not None and response.length <= _MAX_ERROR_BODY:
            response.read()
        return response.isclosed()

    def _refusal(self, response: http.client.HTTPResponse, path: str) -> Exception:
        if response.status in {404, 410}:
            return NotFoundError(f"{self.url} does not have {path}", source=self.url)
        if 300 <= response.status < 400:
            return SourceError(
                f"{self.url} redirects {path}, which is not followed",
                hint="give the address that it leads to",
                source=self.url,
                status=response.status,
            )
        after_s = _retry_after_s(response.getheader("Retry-After", ""))
        return SourceError(
            f"{self.url} answers {response.status} to {path}",
            hint="it asks to wait" if after_s else "",
            source=self.url,
            status=response.status,
            **({} if after_s is None else {"retry_after_s": after_s}),
        )

    def _trouble(self, error: Exception, path: str) -> SourceError:
        what = (
            "is too slow or silent"
            if isinstance(error, TimeoutError)
            else f"breaks off: {str(error) or type(error).__name__}"
        )
        if isinstance(error, (ConnectionRefusedError, socket.gaierror)):
            what = f"cannot be reached: {error}"
        return SourceError(f"{self.url} {what} ({path})", hint="try again, or another source", source=self.url)


class _Connection(http.client.HTTPConnection):
    """A connection whose reads end at ``deadline`` (of ``time.monotonic``)."""

    deadline = 0.0
    s_per_byte = 0.0
    public_only = False
    stop: Stop

    def connect(self) -> None:
        plain = self._open()
        self.sock: Any = TimedSocket(plain, self)

    def _open(self) -> socket.socket:
        within_s = min(self.timeout or _CONNECT_TIMEOUT_S, _CONNECT_TIMEOUT_S)
        plain = connect(
            self.host,
            self.port,
            within_s,
            deadline=self.deadline,
            public_only=self.public_only,
            opened=self.stop.watch,
        )
        plain.settimeout(self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain


class _TlsConnection(_Connection):
    """The same over TLS, with the system's certificates."""

    default_port = 443

    def connect(self) -> None:
        plain = self._open()
        try:
            self.sock = TimedSocket(_tls_context().wrap_socket(plain, server_hostname=self.host), self)
            self.stop.watch(self.sock)
        except BaseException:
            plain.close()
            raise


@functools.cache
def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _retry_after_s(header: str) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110, section 10.2.3): a number or a date."""
    text = header.strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    with suppress(ValueError, TypeError, OverflowError):
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - time.time()), MAX_RETRY_AFTER_S)
    return None


_AnyConnection = _Connection | _TlsConnection


class _Timed(Protocol):
    """A connection that says how long it may take.

    Attributes:
        deadline: of ``time.monotonic``.
        s_per_byte: by how much each byte that comes moves it on.
        timeout: seconds of silence.
    """

    deadline: float
    s_per_byte: float
    timeout: float | None


class TimedSocket:
    """What ``http.client`` uses of a socket, with a reader that knows the deadline."""

    def __init__(self, plain: socket.socket, connection: _Timed) -> None:
        self._plain, self._connection = plain, connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._plain, self._connection), _READ_BUFFER)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, connection: _Timed) -> None:
        self._plain, self._connection = plain, connection
        self._inner: Any = plain.makefile("rb", buffering=0)
        self._silence_s: float = connection.timeout or 0.0
        plain.settimeout(self._silence_s)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._connection.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request is over")
        if left < self._silence_s:
            self._plain.settimeout(left)
        count: int | None = self._inner.readinto(buffer)
        self._connection.deadline += (count or 0) * self._connection.s_per_byte
        return count

    def close(self) -> None:
        self._inner.close()
        super().close()
