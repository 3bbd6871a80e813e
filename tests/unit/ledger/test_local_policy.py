"""What the local chain takes to wait for a block, and what it refuses, in nodes' own words."""

from __future__ import annotations

from contextlib import closing

import msgspec
import pytest

from etdb.errors import FormatError, LockedError, NotFoundError, RefusedError, StorageError
from etdb.flo import (
    REGTEST,
    SIGHASH_ALL,
    Destination,
    DestinationKind,
    PrivateKey,
    Transaction,
    TxInput,
    TxOutput,
    address_script,
    build_coinbase,
    encode_multisig_script,
    hash160,
    parse_transaction,
    push,
    sign_all,
    signature_hash,
)
from etdb.ledger import Limits, LocalChain, Outpoint, Wallet
from etdb.testing.ledger import malleated

FEE = 200_000


def pay(chain, key, coin, *, amount=None, **changes):
    """A transaction over one coin, signed after the changes."""
    script = address_script(key.address(REGTEST), REGTEST)
    plain = Transaction(
        inputs=(TxInput(coin.outpoint.txid, coin.outpoint.vout),),
        outputs=(TxOutput(coin.amount_sat - FEE if amount is None else amount, script),),
    )
    return sign_all(msgspec.structs.replace(plain, **changes), key)


def refused(chain, transaction):
    with pytest.raises(RefusedError) as caught:
        chain.submit(transaction.encode())
    assert chain.status(transaction.txid).state == "unknown"
    return caught.value.fields["reason"]


@pytest.fixture
def coin(chain, address):
    return chain.coins(address)[0]


def test_a_coin_that_is_too_young(chain, key):
    young = Outpoint(parse_transaction_of_block(chain, 50), 0)
    coin = msgspec.structs.replace(chain.coins(key.address(REGTEST))[0], outpoint=young)
    assert refused(chain, pay(chain, key, coin)) == "bad-txns-premature-spend-of-coinbase"


def parse_transaction_of_block(chain, height):
    from etdb.flo import parse_block

    return parse_block(chain.raw_block(height)).transactions[0].txid


def test_only_mature_coins_are_shown(chain, address):
    coins = chain.coins(address)
    assert len(coins) == 5  # of blocks 1 to 5: the next block is 105
    assert all(coin.coinbase and coin.confirmations >= 100 for coin in coins)


def test_a_coin_becomes_usable_in_the_block_that_may_spend_it(chain, key, address):
    """The hundredth block after a coinbase may spend it, not the one before."""
    youngest = min(chain.coins(address), key=lambda one: one.confirmations)
    assert youngest.confirmations == 100
    chain.submit(pay(chain, key, youngest).encode())
    chain.settle()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 3}, "version"),
        ({"lock_time": 500, "inputs": 0}, "bad-txns-nonfinal"),
        ({"inputs": 10}, "non-BIP68-final"),
        ({"outputs": ()}, "bad-txns-vout-empty"),
        ({"flo_data": bytes(1041)}, "flo-data-too-large"),
    ],
)
def test_forms_that_are_refused(chain, key, coin, changes, reason):
    changes = dict(changes)
    if "inputs" in changes:
        changes["inputs"] = (TxInput(coin.outpoint.txid, coin.outpoint.vout, b"", changes["inputs"]),)
    assert refused(chain, pay(chain, key, coin, **changes)) == reason


def test_text_of_the_full_length(chain, key, coin):
    paid = pay(chain, key, coin, flo_data=b"\xff" * 1040)
    assert chain.submit(paid.encode()) == paid.txid


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (-1, "bad-txns-vout-toolarge"),
        (160_000_000 * 10**8 + 1, "bad-txns-vout-toolarge"),
        (100 * 10**8 + 1, "bad-txns-in-belowout"),
        (100 * 10**8, "min relay fee not met"),
        (545, "dust"),
    ],
)
def test_amounts(chain, key, coin, amount, reason):
    assert refused(chain, pay(chain, key, coin, amount=amount)) == reason


def test_the_least_fee_is_a_setting(folder, key, address):
    with closing(LocalChain(folder, writable=True, limits=Limits(min_relay_sat_per_kb=0))) as chain:
        coin = chain.coins(address)[0]
        chain.submit(pay(chain, key, coin, amount=coin.amount_sat).encode())


def test_a_script_that_is_not_relayed(chain, key, coin):
    outputs = (TxOutput(10_000, b"\x6a\x04text"), TxOutput(coin.amount_sat - FEE, b"\x51"))
    assert refused(chain, pay(chain, key, coin, outputs=outputs)) == "scriptpubkey"


def test_a_coin_twice_in_one(chain, key, coin):
    one = TxInput(coin.outpoint.txid, coin.outpoint.vout)
    assert refused(chain, pay(chain, key, coin, inputs=(one, one))) == "bad-txns-inputs-duplicate"


def test_a_coinbase_is_not_sent(chain, address):
    assert refused(chain, build_coinbase(105, 1, address_script(address, REGTEST))) == "coinbase"


def test_another_key(chain, coin):
    stranger = PrivateKey(bytes([9]) * 32)
    assert refused(chain, pay(chain, stranger, coin)) == "mandatory-script-verify-flag-failed"


def test_witnesses_are_refused(chain, key, coin):
    paid = msgspec.structs.replace(pay(chain, key, coin), witnesses=((b"x",),))
    assert refused(chain, paid) == "no-witness-yet"


def test_coins_behind_a_script_are_paid_and_spent(chain, key, coin, address):
    """Two of three keys spend what was paid to the hash of their script; one of them twice does not."""
    keys = [PrivateKey(bytes([number]) * 32) for number in (1, 2, 3)]
    redeem = encode_multisig_script(2, [one.public_key for one in keys])
    where = Destination(DestinationKind.P2SH, hash160(redeem))
    assert address_script(where.address(REGTEST), REGTEST) == where.script
    paid = pay(chain, key, coin, outputs=(TxOutput(coin.amount_sat - FEE, where.script),))
    chain.submit(paid.encode())
    chain.settle()
    assert [one.amount_sat for one in chain.coins(where.address(REGTEST))] == [coin.amount_sat - FEE]
    plain = Transaction(
        inputs=(TxInput(paid.txid, 0),),
        outputs=(TxOutput(coin.amount_sat - 2 * FEE, address_script(address, REGTEST)),),
        flo_data=b"text:by two of three",
    )
    digest = signature_hash(plain, 0, redeem, SIGHASH_ALL)
    first, second = (one.sign(digest) + bytes([SIGHASH_ALL]) for one in keys[:2])

    def shown(*items):
        spent = msgspec.structs.replace(plain.inputs[0], script_sig=b"".join(map(push, (*items, redeem))))
        return msgspec.structs.replace(plain, inputs=(spent,))

    assert refused(chain, shown(b"", first, first)) == "mandatory-script-verify-flag-failed"
    assert refused(chain, shown(b"x", first, second)) == "mandatory-script-verify-flag-failed"
    chain.submit(shown(b"", first, second).encode())
    chain.settle()
    assert chain.coins(where.address(REGTEST)) == []


def test_a_second_spend_names_the_first(chain, key, coin):
    first = pay(chain, key, coin)
    chain.submit(first.encode())
    second = pay(chain, key, coin, flo_data=b"other")
    with pytest.raises(RefusedError) as caught:
        chain.submit(second.encode())
    assert caught.value.fields["reason"] == "txn-mempool-conflict"
    assert caught.value.fields["rival"] == first.txid
    chain.settle()
    assert refused(chain, second) == "txn-mempool-conflict"


def test_a_signature_without_the_text_is_taken(chain, key, coin):
    """What 0.10.4 to 0.15.1 signed; the id is another, the payment the same."""
    from etdb.flo import hash_script, push, signature_hash

    plain = pay(chain, key, coin, flo_data=b"text:not covered")
    code = hash_script(key.public_key.hash)
    signature = key.sign(signature_hash(plain, 0, code, 1, with_flo_data=False)) + b"\x01"
    script = push(signature) + push(key.public_key.encoded)
    old = msgspec.structs.replace(plain, inputs=(msgspec.structs.replace(plain.inputs[0], script_sig=script),))
    assert chain.submit(old.encode()) == old.txid
    chain.settle()
    assert chain.status(old.txid).state == "confirmed"


def test_the_length_of_a_chain_is_limited(chain, wallet, address):
    coin = wallet.coins[0]
    lane = Wallet(wallet._key, REGTEST, Limits(max_chain=100), [coin])
    for _ in range(25):
        chain.submit(lane.sign(b"x").raw)
    with pytest.raises(RefusedError) as caught:
        chain.submit(lane.sign(b"x").raw)
    assert caught.value.fields["reason"] == "too-long-mempool-chain"
    depths = sorted(coin.chain_depth for coin in chain.coins(address))
    assert depths == [0, 0, 0, 0, 25]


def test_all_lanes_of_an_unconfirmed_fan_out_share_the_limit(chain, wallet, key, address):
    """Nodes count all that hangs on a transaction, not only the longest line."""
    lanes = wallet.fan_out(5, 5)
    chain.submit(lanes.raw)
    spends = [
        lane.sign(b"x")
        for lane in (Wallet(key, REGTEST, Limits(max_chain=1000), [coin]) for coin in lanes.creates)
        for _ in range(6)
    ]
    for signed in spends[:24]:
        chain.submit(signed.raw)
    with pytest.raises(RefusedError) as caught:
        chain.submit(spends[24].raw)
    assert caught.value.fields["reason"] == "too-long-mempool-chain"
    shown = [coin for coin in chain.coins(address) if coin.chain_depth]
    assert {(coin.chain_depth, coin.family) for coin in shown} == {(25, lanes.txid)}
    chain.settle()
    assert {coin.chain_depth for coin in chain.coins(address)} == {0}


def test_the_size_of_a_chain_is_limited(folder, key, address):
    with closing(LocalChain(folder, writable=True, limits=Limits(max_chain_bytes=3000))) as chain:
        lane = Wallet(key, REGTEST, Limits(), chain.coins(address)[:1])
        chain.submit(lane.sign(bytes(1040)).raw)
        chain.submit(lane.sign(bytes(1040)).raw)
        with pytest.raises(RefusedError) as caught:
            chain.submit(lane.sign(bytes(1040)).raw)
        assert caught.value.fields["reason"] == "too-long-mempool-chain"


def test_a_transaction_that_is_too_large(chain, key, coin, address):
    outputs = tuple(TxOutput(1000, address_script(address, REGTEST)) for _ in range(3000))
    assert refused(chain, pay(chain, key, coin, outputs=outputs)) == "tx-size"


def test_what_is_not_a_transaction(chain):
    for wrong in (b"", b"\x02", bytes(100), b"\xff" * 1000):
        with pytest.raises(FormatError):
            chain.submit(wrong)


def test_settling_more_than_a_block_holds(chain, wallet, address):
    """The first block has all that fits, the next the rest; none is empty."""
    chain.submit(wallet.fan_out(wallet.lanes_wanted(700), 700).raw)
    chain.settle()
    lanes = Wallet(wallet._key, REGTEST, Limits(), chain.coins(address))
    for _ in range(700):
        chain.submit(lanes.sign(b"y" * 1040).raw)
    before = chain.tip().height
    chain.settle()
    counts = [len(block.messages) for block in chain.blocks(before + 1)]
    assert len(counts) == 2
    assert 580 <= counts[0] <= 610
    assert sum(counts) == 700
    assert len(chain.raw_block(before + 1)) < 1_000_000


def test_settling_nothing_mines_nothing(chain):
    before = chain.tip()
    chain.settle()
    assert chain.tip() == before


def test_earning_until_there_is_enough(tmp_path, address):
    with closing(LocalChain(tmp_path / "new", writable=True)) as chain:
        chain.earn(address, 250 * 10**8)
        assert sum(coin.amount_sat for coin in chain.coins(address)) >= 250 * 10**8
        assert chain.tip().height == 103 - 1
        height = chain.tip().height
        chain.earn(address, 1)
        assert chain.tip().height == height


def test_earning_for_a_wrong_address(chain):
    with pytest.raises(FormatError):
        chain.earn("nobody", 1)


def test_a_reader_cannot_write(chain, folder, wallet, address):
    signed = wallet.sign(b"x")
    with closing(LocalChain(folder)) as reader:
        for act in (
            lambda: reader.submit(signed.raw),
            lambda: reader.mine(1),
            lambda: reader.earn(address, 10**12),
            lambda: reader.append_block(chain.raw_block(3)),
        ):
            with pytest.raises(StorageError):
                act()
        assert reader.tip() == chain.tip()


def test_one_writer(chain, folder):
    with pytest.raises(LockedError):
        LocalChain(folder, writable=True)
    chain.close()
    LocalChain(folder, writable=True).close()


def test_a_reader_sees_what_the_writer_adds(chain, folder, wallet):
    with closing(LocalChain(folder)) as reader:
        signed = wallet.sign(b"text:news")
        chain.submit(signed.raw)
        assert reader.status(signed.txid).state == "pending"
        chain.settle()
        assert reader.tip() == chain.tip()
        assert reader.status(signed.txid).state == "confirmed"
        assert [one.data for one in next(reader.blocks(reader.tip().height)).messages] == [b"text:news"]


def test_a_reader_never_loses_sight_of_a_transaction(chain, folder, wallet, monkeypatch):
    """A block that comes while the reader looks takes it out of what is pending; it is never unknown."""
    signed = wallet.sign(b"text:in between")
    chain.submit(signed.raw)
    with closing(LocalChain(folder)) as reader:

        def then_a_block(real):
            def look(txid):
                seen = real(txid)
                chain.settle()
                return seen

            return look

        for name in ("pending_raw", "find_transaction"):
            monkeypatch.setattr(reader._index, name, then_a_block(getattr(reader._index, name)))
        assert reader.status(signed.txid).state == "pending"
        assert reader.status(signed.txid).state == "confirmed"


def test_blocks_end_where_the_tip_was(chain):
    """A chain that grows while it is read does not make the reader run after it."""
    reading = chain.blocks(103)
    next(reading)
    chain.mine(3)
    assert [block.ref.height for block in reading] == [104]


def test_a_foreign_id_takes_its_rival_and_what_hangs_on_it(chain, wallet, key, address):
    """A stranger's form of our transaction comes into a block: ours is gone, and so are those that spend its change."""
    from etdb.flo import Block, encode_block
    from etdb.ledger.mining import next_block

    coin = wallet.coins[0]
    lane = Wallet(key, REGTEST, Limits(), [coin])
    ours = [lane.sign(b"part %d" % number) for number in range(3)]
    for one in ours:
        chain.submit(one.raw)
    foreign = parse_transaction(malleated(ours[0].raw))
    tip = chain.tip()
    block = next_block(
        REGTEST,
        height=tip.height + 1,
        previous_hash=tip.block_hash,
        times_s=[block.time_s for block in chain.blocks(tip.height - 10)],
        now_s=0,
        pays=address_script(address, REGTEST),
        flo_data=b"",
        transactions=[(foreign, ours[0].fee_sat)],
    )
    assert isinstance(block, Block)
    chain.append_block(encode_block(block))
    assert chain.spender(coin.outpoint) == foreign.txid
    assert [chain.status(one.txid).state for one in ours] == ["unknown"] * 3
    assert chain.spender(ours[0].creates[0].outpoint) is None
    again = Wallet(key, REGTEST, Limits(), [c for c in chain.coins(address) if c.outpoint.txid == foreign.txid])
    chain.submit(again.sign(b"part 1").raw)
    chain.settle()


def test_no_block_no_answer(chain):
    with pytest.raises(NotFoundError):
        chain.raw_block(105)
    assert chain.block_ref(-1) is None
