"""The simulated ledger, by the tests of every ledger: what publishers meet in it is what they meet elsewhere."""

from contextlib import contextmanager

import pytest

from etdb.errors import LedgerError, RefusedError
from etdb.flo import COIN, REGTEST, PrivateKey
from etdb.ledger import Limits, Wallet
from etdb.testing.ledger import LedgerContract
from etdb.testing.simulated_ledger import SimulatedLedger, unreachable

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)


class TestSimulatedLedger(LedgerContract):
    @contextmanager
    def ledger_of(self, tmp_path, key):
        ledger = SimulatedLedger()
        ledger.credit(key.address(REGTEST), COIN, COIN)
        yield ledger

    def confirm(self, ledger):
        ledger.mine()


@pytest.fixture
def ledger():
    ledger = SimulatedLedger()
    ledger.credit(ADDRESS, COIN)
    return ledger


def lane(ledger, count):
    wallet = Wallet(KEY, REGTEST, Limits(max_chain=5000, max_chain_bytes=10**8), ledger.coins(ADDRESS))
    return [wallet.sign(b"text:%d" % number) for number in range(count)]


def test_a_node_takes_25_that_hang_on_each_other(ledger):
    signed = lane(ledger, 26)
    for one in signed[:25]:
        ledger.submit(one.raw)
    with pytest.raises(RefusedError) as refused:
        ledger.submit(signed[25].raw)
    assert refused.value.fields["reason"] == "too-long-mempool-chain"
    ledger.mine()
    ledger.submit(signed[25].raw)


@pytest.mark.parametrize("depth", [1, 6, 9])
def test_a_reorganisation_gives_transactions_back(ledger, depth):
    (signed,) = lane(ledger, 1)
    ledger.submit(signed.raw)
    ledger.mine(depth)
    before = ledger.tip()
    ledger.reorganise(depth)
    assert ledger.status(signed.txid).state == "pending"
    assert ledger.tip().height == before.height + 1
    assert ledger.block_ref(before.height) != before
    ledger.mine()
    assert ledger.status(signed.txid).confirmations == 1


def test_or_forgets_them_and_the_coin_is_free_again(ledger):
    (signed,) = lane(ledger, 1)
    ledger.submit(signed.raw)
    ledger.mine(2)
    ledger.reorganise(2, forget=True)
    assert ledger.status(signed.txid).state == "unknown"
    assert [coin.outpoint for coin in ledger.coins(ADDRESS)] == [signed.spends[0].outpoint]
    ledger.submit(signed.raw)
    ledger.forget()
    assert ledger.status(signed.txid).state == "unknown"
    assert [coin.outpoint for coin in ledger.coins(ADDRESS)] == [signed.spends[0].outpoint]


def test_a_rival_pushes_out_what_hangs_on_the_coin(ledger):
    first, second = lane(ledger, 2)
    rival = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS)).sign(b"another wallet")
    ledger.submit(first.raw)
    ledger.submit(second.raw)
    ledger.force(rival.raw)
    assert {ledger.status(one.txid).state for one in (first, second)} == {"unknown"}
    assert ledger.spender(first.spends[0].outpoint) == rival.txid
    assert [coin.outpoint for coin in ledger.coins(ADDRESS)] == [rival.creates[0].outpoint]


def test_a_block_holds_only_so_much(ledger):
    small = SimulatedLedger(block_bytes=500)
    small.credit(ADDRESS, COIN)
    for one in lane(small, 6):
        small.submit(one.raw)
    small.mine()
    assert len(small.pending) == 4
    small.mine(2)
    assert small.pending == ()


def test_a_full_mempool_and_a_node_that_is_away(ledger):
    (signed,) = lane(ledger, 1)
    ledger.mempool_bytes = 100
    with pytest.raises(RefusedError) as refused:
        ledger.submit(signed.raw)
    assert refused.value.fields["reason"] == "mempool full"
    ledger.before_call = unreachable
    with pytest.raises(LedgerError):
        ledger.tip()


def test_blocks_come_by_its_clock():
    ledger = SimulatedLedger(interval_s=40)
    before = ledger.tip().height
    ledger.sleep(39)
    assert ledger.tip().height == before
    ledger.sleep(81)
    assert ledger.tip().height == before + 3
