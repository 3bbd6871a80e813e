"""A FLO full node that nobody here wrote (npm fcoin 1.2.3), for as long as a test lasts.

    with FcoinNode(tmp_path) as node:
        node.submit_block(raw)          # FcoinError with the node's own reason when it refuses
        assert node.rpc("getblockcount") == 1
        node.mine(101, address)         # blocks built here, the first of them with all that waits

    with FcoinNode(tmp_path / "a") as a, FcoinNode(tmp_path / "b") as b:
        a.mine(6)                       # as long as they do not know each other, each has a chain of its own
        b.mine(5)
        b.join(a)
        b.wait_for_tip(a.tip_hash)      # a reorganisation of 5 blocks

It listens on 127.0.0.1 only, keeps everything below the folder that it is given, and is ended by its process id.
Its own miner is broken in this release, so blocks are built on our side; its wallet is off.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from etdb.flo import REGTEST, Transaction, address_script, hash_script, parse_header, parse_transaction
from etdb.flo.blocks import encode_block
from etdb.ledger.mining import choose_pending, next_block

HERE = Path(__file__).resolve().parent
NODE_MODULES = HERE / "node_modules"
LEFT_OUT = "left out: the judges from npm are not installed (needs node and npm; run: make nodes)"

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_WAIT_SECONDS = 60.0
_STARTS = 3
_LOG_LINES = 20
_LOG_LETTERS = 300
_PORTS = range(10_000, 30_000)


class FcoinError(RuntimeError):
    """The node refused, or is not there; ``reason`` is its own word, and the end of its log follows."""

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(f"{reason}\n--- the end of fcoin's log ---\n{log}" if log else reason)
        self.reason = reason


def is_installed() -> bool:
    """Whether setup.sh has been here, and node is."""
    return shutil.which("node") is not None and (NODE_MODULES / "fcoin" / "package.json").is_file()


def free_port() -> int:
    """A loopback port that nobody listens on now, and that stays so while a node is down.

    It lies below what systems give to outgoing connections; from among those, one could sit on it meanwhile.
    """
    while True:
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def wait_until(is_so: Callable[[], bool], trouble: str, node: FcoinNode) -> None:
    """Wait for a condition; FcoinError with the node's log when it does not come."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise FcoinError(trouble, node.log_tail())
        time.sleep(0.05)


class FcoinNode:
    """One node on regtest.

    Args:
        folder: where it keeps its chain and log; made when absent. A node started again there has its chain again.
        peer_port: the P2P port of another node on this machine to connect to, or None for no peer.
        log_level: what it writes down; at "debug" every call with all its bytes, which takes most of its time.
        mempool_mb: how much may wait; as much as fcoin itself allows when None.
    """

    def __init__(
        self,
        folder: Path,
        *,
        peer_port: int | None = None,
        log_level: str = "debug",
        mempool_mb: int | None = None,
    ) -> None:
        self.folder = folder
        self._mempool = [] if mempool_mb is None else [f"--mempool-size={mempool_mb}"]
        self._log_level = log_level
        self.peer_port = peer_port
        self.p2p_port = 0
        self.http_port = 0
        self._api_key = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its RPC listens; any user is right with the password in :meth:`password_file`."""
        return f"http://127.0.0.1:{self.http_port}"

    def password_file(self) -> Path:
        """A file with its api-key, which only its owner can read."""
        path = self.folder / "api-key"
        path.touch(mode=0o600)
        path.write_text(self._api_key + "\n", encoding="utf-8")
        return path

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self._process is not None, "the node is not started"
        return self._process.pid

    def start(self) -> Self:
        """Start and wait until it answers; again with the same ports, when nobody has taken them meanwhile."""
        for attempt in range(_STARTS):
            if attempt or not self.http_port:
                self.p2p_port, self.http_port = free_port(), free_port()
            self._spawn()
            try:
                self._wait()
            except FcoinError:
                self.stop()
                if attempt == _STARTS - 1:
                    raise
            else:
                break
        return self

    def stop(self) -> None:
        """End it by its process id; harmless when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)  # what it closes its database for
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it at once, as a power cut does: what waited in its mempool is gone, perhaps its newest blocks too."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It stands still: connections are taken by its system, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def rpc(self, method: str, *params: Any) -> Any:
        """Call Bitcoin's JSON-RPC method; FcoinError with the node's reason when it answers with an error."""
        answer = self._call("/", {"method": method, "params": list(params), "id": 1})
        if answer.get("error"):
            raise FcoinError(f"{method}: {answer['error'].get('message', answer['error'])}", self.log_tail())
        return answer["result"]

    def rpc_each(self, method: str, all_params: Sequence[Sequence[Any]]) -> list[Any]:
        """Call a method once for each of the parameters, in one request; FcoinError with the first reason."""
        calls = [{"method": method, "params": list(params), "id": at} for at, params in enumerate(all_params)]
        answers = sorted(self._call("/", calls), key=lambda answer: answer["id"]) if calls else []
        for answer in answers:
            if answer.get("error"):
                raise FcoinError(f"{method}: {answer['error'].get('message', answer['error'])}", self.log_tail())
        return [answer["result"] for answer in answers]

    def submit_block(self, raw: bytes) -> None:
        """Hand it a block; FcoinError unless it takes the block into its chain."""
        reason = self.rpc("submitblock", raw.hex())
        if reason is not None:
            raise FcoinError(f"submitblock: {reason}", self.log_tail())

    def submit_transaction(self, raw: bytes) -> str:
        """Hand it a transaction for its mempool; its id, or FcoinError with the reason when it refuses.

        Not by ``sendrawtransaction``: this release answers that before it has looked at the transaction.
        """
        answer = self._call("/broadcast", {"tx": raw.hex()})
        if "error" in answer:
            raise FcoinError(f"broadcast: {answer['error'].get('message', answer['error'])}", self.log_tail())
        txid: str = self.rpc("decoderawtransaction", raw.hex())["txid"]
        if txid not in self.rpc("getrawmempool"):
            raise FcoinError(f"broadcast: {txid} is kept out of the mempool, as an orphan perhaps", self.log_tail())
        return txid

    def mine(self, count: int, address: str | None = None, *, transactions: Sequence[bytes] | None = None) -> list[str]:
        """Build blocks on its tip and hand them over; their hashes.

        Args:
            count: how many.
            address: paid by their coinbases; nobody when None.
            transactions: what the first takes; what waits in the mempool and fits, when None.
        """
        script = address_script(address, REGTEST) if address else hash_script(secrets.token_bytes(20))
        height, tip = self.height, self.tip_hash
        before = self.rpc_each("getblockhash", [[one] for one in range(height, max(-1, height - 11), -1)])
        headers = self.rpc_each("getblockheader", [[one, False] for one in before])
        times = [parse_header(bytes.fromhex(one)).time_s for one in headers]
        chosen = self._choose() if transactions is None else [(parse_transaction(raw), 0) for raw in transactions]
        hashes = []
        for number in range(count):
            block = next_block(
                REGTEST,
                height=height + 1 + number,
                previous_hash=tip,
                times_s=times,
                now_s=int(time.time()),
                pays=script,
                flo_data=b"",
                transactions=chosen if number == 0 else (),
            )
            self.submit_block(encode_block(block))
            tip, times = block.header.block_hash, [block.header.time_s, *times[:10]]
            hashes.append(tip)
        return hashes

    def _choose(self) -> list[tuple[Transaction, int]]:
        """What waits, parents before children, as much as one block takes. Fees are left lying."""
        txids = self.rpc("getrawmempool")
        raws = self.rpc_each("getrawtransaction", [[txid] for txid in txids])
        waiting = {txid: parse_transaction(bytes.fromhex(raw)) for txid, raw in zip(txids, raws, strict=True)}
        ordered: dict[str, Transaction] = {}
        while len(ordered) < len(waiting):
            for txid, one in waiting.items():
                if txid not in ordered and all(
                    spent.txid in ordered or spent.txid not in waiting for spent in one.inputs
                ):
                    ordered[txid] = one
        return choose_pending((one.encode(), 0) for one in ordered.values())

    def block_hash(self, height: int) -> str:
        """The hash of the block at a height of its chain."""
        block_hash: str = self.rpc("getblockhash", height)
        return block_hash

    # -- several nodes

    def join(self, other: FcoinNode) -> None:
        """Connect to another node: blocks and transactions go both ways, and the better chain wins on both.

        It is started again for that: only the peer that fcoin knows from its start becomes the one that it asks for
        blocks. One that ``addnode`` brings is heard or not, as it happens. What waited in its mempool is gone.
        """
        self.peer_port = other.p2p_port
        self.stop()
        self.start()

    def take_blocks(self, other: FcoinNode) -> None:
        """Get another node's chain without meeting it: both hold the same, and know nothing of each other."""
        for height in range(self.height + 1, other.height + 1):
            self.submit_block(other.raw_block(height))

    def wait_for_tip(self, block_hash: str) -> None:
        """Wait until a block is its tip."""
        wait_until(lambda: self.tip_hash == block_hash, f"fcoin does not take block {block_hash}", self)

    def raw_transaction(self, txid: str) -> bytes:
        """The bytes of a transaction that it knows. (Its decoded form leaves floData out.)"""
        return bytes.fromhex(self.rpc("getrawtransaction", txid))

    def raw_block(self, height: int) -> bytes:
        """The bytes of the block at a height of its chain."""
        return bytes.fromhex(self.rpc("getblock", self.rpc("getblockhash", height), 0))

    @property
    def height(self) -> int:
        """The height of its chain's tip."""
        height: int = self.rpc("getblockcount")
        return height

    @property
    def tip_hash(self) -> str:
        """The hash of its chain's tip."""
        tip: str = self.rpc("getbestblockhash")
        return tip

    def log_tail(self) -> str:
        """The last lines that it logged or printed."""
        lines: list[str] = []
        for path in [self.folder / "output.log", *sorted(self.folder.rglob("debug.log"))]:
            if path.is_file():
                lines += path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(line[:_LOG_LETTERS] for line in lines)

    def _spawn(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            "node",
            f"--require={HERE / 'no_dns.cjs'}",
            str(NODE_MODULES / "fcoin" / "bin" / "node"),
            "--network=regtest",
            f"--prefix={self.folder}",
            "--host=127.0.0.1",
            f"--port={self.p2p_port}",
            "--http-host=127.0.0.1",
            f"--http-port={self.http_port}",
            f"--api-key={self._api_key}",
            "--no-wallet",
            "--index-tx",
            "--index-address",
            "--upnp=false",
            "--discover=false",
            "--log-console=false",
            f"--log-level={self._log_level}",
            *self._mempool,
            # Without a peer it is told to know one place only, where nobody is; so it never looks further.
            f"--only=127.0.0.1:{self.peer_port or 1}",
        ]
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert self._process is not None
            if self._process.poll() is not None:
                raise FcoinError(f"fcoin ended with status {self._process.returncode}", self.log_tail())
            try:
                self.rpc("getblockcount")
                socket.create_connection(("127.0.0.1", self.p2p_port), timeout=1).close()  # peers: later than RPC
            except (OSError, FcoinError):
                if time.monotonic() > deadline:
                    raise FcoinError(f"fcoin does not answer after {_START_SECONDS:.0f} s", self.log_tail()) from None
                time.sleep(0.05)
            else:
                return

    def _call(self, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            login = base64.b64encode(f"x:{self._api_key}".encode()).decode()
            headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        try:
            answer = json.loads(data)
        except ValueError:
            raise FcoinError(f"fcoin answers HTTP {response.status}: {data[:200]!r}", self.log_tail()) from None
        return answer
