"""The local chain before a FLO full node that nobody here wrote: it must take every block and end at our tip."""

from __future__ import annotations

from contextlib import closing

import pytest
from fcoin_node import FcoinNode

from etdb.flo import REGTEST, PrivateKey, Transaction, TxInput, TxOutput, address_script, parse_transaction, sign_all
from etdb.ledger import Limits, LocalChain, Wallet

pytestmark = pytest.mark.node

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)
SCRIPT = address_script(ADDRESS, REGTEST)
LIMITS = Limits()
FULL = ("json:" + "é" * 517 + "x").encode()


def wallet(chain: LocalChain) -> Wallet:
    return Wallet(KEY, REGTEST, LIMITS, chain.coins(ADDRESS))


def feed(chain: LocalChain, node: FcoinNode) -> None:
    """Every block that the node lacks, in order."""
    tip = chain.tip()
    for height in range(node.height + 1, tip.height + 1):
        node.submit_block(chain.raw_block(height))
    assert (node.height, node.tip_hash) == (tip.height, tip.block_hash)


def test_a_chain_of_every_kind_of_block(fcoin_node: FcoinNode, tmp_path):
    """More than 200 blocks: mature coinbases, a fan-out, full floData, lanes of records, two halvings."""
    sent: dict[str, bytes] = {}
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        assert fcoin_node.tip_hash == chain.tip().block_hash  # the same genesis
        chain.mine(103, ADDRESS)
        feed(chain, fcoin_node)

        # A fan-out of a mature coinbase, and then records side by side: full transactions for more than one block.
        purse = wallet(chain)
        fan_out = purse.fan_out(purse.lanes_wanted(700), 700)
        chain.submit(fan_out.raw)
        assert fcoin_node.submit_transaction(fan_out.raw) == fan_out.txid
        chain.settle()
        feed(chain, fcoin_node)
        purse = wallet(chain)
        for number in range(700):
            data = b"%04d" % number + FULL[4:]
            signed = purse.sign(data)
            chain.submit(signed.raw)
            sent[signed.txid] = data
            if number < 30:  # a real mempool takes what ours takes
                assert fcoin_node.submit_transaction(signed.raw) == signed.txid
        chain.settle()
        assert len(list(chain.blocks(105))) == 2
        feed(chain, fcoin_node)

        # A record in parts: each hangs on the one before, and names the first.
        purse = wallet(chain)
        first = purse.sign(b"oip-mp(0,3,%s,,sig=):json:{" % ADDRESS.encode())
        parts = [(first, b"oip-mp(0,3,%s,,sig=):json:{" % ADDRESS.encode())]
        for number in range(1, 4):
            data = b"oip-mp(%d,3,%s,%s,sig=):" % (number, ADDRESS.encode(), first.txid.encode()) + b"x" * 700
            parts.append((purse.sign(data), data))
        for signed, data in parts:
            chain.submit(signed.raw)
            sent[signed.txid] = data
        chain.settle()

        # Many coins into one, floData of none, and a text in the coinbase.
        coins = sorted(chain.coins(ADDRESS), key=lambda one: one.amount_sat)[:20]
        total = sum(coin.amount_sat for coin in coins)
        swept = sign_all(
            Transaction(
                inputs=tuple(TxInput(coin.outpoint.txid, coin.outpoint.vout) for coin in coins),
                outputs=(TxOutput(total - LIMITS.fee_sat(3500), SCRIPT),),
            ),
            KEY,
        )
        sent[chain.submit(swept.encode())] = b""
        chain.mine(1, flo_data=b"text:mined here")

        # Beyond two halvings of the reward.
        chain.mine(310 - chain.tip().height, ADDRESS)
        feed(chain, fcoin_node)

        for txid, data in sent.items():
            raw = fcoin_node.raw_transaction(txid)
            assert raw == chain.raw(txid)
            assert parse_transaction(raw).flo_data == data
        read = {one.txid: one.data for block in chain.blocks(0) for one in block.messages}
        assert {txid: data for txid, data in sent.items() if data}.items() <= read.items()
        assert b"text:mined here" in read.values()
        assert [fcoin_node.rpc("getblockhash", height) for height in range(0, 311, 10)] == [
            chain.block_ref(height).block_hash for height in range(0, 311, 10)
        ]


def test_a_full_block_of_coins(fcoin_node: FcoinNode, tmp_path):
    """Large fan-outs, more than one block may hold by its signature checks."""
    limits = Limits(max_fee_sat=10**12, fee_rate_sat_per_kb=1000)
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        chain.mine(112, ADDRESS)
        coins = Wallet(KEY, REGTEST, limits, chain.coins(ADDRESS)).coins
        for coin in coins[:9]:
            fan_out = Wallet(KEY, REGTEST, limits, [coin]).fan_out(2700, 2700)
            chain.submit(fan_out.raw)
        chain.settle()
        assert chain.tip().height == 114
        feed(chain, fcoin_node)


def test_the_node_takes_blocks_in_one_go(fcoin_node: FcoinNode, tmp_path):
    """Beyond the heights where regtest's rules change (1,251 and 1,351)."""
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        chain.mine(1400, ADDRESS)
        chain.submit(wallet(chain).sign(FULL).raw)
        chain.settle()
        feed(chain, fcoin_node)
