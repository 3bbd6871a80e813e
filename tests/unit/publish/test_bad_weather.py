"""What a publisher does when blocks come late, nodes forget or refuse, and others use the key: one thing at a time."""

from __future__ import annotations

import itertools
from contextlib import closing

import pytest
from weather import ADDRESS, LAB, Desk, ledger

from etdb.errors import InsufficientFundsError, LedgerError, NotFoundError, RefusedError
from etdb.flo import COIN, REGTEST
from etdb.ledger import Limits, Wallet
from etdb.ledger.node_errors import NodeAnswerError, NodeLoginError
from etdb.publish import Journal, Publisher, RivalPublisherError
from etdb.publish.refusals import explain, judge
from etdb.testing.ledger import malleated
from etdb.testing.records import RecordSigner
from etdb.testing.simulated_ledger import unreachable

LONG = 2500  # notes of a record in three or four parts


def other_wallet(chain, *, data=b""):
    """A transaction of another program with our key, over the coin that we would take."""
    coin = max(chain.coins(ADDRESS), key=lambda one: one.amount_sat)
    return Wallet(LAB.key, REGTEST, Limits(max_chain=1000), [coin]).sign(data)


# -- limits, lanes and blocks


def test_a_fan_out_waits_for_its_block_and_its_limit_is_used_meanwhile(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [LONG] * 20)
    first = desk.run(wait=False)
    assert first.transactions_sent == 25 == len(chain.pending)  # the split, and what may hang on it
    assert first.unfinished == 20
    chain.mine()
    second = desk.run(wait=False)
    assert second.transactions_sent == sum(one.transactions for one in second.datasets) - 24
    chain.mine(3)
    desk.run(wait=False)
    desk.verify_done()
    assert len([entry for entry in desk.entries() if entry.part < 0]) == 1


def test_the_plan_says_how_many_blocks_it_takes(tmp_path):
    for number, limits in enumerate([Limits(), Limits(max_chain=5), Limits(max_chain=1250, max_chain_bytes=1_750_000)]):
        chain = ledger(limits=limits)
        folder = tmp_path / str(number)
        folder.mkdir()
        desk = Desk(folder, chain, [LONG] * 12, limits=limits)
        sizes = [1040] * 48
        plan = Wallet(LAB.key, REGTEST, limits, chain.coins(ADDRESS)).plan(sizes)
        before = chain.tip().height
        desk.run(final_depth=1)
        assert len([entry for entry in desk.entries() if entry.part >= 0]) == len(sizes)
        assert abs((chain.tip().height - before) - plan.blocks) <= 1, (plan.blocks, limits)


def test_blocks_that_are_full_are_counted_too():
    plan = Wallet(LAB.key, REGTEST, Limits(), ledger(100 * COIN).coins(ADDRESS)).plan([1040] * 6000)
    assert 6000 // 590 < plan.blocks <= 6000 // 590 + 3


@pytest.mark.parametrize("allowed", [1, 5, 25])
def test_a_node_that_allows_less_than_is_believed(tmp_path, allowed):
    chain = ledger(limits=Limits(max_chain=allowed))
    desk = Desk(tmp_path, chain, [LONG] * 10, limits=Limits(max_chain=1250, max_chain_bytes=1_750_000))
    began, height = chain.now_s, chain.tip().height
    report = desk.run()
    assert report.in_time
    # Looked for every two seconds, each block is used at once: no more of them than there must be.
    entries = desk.entries()
    assert chain.tip().height - height <= len(entries) // min(allowed, 25) + 6
    assert chain.now_s - began <= 40 * (chain.tip().height - height) + 40
    desk.verify_done()
    (told,) = [note for note in desk.notes if "max_unconfirmed_chain" in note]
    assert f"max_unconfirmed_chain = {allowed} " in told


def test_no_wait_ends_with_what_is_pending(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10, LONG])
    report = desk.run(wait=False)
    assert (report.unfinished, report.unsent_transactions) == (2, 0)
    assert report.waiting_transactions == len(chain.pending)
    assert set(desk.states().values()) == {"sent"}
    assert desk.run(wait=False).transactions_sent == 0


def test_the_time_to_wait_ends(tmp_path):
    chain = ledger(interval_s=0)
    desk = Desk(tmp_path, chain, [10])
    began = chain.now_s
    report = desk.run(timeout_s=500)
    assert (report.in_time, report.unfinished, report.waiting_transactions) == (False, 1, 1)
    assert chain.now_s - began == 500


def test_progress_counts_blocks(tmp_path):
    desk = Desk(tmp_path, ledger(), [10])
    desk.run(final_depth=4)
    told = [(done, total) for step, done, total in desk.seen if step == "confirm"]
    assert {done for done, _ in told} >= {0, 1, 2, 3}
    assert all(total - done <= 4 for done, total in told)


# -- nodes that forget, refuse, or are away


def test_a_node_that_forgets_gets_the_same_bytes_again_and_not_all_the_time(tmp_path):
    chain = ledger(interval_s=0)
    desk = Desk(tmp_path, chain, [10, LONG])
    desk.run(wait=False)
    before = dict.fromkeys(chain.pending)
    chain.forget()
    desk.run(timeout_s=20)
    assert dict.fromkeys(chain.pending) == before
    calls = chain.calls["submit"]
    chain.before_call = lambda name: chain.forget() if name == "tip" else None
    desk.run(timeout_s=3600)
    # At each start, then ten seconds later, twenty, forty and so on.
    assert (chain.calls["submit"] - calls) / len(before) <= 12
    chain.before_call = lambda _name: None
    chain.start_clock(40)
    desk.run()
    desk.verify_done()
    assert {entry.signed.txid for entry in desk.entries()} == set(before)


def test_a_node_that_is_away_is_named_and_waited_for_ever_longer(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [LONG])
    desk.run(wait=False)
    asked: list[float] = []

    def away(name: str) -> None:
        asked.append(chain.now_s)
        if len(asked) < 10:
            unreachable(name)

    chain.before_call = away
    desk.run()
    desk.verify_done()
    assert ["127.0.0.1:0" in note for note in desk.notes] == [True]
    pauses = [later - sooner for sooner, later in itertools.pairwise(asked[1:10])]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60


def test_without_waiting_it_is_an_error_at_once(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [LONG])
    chain.before_call = unreachable
    with pytest.raises(LedgerError, match=r"127\.0\.0\.1"):
        desk.run(wait=False)


@pytest.mark.parametrize("method", ["submit", "coins", "tip", "status", "blocks"])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_it_goes_away_at_any_call_and_the_same_command_goes_on(tmp_path, method, at):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10, LONG])
    left = [at]

    def away(name: str) -> None:
        if name == method:
            left[0] -= 1
            if left[0] == 0:
                unreachable(name)

    chain.before_call = away
    assert desk.run().in_time
    desk.verify_done()


def test_a_full_mempool_is_waited_for(tmp_path):
    chain = ledger(interval_s=0)
    desk = Desk(tmp_path, chain, [LONG] * 3)
    chain.mempool_bytes = 3000
    report = desk.run(timeout_s=300)
    assert not report.in_time
    assert report.unsent_transactions > 0
    assert any("mempool full" in note for note in desk.notes)
    with pytest.raises(RefusedError) as refused:
        desk.run(wait=False)
    assert "later" in refused.value.hint
    desk.verify_laws()
    chain.start_clock(40)
    desk.run()
    desk.verify_done()


def test_too_low_a_fee_says_what_to_set_and_is_signed_anew(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10, LONG], limits=Limits(fee_rate_sat_per_kb=500))
    with pytest.raises(RefusedError) as refused:
        desk.run()
    assert "fee_rate_sat_per_kb" in refused.value.hint
    assert "500" in refused.value.hint
    desk.limits = Limits(fee_rate_sat_per_kb=2000)
    desk.run()
    desk.verify_done()
    given_up = {coin.outpoint for entry in desk.entries("void") for coin in entry.signed.spends}
    spent = {coin.outpoint for entry in desk.entries("confirmed") for coin in entry.signed.spends}
    first = chain.coins  # the one coin that there was pays for the new ones too, so the old can never be mined
    assert first
    assert any(outpoint in spent for outpoint in given_up)


def test_fees_have_a_cap_for_the_whole_run(tmp_path):
    desk = Desk(tmp_path, ledger(), [LONG] * 5, limits=Limits(max_fee_sat=1_000_000))
    with pytest.raises(InsufficientFundsError) as refused:
        desk.run()
    assert "max_fee_sat" in refused.value.hint
    assert desk.entries() == []


@pytest.mark.parametrize(
    ("reason", "verdict", "word"),
    [
        ("txn-already-in-mempool", "known", ""),
        ("transaction already in block chain", "known", ""),
        ("too-long-mempool-chain", "room", "block"),
        ("mempool full", "full", "later"),
        ("66: mempool min fee not met", "full", "later"),
        ("missing-inputs", "coins", "in step"),
        ("258: txn-mempool-conflict", "coins", "in step"),
        ("bad-txns-inputs-missingorspent", "coins", "in step"),
        ("66: min relay fee not met", "fee", "fee_rate_sat_per_kb"),
        ("insufficient priority", "fee", "fee_rate_sat_per_kb"),
        ("64: dust", "wrong", "send more coins"),
        ("256: absurdly-high-fee", "wrong", "lower fee_rate_sat_per_kb"),
        ("flo-data-too-large", "wrong", "another node"),
        ("mandatory-script-verify-flag-failed", "wrong", "same network"),
        ("bad-txns-premature-spend-of-coinbase", "wrong", "old enough"),
        ("something new", "wrong", "another node"),
    ],
)
def test_each_refusal_says_what_to_do(reason, verdict, word):
    error = RefusedError("no", reason=reason)
    assert judge(error) == verdict
    told = explain(error, Limits(), "ab" * 32)
    assert word in told.hint
    assert reason in told.message
    assert "ab" * 32 in told.message


@pytest.mark.parametrize("reason", ["mempool full", "missing-inputs"])
def test_a_fan_out_that_is_not_taken_at_once_is_offered_again(tmp_path, reason):
    chain = ledger(1000 * COIN)
    desk = Desk(tmp_path, chain, [LONG] * 20)
    refused = []

    def refuse(name: str) -> None:
        if name == "submit" and len(refused) < 2:
            refused.append(name)
            raise RefusedError("no", reason=reason)

    chain.before_call = refuse
    desk.run()
    desk.verify_done()
    assert len(refused) == 2


def test_a_transaction_that_goes_while_it_is_looked_at_does_not_end_the_wait(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [LONG] * 3)
    gone = []

    def miss(name: str) -> None:
        if name == "status" and not gone:
            gone.append(name)
            raise NotFoundError("no transaction of this id is known")

    chain.before_call = miss
    desk.run()
    desk.verify_done()
    assert gone


@pytest.mark.parametrize("error", [NodeLoginError, NodeAnswerError])
def test_a_node_that_stays_strange_ends_the_wait(tmp_path, error):
    chain = ledger()
    desk = Desk(tmp_path, chain, [LONG])

    def lock_out(_name: str) -> None:
        raise error("the node does not let us in")

    chain.before_call = lock_out
    with pytest.raises(error):
        desk.run()
    chain.before_call = lambda _name: None
    desk.run()
    desk.verify_done()


def test_a_run_with_another_key_leaves_records_on_their_way_alone(tmp_path):
    """Of a record that has a part given up, too: only its own key can say what belongs into it."""
    chain = ledger()
    desk = Desk(tmp_path, chain, [LONG])
    desk.run(wait=False)
    with closing(Journal(desk.path)) as journal:
        journal.void(journal.transactions(states=("submitted",))[-1])
        assert [one.publisher for one in journal.doubtful(ADDRESS)] == [ADDRESS]
        before = journal.transactions()
    key = RecordSigner("another lab").key
    with closing(Journal(desk.path)) as journal:
        Publisher(
            journal=journal, blocks=None, ledger=chain, key=key, network=REGTEST, limits=desk.limits, final_depth=3
        ).resume()
        assert journal.transactions() == before
    desk.run()
    desk.verify_done()


def test_a_refusal_that_stays_ends_the_run_and_loses_nothing(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10])

    def refuse(name: str) -> None:
        if name == "submit":
            raise RefusedError("no", reason="dust")

    chain.before_call = refuse
    with pytest.raises(RefusedError, match="dust"):
        desk.run()
    chain.before_call = lambda _name: None
    desk.run()
    desk.verify_done()


# -- others with our key, and strangers


def test_a_coin_spent_by_another_wallet_between_choice_and_sending(tmp_path):
    chain = ledger(COIN, COIN // 2)
    desk = Desk(tmp_path, chain, [10, 10])
    came = []

    def rival(name: str) -> None:
        if name == "submit" and not came:
            came.append(chain.force(other_wallet(chain).raw, mined=False))

    chain.before_call = rival
    desk.run()
    desk.verify_done()
    assert any(came[0] in note for note in desk.notes)
    assert desk.entries("void")


def test_what_a_node_took_is_given_up_only_when_the_rival_is_in_a_block(tmp_path):
    chain = ledger(COIN, COIN // 2)
    desk = Desk(tmp_path, chain, [10])
    rival = other_wallet(chain)
    desk.run(wait=False)
    chain.force(rival.raw, mined=False)
    desk.run(wait=False, final_depth=3)
    assert desk.entries("void") == []
    chain.mine()
    desk.run()
    assert len(desk.entries("void")) == 1
    desk.verify_done()


def test_another_publisher_with_this_key_is_waited_for_and_named(tmp_path):
    chain = ledger(COIN, COIN // 2)
    desk = Desk(tmp_path, chain, [LONG])
    other = chain.submit(other_wallet(chain, data=b"text:of another machine").raw)
    with pytest.raises(RivalPublisherError) as refused:
        desk.run(wait=False)
    assert refused.value.fields["txid"] == other
    assert desk.entries() == []
    desk.run()
    desk.verify_done()
    assert any(other in note for note in desk.notes)


def test_a_strangers_copy_of_ours_is_no_other_publisher(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10, LONG])
    desk.run(wait=False)
    chain.force(malleated(chain._raw[chain.pending[0]]), mined=False)
    desk.run(wait=False)
    desk.run()
    desk.verify_done()


def test_what_hangs_on_a_strangers_copy_of_what_was_given_up_goes_with_it(tmp_path):
    """The copy pays us like any payment; a reorganisation takes it back, and the stranger never sends it again."""
    chain = ledger(COIN // 100, COIN)
    desk = Desk(tmp_path, chain, [1500])
    desk.run(wait=False)
    first, second, *_ = desk.entries()
    chain.force(malleated(first.signed.raw))
    desk.run(wait=False)
    assert second.signed.txid in {entry.signed.txid for entry in desk.entries("void")}
    copy = chain.force(malleated(second.signed.raw))
    desk.run()
    chain.mine(6)
    desk.add(10)
    desk.add(10)
    desk.run(wait=False)
    hung = [entry.dataset for entry in desk.entries() if entry.signed.spends[0].outpoint.txid == copy]
    assert hung == [3]
    chain.reorganise(100, forget=True)
    desk.run(wait=False)
    desk.run(timeout_s=5000)
    desk.verify_done()


def test_coins_from_others_count_when_they_are_deep(tmp_path):
    chain = ledger(30_000, interval_s=0)
    desk = Desk(tmp_path, chain, [10])
    chain.credit(ADDRESS, COIN)
    with pytest.raises(InsufficientFundsError) as refused:
        desk.run(wait=False)
    assert "on the way" in refused.value.message
    assert "3 blocks deep" in refused.value.hint
    chain.mine(2)
    assert desk.run(wait=False).transactions_sent == 1


# -- reorganisations


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize("depth", [1, 6, 9, 100])
def test_a_reorganisation_while_it_publishes(tmp_path, depth, forget):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10, LONG, LONG])
    passed: list[str] = []

    def turn(name: str, when: str) -> None:
        if (name, when) == ("confirm", "after") and "confirm" not in passed:
            chain.reorganise(depth, forget=forget)
        if when == "after":
            passed.append(name)

    desk.observer = turn
    assert desk.run(final_depth=4).in_time
    desk.verify_done()
    assert {"unbury", "return"} <= set(passed)
    assert desk.entries("void") == []


@pytest.mark.parametrize("depth", [1, 6, 9, 100])
def test_parts_on_both_sides(tmp_path, depth):
    chain = ledger()
    desk = Desk(tmp_path, chain, [4000])
    desk.run(wait=False)
    half = set(chain.pending[len(chain.pending) // 2 :])
    chain.mine(leave=lambda txid: txid in half)
    desk.run(wait=False)
    chain.mine(depth - 1, leave=lambda _txid: True)
    states = {entry.state for entry in desk.entries()}
    assert states == {"confirmed", "submitted"}
    chain.reorganise(depth, forget=True)
    desk.run()
    desk.verify_done()


def test_final_is_taken_back_by_what_was_deeper_than_final(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10, LONG])
    desk.run(final_depth=2)
    assert set(desk.states().values()) == {"final"}
    chain.reorganise(50, forget=True)
    report = desk.run(wait=False, final_depth=2)
    assert report.waiting_transactions == len(desk.entries()) == len(chain.pending)
    assert any("final_depth" in note for note in desk.notes)
    chain.mine(2)
    desk.run(wait=False, final_depth=2)
    desk.verify_done()


def test_a_final_record_is_lost_while_another_stays_where_it_was(tmp_path):
    chain = ledger(COIN, COIN)
    desk = Desk(tmp_path, chain, [10, 10])
    desk.run(final_depth=2)
    _, newest = desk.entries()
    chain.reorganise(3, forget=True, keep=lambda txid: txid == newest.signed.txid)
    assert set(chain.mined) & {entry.signed.txid for entry in desk.entries()} == {newest.signed.txid}
    desk.run(final_depth=2)
    desk.verify_done()


def test_a_coin_of_a_final_record_is_not_spent_again_when_its_block_goes_while_coins_are_chosen(tmp_path):
    chain = ledger()
    desk = Desk(tmp_path, chain, [10])
    desk.run(final_depth=2)
    desk.add(LONG)

    def turn(name: str) -> None:
        if name == "coins":
            chain.before_call = lambda _name: None
            chain.reorganise(5, forget=True)

    chain.before_call = turn
    desk.run(wait=False, final_depth=2)
    desk.verify_laws()
    desk.run(final_depth=2)
    desk.verify_done()
    assert desk.entries("void") == []
