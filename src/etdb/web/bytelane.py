"""The fast way out for bytes: threads that read, hash and send, in front of the server that speaks all of HTTP.

A thread accepts connections and watches those that wait. When a request comes, its head is looked at without taking it
(``MSG_PEEK``). A plain request for content is answered by one of a few threads: hashing, reading and sending go on
outside the GIL, from one buffer, without an event loop's copies. Anything else (a page, an error, a condition, a
client that sends its head in drops, a moment when all threads are busy) goes to the general server, connection and
all, as if nobody had looked. So the answers are the same, and slow clients never hold the way.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import resource
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from itertools import chain

from etdb.blocks.files import OpenPlace
from etdb.errors import EtdbError
from etdb.web.answers import Answer, GatewayAnswers
from etdb.web.httphead import MAX_HEAD_BYTES, parse_plain_request
from etdb.web.patience import SILENCE_S
from etdb.web.wanted import Wanted

__all__ = ["ByteLane"]

THREADS = 16
MAX_WAITING = 1024
"""Connections that wait for their next request, and at most half of the descriptors that this process may have: the
others are for files. Beyond them the longest waiting is closed."""
IDLE_S = 30.0
STAY_S = 0.02
"""How long a thread waits for the next request of the connection it has just served, when nobody else wants it."""
_NO_ROOM_S = 0.05
"""How long nobody is accepted when there is no descriptor for them, and nobody waits who could give one."""
_PIECE_BYTES = 4 << 20
_LIMITS = ((socket.SO_SNDTIMEO, SILENCE_S), (socket.SO_RCVTIMEO, STAY_S))
_MORE = getattr(socket, "MSG_MORE", 0)
"""More follows at once: the system need not send what is small by itself."""
_Piece = bytes | memoryview | OpenPlace
Note = Callable[[Wanted, int, float, int, socket.socket], None]
_log = logging.getLogger(__name__)


class ByteLane:
    """Serves a listening socket until closed.

    Args:
        listener: bound and listening; it stays the caller's.
        answers: what is answered.
        hand_over: takes a connection, unread, for the general server; called from any thread.
        threads: that answer at the same time.
        note: told of each answer sent: the request, the status, seconds, bytes of the body, who asked.
    """

    def __init__(
        self,
        listener: socket.socket,
        answers: GatewayAnswers,
        hand_over: Callable[[socket.socket], None],
        *,
        threads: int = THREADS,
        note: Note | None = None,
    ) -> None:
        self._listener, self._answers, self._hand_over = listener, answers, hand_over
        self._requests: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._returned: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._waiting: dict[socket.socket, float] = {}
        self._serving: set[socket.socket] = set()
        self._lock = threading.Lock()
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_waiting = MAX_WAITING if descriptors < 0 else min(MAX_WAITING, descriptors // 2)
        self._note = note
        self._free = threads
        self._closing = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.settimeout(0.0)
        listener.settimeout(0.0)
        self._front = threading.Thread(target=self._watch, name="etdb-bytes-front", daemon=True)
        self._threads = [
            threading.Thread(target=self._work, name=f"etdb-bytes-{n}", daemon=True) for n in range(threads)
        ]
        for thread in (self._front, *self._threads):
            thread.start()

    def close(self, grace_s: float = 5.0) -> None:
        """Take no more requests, let those under way finish for ``grace_s`` seconds, then break them off."""
        self._closing = True
        self._wake()
        self._front.join()
        for _ in self._threads:
            self._requests.put(None)
        until = time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            for connection in self._serving:
                _break_off(connection)
        for thread in self._threads:
            thread.join()
        while not self._returned.empty():
            self._returned.get().close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _wake(self) -> None:
        self._wake_writer.send(b"\0")

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._closing:
                for key, _events in selector.select(timeout=1.0):
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif key.fileobj is self._wake_reader:
                        self._take_back(selector)
                    elif key.fileobj in self._waiting and isinstance(key.fileobj, socket.socket):
                        selector.unregister(key.fileobj)
                        self._waiting.pop(key.fileobj)
                        self._dispatch(key.fileobj)
                self._close_idle(selector)
        for connection in self._waiting:
            connection.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _address = self._listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._make_room(selector)
            return  # else it is gone again
        connection.settimeout(0.0)
        if connection.family != getattr(socket, "AF_UNIX", None):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait_for(connection, selector)

    def _take_back(self, selector: selectors.BaseSelector) -> None:
        self._wake_reader.recv(4096)
        while not self._returned.empty():
            self._wait_for(self._returned.get(), selector)

    def _wait_for(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        selector.register(connection, selectors.EVENT_READ)
        self._waiting[connection] = time.monotonic()

    def _make_room(self, selector: selectors.BaseSelector) -> None:
        """No descriptor is left for who comes: whoever waits longest gives one; else it takes a moment."""
        if not self._waiting:
            time.sleep(_NO_ROOM_S)
            return
        self._close_waiting(next(iter(self._waiting)), selector)

    def _close_idle(self, selector: selectors.BaseSelector) -> None:
        limit = time.monotonic() - IDLE_S
        for connection, since in list(self._waiting.items()):  # the longest waiting first
            if since > limit and len(self._waiting) <= self._most_waiting:
                return
            self._close_waiting(connection, selector)

    def _close_waiting(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        selector.unregister(connection)
        del self._waiting[connection]
        connection.close()

    def _dispatch(self, connection: socket.socket) -> None:
        with self._lock:
            is_free = self._free > 0
            self._free -= is_free
        if is_free:
            self._requests.put(connection)
        else:
            self._hand_over(connection)

    def _work(self) -> None:
        while (connection := self._requests.get()) is not None:
            with self._lock:
                self._serving.add(connection)
            try:
                self._serve(connection)
            except Exception:  # noqa: BLE001 - a thread of the lane must outlive any request
                _log.exception("a request ended a connection")
                connection.close()
            finally:
                with self._lock:
                    self._serving.discard(connection)
                    self._free += 1

    def _serve(self, connection: socket.socket) -> None:
        """Answer requests while they come; then give the connection back, on, or up."""
        _set_limits(connection)
        try:
            head = connection.recv(MAX_HEAD_BYTES, socket.MSG_PEEK)
            while head and not self._closing:
                began = time.perf_counter()
                found = parse_plain_request(head)
                answer = self._try_answer(found[1]) if found else None
                if found is None or answer is None:
                    connection.settimeout(0.0)
                    self._hand_over(connection)
                    return
                connection.recv(found[0])
                _send(connection, answer, is_head=found[1].is_head)
                if self._note is not None:
                    self._note(found[1], answer.status, time.perf_counter() - began, _length(answer), connection)
                at_once = 0 if self._free else socket.MSG_DONTWAIT
                try:
                    head = connection.recv(MAX_HEAD_BYTES, socket.MSG_PEEK | at_once)
                except BlockingIOError:
                    connection.settimeout(0.0)
                    self._returned.put(connection)
                    self._wake()
                    return
        except OSError as error:
            # The client is gone; or the status is out, and breaking off says that the body is not whole.
            if isinstance(error, EtdbError):
                _log.warning("broke off a response: %s", error.message)
        except EtdbError as error:
            _log.warning("broke off a response: %s", error.message)
        connection.close()

    def _try_answer(self, wanted: Wanted) -> Answer | None:
        """The answer, when it is content; None for the general server to answer again."""
        try:
            # What is elsewhere takes its time: the general server waits for it, and this thread is free.
            answer = self._answers.answer(wanted, may_wait=False)
        except EtdbError:
            return None
        if answer.status in {200, 206} and (_has_length(answer) or not wanted.is_head):
            return answer
        if answer.place is not None:
            answer.place.close()
        return None


def _send(connection: socket.socket, answer: Answer, *, is_head: bool) -> None:
    status = "200 OK" if answer.status == 200 else "206 Partial Content"
    lines = [f"HTTP/1.1 {status}", f"date: {_date(int(time.time()))}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    chunked = not _has_length(answer)
    if chunked:
        lines.append("transfer-encoding: chunked")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if not is_head:
        pieces = chain((answer.place or answer.body,), answer.pieces or ())
        _send_body(connection, head, pieces, chunked=chunked)
        return
    if answer.place is not None:
        answer.place.close()
    _send_all(connection, head)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _length(answer: Answer) -> int:
    """Bytes of the body; 0 when nobody counted them."""
    return int(answer.headers.get("content-length", "0"))


def _has_length(answer: Answer) -> bool:
    return "content-length" in answer.headers


def _send_body(connection: socket.socket, head: bytes, pieces: Iterable[_Piece], *, chunked: bool) -> None:
    """Send the pieces, as chunks (RFC 9112, 7.1) when nobody knows how many come. Small parts go with what follows."""
    before = head
    for piece in pieces:
        length = piece.length if isinstance(piece, OpenPlace) else len(piece)
        if chunked and length:
            before += b"%x\r\n" % length
        if isinstance(piece, OpenPlace):
            try:
                _send_all(connection, before, _MORE)
                _send_file(connection, piece)
            finally:
                piece.close()
        else:
            _send_two(connection, before, memoryview(piece))
        before = b"\r\n" if chunked and length else b""
    if chunked:
        _send_all(connection, before + b"0\r\n\r\n")


def _send_two(connection: socket.socket, head: bytes, body: memoryview) -> None:
    sent = connection.sendmsg([head, body])
    if sent < len(head):
        _send_all(connection, head[sent:])
        sent = len(head)
    _send_all(connection, body[sent - len(head) :])


def _send_all(connection: socket.socket, data: bytes | memoryview, flags: int = 0) -> None:
    """Send it; unlike ``sendall``, the time limit is for silence, not for the whole."""
    view = memoryview(data)
    while view:
        view = view[connection.send(view, flags) :]


def _send_file(connection: socket.socket, place: OpenPlace) -> None:
    """Let the kernel send it; nothing passes through this process."""
    offset, end = place.offset, place.offset + place.length
    while offset < end:
        sent = os.sendfile(connection.fileno(), place.descriptor, offset, min(_PIECE_BYTES, end - offset))
        if not sent:
            raise ConnectionError("the file became shorter while it was sent")
        offset += sent


def _set_limits(connection: socket.socket) -> None:
    """Let the kernel keep the time: Python's own limits cost two more calls into the system for each one."""
    connection.settimeout(None)
    for option, seconds in _LIMITS:
        whole, rest = divmod(seconds, 1)
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(whole), int(rest * 1_000_000)))


def _break_off(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
