"""Bytes over ``http.client``: kept connections, a deadline for each request, no redirects, no surprises.

A peer that sends one byte a minute keeps an ordinary socket timeout from ever firing. Here each request has a deadline
of its own, checked at every read from the socket.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from etdb.errors import EtdbError, FormatError, InputError, NotFoundError, SourceError

__all__ = ["HttpSource"]

_READ_BUFFER = 64 * 1024
_MAX_ERROR_BODY = 64 * 1024


class HttpSource:
    """One server. Can be used from several threads: each request has a connection to itself.

    Args:
        url: ``http://`` or ``https://``, with a path in front when the server has one.
        timeout_s: seconds to connect, and of silence.
        slowest_bytes_per_s: with this rate each request's deadline is set; slower peers are given up.
        max_idle: connections that are kept for the next request.

    Raises:
        InputError: not such a URL.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 30.0, slowest_bytes_per_s: int = 16 * 1024, max_idle: int = 16
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
        self._idle: list[_AnyConnection] = []
        self._lock = threading.Lock()

    @contextmanager
    def request(
        self, method: str, path: str, *, expected_bytes: int, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; gives the response with status 200 or 206, its body unread.

        Args:
            method: GET or HEAD.
            path: from ``/``, already quoted.
            expected_bytes: the size that the deadline allows for.
            headers: more headers.

        Raises:
            NotFoundError: the server answers 404 or 410.
            SourceError: it cannot be reached, is too slow, redirects, breaks off, or answers anything else.
        """
        deadline = time.monotonic() + self._timeout_s + expected_bytes / self._slowest
        connection, response = self._send(method, self._prefix + path, headers or {}, deadline)
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
        self, method: str, path: str, headers: dict[str, str], deadline: float
    ) -> tuple[_AnyConnection, http.client.HTTPResponse]:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            is_fresh = connection is None
            if connection is None:
                connection = (_TlsConnection if self._is_tls else _Connection)(
                    self._host, self._port, timeout=self._timeout_s
                )
            connection.deadline = deadline
            try:
                connection.request(method, path, headers={"Accept-Encoding": "identity", **headers})
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # A kept connection that the server has closed meanwhile says nothing about the server.
                if is_fresh or isinstance(error, TimeoutError):
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
        return SourceError(f"{self.url} answers {response.status} to {path}", source=self.url, status=response.status)

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

    def connect(self) -> None:
        super().connect()
        self.sock: Any = _TimedSocket(self.sock, self)


class _TlsConnection(http.client.HTTPSConnection):
    """The same over TLS."""

    deadline = 0.0

    def connect(self) -> None:
        super().connect()
        self.sock: Any = _TimedSocket(self.sock, self)


_AnyConnection = _Connection | _TlsConnection


class _TimedSocket:
    """What ``http.client`` uses of a socket, with a reader that knows the deadline."""

    def __init__(self, plain: socket.socket, connection: _AnyConnection) -> None:
        self._plain, self._connection = plain, connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._plain, self._connection), _READ_BUFFER)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, connection: _AnyConnection) -> None:
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
        return count

    def close(self) -> None:
        self._inner.close()
        super().close()
