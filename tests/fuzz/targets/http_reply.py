"""Whatever a gateway replies is a block with the right hash, or refused with one of our errors, in bounded time."""

from __future__ import annotations

import contextlib
import socket
import threading

from etdb import ipfs
from etdb.blocks.gateway import GatewayStore
from etdb.errors import EtdbError

BLOCK = b"hello, block"
CID = ipfs.cid_of(BLOCK)


class _Server:
    """Answers each request with the same bytes, then closes."""

    def __init__(self) -> None:
        self.reply = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            peer, _ = self.socket.accept()
            with peer:
                try:
                    peer.recv(4096)
                    peer.sendall(self.reply)
                except OSError:
                    continue


SERVER = _Server()


def seeds() -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
    return [
        head + BLOCK,
        head.replace(b"12", b"999999999999") + BLOCK,
        head.replace(b"12", b"-1") + BLOCK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n" + BLOCK + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
        b"HTTP/1.1 302 Found\r\nLocation: http://a/\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + head + BLOCK,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!",
    ]


def check(data: bytes) -> None:
    SERVER.reply = data
    store = GatewayStore(SERVER.url, timeout_s=3)
    with contextlib.suppress(EtdbError):
        assert store.get(CID, max_bytes=4096) == BLOCK
    buffer = bytearray(4096)
    with contextlib.suppress(EtdbError):
        length = store.read_leaf_into(CID, buffer)
        assert buffer[:length] == BLOCK
    store.close()
