"""A routing server that says what a test wants: a double of Delegated Routing V1."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from etdb.ipfs import Cid, parse_cid

__all__ = ["RoutingServer", "http_provider", "routing_server"]


def http_provider(url: str, *, peer_id: str = "") -> dict[str, Any]:
    """The record of a gateway over HTTP at ``http://HOST:PORT``."""
    host, _, port = url.removeprefix("http://").partition(":")
    addresses = [f"/ip4/{host}/tcp/{port}/http"]
    return {"Schema": "peer", "ID": peer_id, "Addrs": addresses, "Protocols": ["transport-ipfs-gateway-http"]}


class RoutingServer:
    """Listens on the loopback.

    Attributes:
        url: its address.
        records: what it says of a CID, by its digest; ``everything`` of all of them.
        asked: the paths that were asked for.
        as_lines: answer with a record a line.
    """

    def __init__(self) -> None:
        self.records: dict[bytes, Sequence[dict[str, Any]]] = {}
        self.everything: Sequence[dict[str, Any]] = ()
        self.asked: list[str] = []
        self.as_lines = False
        self.url = ""

    def name(self, cid: Cid, *records: dict[str, Any]) -> None:
        """Say from now on that these have a CID."""
        self.records[cid.digest] = records

    def answer(self, path: str) -> bytes:
        """The body of the answer to a path."""
        cid = parse_cid(path.removeprefix("/routing/v1/providers/"))
        assert cid.version == 1, "the API names content by CIDs of version 1"
        records = [*self.everything, *self.records.get(cid.digest, ())]
        if self.as_lines:
            return b"".join(json.dumps(record).encode() + b"\n" for record in records)
        return json.dumps({"Providers": records}).encode()


@contextmanager
def routing_server() -> Iterator[RoutingServer]:
    """A :class:`RoutingServer` for the length of a ``with`` block."""
    double = RoutingServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            double.asked.append(self.path)
            body = double.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson" if double.as_lines else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="routing-server", daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
