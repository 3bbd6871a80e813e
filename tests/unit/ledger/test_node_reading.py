"""The quick ways of a first reading beside the general one: from whatever source, the same rows are kept."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from etdb.errors import EtdbError
from etdb.flo import (
    NO_TXID,
    REGTEST,
    PrivateKey,
    address_script,
    display_hex,
    make_proof,
    parse_block,
    parse_header,
)
from etdb.ledger import Limits, LocalChain, Wallet, node_ahead, node_blocks, node_following
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_beside import FolderBesideNode
from etdb.ledger.node import FloNode
from etdb.ledger.node_ahead import BlocksAhead
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.node_errors import NodeChainError, NodePrunedError
from etdb.ledger.node_scan import BlockScanner
from etdb.ledger.node_store import FoundRows, place_of
from etdb.ledger.rpc import RpcClient
from etdb.testing.fake_node import FakeNode

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)
HEIGHT = 420


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Blocks with texts, coins that move, and many with nothing."""
    random_ = random.Random(4)
    with closing(LocalChain(tmp_path_factory.mktemp("reading") / "chain", writable=True)) as chain:
        chain.mine(110, ADDRESS)
        while (height := chain.tip().height) < HEIGHT:
            wallet = Wallet(KEY, REGTEST, Limits(), chain.coins(ADDRESS))
            for _ in range(random_.choice((0, 0, 1, 3))):
                chain.submit(wallet.sign(b"text:" + random_.randbytes(random_.choice((3, 200, 900)))).raw)
            chain.mine(min(random_.choice((1, 5)), HEIGHT - height))
        yield chain


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(node_following, "BATCH_BLOCKS", 70)
    monkeypatch.setattr(node_blocks, "MAX_HEADERS", 64)
    monkeypatch.setattr(node_blocks, "_LEAST_AHEAD", 20)
    monkeypatch.setattr(node_ahead, "BURIED", 10)
    monkeypatch.setattr(node_ahead, "_MANY_BLOCKS", 20)


def by_height(node: FakeNode) -> None:
    """Give blocks by height, as fcoin does."""
    node.before = lambda method, params: node.chain.raw_block(params[0]).hex() if method == "getblockbyheight" else None


def rows(path):
    """All that is kept but how far the work of headers was checked."""
    with closing(sqlite3.connect(path)) as db:
        names = ("headers", "transactions", "spends", "coins")
        found = {name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}
        settings = db.execute("SELECT * FROM settings WHERE name <> 'work checked' ORDER BY name").fetchall()
        return found | {"settings": [one for one in settings if one[0] != "header state"]}


def read(node: FakeNode, path, watch=(), folder=None):
    client = RpcClient(node.url, sleep=lambda _: None)
    source = RpcBlocks(client)
    if folder is not None:
        source = FolderBesideNode(source, lambda: BlockFolder(folder, REGTEST))
    with closing(FloNode(client, REGTEST, path, source=source, watch=watch)) as ledger:
        blocks = list(ledger.blocks(0))
        coins = ledger.coins(ADDRESS) if watch else []
    return rows(path), blocks, coins


def plain(node: FakeNode, path, watch, monkeypatch):
    """What is kept when headers come first and blocks after them."""
    with monkeypatch.context() as context:
        context.setattr(node_following, "BATCH_BLOCKS", 1_000_000)
        return read(node, path, watch)


@pytest.mark.parametrize("watch", [(), (ADDRESS,)], ids=["no coins", "coins"])
def test_blocks_along_with_their_headers_are_the_same(chain, tmp_path, monkeypatch, watch):
    with FakeNode(chain) as node:
        wanted = plain(node, tmp_path / "plain", watch, monkeypatch)
        assert "getblockheader" in node.methods
        assert wanted[0]["transactions"]
        node.methods.clear()
        assert read(node, tmp_path / "hashes", watch) == wanted
        by_height(node)
        node.methods.clear()
        assert read(node, tmp_path / "heights", watch) == wanted
        assert node.methods.count("getblock") < HEIGHT / 4
        node.rest = True
        node.methods.clear()
        assert read(node, tmp_path / "rest", watch) == wanted
        assert "rest/block" in node.methods


@pytest.mark.parametrize("watch", [(), (ADDRESS,)], ids=["no coins", "coins"])
def test_a_folder_beside_the_node_gives_the_same(chain, tmp_path, monkeypatch, watch):
    monkeypatch.setattr("etdb.ledger.blockfolder_beside._MUCH", 20)
    raws = [chain.raw_block(height) for height in range(HEIGHT + 1)]
    random.Random(1).shuffle(raws)
    frames = (REGTEST.magic + len(raw).to_bytes(4, "little") + raw for raw in raws)
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "blk00000.dat").write_bytes(b"".join(frames))
    with FakeNode(chain) as node:
        wanted = plain(node, tmp_path / "plain", watch, monkeypatch)
        node.methods.clear()
        assert read(node, tmp_path / "folder", watch, tmp_path / "blocks") == wanted
        assert node.methods.count("getblock") < HEIGHT / 2


def test_the_rows_are_those_of_the_full_parse(chain):
    """Beside a plain reading of each block, object by object."""
    script = address_script(ADDRESS, REGTEST)
    found, wanted = FoundRows(), FoundRows()
    scanner, held = BlockScanner(REGTEST, "here", [ADDRESS], []), set()
    for height in range(HEIGHT + 1):
        raw = chain.raw_block(height)
        scanner.scan(height, raw[:80], raw, found)
        transactions = parse_block(raw).transactions
        txids = [one.txid for one in transactions]
        for position, one in enumerate(transactions):
            spent = [(each.txid, each.vout) for each in one.inputs if each.txid != NO_TXID]
            made = [(vout, output) for vout, output in enumerate(one.outputs) if output.script == script]
            if one.flo_data or made or held.intersection(spent):
                held.update((one.txid, vout) for vout, _ in made)
                held.difference_update(spent)
                txid, branch = bytes.fromhex(one.txid), b"".join(make_proof(txids, position).branch)
                wanted.transactions.append((place_of(height, position), txid, one.encode(), branch, bool(one.flo_data)))
                wanted.spends.extend((bytes.fromhex(each), vout, txid) for each, vout in spent)
                wanted.coins.extend(
                    (txid, vout, ADDRESS, output.value_sat, height, one.is_coinbase) for vout, output in made
                )
    assert found == wanted


def test_a_chain_that_changes_ahead_ends_what_is_given(chain):
    """Nothing is given behind a block that does not follow; who reads sees for itself."""
    raws = [chain.raw_block(height) for height in range(100)]
    raws[60] = raws[61]
    with closing(RpcClient("http://127.0.0.1:1")) as lane:
        ahead = BlocksAhead(0, 99, [lane], lambda _, first, count: raws[first : first + count])
        assert [raw for _, raw in ahead.take(1000)] == raws[:60]
        assert ahead.take(1000) == []
        other = BlocksAhead(0, 99, [lane], lambda _, first, count: raws[first : first + count])
        assert [display_hex(one) for one, _ in other.take(3)] == [parse_header(raw[:80]).block_hash for raw in raws[:3]]


def test_another_block_than_its_header_commits_to_is_a_lie(chain, tmp_path):
    wrong = 40
    raw = bytearray(chain.raw_block(wrong))
    raw[-6] ^= 1
    with FakeNode(chain) as node:
        node.before = lambda method, params: (
            (bytes(raw) if params[0] == wrong else chain.raw_block(params[0])).hex()
            if method == "getblockbyheight"
            else None
        )
        with pytest.raises(NodeChainError, match="something else than block"):
            read(node, tmp_path / "node.sqlite")


@pytest.mark.parametrize("given", ["00", "zz", 5, "00" * 200])
def test_nonsense_by_height_is_named(chain, tmp_path, given):
    with FakeNode(chain) as node:
        node.before = lambda method, _: given if method == "getblockbyheight" else None
        if isinstance(given, int):
            read(node, tmp_path / "node.sqlite")  # no way at all, so the usual one is gone
        else:
            with pytest.raises(EtdbError):
                read(node, tmp_path / "node.sqlite")


def test_a_pruned_node_is_still_named_so(chain, tmp_path):
    def before(method, params):
        if method == "getblockbyheight":
            node.refuse(-1, "Block not available (pruned data)", params[0] < 300)
            return chain.raw_block(params[0]).hex()
        return None

    with FakeNode(chain) as node:
        node.before, node.info = before, {"pruned": True, "pruneheight": 300}
        with pytest.raises(NodePrunedError):
            read(node, tmp_path / "node.sqlite")


def test_a_reading_that_breaks_off_goes_on_where_it_was(chain, tmp_path, monkeypatch):
    """The node goes away in the middle: what was kept is of whole portions, and the rest comes with the next try."""
    path = tmp_path / "node.sqlite"

    def before(method, params):
        if method == "getblockbyheight" and params[0] > 200:
            node.refuse(-1, "gone")
        is_first = params == [REGTEST.genesis_hash, 0]
        node.refuse(-7, "gone", method in ("getblock", "getblockheader") and not is_first)
        return chain.raw_block(params[0]).hex() if method == "getblockbyheight" else None

    with FakeNode(chain) as node:
        node.before = before
        with pytest.raises(EtdbError):
            read(node, path)
        with closing(sqlite3.connect(path)) as db:
            (top,) = db.execute("SELECT max(height) FROM headers").fetchone()
            (scanned,) = db.execute("SELECT value FROM settings WHERE name = 'scanned'").fetchone()
        assert 0 < int.from_bytes(scanned, "little") == top <= 200
        by_height(node)
        assert read(node, path) == plain(node, tmp_path / "plain", (), monkeypatch)


KILLED = """
import os, signal, sys
from pathlib import Path
from etdb.flo import REGTEST
from etdb.ledger import node_ahead, node_blocks, node_following
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient

node_following.BATCH_BLOCKS, node_blocks.MAX_HEADERS, node_blocks._LEAST_AHEAD = 70, 64, 20
node_ahead.BURIED = 10
wanted = int(sys.argv[3])

def progress(_step, done, _total):  # within the transaction that keeps a portion
    if done >= wanted:
        os.kill(os.getpid(), signal.SIGKILL)

list(FloNode(RpcClient(sys.argv[1]), REGTEST, Path(sys.argv[2]), progress=progress).blocks(0))
"""


@pytest.mark.parametrize("height", [64, 190, HEIGHT])
def test_a_killed_reading_goes_on_and_keeps_the_same(chain, tmp_path, monkeypatch, height):
    with FakeNode(chain) as node:
        by_height(node)
        path = tmp_path / "node.sqlite"
        done = subprocess.run([sys.executable, "-c", KILLED, node.url, str(path), str(height)], check=False)
        assert done.returncode == -signal.SIGKILL
        with closing(sqlite3.connect(path)) as db:
            scanned = db.execute("SELECT value FROM settings WHERE name = 'scanned'").fetchall()
        assert all(int.from_bytes(one, "little") < height for (one,) in scanned)
        assert read(node, path) == plain(node, tmp_path / "plain", (), monkeypatch)
