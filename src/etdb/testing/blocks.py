"""What every block store must do, as tests to inherit, and a gateway that lies, as a double.

A new adapter proves itself in a few lines::

    class TestMyStore(BlockStoreContract):
        @contextmanager
        def store_of(self, blocks, tmp_path):
            yield MyStore(...)  # holding exactly these blocks
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from etdb.blocks import BlockStore
from etdb.errors import FormatError, NotFoundError, VerificationError
from etdb.ipfs import DAG_PB, RAW, UNIXFS_V1_2025, Cid, cid_of, encode_car, encode_node, parse_cid
from etdb.ipfs.unixfs import DIRECTORY_DATA

__all__ = ["BEHAVIOURS", "BlockStoreContract", "HostileGateway", "hostile_gateway"]

_LEAF = bytes(range(256)) * 300
_NODE = encode_node([], DIRECTORY_DATA)
BLOCKS: Sequence[tuple[Cid, bytes]] = (
    (cid_of(_LEAF), _LEAF),
    (cid_of(b""), b""),
    (cid_of(_NODE, codec=DAG_PB), _NODE),
    (cid_of(bytes(UNIXFS_V1_2025.leaf_bytes)), bytes(UNIXFS_V1_2025.leaf_bytes)),
)


class BlockStoreContract:
    """Inherit, and give :meth:`store_of`."""

    def store_of(self, blocks: Sequence[tuple[Cid, bytes]], tmp_path: Path) -> AbstractContextManager[BlockStore]:
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[BlockStore]:
        with self.store_of(BLOCKS, tmp_path) as store:
            yield store

    def test_it_is_a_block_store(self, store: BlockStore) -> None:
        assert isinstance(store, BlockStore)
        assert store.name

    def test_every_block_comes_back(self, store: BlockStore) -> None:
        for cid, block in BLOCKS:
            assert store.has(cid)
            assert store.get(cid) == block

    def test_the_hash_alone_finds_a_block(self, store: BlockStore) -> None:
        node = BLOCKS[2][0]
        for cid in (Cid(version=0, codec=DAG_PB, digest=node.digest), Cid(codec=RAW, digest=node.digest)):
            assert store.get(cid) == _NODE

    def test_identity_needs_no_store(self, store: BlockStore) -> None:
        cid = parse_cid("bafkqaaa")
        assert store.has(cid)
        assert store.get(cid) == b""

    def test_what_is_not_there_is_said_so(self, store: BlockStore) -> None:
        cid = cid_of(b"never stored")
        assert not store.has(cid)
        with pytest.raises(NotFoundError):
            store.get(cid)

    def test_the_limit_of_a_block_is_kept(self, store: BlockStore) -> None:
        cid, block = BLOCKS[0]
        assert store.get(cid, max_bytes=len(block)) == block
        with pytest.raises(FormatError):
            store.get(cid, max_bytes=len(block) - 1)

    def test_threads_do_not_disturb_each_other(self, store: BlockStore) -> None:
        wrong: list[object] = []

        def work() -> None:
            for _ in range(10):
                for cid, block in BLOCKS:
                    try:
                        if store.get(cid) != block:
                            wrong.append(cid)
                    except Exception as error:  # noqa: BLE001 - a thread has nobody to raise it to
                        wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_other_bytes_are_never_given_out(self, tmp_path: Path) -> None:
        """``store_of`` is told a block under another block's name: it may refuse to begin, or refuse to serve."""
        cid = cid_of(b"what the CID says!")
        with pytest.raises(VerificationError), self.store_of([(cid, b"what is really so.")], tmp_path) as store:
            store.get(cid)

    def test_close_twice(self, tmp_path: Path) -> None:
        with self.store_of(BLOCKS, tmp_path) as store:
            store.close()
            store.close()


BEHAVIOURS = (
    "honest",
    "wrong-bytes",
    "cut-off",
    "too-long",
    "endless",
    "no-length",
    "drip",
    "silent",
    "redirect",
    "html",
    "error",
    "gone",
    "not-http",
    "wrong-range",
    "no-range",
    "gzip",
    "hang-up",
)


class HostileGateway:
    """A gateway over known blocks and files that misbehaves as it is told; change ``behaviour`` at any time.

    Attributes:
        url: where it listens, on the loopback.
        behaviour: one of ``BEHAVIOURS``.
        blocks: by the text of their CID.
        files: whole contents by the text of the file's CID, for ranges.
        requests: what it was asked, method and path.
    """

    def __init__(self, blocks: Sequence[tuple[Cid, bytes]] = (), behaviour: str = "honest") -> None:
        self.behaviour = behaviour
        self.blocks = {str(cid): block for cid, block in blocks}
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.stopping = threading.Event()
        owner = self

        class Handler(_Handler):
            gateway = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="hostile-gateway", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def hostile_gateway(blocks: Sequence[tuple[Cid, bytes]] = (), behaviour: str = "honest") -> Iterator[HostileGateway]:
    """A :class:`HostileGateway` for the length of a ``with`` block."""
    gateway = HostileGateway(blocks, behaviour)
    try:
        yield gateway
    finally:
        gateway.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what most of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gateway: HostileGateway

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        gateway = self.gateway
        gateway.requests.append(f"{self.command} {self.path}")
        name, _, query = self.path.removeprefix("/ipfs/").partition("?")
        behaviour = gateway.behaviour
        if behaviour == "hang-up":
            self.close_connection = True
        elif behaviour == "silent":
            gateway.stopping.wait(30)
        elif behaviour == "not-http":
            self.wfile.write(b"220 mail.example.org ready\r\n")
            self.close_connection = True
        elif behaviour in {"redirect", "error", "gone"}:
            status = {"redirect": 302, "error": 500, "gone": 410}[behaviour]
            self._send(status, b"", {"Location": gateway.url + "/elsewhere"})
        elif "format=car" in query:
            pieces = encode_car([parse_cid(name)], [(parse_cid(k), v) for k, v in gateway.blocks.items()])
            self._send_body(200, b"".join(pieces), {"Content-Type": "application/vnd.ipld.car; version=1"})
        elif "format=raw" in query:
            block = gateway.blocks.get(name)
            if block is None:
                self._send(404, b"no such block", {})
            else:
                self._send_body(200, block, {"Content-Type": "application/vnd.ipld.raw"})
        else:
            self._send_file(gateway.files.get(name))

    def _send_file(self, content: bytes | None) -> None:
        span = self.headers.get("Range", "")
        if content is None:
            self._send(404, b"no such file", {})
        elif not span or self.gateway.behaviour == "no-range":
            self._send_body(200, content, {})
        else:
            first, last = (int(number) for number in span.removeprefix("bytes=").split("-"))
            if self.gateway.behaviour == "wrong-range":
                first, last = first + 1, last + 1
            self._send_body(206, content[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(content)}"})

    def _send_body(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        behaviour = self.gateway.behaviour
        if behaviour == "wrong-bytes":
            body = body[: len(body) // 2] + bytes(b ^ 1 for b in body[len(body) // 2 :])
        elif behaviour == "html":
            headers, body = {"Content-Type": "text/html"}, b"<p>Please log in to the network."
        elif behaviour == "gzip":
            headers = {**headers, "Content-Encoding": "gzip"}
        elif behaviour == "too-long":
            body += bytes(8 << 20)
        if behaviour in {"endless", "no-length"}:
            self._send_unbounded(status, body, headers, is_endless=behaviour == "endless")
        elif behaviour == "cut-off":
            self._send(status, body[: len(body) * 2 // 3], headers, length=len(body))
            self.close_connection = True
        elif behaviour == "drip":
            self._head(status, headers, len(body))
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                if self.gateway.stopping.wait(0.05):
                    break
        else:
            self._send(status, body, headers)

    def _send_unbounded(self, status: int, body: bytes, headers: dict[str, str], *, is_endless: bool) -> None:
        self._head(status, {**headers, "Connection": "close"}, None)
        self.wfile.write(body)
        until = time.monotonic() + 20
        while is_endless and time.monotonic() < until and not self.gateway.stopping.is_set():
            self.wfile.write(bytes(1 << 16))
        self.close_connection = True

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, length: int | None = None) -> None:
        self._head(status, headers, len(body) if length is None else length)
        if self.command != "HEAD":
            self.wfile.write(body)
            self.wfile.flush()

    def _head(self, status: int, headers: dict[str, str], length: int | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
