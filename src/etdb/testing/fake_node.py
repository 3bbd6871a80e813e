"""A FLO node for tests: the JSON-RPC of FLO Core over a local chain, on loopback, with weather made to order.

    with FakeNode(chain) as node:
        node.weather = [answer(503, b"busy")]      # for the next request; afterwards it answers again
        client = RpcClient(node.url, RpcLogin(user="x", password_file=...))

It says what FLO Core 0.15.2 says, in the same forms: texts, codes, HTTP statuses. ``chain`` may be exchanged for
another one at any time: that is a reorganisation.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Callable
from typing import Any, Self

from etdb.errors import EtdbError, FormatError, NotFoundError, RefusedError
from etdb.flo import HEADER_BYTES, REGTEST, address_script, parse_block, parse_header, parse_transaction
from etdb.ledger import LocalChain

__all__ = ["FakeNode", "Weather", "answer"]

Weather = Callable[[http.server.BaseHTTPRequestHandler], None]
"""Answers one request in the node's place; the handler's ``wfile`` goes to the client as it is."""

_CODES = {"missing-inputs": (-25, "Missing inputs"), "coinbase": (-26, "16: coinbase")}


class _CallError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer(status: int, body: bytes, content_type: str = "text/html", **headers: str) -> Weather:
    """Weather: one answer as it is given here. A header whose value is empty is left out."""

    def act(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **named}.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


class FakeNode:
    """One node.

    Args:
        chain: what it knows; opened writable. Transactions that are sent to the node wait in it.
        password: of any user; empty lets everybody in.
        rest: whether it gives headers and blocks as bytes (``-rest``).
    """

    def __init__(self, chain: LocalChain, *, password: str = "", rest: bool = False) -> None:
        self.chain = chain
        self.password = password
        self.rest = rest
        self.weather: list[Weather] = []
        """For the next requests, one each."""
        self.info: dict[str, Any] = {}
        """What ``getblockchaininfo`` says otherwise."""
        self.before: Callable[[str, list[Any]], Any] = lambda _method, _params: None
        """Called with each method and its parameters: what it gives is the result, unless None."""
        self.has_address_index = False
        """Whether it has ``getaddressdeltas``, as nodes with bitcore's patches have."""
        self.methods: list[str] = []
        self.requests = 0
        self._heights: dict[str, int] = {}
        self._heights_at: object = None
        self._lock = threading.Lock()
        self._is_gone = False
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        with self._lock:  # who still asks gets no answer: the chain is closed next
            self._is_gone = True
        self._server.server_close()
        self._thread.join()

    def refuse(self, code: int, message: str, when: object = True) -> None:  # noqa: FBT002  # reads as a sentence
        """For ``before``: answer with an error, if so."""
        if when:
            raise _CallError(code, message)

    def call(self, method: str, params: list[Any]) -> Any:
        """What a method gives; raises ``_CallError`` with the node's code."""
        with self._lock:
            if self._is_gone:
                raise _CallError(-9, "the node was stopped")
            self.methods.append(method)
            given = self.before(method, params)
            if given is not None:
                return given
            act = getattr(self, f"_{method}", None)
            if act is None:
                raise _CallError(-32601, "Method not found")
            return act(*params)

    def bytes_at(self, path: str) -> bytes | None:
        """What binary REST gives; None for nothing."""
        parts = path.strip("/").split("/")
        if not self.rest or parts[0] != "rest" or not path.endswith(".bin"):
            return None
        with self._lock:
            if self._is_gone:
                return None
            self.methods.append("/".join(parts[:2]))
            try:
                height = self._height(parts[-1].removesuffix(".bin"))
            except _CallError:
                return None
            if parts[1] == "block":
                return self.chain.raw_block(height)
            tip = self.chain.tip()
            top = min(height + int(parts[2]) - 1, tip.height if tip else -1)
            return b"".join(self.chain.raw_block(one)[:HEADER_BYTES] for one in range(height, top + 1))

    # -- the methods of FLO Core that are called

    def _getnetworkinfo(self) -> dict[str, Any]:
        return {"version": 150201, "subversion": "/FLOCore:0.15.2/", "protocolversion": 70015}

    def _getmempoolinfo(self) -> dict[str, Any]:
        waiting = self.chain.pending()
        size_bytes = sum(len(raw) for raw in waiting)
        return {"size": len(waiting), "bytes": size_bytes, "maxmempool": 300_000_000, "mempoolminfee": 0.0}

    def _getblockchaininfo(self) -> dict[str, Any]:
        tip = self.chain.tip()
        assert tip is not None
        info = {"chain": "regtest", "blocks": tip.height, "headers": tip.height, "bestblockhash": tip.block_hash}
        info |= {"initialblockdownload": False, "pruned": False, "verificationprogress": 1.0}
        return info | self.info

    def _getbestblockhash(self) -> str:
        tip = self.chain.tip()
        assert tip is not None
        return tip.block_hash

    def _getblockcount(self) -> int:
        tip = self.chain.tip()
        return tip.height if tip else 0

    def _getblockhash(self, height: int) -> str:
        ref = self.chain.block_ref(height)
        if ref is None:
            raise _CallError(-8, "Block height out of range")
        return ref.block_hash

    def _height(self, block_hash: str) -> int:
        tip = self.chain.tip()
        if self._heights_at != (self.chain, tip):
            refs = [self.chain.block_ref(height) for height in range(tip.height + 1 if tip else 0)]
            self._heights = {ref.block_hash: ref.height for ref in refs if ref is not None}
            self._heights_at = (self.chain, tip)
        if block_hash not in self._heights:
            raise _CallError(-5, "Block not found")
        return self._heights[block_hash]

    def _getblockheader(self, block_hash: str, verbose: object = 1) -> Any:
        height = self._height(block_hash)
        raw = self.chain.raw_block(height)[:HEADER_BYTES]
        header = parse_header(raw)
        return {"hash": block_hash, "height": height, "time": header.time_s} if verbose else raw.hex()

    def _getblock(self, block_hash: str, verbosity: int = 1) -> Any:
        if verbosity != 0:
            raise _CallError(-1, "only raw blocks here")
        return self.chain.raw_block(self._height(block_hash)).hex()

    def _getrawmempool(self) -> list[str]:
        return [parse_transaction(raw).txid for raw in self.chain.pending()]

    def _getrawtransaction(self, txid: str, verbose: object = 0) -> Any:
        try:
            raw = self.chain.raw(txid)
        except NotFoundError:
            raise _CallError(-5, "No such mempool or blockchain transaction") from None
        return {"txid": txid, "hex": raw.hex()} if verbose else raw.hex()

    def _getaddressdeltas(self, asked: dict[str, list[str]]) -> list[dict[str, Any]]:
        if not self.has_address_index:
            raise _CallError(-32601, "Method not found")
        (address,) = asked["addresses"]
        script, rows = address_script(address, REGTEST), []
        made: set[tuple[str, int]] = set()
        tip = self.chain.tip()
        for height in range(tip.height + 1 if tip else 0):
            for one in parse_block(self.chain.raw_block(height)).transactions:
                own = {(one.txid, place) for place, output in enumerate(one.outputs) if output.script == script}
                if own or made & {(spent.txid, spent.vout) for spent in one.inputs}:
                    rows.append({"txid": one.txid, "height": height, "address": address})
                made |= own
        return rows

    def _sendrawtransaction(self, raw: str) -> str:
        try:
            data = bytes.fromhex(raw)
            txid = parse_transaction(data).txid
        except (ValueError, FormatError):
            raise _CallError(-22, "TX decode failed") from None
        if self.chain.status(txid).state == "confirmed":
            raise _CallError(-27, "transaction already in block chain")
        try:
            self.chain.submit(data)
        except RefusedError as error:
            reason = error.fields["reason"]
            raise _CallError(*_CODES.get(reason, (-26, f"64: {reason}"))) from None
        return txid


def _handler_of(node: FakeNode) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        disable_nagle_algorithm = True  # head and body go in two pieces; the second should not wait

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

        def do_GET(self) -> None:
            if self._is_handled(b""):
                return
            found = node.bytes_at(self.path)
            answer(404 if found is None else 200, found or b"", "application/octet-stream")(self)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self._is_handled(body):
                return
            calls = json.loads(body)
            if isinstance(calls, list):
                status, document = 200, [_answer_of(node, call)[1] for call in calls]
            else:
                status, document = _answer_of(node, calls)  # type: ignore[assignment]
            answer(status, json.dumps(document).encode(), "application/json")(self)

        def _is_handled(self, _body: bytes) -> bool:
            node.requests += 1
            if node.weather:
                self.close_connection = True
                node.weather.pop(0)(self)
                return True
            login = (self.headers.get("Authorization") or "").removeprefix("Basic ")
            if node.password and base64.b64decode(login).partition(b":")[2].decode() != node.password:
                answer(401, b"", WWW_Authenticate='Basic realm="jsonrpc"')(self)
                return True
            return False

    return Handler


def _answer_of(node: FakeNode, call: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        result = node.call(call["method"], call.get("params", []))
    except (_CallError, EtdbError) as error:
        code = error.code if isinstance(error, _CallError) else -1
        status = 404 if code == -32601 else 500
        return status, {"result": None, "error": {"code": code, "message": str(error)}, "id": call["id"]}
    return 200, {"result": result, "error": None, "id": call["id"]}
