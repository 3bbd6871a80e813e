"""A Kubo that lies, stalls and breaks as it is told: its RPC over blocks in memory, on the loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from etdb.ipfs import (
    DAG_PB,
    RAW,
    CarBlock,
    CarEnd,
    CarReader,
    Cid,
    DagClosure,
    FileDag,
    cid_of,
    encode_car,
    leaf_digest,
    parse_cid,
    profile_by_name,
)

__all__ = ["FAKE_BEHAVIOURS", "FakeKubo", "fake_kubo"]

FAKE_BEHAVIOURS = (
    "honest",
    "html",
    "silent",
    "hang-up",
    "not-http",
    "cut-off",
    "drip",
    "endless",
    "other-json",
    "broken-stream",
    "wrong-bytes",
    "redirect",
    "status",
    "refuse",
    "refuse-early",
)


class FakeKubo:
    """Change its attributes at any time.

    Attributes:
        url: where it listens.
        behaviour: one of ``FAKE_BEHAVIOURS``; with ``status`` it answers ``status``, with ``refuse`` an error that
            says ``words``.
        only: the commands that misbehave; empty for all.
        blocks: by the hash of their CID.
        pins: names by the text of the CID.
        places: the path that came with a file, by the text of its CID.
        version: what it calls itself.
        secret: the token that it wants; empty for none.
        says: what it answers to all commands instead, with ``status``; None for what is right.
        calls: the commands that it was asked.
    """

    def __init__(self, blocks: Sequence[tuple[Cid, bytes]] = ()) -> None:
        self.behaviour, self.words, self.status = "honest", "no space left on device", 500
        self.only: set[str] = set()
        self.blocks = {cid.digest: block for cid, block in blocks}
        self.pins: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.version, self.secret = "0.42.0", ""
        self.takes_files_in_place = True
        self.makes: Cid | None = None
        self.says: bytes | None = None
        self.calls: list[str] = []
        self.stopping = threading.Event()
        owner = self

        class Handler(_Handler):
            kubo = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-kubo", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def fake_kubo(blocks: Sequence[tuple[Cid, bytes]] = ()) -> Iterator[FakeKubo]:
    """A :class:`FakeKubo` for the length of a ``with`` block."""
    kubo = FakeKubo(blocks)
    try:
        yield kubo
    finally:
        kubo.close()


class _RefusedError(Exception):
    """What Kubo says with status 500."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what most of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    kubo: FakeKubo

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""

    def do_GET(self) -> None:
        self._plain(405, b"Method Not Allowed")

    def do_POST(self) -> None:
        kubo = self.kubo
        parts = urlsplit(self.path)
        command, query = parts.path.removeprefix("/api/v0/"), parse_qs(parts.query)
        kubo.calls.append(command)
        behaviour = kubo.behaviour if not kubo.only or command in kubo.only else "honest"
        if behaviour == "refuse-early":
            self._plain(500, _error(kubo.words))
            self.close_connection = True
            return
        content = self._read_upload()
        if kubo.secret and self.headers.get("Authorization") != f"Bearer {kubo.secret}":
            self._plain(403, b"Kubo RPC Access Denied: Please provide a valid authorization token")
            return
        if kubo.says is not None:
            self._plain(kubo.status, kubo.says)
        elif behaviour == "silent":
            kubo.stopping.wait(30)
        elif behaviour == "hang-up":
            self.close_connection = True
        elif behaviour == "not-http":
            self.wfile.write(b"220 mail.example.org ready\r\n")
            self.close_connection = True
        elif behaviour in {"html", "other-json"}:
            self._plain(200, b"<html>Log in to the network" if behaviour == "html" else b'{"jsonrpc": 2}\n')
        elif behaviour in {"redirect", "status"}:
            self._plain(302 if behaviour == "redirect" else kubo.status, b"<html>nothing here")
        elif behaviour == "refuse":
            self._plain(500, _error(kubo.words))
        else:
            self._answer(command, query, content, behaviour)

    def _answer(self, command: str, query: dict[str, list[str]], content: bytes, behaviour: str) -> None:
        try:
            pieces = _commands(self.kubo, command, query, content, self._place)
        except _RefusedError as error:
            self._plain(500, _error(str(error)))
            return
        if pieces is None:
            self._plain(404, b"404 page not found")
            return
        if behaviour == "wrong-bytes":
            pieces = [bytes(byte ^ 1 for byte in piece) for piece in pieces]
        self.send_response(200)
        self.send_header("Trailer", "X-Stream-Error")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        whole = b"".join(pieces)
        if behaviour == "cut-off":
            self._chunk(whole[: len(whole) // 2])
            self.close_connection = True
            return
        if behaviour == "broken-stream":
            self._chunk(whole[: len(whole) // 2])
            self.wfile.write(b"0\r\nX-Stream-Error: " + self.kubo.words.encode() + b"\r\n\r\n")
            return
        if behaviour == "drip":
            for at in range(len(whole)):
                self._chunk(whole[at : at + 1])
                if self.kubo.stopping.wait(0.05):
                    return
        elif behaviour == "endless":
            until = time.monotonic() + 20
            while time.monotonic() < until and not self.kubo.stopping.is_set():
                self._chunk(bytes(1 << 16))
        else:
            for piece in pieces:
                self._chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, piece: bytes) -> None:
        if piece:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    def _plain(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.kubo.url + self.path)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _read_upload(self) -> bytes:
        """The content of the one part of a multipart body, which comes in chunks."""
        self._place = ""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        body = bytearray()
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        head, _, rest = bytes(body).partition(b"\r\n\r\n")
        content, end, _ = rest.rpartition(b"\r\n--" + boundary + b"--")
        assert end, "the body was cut off"
        for line in head.split(b"\r\n"):
            if line.startswith(b"Abspath-Encoded: "):
                self._place = unquote_plus(line.removeprefix(b"Abspath-Encoded: ").decode())
        return content


def _error(words: str) -> bytes:
    return json.dumps({"Message": words, "Code": 0, "Type": "error"}).encode() + b"\n"


def _lines(*documents: Any) -> list[bytes]:
    return [json.dumps(document).encode() + b"\n" for document in documents]


def _commands(
    kubo: FakeKubo, command: str, query: dict[str, list[str]], content: bytes, place: str
) -> list[bytes] | None:
    arguments = query.get("arg", [])
    name = query.get("name", query.get("pin-name", [""]))[0]
    if command == "version":
        return _lines({"Version": kubo.version, "Repo": "18"})
    if command == "id":
        return _lines({"ID": "12D3KooWFake", "Addresses": ["/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWFake"]})
    if command == "swarm/peers":
        return _lines({"Peers": [{"Peer": "12D3KooWOther"}]})
    if command == "config":
        return _lines({"Key": arguments[0], "Value": kubo.takes_files_in_place})
    if command == "repo/stat":
        return _lines({"RepoPath": "/home/kubo/.ipfs", "RepoSize": 0, "StorageMax": 1, "NumObjects": 0})
    if command in {"block/get", "block/stat"}:
        block = kubo.blocks.get(parse_cid(arguments[0]).digest)
        if block is None:
            raise _RefusedError(f"block was not found locally (offline): ipld: could not find {arguments[0]}")
        return [block] if command == "block/get" else _lines({"Key": arguments[0], "Size": len(block)})
    if command == "block/put":
        cid = cid_of(content, codec=DAG_PB if query["cid-codec"][0] == "dag-pb" else RAW)
        kubo.blocks[cid.digest] = content
        return _lines({"Key": str(kubo.makes or cid), "Size": len(content)})
    if command == "add":
        cid = kubo.makes or _add(kubo, content)
        kubo.pins[str(cid)] = name
        kubo.places[str(cid)] = place
        return _lines({"Name": "file", "Hash": str(cid), "Size": str(len(content))})
    if command == "filestore/verify":
        return _lines(*({"Status": 30, "ErrorMsg": "could not find", "Key": {"/": one}} for one in arguments))
    if command == "dag/import":
        return _import(kubo, content)
    if command == "dag/export":
        root = parse_cid(arguments[0])
        return list(encode_car([root], [(Cid(codec=_codec(b), digest=d), b) for d, b in kubo.blocks.items()]))
    return _pin_commands(kubo, command, arguments, name)


def _pin_commands(kubo: FakeKubo, command: str, arguments: list[str], name: str) -> list[bytes] | None:
    if command == "pin/ls" and not arguments:
        return _lines(*({"Cid": cid, "Name": name, "Type": "recursive"} for cid, name in kubo.pins.items()))
    if command == "pin/ls":
        if arguments[0] not in kubo.pins:
            raise _RefusedError(f"path '{arguments[0]}' is not pinned")
        return _lines({"Keys": {arguments[0]: {"Type": "recursive", "Name": kubo.pins[arguments[0]]}}})
    if command == "pin/add":
        closure = DagClosure([parse_cid(arguments[0])])
        for digest, block in kubo.blocks.items():
            closure.take(Cid(codec=_codec(block), digest=digest), block)
        if not closure.result().is_complete:
            raise _RefusedError(f"pin: block was not found locally (offline): {closure.result().missing[0]}")
        kubo.pins[arguments[0]] = name
        return _lines({"Progress": 1, "Bytes": 1}, {"Pins": arguments})
    if command == "pin/rm":
        for cid in arguments:
            if kubo.pins.pop(cid, None) is None:
                raise _RefusedError("not pinned or pinned indirectly")
        return _lines({"Pins": arguments})
    if command == "routing/provide":
        return _lines({"Type": 4, "ID": "12D3KooWOther"})
    return None


def _add(kubo: FakeKubo, content: bytes) -> Cid:
    profile = profile_by_name("unixfs-v1-2025")
    leaves = [content[at : at + profile.leaf_bytes] for at in range(0, len(content), profile.leaf_bytes)] or [b""]
    dag = FileDag(b"".join(leaf_digest(leaf, profile) for leaf in leaves), len(content), profile)
    for block in [*leaves, *(node.data for node in dag.nodes())]:
        kubo.blocks[cid_of(block).digest] = block
    return dag.root


def _import(kubo: FakeKubo, content: bytes) -> list[bytes]:
    reader, count = CarReader(), 0
    reader.receive_data(content)
    reader.receive_data(b"")
    while not isinstance(event := reader.next_event(), CarEnd):
        if isinstance(event, CarBlock):
            kubo.blocks[event.cid.digest] = event.data
            count += 1
    return _lines({"Stats": {"BlockCount": count, "BlockBytesCount": len(content)}})


def _codec(block: bytes) -> int:
    return DAG_PB if block[:1] in {b"\x12", b"\x0a"} else RAW
