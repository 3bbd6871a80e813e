"""The real commands over a hostile chain and a hostile gateway: what they cost, what they write and what they print."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.hostile.gateway import HostileGateway, send
from tests.hostile.measuring import FIGURES
from tests.hostile.test_content import LEAF, Strange

from etdb import ipfs, oip
from etdb.flo import REGTEST
from etdb.ipfs.varint import encode_varint
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.testing.records import RecordSigner
from etdb.workspace import Workspace

LAB, STRANGER = RecordSigner("lab"), RecordSigner("stranger")
STRANGE = "a\x1b[2J\x9bm\u202eb\u2066c\u200b<script>alert(1)</script>\x07"
INCOMPLETE = 300
COMMAND_MIB = 150
"""More than the interpreter with all that a command imports, and a window of content."""


TOLD = """
import atexit, pathlib, sys, time
where = pathlib.Path(sys.argv.pop(1))
def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    where.write_text(status.split("VmHWM:")[1].split()[0] + f" {time.process_time()}")
atexit.register(tell)
from etdb.cli import main
main()
"""


@dataclass
class Said:
    status: int
    out: str
    err: str


class Stack:
    """A workspace on a chain that strangers write to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.what = "a hostile chain"
        self.workspace = Workspace.init(root / "ws")
        self.chain = LocalChain(self.workspace.chain_folder, writable=True)
        self.chain.earn(STRANGER.address, 100_000_000_000)
        self.settle()

    def write(self, texts: list[bytes]) -> list[str]:
        """Put texts into blocks; their transactions."""
        txids = []
        for text in texts:
            txids.append(self.chain.submit(self.wallet.sign(text).raw))
            if len(txids) % 20 == 0:
                self.settle()
        self.settle()
        return txids

    def settle(self) -> None:
        self.chain.settle()
        self.wallet = Wallet(STRANGER.key, REGTEST, Limits(), self.chain.coins(STRANGER.address))

    def run(self, *words: object) -> Said:
        """A command in a process of its own; it must not fail in a way that nobody thought of."""
        peak = self.root / "peak.txt"
        done = subprocess.run(
            [sys.executable, "-c", TOLD, str(peak), "-w", str(self.workspace.root), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            env={**os.environ, "COLUMNS": "200"},
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.out + said.err
        assert said.status not in (1, -9), said
        peak_kib, cpu_s = peak.read_text().split()
        peak_mib = int(peak_kib) / 1024
        FIGURES.append(
            {
                "case": f"etdb {words[0] if words[0] != '--json' else words[1]}: {self.what}",
                "bound_mib": COMMAND_MIB,
                "peak_mib": round(peak_mib, 1),
                "cpu_s": round(float(cpu_s), 2),
                "ended": f"status {said.status}",
            }
        )
        assert peak_mib <= COMMAND_MIB
        return said


def strange_letters(text: str) -> set[str]:
    return {one for one in text if one not in "\n " and unicodedata.category(one)[0] == "C"}


def hostile_texts() -> list[bytes]:
    """Of everything that a message can be, the kind that hurts; all within what nodes relay."""
    record = LAB.message(title=STRANGE, species=STRANGE, sid=STRANGE)
    return [
        b"json:" + b"[" * 1_000,
        b'json:{"oip042":' + b'{"a":' * 150,
        b'json:{"oip042":{"publish":1,"publish":2}}',
        b'json:{"oip042":{"publish":{"artifact":{"timestamp":' + b"9" * 900 + b"}}}}",
        b'{"oip-041":{"artifact":{"\xff":1}}}',
        b"oip-mp(0,999," + LAB.address.encode() + b",,x):y",
        b"oip-mp(4294967295,4294967296,a,b,c):",
        b"p64:" + b"CgI=" * 200,
        b"gp64:H4sIAAAAAAACA+3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA",
        record.replace(LAB.address.encode(), STRANGER.address.encode()),
        ("text:" + STRANGE).encode(),
        record,
    ]


def incomplete(count: int) -> list[bytes]:
    """First parts of messages that never go on, each signed."""
    made = []
    for number in range(count):
        preimage = f"0-{2 + number % 900}-{STRANGER.address}-" + f"-{number}"
        signature = STRANGER.sign(preimage)
        made.append(f"oip-mp(0,{2 + number % 900},{STRANGER.address},,{signature}):{number}".encode())
    return made


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.chain.close()


@pytest.mark.crash  # many processes
def test_a_hostile_chain_is_indexed_and_the_record_in_it_is_found(stack):
    texts = hostile_texts()
    good = LAB.message(title="The true one", location="QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn")
    txids = stack.write([*texts, *incomplete(INCOMPLETE), good])
    assert stack.run("index").status == 0
    document = json.loads(stack.run("--json", "search").out)
    assert {one["dataset_id"] for one in document["results"]} == {txids[len(texts) - 1], txids[-1]}
    for words in (("search",), ("search", "script"), ("show", txids[len(texts) - 1]), ("show", "--aside")):
        said = stack.run(*words)
        assert said.status == 0
        assert strange_letters(said.out + said.err) == set()
    orphans = json.loads(stack.run("--json", "show", "--orphans").out)
    assert len(orphans["items"]) == min(INCOMPLETE, 100)
    for words in ("'\"); DROP TABLE records;--", "a:b:c:", "*" * 900, "NEAR(" * 50, "\u202e\x00"[:1]):
        assert stack.run("search", words).status in (0, 3)


def zipped(handler):
    """Ten thousand times as much as it looks."""
    send(handler, zlib.compress(bytes(10_000_000)), {"Content-Encoding": "deflate"})


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    for _ in range(3_000):
        handler.wfile.write(bytes(65_536))


def long(handler):
    send(handler, bytes(1_000), {"Content-Length": str(1 << 62)})
    handler.close_connection = True


def elsewhere(handler):
    send(handler, b"", {"Location": "http://127.0.0.1:1/ipfs/"}, status=302)


def other_bytes(handler):
    send(handler, bytes(64))


def not_http(handler):
    handler.wfile.write(b"\x16\x03\x01" * 5_000 + b"\r\n\r\n")
    handler.close_connection = True


def endless_head(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000)
    handler.close_connection = True


REPLIES = [zipped, endless, long, elsewhere, other_bytes, not_http, endless_head]


@pytest.fixture(scope="module")
def downloads(stack):
    """Records whose content is hostile, one for each way, and a gateway that has it: id by name."""
    strange = Strange()
    gateway = HostileGateway(strange.store)
    roots: dict[str, tuple[ipfs.Cid, int]] = {}
    for reply in REPLIES:
        root = strange.folder(("a.mrc", strange.leaf(reply.__name__.encode() * 8)))
        gateway.replies[str(root)] = reply
        roots[reply.__name__] = root, 64
    leaf = strange.leaf(b"never here" * 6)
    gateway.replies[str(leaf)] = other_bytes
    roots["wrong leaf"] = strange.folder(("a.mrc", leaf)), 60
    deep = strange.leaf()
    for _ in range(5_000):
        deep = strange.folder(("a", deep))
    roots["deep"] = deep, 64
    roots["leaves the folder"] = strange.folder(("..", strange.folder(("a.mrc", strange.leaf())))), 64
    roots["a lying size"] = strange.folder(("a.mrc", strange.file((strange.leaf(), 1 << 40)))), 1 << 40
    many, size = strange.leaf(), len(LEAF)
    for links in (50, 10):
        many, size = strange.file(*[(many, size)] * links), size * links
    roots["a leaf 500 times"] = strange.folder(("a.mrc", many)), size
    node = b"\x0a\x02\x08\x01"
    itself = ipfs.parse_cid_bytes(b"\x01\x70\x00" + encode_varint(len(node)) + node)
    roots["identity"] = itself, 64
    texts = [
        STRANGER.message(
            title=name, sid=f"../../{name}", location=str(root), files=(oip.FileEntry(path="a.mrc", size_bytes=size),)
        )
        for name, (root, size) in roots.items()
    ]
    evil = ("../../evil", "/etc/evil", "..\\evil", "CON", "a.mrc/b", "a.mrc")
    files = tuple(oip.FileEntry(path=path, size_bytes=64) for path in evil)
    good = strange.folder(("a.mrc", strange.leaf()))
    texts.append(STRANGER.message(title="names", location=str(good), files=files))
    txids = stack.write(texts)
    assert stack.run("index").status == 0
    with gateway.listening():
        yield gateway, dict(zip([*roots, "names"], txids, strict=True)), dict(roots)


NAMES = [
    *(reply.__name__ for reply in REPLIES),
    *("wrong leaf", "deep", "leaves the folder", "a lying size", "a leaf 500 times", "identity", "names"),
]


@pytest.mark.crash  # each source is asked again after some seconds
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_gateway_gives_nothing_that_is_not_right(stack, downloads, tmp_path, name):
    gateway, ids, roots = downloads
    target = tmp_path / "deep" / "er" / "downloads"
    target.mkdir(parents=True)
    before, stack.what = gateway.asked, name
    said = stack.run("download", ids[name], "--output", target, "--gateway", gateway.url)
    assert gateway.asked - before < (600 if name == "a leaf 500 times" else 100)
    assert strange_letters(said.out + said.err) == set()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(target) for path in files)
    assert not any(re.search("evil$", path.name) and path.parent == target.parent for path in files)
    content = [path for path in files if path.name.endswith(".mrc")]
    if name == "a leaf 500 times":
        assert said.status == 0
        assert [path.stat().st_size for path in content] == [roots[name][1]]
        assert content[0].read_bytes()[:1_000] == (LEAF * 20)[:1_000]
    elif name == "names":
        assert said.status in (0, 4, 5)
        assert [path.read_bytes() for path in content] in ([LEAF], [])
    else:
        assert said.status in (3, 4, 5, 7)
        assert content == []
