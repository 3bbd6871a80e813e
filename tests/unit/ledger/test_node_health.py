"""A node that is behind, elsewhere, pruned or lying is recognised, named, and the hint says what to do."""

from __future__ import annotations

import shutil
from contextlib import closing

import msgspec
import pytest

from etdb.errors import LedgerError, VerificationError
from etdb.flo import REGTEST, PrivateKey, encode_block, merkle_root, mine, parse_block, parse_header, verify_pow
from etdb.ledger import LocalChain, Wallet
from etdb.ledger.coins import Limits
from etdb.ledger.node import FloNode
from etdb.ledger.node_errors import NodeAnswerError, NodeBehindError, NodeChainError, NodeError, NodePrunedError
from etdb.ledger.rpc import RpcClient
from etdb.testing.fake_node import FakeNode

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)
OTHER_GENESIS = {
    "main": "09c7781c9df90708e278c35d38ea5c9041d7ecfcdd1c56ba67274b7cff3e1cea",
    "litecoin": "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2",
}


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    """The folder of a chain of 104 blocks."""
    folder = tmp_path_factory.mktemp("health") / "chain"
    with closing(LocalChain(folder, writable=True)) as chain:
        chain.mine(104, ADDRESS)
    return folder


@pytest.fixture
def node(mined, tmp_path):
    shutil.copytree(mined, tmp_path / "chain")
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain, FakeNode(chain) as node:
        yield node


@pytest.fixture
def ledger(node, tmp_path):
    with closing(FloNode(RpcClient(node.url), REGTEST, tmp_path / "node.sqlite", fresh_s=0)) as ledger:
        yield ledger


def assert_named(error: NodeError, node: FakeNode) -> None:
    assert node.url in error.message
    assert error.hint


def replaced(node, method, give):
    """Another answer to a method: what ``give`` makes of its parameters, unless that is None."""
    node.before = lambda called, params: give(*params) if called == method else None


def test_a_node_in_step_has_no_problems(ledger, node):
    tip = ledger.tip()
    report = ledger.report()
    assert (report.software, report.network, report.url) == ("/FLOCore:0.15.2/", "regtest", node.url)
    assert (report.blocks, report.headers, report.height, report.scanned) == (104, 104, tip.height, -1)
    assert report.problems == ()


@pytest.mark.parametrize("name", OTHER_GENESIS)
def test_a_node_of_another_network(ledger, node, name):
    replaced(node, "getblockhash", lambda _height: OTHER_GENESIS[name])
    for call in (ledger.tip, ledger.report, lambda: ledger.coins(ADDRESS), lambda: next(ledger.blocks(0))):
        with pytest.raises(NodeChainError) as caught:
            call()
        assert_named(caught.value, node)
    assert ("is on main" in caught.value.message) == (name == "main")


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"headers": 9000}, "104 blocks of 9000"),
        ({"initialblockdownload": True}, "behind"),
        ({"pruned": True, "pruneheight": 50}, "pruned"),
    ],
)
def test_a_node_that_is_behind_or_pruned_says_so_in_its_report(ledger, node, info, words):
    node.info = info
    (problem,) = ledger.report().problems
    assert words in problem
    assert node.url in problem


def test_nothing_is_given_to_a_node_that_is_behind(ledger, node):
    wallet = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS))
    node.info = {"headers": 9000}
    with pytest.raises(NodeBehindError) as caught:
        ledger.submit(wallet.sign(b"text:too early").raw)
    assert_named(caught.value, node)
    assert "sendrawtransaction" not in node.methods
    assert len(list(ledger.blocks(0))) == 105  # what it has is read all the same


def test_a_node_that_fell_behind_what_was_seen_already(ledger, node, mined, tmp_path):
    node.chain.mine(8)
    assert ledger.tip().height == 112
    coins = ledger.coins(ADDRESS)
    shutil.copytree(mined, tmp_path / "older")
    with closing(LocalChain(tmp_path / "older", writable=True)) as older:
        node.chain = older
        assert ledger.tip().height == 112  # a chain with less work takes nothing back
        assert len(list(ledger.blocks(110))) == 3
        assert any("104 blocks of 112" in problem for problem in ledger.report().problems)
        with pytest.raises(NodeBehindError, match="104 blocks of 112"):
            ledger.submit(Wallet(KEY, REGTEST, Limits(), coins).sign(b"text:x").raw)
        assert ledger.coins(ADDRESS) == coins
        with pytest.raises(NodeBehindError, match="does not have block"):
            ledger.coins(PrivateKey(bytes([9]) * 32).address(REGTEST))  # all of it would be read again


def test_blocks_that_a_pruned_node_threw_away(ledger, node):
    node.info = {"pruned": True, "pruneheight": 50}
    with pytest.raises(NodePrunedError, match="below 50") as caught:
        next(ledger.blocks(0))
    assert_named(caught.value, node)


def test_a_block_that_the_node_does_not_have(ledger, node):
    missing = node.chain.block_ref(60).block_hash
    replaced(node, "getblock", lambda block_hash, _verbosity: node.refuse(-5, "Block not found", block_hash == missing))
    with pytest.raises(NodeBehindError, match=missing) as caught:
        list(ledger.blocks(0))
    assert_named(caught.value, node)


def header_lies(node, height, make):
    """The node gives another header of this height; what it says of the others is true."""
    true = node.chain.block_ref(height).block_hash
    raw = node.chain.raw_block(height)[:80]
    lie = make(parse_header(raw))

    def give(block_hash, _verbose):
        return lie.encode().hex() if block_hash == true else None

    replaced(node, "getblockheader", give)


def without_work(header):
    """A nonce whose hash does not meet even regtest's target."""
    for nonce in range(1000):
        made = msgspec.structs.replace(header, nonce=nonce)
        try:
            verify_pow(made, REGTEST)
        except VerificationError:
            return made
    raise AssertionError


LIES = {
    "links": (lambda header: msgspec.structs.replace(header, prev_hash="ab" * 32), "does not follow"),
    "work": (without_work, "hash does not meet its target|does not follow"),
    "target": (lambda header: mine(msgspec.structs.replace(header, bits=0x201FFFFF)), "target"),
    "time": (lambda header: mine(msgspec.structs.replace(header, time_s=1)), "time"),
    "future": (lambda header: mine(msgspec.structs.replace(header, time_s=4_000_000_000)), "future"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_node_that_lies_about_headers(ledger, node, name):
    make, words = LIES[name]
    header_lies(node, 104, make)
    with pytest.raises(NodeChainError, match=words) as caught:
        ledger.tip()
    assert_named(caught.value, node)
    node.before = lambda _method, _params: None
    assert ledger.tip().height == 104  # nothing of the lie was kept


def test_a_checkpoint_that_the_node_does_not_have(node, tmp_path):
    """Main net's rules over another chain: the first known block is missing."""
    with closing(LocalChain(tmp_path / "chain2", writable=True)) as short:
        network = msgspec.structs.replace(REGTEST, checkpoints=((50, "ab" * 32),))
        for start_height, words in ((0, "height 50|block 50"), (60, "block 50")):
            path = tmp_path / f"{start_height}.sqlite"
            with (
                closing(FloNode(RpcClient(node.url), network, path, start_height=start_height, fresh_s=0)) as ledger,
                pytest.raises(NodeChainError, match=words) as caught,
            ):
                ledger.tip()
            assert_named(caught.value, node)
        node.chain = short
        with (
            closing(FloNode(RpcClient(node.url), network, tmp_path / "x.sqlite", start_height=60)) as ledger,
            pytest.raises(NodeBehindError, match="no block 50 yet"),
        ):
            ledger.tip()


def test_a_start_height_above_a_checkpoint(node, tmp_path):
    """Headers come from the checkpoint on, blocks from the start height on."""
    known = (50, node.chain.block_ref(50).block_hash)
    network = msgspec.structs.replace(REGTEST, checkpoints=(known,))
    with closing(FloNode(RpcClient(node.url), network, tmp_path / "node.sqlite", start_height=60, fresh_s=0)) as ledger:
        assert [block.ref.height for block in ledger.blocks(0)] == list(range(60, 105))
        assert ledger.block_ref(50) == node.chain.block_ref(50)
        assert ledger.block_ref(49) is None


def without_a_transaction(raw):
    """The same header over fewer transactions."""
    block = parse_block(raw)
    return encode_block(msgspec.structs.replace(block, transactions=block.transactions[:-1]))


def with_own_root(raw):
    """A block of the node's own making, with all that belongs to it."""
    block = parse_block(raw)
    kept = block.transactions[:-1]
    header = msgspec.structs.replace(block.header, merkle_root=merkle_root([one.txid for one in kept]))
    return encode_block(msgspec.structs.replace(block, header=mine(header), transactions=kept))


@pytest.mark.parametrize("change", [without_a_transaction, with_own_root, lambda raw: raw[:-1], lambda raw: raw[:80]])
def test_a_node_that_leaves_a_message_out(ledger, node, change):
    wallet = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS))
    signed = wallet.sign(b"text:hide me")
    ledger.submit(signed.raw)
    node.chain.settle()
    hidden = node.chain.tip()
    replaced(
        node,
        "getblock",
        lambda block_hash, _verbosity: (
            change(node.chain.raw_block(hidden.height)).hex() if block_hash == hidden.block_hash else None
        ),
    )
    with pytest.raises(NodeChainError, match=hidden.block_hash) as caught:
        list(ledger.blocks(hidden.height))
    assert_named(caught.value, node)
    node.before = lambda _method, _params: None
    assert ledger.status(signed.txid).state == "confirmed"


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("getblockchaininfo", 7),
        ("getblockchaininfo", {"blocks": "many"}),
        ("getblockhash", 5),
        ("getblockhash", "zz" * 32),
        ("getblockcount", -1),
        ("getblockcount", "104"),
        ("getblockheader", "00"),
        ("getblockheader", ["x"]),
        ("getblock", "zz"),
        ("getblock", {}),
        ("getrawmempool", {"a": 1}),
        ("getrawmempool", [1, 2]),
    ],
)
def test_answers_of_another_kind(ledger, node, method, value):
    replaced(node, method, lambda *_: value)
    with pytest.raises(LedgerError) as caught:
        list(ledger.blocks(0))
    assert node.url in caught.value.message
    assert isinstance(caught.value, (NodeAnswerError, NodeChainError))


@pytest.mark.parametrize("value", ["zz", 5, {}, "00" * 10])
def test_a_mempool_that_cannot_be_read_is_passed_over(ledger, node, value):
    signed = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS)).sign(b"text:x")
    node.call("sendrawtransaction", [signed.raw.hex()])
    replaced(node, "getrawtransaction", lambda *_: value)
    assert ledger.status(signed.txid).state == "pending"  # it is listed
    assert ledger.spender(signed.spends[0].outpoint) is None
