"""Coins of every kind that our code spends, before a full node that nobody here wrote, on a chain with segwit."""

from __future__ import annotations

import msgspec
import pytest
from fcoin_node import FcoinError, FcoinNode

from etdb import flo

pytestmark = pytest.mark.node

KEY = flo.PrivateKey(bytes(range(2, 34)))
OLD = flo.PrivateKey(bytes(range(3, 35)), compressed=False)
PROGRAM = flo.Destination(flo.DestinationKind.P2WPKH, KEY.public_key.hash)
LOCKS = (
    ("p2wpkh", KEY, PROGRAM.script),
    ("p2sh_p2wpkh", KEY, flo.nested_destination(PROGRAM).script),
    ("p2pkh_uncompressed", OLD, flo.hash_script(OLD.public_key.hash)),
    ("p2pk", KEY, flo.encode_key_script(KEY.public_key)),
)
# Three windows of 144 blocks: bit 1 is counted in the first full one, locked in during the next, active after it.
ACTIVE = 3 * 144
WITH_SEGWIT = 0x20000003
FEE_SAT = 100_000


def block_on(
    previous: flo.BlockHeader, height: int, script: bytes, *more: flo.Transaction, fees_sat: int = 0
) -> flo.Block:
    """A block; where transactions have witnesses, its coinbase commits to them (BIP 141)."""
    coinbase = flo.build_coinbase(height, flo.REGTEST.subsidy_sat(height) + fees_sat, script)
    if any(one.witnesses for one in more):
        root = flo.merkle_root(["00" * 32, *(one.wtxid for one in more)])
        commitment = flo.sha256d(flo.internal_bytes(root) + bytes(32))
        note = flo.TxOutput(0, b"\x6a" + flo.push(b"\xaa\x21\xa9\xed" + commitment))
        coinbase = msgspec.structs.replace(coinbase, outputs=(*coinbase.outputs, note), witnesses=((bytes(32),),))
    transactions = (coinbase, *more)
    header = flo.BlockHeader(
        version=WITH_SEGWIT,
        prev_hash=previous.block_hash,
        merkle_root=flo.merkle_root([one.txid for one in transactions]),
        time_s=previous.time_s + 40,
        bits=previous.bits,
        nonce=0,
    )
    return flo.Block(flo.mine(header), transactions)


def test_spends_of_every_kind_are_taken_and_a_changed_text_is_not(fcoin_node: FcoinNode):
    header = flo.parse_block(flo.REGTEST.genesis_block).header
    chain = flo.HeaderChain(flo.REGTEST, check_pow=True)
    coins = []
    for height in range(1, ACTIVE + 8):
        _, _, script = LOCKS[height % len(LOCKS)]
        block = block_on(header, height, script)
        fcoin_node.submit_block(flo.encode_block(block))
        header = block.header
        assert chain.feed(header) == [flo.Extend(height, header.block_hash)]
        if height <= len(LOCKS):
            coins.append((LOCKS[height % len(LOCKS)], block.transactions[0]))
    assert fcoin_node.rpc("getblockchaininfo")["bip9_softforks"]["segwit"]["status"] == "active"
    spends = []
    for number, ((name, key, script), coinbase) in enumerate(coins):
        coin = coinbase.outputs[0]
        assert coin.script == script
        plain = flo.Transaction(
            inputs=(flo.TxInput(coinbase.txid, 0),),
            outputs=(flo.TxOutput(coin.value_sat - FEE_SAT, LOCKS[number][2]),),
            flo_data=("json:" + "é" * 500 + name).encode(),
        )
        signed = flo.sign_input(plain, 0, key, coin)
        assert flo.verify_input(signed, 0, script, coin.value_sat).covers_flo_data
        for changed in (b"json:another", signed.flo_data[:-1] + b"_", b""):
            with pytest.raises(FcoinError) as refused:
                fcoin_node.submit_transaction(msgspec.structs.replace(signed, flo_data=changed).encode())
            assert "mandatory-script-verify-flag" in refused.value.reason, name
        assert fcoin_node.submit_transaction(signed.encode()) == signed.txid
        assert fcoin_node.raw_transaction(signed.txid) == signed.encode()
        spends.append(signed)
    height = chain.height + 1
    block = block_on(header, height, LOCKS[0][2], *spends, fees_sat=FEE_SAT * len(spends))
    fcoin_node.submit_block(flo.encode_block(block))
    assert fcoin_node.tip_hash == block.header.block_hash
    raw = fcoin_node.raw_block(height)
    assert raw == flo.encode_block(block)
    assert [one.txid for one in flo.walk_flo_data(raw)] == [one.txid for one in spends]
    # What a witness signed is spent on: nested to native, and back.
    by_lock = {lock[2]: lock[1] for lock in LOCKS}
    for spent in spends:
        coin = spent.outputs[0]
        plain = flo.Transaction(
            inputs=(flo.TxInput(spent.txid, 0),),
            outputs=(flo.TxOutput(coin.value_sat - FEE_SAT, LOCKS[0][2]),),
            flo_data=b"text:and on",
        )
        onward = flo.sign_input(plain, 0, by_lock[coin.script], coin)
        assert fcoin_node.submit_transaction(onward.encode()) == onward.txid
