"""Connections to a node whose reads end at a deadline, and bodies that end at a limit.

A node that sends one byte a minute never lets an ordinary socket's timeout fire.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any, Final

from etdb.ledger.node_errors import NodeAnswerError

__all__ = ["AnswerTooLongError", "Connection", "open_connection", "read_body"]

_PIECE_BYTES: Final = 256 * 1024


class AnswerTooLongError(NodeAnswerError):
    """An answer beyond the limit; nothing more than the limit was read."""

    code = "node-answer-too-long"


class _Timed:
    """Of a connection: when the present request must be over, by ``time.monotonic``."""

    deadline = 0.0


class _Plain(_Timed, http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock: Any = _Socket(self.sock, self)


class _Tls(_Timed, http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock: Any = _Socket(self.sock, self)


class _Socket:
    """What ``http.client`` uses of a socket; what reads from it minds the deadline."""

    def __init__(self, plain: socket.socket, clock: _Timed) -> None:
        self._plain, self._clock = plain, clock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._plain, self._clock), _PIECE_BYTES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class _Reader(io.RawIOBase):
    def __init__(self, plain: socket.socket, clock: _Timed) -> None:
        self._plain, self._clock = plain, clock
        self._inner: Any = plain.makefile("rb", buffering=0)  # ``http.client`` closes the socket before all is read
        self._silence_s = plain.gettimeout() or 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._clock.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the request has taken too long")
        self._plain.settimeout(min(left_s, self._silence_s))
        count: int | None = self._inner.readinto(buffer)
        self._plain.settimeout(self._silence_s)
        return count

    def close(self) -> None:
        self._inner.close()
        super().close()


Connection = _Plain | _Tls


def open_connection(host: str, port: int | None, *, is_tls: bool, timeout_s: float) -> Connection:
    """A connection that opens itself with its first request. Set its ``deadline`` before each."""
    return (_Tls if is_tls else _Plain)(host, port, timeout=timeout_s)


def read_body(response: http.client.HTTPResponse, max_bytes: int, url: str) -> bytes:
    """A whole body.

    Raises:
        AnswerTooLongError: it is longer than ``max_bytes``.
        http.client.IncompleteRead: it is shorter than was said.
    """
    said = response.length
    pieces: list[bytes] = []
    size = said or 0
    got = 0
    while size <= max_bytes and (piece := response.read1(_PIECE_BYTES)):
        pieces.append(piece)
        got += len(piece)
        size = max(size, got)
    if size > max_bytes:
        raise AnswerTooLongError(
            f"the node at {url} answers with more than {max_bytes} bytes", hint="look at the node's log", url=url
        )
    if said is not None and got < said:
        raise http.client.IncompleteRead(b"", said - got)
    return b"".join(pieces)
