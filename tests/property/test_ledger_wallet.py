"""Laws of the wallet, for any coins and messages: nothing is lost, nothing is spent twice, limits hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.errors import InsufficientFundsError
from etdb.flo import REGTEST, PrivateKey, parse_transaction
from etdb.ledger import ChainFullError, Coin, Limits, Outpoint, Wallet, plan_send, select_coins, transaction_size
from etdb.testing.ledger import malleated

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)

amounts = st.lists(st.integers(0, 10**9), max_size=6)


def coins_of(values):
    return [
        Coin(outpoint=Outpoint(f"{number + 1:064x}", 0), amount_sat=value, address=ADDRESS)
        for number, value in enumerate(values)
    ]


@settings(max_examples=60, deadline=None)
@given(amounts, st.lists(st.integers(0, 1040), max_size=12), st.integers(1, 6), st.booleans())
def test_coins_are_kept_count_of(values, sizes, max_chain, fan_out):
    limits = Limits(max_chain=max_chain)
    wallet = Wallet(KEY, REGTEST, limits, coins_of(values))
    spent, fees, made = set(), 0, {}
    descendants: dict[str, int] = {}
    parents: dict[str, set[str]] = {}
    try:
        signed = [wallet.fan_out(3, 3)] if fan_out else []
        signed += [wallet.sign(bytes(size)) for size in sizes]
    except (InsufficientFundsError, ChainFullError):
        assert sum(coin.amount_sat for coin in wallet.coins) <= sum(values)
        return
    for one in signed:
        transaction = parse_transaction(one.raw)
        assert len(transaction.outputs) >= 1
        assert all(output.value_sat >= limits.dust_sat for output in transaction.outputs)
        assert one.fee_sat >= limits.fee_sat(len(one.raw))
        for coin in one.spends:
            assert coin.outpoint not in spent
            spent.add(coin.outpoint)
        fees += one.fee_sat
        # The rule of nodes, counted here apart: no unconfirmed transaction has more than so many hanging on it.
        above = set()
        for coin in one.spends:
            if coin.outpoint.txid in made:
                above |= {coin.outpoint.txid} | parents[coin.outpoint.txid]
        made[one.txid] = one
        parents[one.txid] = above
        descendants[one.txid] = 1
        for txid in above:
            descendants[txid] += 1
        assert len(above) + 1 <= max_chain
    assert all(count <= max_chain for count in descendants.values())
    assert wallet.balance_sat + fees == sum(values)


@settings(max_examples=60, deadline=None)
@given(amounts, st.integers(1, 10**9), st.integers(1, 10))
def test_chosen_coins_reach(values, target, outputs):
    limits = Limits()
    enough = sum(values) >= target + limits.fee_sat(transaction_size(max(1, len(values)), outputs, 0))
    try:
        chosen = select_coins(coins_of(values), target, outputs, 0, limits)
    except InsufficientFundsError:
        assert not enough
        return
    fee = limits.fee_sat(transaction_size(len(chosen), outputs, 0))
    assert sum(coin.amount_sat for coin in chosen) >= target + fee
    fewer = sum(coin.amount_sat for coin in chosen[:-1])
    assert fewer < target + limits.fee_sat(transaction_size(max(1, len(chosen) - 1), outputs, 0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1040), max_size=300), amounts)
def test_plans_grow_with_what_is_sent(sizes, values):
    coins = coins_of(values)
    less, more = plan_send(sizes, coins, Limits()), plan_send([*sizes, 1040], coins, Limits())
    assert less.fee_sat < more.fee_sat
    assert less.transactions < more.transactions or less.fan_out_lanes > more.fan_out_lanes
    assert less.blocks <= more.blocks + bool(less.fan_out_lanes)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=1040))
def test_a_stranger_can_turn_the_bit_back(data):
    signed = Wallet(KEY, REGTEST, Limits(), coins_of([10**9])).sign(data)
    assert malleated(signed.raw) != signed.raw
    assert malleated(malleated(signed.raw)) == signed.raw
