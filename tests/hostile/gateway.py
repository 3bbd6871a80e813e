"""A gateway that gives out blocks, and for some of them whatever a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from etdb.blocks import MemoryStore
from etdb.errors import EtdbError
from etdb.ipfs import Cid, parse_cid

__all__ = ["HostileGateway"]

Reply = Callable[[BaseHTTPRequestHandler], None]


class HostileGateway:
    """``replies`` are asked first, by CID; the rest comes from ``store`` as raw blocks."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.replies: dict[str, Reply] = {}
        self.asked = 0
        self.url = ""

    @contextmanager
    def listening(self) -> Iterator[HostileGateway]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                gateway.asked += 1
                name = self.path.removeprefix("/ipfs/").partition("?")[0]
                try:
                    gateway.reply(self, name)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def reply(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        if name in self.replies:
            self.replies[name](handler)
            return
        try:
            cid: Cid | None = parse_cid(name)
            block = self.store.get(cid) if "format=raw" in handler.path and cid is not None else None
        except EtdbError:
            block = None
        if block is None:
            send(handler, b"", status=404)
        else:
            send(handler, block, {"Content-Type": "application/vnd.ipld.raw"})


def send(
    handler: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str] | None = None, status: int = 200
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
