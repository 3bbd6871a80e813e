"""Coins, fees and lanes: pure plans, and a wallet that needs no node."""

from __future__ import annotations

import msgspec
import pytest

from etdb.errors import InputError, InsufficientFundsError
from etdb.flo import COIN, REGTEST, PrivateKey, parse_transaction, verify_input
from etdb.ledger import ChainFullError, Coin, Limits, Outpoint, Wallet, plan_send, select_coins, transaction_size

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)
LIMITS = Limits()


def coin(number, amount_sat=COIN, **fields):
    return Coin(outpoint=Outpoint(f"{number:064x}", 0), amount_sat=amount_sat, address=ADDRESS, **fields)


def wallet(*coins, limits=LIMITS):
    return Wallet(KEY, REGTEST, limits, coins)


def test_a_message_is_signed_with_its_text():
    purse = wallet(coin(1))
    signed = purse.sign(b"text:hello")
    transaction = parse_transaction(signed.raw)
    assert transaction.flo_data == b"text:hello"
    assert transaction.txid == signed.txid
    checked = verify_input(transaction, 0, purse._script)
    assert checked.covers_flo_data
    assert checked.covers_everything
    assert signed.fee_sat == COIN - sum(output.value_sat for output in transaction.outputs)
    assert [one.amount_sat for one in signed.creates] == [COIN - signed.fee_sat]
    assert purse.coins == signed.creates


def test_the_fee_is_by_the_size():
    signed = wallet(coin(1)).sign(bytes(1040))
    assert LIMITS.fee_sat(len(signed.raw)) <= signed.fee_sat <= LIMITS.fee_sat(len(signed.raw) + 4)


@pytest.mark.parametrize("inputs", [1, 2, 252, 253])
@pytest.mark.parametrize("data", [0, 252, 253, 1040])
def test_sizes_are_never_below_what_is_signed(inputs, data):
    limits = Limits(fee_rate_sat_per_kb=1000)
    small = [coin(number, 200) for number in range(inputs)]  # none pays alone
    purse = wallet(*small, limits=limits)
    try:
        signed = purse.sign(bytes(data))
    except InsufficientFundsError:
        signed = wallet(*(coin(number, 600_000 // inputs + 700) for number in range(inputs)), limits=limits).fan_out(
            1, 1
        )
        data = 0
    spent = len(signed.spends)
    assert len(signed.raw) <= transaction_size(spent, 2, data)
    assert len(signed.raw) > transaction_size(spent, 1, data) - 4 * spent - 4


def test_messages_that_do_not_fit():
    with pytest.raises(InputError):
        wallet(coin(1)).sign(bytes(1041))


@pytest.mark.parametrize("amount", [0, 545, 546])
def test_too_few_coins_say_where_and_how_much(amount):
    with pytest.raises(InsufficientFundsError) as caught:
        wallet(coin(1, amount)).sign(b"x")
    fields = caught.value.fields
    assert fields["address"] == ADDRESS
    assert fields["have_sat"] == amount
    assert fields["need_sat"] == 546 + LIMITS.fee_sat(transaction_size(1, 1, 1))
    assert ADDRESS in str(caught.value)


def test_no_coins_at_all():
    with pytest.raises(InsufficientFundsError) as caught:
        wallet().sign(b"x")
    assert caught.value.fields["address"] == ADDRESS
    with pytest.raises(InsufficientFundsError):
        wallet().fan_out(3, 10)


def test_the_last_satoshi():
    need = 546 + LIMITS.fee_sat(transaction_size(1, 1, 1))
    assert wallet(coin(1, need)).sign(b"x").creates[0].amount_sat == 546
    with pytest.raises(InsufficientFundsError):
        wallet(coin(1, need - 1)).sign(b"x")


def test_small_coins_pay_together():
    small = [coin(number, 19_000) for number in range(1, 6)]
    signed = wallet(*small).sign(b"x")
    assert 2 <= len(signed.spends) <= 5


def test_change_that_is_dust_is_the_miners():
    """A fan-out whose rest is too little for a coin has no such output."""
    limits = Limits(fee_rate_sat_per_kb=1000)
    fee_3, fee_2 = (limits.fee_sat(transaction_size(1, outputs, 0)) for outputs in (3, 2))
    share = limits.fee_sat(transaction_size(1, 1, 1040)) + limits.dust_sat
    signed = wallet(coin(1, 2 * share + fee_3 + 545), limits=limits).fan_out(2, 2)
    assert [one.amount_sat for one in signed.creates] == [share, share]
    assert signed.fee_sat == fee_3 + 545 > fee_2


def test_a_fee_beyond_what_the_user_pays():
    with pytest.raises(InsufficientFundsError) as caught:
        wallet(coin(1), limits=Limits(max_fee_sat=100)).sign(b"x")
    assert "max_fee_sat" in caught.value.hint


def test_lanes_are_used_evenly():
    purse = wallet(*(coin(number) for number in range(1, 5)))
    signed = [purse.sign(b"x") for _ in range(8)]
    roots = [one.spends[0].outpoint.txid for one in signed[:4]]
    assert len(set(roots)) == 4
    assert {coin.chain_depth for coin in purse.coins} == {2}


def test_a_lane_ends_where_the_ledger_says():
    purse = wallet(coin(1), limits=Limits(max_chain=3))
    for _ in range(3):
        purse.sign(b"x")
    with pytest.raises(ChainFullError):
        purse.sign(b"x")


def test_a_lane_ends_by_bytes():
    purse = wallet(coin(1), limits=Limits(max_chain_bytes=2700))
    purse.sign(bytes(1040))
    purse.sign(bytes(1040))
    with pytest.raises(ChainFullError):
        purse.sign(bytes(1040))
    purse.sign(b"short")


def test_lanes_of_an_unconfirmed_fan_out_have_one_limit():
    purse = wallet(coin(1), limits=Limits(max_chain=10))
    purse.fan_out(4, 40)
    for _ in range(9):
        purse.sign(b"x")
    with pytest.raises(ChainFullError):
        purse.sign(b"x")


def test_what_the_ledger_shows_of_a_family_counts_for_all_of_it():
    pending = {"confirmations": 0, "chain_depth": 8, "chain_bytes": 2000, "family": "aa"}
    purse = wallet(coin(1, **pending), coin(2, **pending), limits=Limits(max_chain=10))
    purse.sign(b"x")
    purse.sign(b"x")
    with pytest.raises(ChainFullError):
        purse.sign(b"x")
    apart = wallet(coin(1, **pending), coin(2, **pending | {"family": "bb"}), limits=Limits(max_chain=10))
    for _ in range(4):
        apart.sign(b"x")
    with pytest.raises(ChainFullError):
        apart.sign(b"x")


def test_as_few_families_as_will_do_are_joined():
    """What hangs on a transaction that spends two of them counts for both."""
    one = coin(1, 2_000_000, chain_depth=2, chain_bytes=500, family="aa")
    two = coin(2, 3_000_000, chain_depth=3, chain_bytes=500, family="bb")
    purse = wallet(one, two, coin(3, 1_000_000), limits=Limits(max_chain=10))
    signed = purse.fan_out(20, 20)
    assert {coin.family for coin in signed.spends if coin.chain_depth} == {"bb"}
    assert {coin.family for coin in signed.creates} == {"bb"}
    assert purse._used == {"aa": (2, 500), "bb": (4, 500 + len(signed.raw))}


def test_confirmed_coins_come_first_so_that_a_split_has_the_whole_limit():
    pending = coin(1, 9_000_000, chain_depth=2, chain_bytes=500, family="aa")
    signed = wallet(pending, coin(2, 3_000_000)).fan_out(20, 20)
    assert [one.outpoint for one in signed.spends] == [coin(2).outpoint]


def test_joined_families_count_as_one():
    one = coin(1, 19_000, chain_depth=2, chain_bytes=500, family="aa")
    two = coin(2, 19_000, chain_depth=3, chain_bytes=500, family="bb")
    tiny = [coin(n, 600, chain_depth=1, chain_bytes=200, family=family) for n, family in ((3, "aa"), (4, "bb"))]
    purse = wallet(one, two, *tiny, limits=Limits(max_chain=10))
    signed = purse.sign(b"x")
    assert {spent.outpoint for spent in signed.spends} == {one.outpoint, two.outpoint}
    assert len(purse.coins) == 3
    (family,) = {kept.family for kept in purse.coins}
    assert purse._used == {family: (6, 1000 + len(signed.raw))}


@pytest.mark.parametrize("max_chain", [5, 4])
def test_where_joining_would_be_too_long_a_block_is_waited_for(max_chain):
    """The coins reach, but not now: that is no lack of money."""
    one = coin(1, 19_000, chain_depth=2, chain_bytes=500, family="aa")
    two = coin(2, 19_000, chain_depth=3, chain_bytes=500, family="bb")
    with pytest.raises(ChainFullError):
        wallet(one, two, limits=Limits(max_chain=max_chain)).sign(b"x")
    with pytest.raises(InsufficientFundsError):
        wallet(one, two, limits=Limits(max_chain=max_chain)).fan_out(30, 30)


def test_what_was_given_up_is_spent_first():
    small = coin(9, COIN // 10)
    purse = Wallet(KEY, REGTEST, LIMITS, [small, coin(2), coin(3)], first=[small.outpoint])
    assert purse.sign(b"x").spends == (small,)
    assert purse.sign(b"x").spends != (small,)
    assert wallet(coin(1), coin(2), small).sign(b"x", first={small.outpoint}).spends == (small,)


def test_lanes_that_only_wait_for_a_block_are_not_split_again():
    """The coins of a fan-out that no block has yet, of which nearly all is used up."""
    lanes = [coin(n, COIN, chain_depth=24, chain_bytes=30_000, family="f") for n in range(8)]
    assert wallet(*lanes).lanes_wanted(200) == 0
    assert wallet(*lanes).lanes_wanted(201) == 9
    assert wallet(*(coin(n, COIN) for n in range(200))).lanes_wanted(100_000) == 0


def test_a_plan_counts_the_block_that_a_split_waits_for():
    assert plan_send([1040] * 25, [coin(1)], LIMITS).blocks == 1
    assert plan_send([1040] * 26, [coin(1)], LIMITS).blocks == 2
    waiting = coin(1, COIN, chain_depth=20, chain_bytes=20_000, family="f")
    assert plan_send([1040] * 6, [waiting], LIMITS).blocks == 2
    assert plan_send([1040] * 5, [waiting], LIMITS).blocks == 1
    assert plan_send([1040] * 5, [waiting, coin(2, COIN, chain_depth=22, family="f")], LIMITS).blocks == 2


def test_a_stored_transaction_is_noted_once():
    first = wallet(coin(1))
    signed = [first.sign(b"1"), first.sign(b"2")]
    again = wallet(coin(1))
    for one in signed:
        again.reserve(one)
    for one in signed[1:]:
        again.reserve(one)
    assert again.coins == first.coins
    assert again.sign(b"3").raw == first.sign(b"3").raw
    assert again._used == first._used


def test_plans():
    plan = plan_send([1040] * 1000, [coin(1, 100 * COIN)], LIMITS)
    assert plan.fan_out_lanes == 40
    assert plan.transactions == 1001
    assert plan.blocks == 3  # the fan-out; then about 590 a block
    assert plan.fee_sat == sum(
        [1000 * LIMITS.fee_sat(transaction_size(1, 1, 1040)), LIMITS.fee_sat(transaction_size(1, 41, 0))]
    )
    assert plan_send([5], [coin(1)], LIMITS).blocks == 1
    assert plan_send([5], [coin(1)], LIMITS).fan_out_lanes == 0
    nothing = plan_send([], [coin(1)], LIMITS)
    assert (nothing.transactions, nothing.fee_sat, nothing.blocks) == (0, 0, 0)


def test_a_plan_costs_what_it_says():
    """What is signed for the plan costs at most what it said, and not much less."""
    sizes = [1040] * 200
    purse = wallet(coin(1, 100 * COIN))
    plan = purse.plan(sizes)
    fan_out = purse.fan_out(purse.lanes_wanted(len(sizes)), len(sizes))
    confirmed = [msgspec.structs.replace(one, chain_depth=0, chain_bytes=0, family="") for one in fan_out.creates]
    purse = wallet(*confirmed)
    signed = [fan_out, *(purse.sign(bytes(size)) for size in sizes)]
    assert len(signed) == plan.transactions
    spent = sum(one.fee_sat for one in signed)
    assert 0.99 * plan.fee_sat < spent <= plan.fee_sat
    assert sum(len(one.raw) for one in signed) <= plan.bytes


def test_many_messages_share_the_lanes_there_may_be():
    plan = plan_send([1040] * 100_000, [coin(1, 10_000_000 * COIN)], LIMITS)
    assert plan.fan_out_lanes == 200
    assert plan.blocks >= 100_000 // 610


def test_no_fan_out_where_a_node_allows_long_chains():
    limits = Limits(max_chain=1250, max_chain_bytes=1_750_000)
    assert plan_send([1040] * 1000, [coin(1, 100 * COIN)], limits).fan_out_lanes == 0


def test_the_fewest_coins_are_chosen():
    coins = [coin(number, number * 100_000) for number in range(1, 8)]
    chosen = select_coins(coins, 1_000_000, 1, 0, LIMITS)
    assert [one.amount_sat for one in chosen] == [700_000, 600_000]
