"""Blocks that somebody else made: only those that a full node would take are added."""

from __future__ import annotations

import msgspec
import pytest

from etdb.errors import FormatError, RefusedError
from etdb.flo import (
    REGTEST,
    Block,
    Transaction,
    TxInput,
    TxOutput,
    address_script,
    bits_to_target,
    build_coinbase,
    encode_block,
    merkle_root,
    mine,
    parse_block,
    push,
    sign_all,
)
from etdb.ledger import Limits, Wallet
from etdb.ledger.mining import next_block
from etdb.ledger.rules import signature_operations

NOW_S = 2_000_000_000


@pytest.fixture
def script(address):
    return address_script(address, REGTEST)


def candidate(chain, script, transactions=()):
    tip = chain.tip()
    return next_block(
        REGTEST,
        height=tip.height + 1,
        previous_hash=tip.block_hash,
        times_s=[block.time_s for block in chain.blocks(tip.height - 10)],
        now_s=0,
        pays=script,
        flo_data=b"",
        transactions=transactions,
    )


def made_of(block, *transactions, **header):
    """The block with other transactions or header fields, and work done for it."""
    transactions = transactions or block.transactions
    root = merkle_root([one.txid for one in transactions])
    changed = msgspec.structs.replace(block.header, **{"merkle_root": root, "nonce": 0} | header)
    return Block(mine(changed), tuple(transactions))


def refused(chain, block):
    before = chain.tip()
    with pytest.raises(RefusedError) as caught:
        chain.append_block(encode_block(block))
    assert chain.tip() == before
    return caught.value.fields["reason"]


def test_a_right_one_is_added(chain, script):
    block = candidate(chain, script)
    ref = chain.append_block(encode_block(block))
    assert ref == chain.tip()
    assert ref.block_hash == block.header.block_hash
    chain.mine(2)


def test_nothing_of_a_refused_one_is_written(chain, script, folder):
    size = (folder / "blk00000.dat").stat().st_size
    assert refused(chain, made_of(candidate(chain, script), version=1)) == "bad-version"
    assert (folder / "blk00000.dat").stat().st_size == size


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"prev_hash": "11" * 32}, "prev-blk-not-found"),
        ({"bits": 0x207FFFFE}, "bad-diffbits"),
        ({"version": 3}, "bad-version"),
        ({"time_s": 1_371_387_277}, "time-too-old"),
        ({"time_s": 0xFFFFFFFF}, "time-too-new"),
    ],
)
def test_headers(chain, script, header, reason):
    assert refused(chain, made_of(candidate(chain, script), **header)) == reason


def test_no_work(chain, script):
    block = candidate(chain, script)
    lazy = block.header
    while lazy.pow_hash <= bits_to_target(lazy.bits):
        lazy = msgspec.structs.replace(lazy, nonce=lazy.nonce + 1)
    assert refused(chain, Block(lazy, block.transactions)) == "high-hash"


def test_another_root(chain, script):
    block = candidate(chain, script)
    header = mine(msgspec.structs.replace(block.header, merkle_root="22" * 32, nonce=0))
    assert refused(chain, Block(header, block.transactions)) == "bad-txnmrklroot"


def test_coinbases(chain, script):
    block = candidate(chain, script)
    coinbase = block.transactions[0]
    height = chain.tip().height + 1
    value = coinbase.outputs[0].value_sat
    for wrong, reason in (
        (build_coinbase(height, value + 1, script), "bad-cb-amount"),
        (build_coinbase(height + 1, value, script), "bad-cb-height"),
        (msgspec.structs.replace(coinbase, outputs=()), "bad-txns-vout-empty"),
        (msgspec.structs.replace(coinbase, outputs=(TxOutput(-5, script),)), "bad-cb-amount"),
        (Transaction(inputs=(TxInput("33" * 32, 0),), outputs=coinbase.outputs), "bad-cb-missing"),
    ):
        assert refused(chain, made_of(block, wrong)) == reason
    assert refused(chain, made_of(block, coinbase, build_coinbase(height, 1, script))) == "bad-cb-missing"


def test_less_than_allowed_may_be_created(chain, script):
    block = candidate(chain, script)
    chain.append_block(encode_block(made_of(block, build_coinbase(chain.tip().height + 1, 0, script))))


def test_the_reward_halves(chain, script):
    chain.mine(150 - chain.tip().height - 1)
    block = candidate(chain, script)
    assert block.transactions[0].outputs[0].value_sat == 50 * 10**8
    assert refused(chain, made_of(block, build_coinbase(150, 100 * 10**8, script))) == "bad-cb-amount"


def test_transactions(chain, script, key, address):
    coin = chain.coins(address)[0]

    def spend(outpoint=coin.outpoint, amount=coin.amount_sat):
        plain = Transaction(inputs=(TxInput(outpoint.txid, outpoint.vout),), outputs=(TxOutput(amount, script),))
        return sign_all(plain, key)

    good = spend()
    block = candidate(chain, script)
    coinbase = block.transactions[0]
    unsigned = Transaction(inputs=(TxInput(coin.outpoint.txid, 0),), outputs=good.outputs)
    same_block = msgspec.structs.replace(coin.outpoint, txid=coinbase.txid)
    for wrong, reason in (
        ([unsigned], "mandatory-script-verify-flag-failed"),
        ([spend(amount=coin.amount_sat + 1)], "bad-txns-in-belowout"),
        ([good, spend(amount=5)], "missing-inputs"),
        ([spend(same_block)], "missing-inputs"),
        ([spend(msgspec.structs.replace(coin.outpoint, vout=1))], "missing-inputs"),
    ):
        assert refused(chain, made_of(block, coinbase, *wrong)) == reason
    # What is not relayed may still be mined: no fee, dust, text of any length.
    long = sign_all(msgspec.structs.replace(good, flo_data=bytes(5000)), key)
    chain.append_block(encode_block(made_of(block, coinbase, long)))
    assert [one.data for one in next(chain.blocks(105)).messages] == [bytes(5000)]
    assert refused(chain, made_of(candidate(chain, script), candidate(chain, script).transactions[0], good))


def test_a_chain_within_a_block(chain, script, wallet, address):
    lane = Wallet(wallet._key, REGTEST, Limits(), wallet.coins[:1])
    signed = [lane.sign(b"%d" % number) for number in range(5)]
    txs = [(parse_block_transaction(one.raw), one.fee_sat) for one in signed]
    backwards = candidate(chain, script, txs[::-1])
    assert refused(chain, backwards) == "missing-inputs"
    chain.append_block(encode_block(candidate(chain, script, txs)))
    assert chain.status(signed[-1].txid).state == "confirmed"


def parse_block_transaction(raw):
    from etdb.flo import parse_transaction

    return parse_transaction(raw)


def test_too_many_signature_checks(chain, script):
    block = candidate(chain, script)
    coinbase = block.transactions[0]
    many = (TxOutput(0, b"\xac" * 10_000), TxOutput(0, b"\xac" * 10_001))
    greedy = msgspec.structs.replace(coinbase, outputs=many)
    assert refused(chain, made_of(block, greedy)) == "bad-blk-sigops"


def test_too_large(chain, script):
    block = candidate(chain, script)
    fat = msgspec.structs.replace(block.transactions[0], flo_data=bytes(1_000_000))
    assert refused(chain, made_of(block, fat)) == "bad-blk-weight"


@pytest.mark.parametrize(
    ("script", "count"),
    [
        (b"", 0),
        (b"\x76\xa9\x14" + bytes(20) + b"\x88\xac", 1),
        (b"\x76\xa9\x14" + bytes(20) + b"\xac\xac", 2),
        (b"\x01\xac\xac", 1),
        (b"\x4c\x02\xac\xac\xad", 1),
        (b"\x4d\x01\x00\xac\xae", 20),
        (b"\x4e\xff\xff\xff\xff\xac", 0),
        (b"\x51\xaf", 20),
    ],
)
def test_signature_checks_are_counted_as_nodes_do(script, count):
    one = Transaction(inputs=(TxInput("11" * 32, 0),), outputs=(TxOutput(0, script),))
    assert signature_operations(one) == count


@pytest.mark.parametrize(
    ("behind", "count"),
    [(b"\x51" + (b"\x21" + bytes(33)) * 3 + b"\x53\xae", 3), (b"\x21" + bytes(33) + b"\xac", 1), (b"\x51", 0)],
)
def test_signature_checks_behind_a_hash_are_counted(behind, count):
    one = Transaction(inputs=(TxInput("11" * 32, 0, b"\0" + push(behind)),), outputs=(TxOutput(0, b""),))
    assert signature_operations(one) == count


def test_bytes_that_are_no_block(chain, folder, script):
    size = (folder / "blk00000.dat").stat().st_size
    raw = encode_block(candidate(chain, script))
    for wrong in (b"", raw[:80], raw[:-1], raw + b"\x00", bytes(200), raw[:80] + b"\xff" * 200):
        with pytest.raises((FormatError, RefusedError)):
            chain.append_block(wrong)
    assert chain.tip().height == 104
    assert (folder / "blk00000.dat").stat().st_size == size


def test_a_clock_that_was_set_back(folder, chain):
    """Blocks go on after the median; the chain does not end because of a wrong clock."""
    chain._clock = lambda: NOW_S
    chain.mine(12)
    chain._clock = lambda: NOW_S - 1_000_000
    chain.mine(12)
    times = [block.time_s for block in chain.blocks(105)]
    assert times[:12] == sorted(times[:12])
    assert all(NOW_S <= time_s < NOW_S + 100 for time_s in times)


def test_what_it_mines_is_what_it_takes(chain, folder, tmp_path, address, wallet):
    """Another chain that is fed its blocks ends at the same tip, with the same coins."""
    from etdb.ledger import LocalChain

    chain.submit(wallet.sign(b"text:carried over").raw)
    chain.settle()
    other = LocalChain(tmp_path / "other", writable=True)
    for height in range(1, chain.tip().height + 1):
        other.append_block(chain.raw_block(height))
    assert other.tip() == chain.tip()
    assert other.coins(address) == chain.coins(address)
    assert parse_block(other.raw_block(0)) == parse_block(REGTEST.genesis_block)
    other.close()
