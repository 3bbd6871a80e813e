"""Following a node through what happens to it: reorganisations, restarts, other wallets, other processes."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing

import pytest

from etdb.errors import NotFoundError, RefusedError, StorageError
from etdb.flo import REGTEST, PrivateKey, Transaction, TxInput, TxOutput, address_script, sign_all
from etdb.index import follow
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.ledger.node import FloNode
from etdb.ledger.node_errors import NodeBusyError, NodeChainError, NodeUnreachableError
from etdb.ledger.rpc import RpcClient
from etdb.testing.fake_node import FakeNode, answer
from etdb.testing.ledger import malleated

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)
STRANGER = PrivateKey(bytes([9]) * 32)
LIMITS = Limits()


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    """The folder of a chain of 104 blocks."""
    folder = tmp_path_factory.mktemp("following") / "chain"
    with closing(LocalChain(folder, writable=True)) as chain:
        chain.mine(104, ADDRESS)
    return folder


@pytest.fixture
def node(mined, tmp_path):
    with closing(chain_of(mined, tmp_path / "chain")) as chain, FakeNode(chain) as node:
        yield node


@pytest.fixture
def ledger(node, tmp_path):
    with closing(open_node(node, tmp_path / "node.sqlite", watch=[ADDRESS])) as ledger:
        yield ledger


def chain_of(folder, copy) -> LocalChain:
    """A chain of its own that begins as the one in ``folder``."""
    shutil.copytree(folder, copy)
    return LocalChain(copy, writable=True)


def open_node(node: FakeNode, path, **options) -> FloNode:
    return FloNode(RpcClient(node.url, sleep=lambda _: None), REGTEST, path, **{"fresh_s": 0, **options})


def wallet(ledger) -> Wallet:
    return Wallet(KEY, REGTEST, LIMITS, ledger.coins(ADDRESS))


def everything(ledger):
    """What a ledger says of all its blocks and of our coins."""
    blocks = list(ledger.blocks(0))
    proofs = [ledger.evidence(message.txid) for block in blocks for message in block.messages]
    return blocks, proofs, ledger.coins(ADDRESS)


def assert_as_read_anew(ledger, node, path):
    """Nothing is left of what was, nothing is there twice: a first reading finds the same."""
    with closing(open_node(node, path, watch=[ADDRESS])) as anew:
        assert everything(ledger) == everything(anew)


@pytest.mark.parametrize("depth", [1, 10, 100])
def test_a_reorganisation(ledger, node, mined, tmp_path, depth):
    signed = [wallet(ledger).sign(b"text:on both sides")]
    signed.append(wallet(ledger).sign(b"text:here only, the same coin"))
    ledger.submit(signed[0].raw)
    node.chain.mine(depth)
    here = everything(ledger)
    assert ledger.status(signed[0].txid).confirmations == depth
    with closing(chain_of(mined, tmp_path / "there")) as there:
        there.mine(depth)  # another miner
        there.submit(signed[0].raw)
        there.mine(1)
        node.chain = there
        assert ledger.tip() == there.tip()
        assert ledger.status(signed[0].txid).height == there.tip().height
        assert ledger.block_ref(105) == there.block_ref(105)
        assert everything(ledger) != here
        assert_as_read_anew(ledger, node, tmp_path / "anew.sqlite")


def test_what_a_reorganisation_takes_back_is_waiting_or_gone(ledger, node, mined, tmp_path):
    signed = wallet(ledger).sign(b"text:taken back")
    coins = ledger.coins(ADDRESS)
    ledger.submit(signed.raw)
    node.chain.mine(1)
    assert ledger.status(signed.txid).state == "confirmed"
    with closing(chain_of(mined, tmp_path / "there")) as there:
        there.mine(3)
        node.chain = there
        assert ledger.status(signed.txid).state == "unknown"
        with pytest.raises(NotFoundError):
            ledger.evidence(signed.txid)
        with pytest.raises(NotFoundError):
            ledger.raw(signed.txid)
        assert ledger.spender(signed.spends[0].outpoint) is None
        names = {coin.outpoint for coin in ledger.coins(ADDRESS)}
        assert {coin.outpoint for coin in coins} <= names
        assert ledger.submit(signed.raw) == signed.txid  # the same bytes are good again
        assert ledger.status(signed.txid).state == "pending"


def test_an_index_over_a_reorganisation_of_a_hundred_blocks(ledger, node, mined, tmp_path):
    from etdb.catalogue import Catalogue
    from etdb.testing.records import RecordSigner

    publisher = RecordSigner()
    split = publisher.split(publisher.message(description="x" * 1500))
    with closing(Catalogue(tmp_path / "catalogue.sqlite", writable=True)) as catalogue:
        sender = wallet(ledger)
        first = sender.sign(split.first())
        parts = [first, *(sender.sign(data) for data in split.rest(first.txid))]
        with closing(chain_of(mined, tmp_path / "there")) as there:
            for chain, own in ((node.chain, parts), (there, parts[:1])):
                for one in own:
                    chain.submit(one.raw)
                chain.mine(100)
            assert follow(ledger, catalogue, network=REGTEST, check_transactions=True).records_new == 1
            node.chain, former = there, node.chain
            there.mine(1)
            report = follow(ledger, catalogue, network=REGTEST, check_transactions=True)
            assert (report.blocks_removed, report.records_removed) == (100, 1)
            for one in parts[1:]:
                there.submit(one.raw)
            there.mine(1)
            report = follow(ledger, catalogue, network=REGTEST, check_transactions=True)
            assert (report.records_new, report.blocks) == (1, 1)
            assert catalogue.counts()["records"] == 1
            former.mine(3)  # and once more back to where it came from
            node.chain = former
            report = follow(ledger, catalogue, network=REGTEST, check_transactions=True)
            assert (report.blocks_removed, report.records_removed, report.records_new) == (102, 1, 1)
            assert catalogue.counts()["records"] == 1


def test_a_chain_that_leaves_ours_too_deep_is_not_followed(node, tmp_path, monkeypatch):
    monkeypatch.setattr("etdb.ledger.node_headers.MAX_ROLLBACK", 20)
    with (
        closing(LocalChain(tmp_path / "long", writable=True)) as long,
        closing(LocalChain(tmp_path / "longer", writable=True)) as longer,
    ):
        long.mine(40, ADDRESS)
        longer.mine(50, STRANGER.address(REGTEST))
        node.chain = long
        with closing(open_node(node, tmp_path / "node.sqlite")) as ledger:
            tip = ledger.tip()
            node.chain = longer
            with pytest.raises(NodeChainError, match="another chain") as caught:
                ledger.tip()
            assert node.url in caught.value.message
            assert ledger.known_tip() == tip


def test_a_chain_that_changes_while_its_blocks_are_read(ledger, node, mined, tmp_path):
    with closing(chain_of(mined, tmp_path / "there")) as there:
        there.mine(5, STRANGER.address(REGTEST))
        blocks = ledger.blocks(100)
        assert next(blocks).ref.height == 100
        node.chain.mine(2)
        ledger.tip()
        node.chain = there
        ledger.tip()
        rest = list(blocks)
        assert [block.ref.height for block in rest] == [101, 102, 103, 104]
        assert [block.ref for block in ledger.blocks(105)] == [there.block_ref(height) for height in range(105, 110)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm(ledger, node, mined, tmp_path, seed):
    """Blocks, messages and changes of the better chain in any order leave what a first reading finds."""
    chance = random.Random(seed)
    with closing(chain_of(mined, tmp_path / "there")) as there:
        chains = [node.chain, there]
        for step in range(25):
            chain = chance.choice(chains)
            for _ in range(chance.randrange(3)):
                sent = Wallet(KEY, REGTEST, LIMITS, chain.coins(ADDRESS)).sign(b"step %d" % step)
                chain.submit(sent.raw)
            chain.mine(chance.randrange(3), chance.choice([ADDRESS, STRANGER.address(REGTEST)]))
            node.chain = max(chains, key=lambda one: one.tip().height)
            if chance.random() < 0.6:
                list(ledger.blocks(chance.randrange(110)))
        node.chain.mine(1)
        assert ledger.tip() == node.chain.tip()
        assert_as_read_anew(ledger, node, tmp_path / "anew.sqlite")
        assert ledger.coins(ADDRESS) == node.chain.coins(ADDRESS)


def test_a_second_run_goes_on(node, tmp_path):
    path = tmp_path / "node.sqlite"
    with closing(open_node(node, path, watch=[ADDRESS])) as first:
        signed = wallet(first).sign(b"text:before")
        first.submit(signed.raw)
    node.chain.mine(1)
    node.methods.clear()
    with closing(open_node(node, path, watch=[ADDRESS])) as second:
        assert second.status(signed.txid).state == "confirmed"
        assert node.methods.count("getblock") == 1  # only the new one is read
        assert_as_read_anew(second, node, tmp_path / "anew.sqlite")


def test_a_first_reading_that_was_cut_off_goes_on(node, tmp_path):
    path = tmp_path / "node.sqlite"
    heights = []

    def cut(_step, height, _total):
        heights.append(height)
        raise KeyboardInterrupt

    with closing(open_node(node, path, watch=[ADDRESS], progress=cut)) as first, pytest.raises(KeyboardInterrupt):
        list(first.blocks(0))
    with closing(open_node(node, path, watch=[ADDRESS])) as second:
        assert_as_read_anew(second, node, tmp_path / "anew.sqlite")
    assert heights


@pytest.mark.parametrize("address", [[ADDRESS], []])
def test_blocks_that_are_full_are_kept_and_given_in_smaller_steps(node, tmp_path, monkeypatch, address):
    sender = Wallet(KEY, REGTEST, LIMITS, node.chain.coins(ADDRESS))
    for number in range(24):
        node.chain.submit(sender.sign(b"%d" % number * 300).raw)
        node.chain.mine(number % 2)
    with closing(open_node(node, tmp_path / "plain.sqlite", watch=[ADDRESS])) as plain:
        expected = everything(plain)
    monkeypatch.setattr("etdb.ledger.node_following.BATCH_BYTES", 1000)
    monkeypatch.setattr("etdb.ledger.node.READ_BYTES", 1000)
    steps = []
    with closing(
        open_node(node, tmp_path / "node.sqlite", watch=address, progress=lambda *step: steps.append(step))
    ) as ledger:
        assert everything(ledger) == expected
    assert len(steps) > 4


def test_two_processes_over_one_store(ledger, node, mined, tmp_path):
    with closing(open_node(node, tmp_path / "node.sqlite", watch=[ADDRESS])) as other:
        for number in range(3):
            signed = wallet(ledger).sign(b"%d" % number)
            other.submit(signed.raw)
            node.chain.mine(1)
            assert other.status(signed.txid).state == ledger.status(signed.txid).state == "confirmed"
        with closing(chain_of(mined, tmp_path / "there")) as there:
            there.mine(6)
            node.chain = there
            assert everything(other) == everything(ledger)
            assert_as_read_anew(ledger, node, tmp_path / "anew.sqlite")


def test_a_store_of_another_network_or_of_rubbish(node, tmp_path):
    path = tmp_path / "node.sqlite"
    with closing(open_node(node, path)) as ledger:
        assert ledger.tip() is not None
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE settings SET value = x'00' WHERE name = 'genesis'")
        database.commit()
    with closing(open_node(node, path)) as ledger:
        assert ledger.known_tip() is None
        assert ledger.tip() == node.chain.tip()
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StorageError, match=r"node\.sqlite") as caught:
        open_node(node, path)
    assert "read again" in caught.value.hint


# -- coins


@pytest.mark.parametrize("has_index", [True, False])
def test_an_address_that_is_asked_for_later(node, tmp_path, has_index):
    with closing(open_node(node, tmp_path / "node.sqlite")) as ledger:
        list(ledger.blocks(0))
        node.has_address_index = has_index
        node.methods.clear()
        coins = ledger.coins(ADDRESS)
        assert coins == node.chain.coins(ADDRESS)
        assert len(coins) == 5
        assert (node.methods.count("getblock") == 105) == (not has_index or len(coins) == 105)
        node.methods.clear()
        assert ledger.coins(ADDRESS) == coins
        assert "getblock" not in node.methods  # it is watched from now on
        assert_as_read_anew(ledger, node, tmp_path / "anew.sqlite")


def test_an_address_whose_coins_come_and_go_in_what_was_read_before(node, tmp_path):
    sender = Wallet(KEY, REGTEST, LIMITS, node.chain.coins(ADDRESS))
    for number in range(8):
        node.chain.submit(sender.sign(b"%d" % number).raw)
        if number % 3 == 0:
            node.chain.mine(1)
    node.chain.settle()
    with closing(open_node(node, tmp_path / "node.sqlite")) as ledger:
        list(ledger.blocks(0))
        assert ledger.coins(ADDRESS) == node.chain.coins(ADDRESS)


def test_a_coin_that_another_wallet_spends_meanwhile(ledger, node):
    ours, rival = wallet(ledger).sign(b"text:ours"), wallet(ledger).sign(b"text:theirs")
    node.chain.submit(rival.raw)  # by another node
    node.call("sendrawtransaction", [rival.raw.hex()])
    with pytest.raises(RefusedError) as caught:
        ledger.submit(ours.raw)
    assert caught.value.fields["reason"] == "txn-mempool-conflict"
    assert caught.value.fields["rival"] == rival.txid
    assert "same key" in caught.value.hint
    assert ledger.spender(ours.spends[0].outpoint) == rival.txid
    node.chain.mine(1)
    with pytest.raises(RefusedError) as caught:
        ledger.submit(ours.raw)
    assert caught.value.fields["rival"] == rival.txid


def test_what_others_have_waiting_is_seen_from_the_beginning(node, tmp_path):
    foreign = malleated(Wallet(KEY, REGTEST, LIMITS, node.chain.coins(ADDRESS)).sign(b"text:before we came").raw)
    other = node.call("sendrawtransaction", [foreign.hex()])
    with closing(open_node(node, tmp_path / "node.sqlite", watch=[ADDRESS])) as ledger:
        assert ledger.status(other).state == "pending"
        assert ledger.raw(other) == foreign
        (change,) = [coin for coin in ledger.coins(ADDRESS) if coin.outpoint.txid == other]
        assert (change.confirmations, change.chain_depth, change.chain_bytes) == (0, 1, len(foreign))


def test_what_the_node_forgets_is_unknown_and_can_be_sent_again(ledger, node, mined, tmp_path):
    """A node may be started again without what waited in it."""
    signed = wallet(ledger).sign(b"text:lost")
    coins = ledger.coins(ADDRESS)
    ledger.submit(signed.raw)
    with closing(chain_of(mined, tmp_path / "restarted")) as restarted:
        node.chain = restarted
        assert ledger.status(signed.txid).state == "unknown"
        assert ledger.coins(ADDRESS) == coins
        assert ledger.submit(signed.raw) == signed.txid
        assert ledger.status(signed.txid).state == "pending"


def test_chains_are_as_long_as_the_node_counts_them(ledger, node):
    purse = wallet(ledger)
    fan_out = purse.fan_out(4, 40)
    ledger.submit(fan_out.raw)
    for number in range(8):
        ledger.submit(purse.sign(b"%d" % number).raw)
    ours, theirs = ledger.coins(ADDRESS), node.chain.coins(ADDRESS)
    assert [but_family(one) for one in ours] == [but_family(one) for one in theirs]
    assert lanes(ours) == lanes(theirs)


def lanes(coins):
    """Which unconfirmed coins are of one family, whatever it is called."""
    pending = [coin for coin in coins if coin.chain_depth]
    return {frozenset(one.outpoint for one in pending if one.family == coin.family) for coin in pending}


def but_family(coin):
    return coin.outpoint, coin.amount_sat, coin.confirmations, coin.chain_depth, coin.chain_bytes, coin.coinbase


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("too-long-mempool-chain", lambda purse: [purse.sign(b"%d" % number).raw for number in range(30)]),
        ("dust", lambda purse: [dusty(purse)]),
        ("min relay fee not met", lambda _purse: []),
    ],
)
def test_what_the_node_refuses(ledger, node, reason, make):
    limits = Limits(max_chain=1000, max_chain_bytes=10**6, dust_sat=1)
    purse = Wallet(KEY, REGTEST, limits, ledger.coins(ADDRESS)[:1])
    raws = make(purse) or [cheap(ledger)]
    with pytest.raises(RefusedError) as caught:  # noqa: PT012  # whichever of them is the first too many
        for raw in raws:
            ledger.submit(raw)
    assert caught.value.fields["reason"] == reason
    assert caught.value.hint
    assert node.url in caught.value.message


def dusty(purse: Wallet) -> bytes:
    coin = purse.coins[0]
    spent, made = TxInput(coin.outpoint.txid, coin.outpoint.vout), TxOutput(100, address_script(ADDRESS, REGTEST))
    return sign_all(Transaction(inputs=(spent,), outputs=(made,)), KEY).encode()


def cheap(ledger) -> bytes:
    limits = Limits(fee_rate_sat_per_kb=1)
    return Wallet(KEY, REGTEST, limits, ledger.coins(ADDRESS)).sign(b"text:cheap").raw


# -- weather


def test_a_look_is_taken_for_true_for_a_while(node, tmp_path):
    now = [0.0]
    with closing(
        open_node(node, tmp_path / "node.sqlite", fresh_s=2.0, monotonic=lambda: now[0], watch=[ADDRESS])
    ) as ledger:
        tip = ledger.tip()
        node.chain.mine(1)
        assert ledger.tip() == tip
        now[0] = 2.5
        assert ledger.tip() == node.chain.tip()


def test_weather_that_passes_by(ledger, node):
    ledger.tip()
    for _ in range(3):
        node.weather = [lambda _handler: None, answer(503, b""), answer(429, b"")]
        node.chain.mine(1)
        assert ledger.tip() == node.chain.tip()
    assert len(list(ledger.blocks(0))) == 108


def test_weather_that_stays_is_named_and_nothing_is_lost(ledger, node):
    node.weather = [answer(503, b"")] * 20
    with pytest.raises(NodeBusyError, match="503"):
        list(ledger.blocks(0))
    node.weather = [lambda _handler: None] * 20
    with pytest.raises(NodeUnreachableError):
        list(ledger.blocks(0))
    node.weather = []
    assert len(list(ledger.blocks(0))) == 105


def test_proofs_without_the_node(node, tmp_path):
    path = tmp_path / "node.sqlite"
    with closing(open_node(node, path, watch=[ADDRESS])) as ledger:
        signed = wallet(ledger).sign(b"text:proved")
        ledger.submit(signed.raw)
        node.chain.mine(3)
        proof, tip = ledger.evidence(signed.txid), ledger.tip()
    with closing(open_node(node, path)) as ledger:
        node.weather = [lambda _handler: None] * 30
        assert ledger.evidence(signed.txid) == proof
        assert ledger.raw(signed.txid) == signed.raw
        assert ledger.block_ref(tip.height) == tip
        for ask in (
            ledger.tip,
            lambda: ledger.status(signed.txid),
            lambda: ledger.evidence("ab" * 32),
            lambda: ledger.raw("ab" * 32),
            lambda: ledger.submit(signed.raw),
            lambda: ledger.coins(ADDRESS),
            lambda: next(ledger.blocks(0)),
        ):
            with pytest.raises(NodeUnreachableError):
                ask()
    with (
        closing(open_node(node, tmp_path / "empty.sqlite")) as ledger,
        pytest.raises(NodeUnreachableError),
    ):
        ledger.block_ref(0)


def test_an_answer_that_is_lost_on_the_way_of_a_transaction(ledger, node):
    """The node took it, and we never heard: sent again, it is the same one."""
    signed = wallet(ledger).sign(b"text:heard?")
    lost = []

    def take_and_hang_up(method, params):
        if method == "sendrawtransaction" and not lost:
            lost.append(node.chain.submit(bytes.fromhex(params[0])))
            node.refuse(-1, "a proxy lost the answer")

    node.before = take_and_hang_up
    assert ledger.submit(signed.raw) == signed.txid
    assert lost == [signed.txid]
    assert ledger.submit(signed.raw) == signed.txid
    node.chain.mine(1)
    assert ledger.status(signed.txid).confirmations == 1


def test_a_block_that_nobody_has_read_is_not_given_as_an_empty_one(ledger):
    """Another process went back and took other headers, just when the blocks were to be handed out."""
    assert len(list(ledger.blocks(0))) == 105
    with ledger._store.commit():
        ledger._store.set_scanned(50)
    assert [block.ref.height for block in ledger._stored(40, 100)] == list(range(40, 51))
    assert ledger._stored(60, 10) == []
