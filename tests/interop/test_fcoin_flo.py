"""Blocks and transactions that our flo code builds, before a full node that nobody here wrote."""

from __future__ import annotations

import pytest
from fcoin_node import FcoinError, FcoinNode

from etdb import flo

pytestmark = pytest.mark.node

KEY = flo.PrivateKey(bytes(range(1, 33)))
SCRIPT = flo.address_script(KEY.address(flo.REGTEST), flo.REGTEST)
BLOCKS = 110
FEE_SAT = 100_000


def next_block(previous: flo.BlockHeader, height: int, *more: flo.Transaction, fees_sat: int = 0) -> flo.Block:
    coinbase = flo.build_coinbase(height, flo.REGTEST.subsidy_sat(height) + fees_sat, SCRIPT, b"text:made here")
    transactions = (coinbase, *more)
    header = flo.BlockHeader(
        version=0x20000000,
        prev_hash=previous.block_hash,
        merkle_root=flo.merkle_root([one.txid for one in transactions]),
        time_s=previous.time_s + 40,
        bits=previous.bits,
        nonce=0,
    )
    return flo.Block(flo.mine(header), transactions)


def spend(coin: flo.Transaction, text: bytes) -> flo.Transaction:
    plain = flo.Transaction(
        inputs=(flo.TxInput(coin.txid, 0),),
        outputs=(flo.TxOutput(coin.outputs[0].value_sat - FEE_SAT, SCRIPT),),
        flo_data=text,
    )
    return flo.sign_all(plain, KEY)


def test_a_chain_of_ours_is_taken(fcoin_node: FcoinNode):
    """110 blocks, then a mature coinbase spent with floData of the full length in the last one."""
    genesis = flo.parse_block(flo.REGTEST.genesis_block)
    assert fcoin_node.rpc("getblockhash", 0) == genesis.header.block_hash
    blocks = [genesis]
    for height in range(1, BLOCKS):
        blocks.append(next_block(blocks[-1].header, height))
        fcoin_node.submit_block(flo.encode_block(blocks[-1]))
    text = ("json:" + "é" * 517 + "x").encode()
    assert len(text) == flo.MAX_FLO_DATA_BYTES
    paid = spend(blocks[1].transactions[0], text)
    changed = flo.Transaction(
        inputs=paid.inputs, outputs=paid.outputs, lock_time=paid.lock_time, flo_data=text[:-1] + b"y"
    )
    with pytest.raises(FcoinError) as refused:  # the signature covers the text, the node says so
        fcoin_node.submit_transaction(changed.encode())
    assert "mandatory-script-verify-flag" in refused.value.reason
    assert fcoin_node.submit_transaction(paid.encode()) == paid.txid
    blocks.append(next_block(blocks[-1].header, BLOCKS, paid, fees_sat=FEE_SAT))
    fcoin_node.submit_block(flo.encode_block(blocks[-1]))
    assert (fcoin_node.height, fcoin_node.tip_hash) == (BLOCKS, blocks[-1].header.block_hash)
    raw = fcoin_node.raw_block(BLOCKS)
    assert raw == flo.encode_block(blocks[-1])
    assert fcoin_node.raw_transaction(paid.txid) == paid.encode()
    assert [tx.flo_data for tx in flo.walk_flo_data(raw)] == [b"text:made here", text]


def test_what_we_refuse_it_refuses(fcoin_node: FcoinNode):
    """No work, a root of other transactions, an immature coinbase: never in the node's chain."""
    genesis = flo.parse_block(flo.REGTEST.genesis_block)
    first = next_block(genesis.header, 1)
    other = next_block(first.header, 2)
    lazy = first.header
    while lazy.pow_hash <= flo.bits_to_target(lazy.bits):
        lazy = flo.BlockHeader(
            version=lazy.version,
            prev_hash=lazy.prev_hash,
            merkle_root=lazy.merkle_root,
            time_s=lazy.time_s,
            bits=lazy.bits,
            nonce=lazy.nonce + 1,
        )
    early = spend(first.transactions[0], b"too early")
    for wrong in (
        flo.Block(lazy, first.transactions),
        flo.Block(first.header, other.transactions),
        next_block(genesis.header, 1, early, fees_sat=FEE_SAT),
    ):
        with pytest.raises(FcoinError):
            fcoin_node.submit_block(flo.encode_block(wrong))
    assert fcoin_node.height == 0
    fcoin_node.submit_block(flo.encode_block(first))
    assert fcoin_node.height == 1


def test_a_signature_that_leaves_the_text_out_is_taken_by_both(fcoin_node: FcoinNode):
    """Transactions of 2014 to 2019 are signed so: the node takes any text with them, and we say it is not covered."""
    previous = flo.parse_block(flo.REGTEST.genesis_block).header
    coins = []
    for height in range(1, 102):
        block = next_block(previous, height)
        fcoin_node.submit_block(flo.encode_block(block))
        previous = block.header
        coins.append(block.transactions[0])
    plain = spend(coins[0], b"text:one")
    digest = flo.signature_hash(plain, 0, SCRIPT, flo.SIGHASH_ALL, with_flo_data=False)
    script = flo.push(KEY.sign(digest) + bytes([flo.SIGHASH_ALL])) + flo.push(KEY.public_key.encoded)
    for text in (b"text:one", b"text:another"):
        loose = flo.Transaction(inputs=(flo.TxInput(coins[0].txid, 0, script),), outputs=plain.outputs, flo_data=text)
        assert not flo.verify_input(loose, 0, SCRIPT).covers_flo_data
    block = next_block(previous, 102, loose, fees_sat=FEE_SAT)
    fcoin_node.submit_block(flo.encode_block(block))
    assert fcoin_node.tip_hash == block.header.block_hash
