"""Publishing in any weather: whatever happens in whatever order, no record is complete twice and no coin spent twice.

A seed makes a storm: at each call of the ledger anything may happen to chain, mempool, node, or to the publisher, which
dies at a transition and is started again. When the weather is fine again, everything is final.
"""

from __future__ import annotations

import contextlib
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "publish"))

from weather import ADDRESS, LAB, Desk, ledger

from etdb.errors import EtdbError, LedgerError, RefusedError
from etdb.flo import COIN, REGTEST
from etdb.ledger import Limits, Wallet
from etdb.testing.ledger import malleated

SEEDS = 16
_REASONS = ("mempool full", "too-long-mempool-chain", "missing-inputs", "mempool min fee not met")


class Killed(BaseException):
    """The publisher's process is gone."""


class Storm:
    """What happens, by chance, before a call of the ledger or at a transition of the journal."""

    def __init__(self, seed: int, folder: Path, *, kind: str) -> None:
        self.chance = random.Random(seed)
        limits = Limits(max_chain=self.chance.choice([2, 3, 5, 25]))
        self.ledger = ledger(
            *self.chance.choice([(COIN,), (COIN // 20, COIN // 20), (COIN, COIN // 30, 30_000)]), limits=limits
        )
        believed = Limits(max_chain=self.chance.choice([2, 25]))
        notes = [self.chance.choice([10, 10, 1500, 4000]) for _ in range(self.chance.randint(1, 4))]
        self.desk = Desk(folder, self.ledger, notes, limits=believed)
        self.likely = self.chance.choice([0.02, 0.05, 0.15])
        self.happened: list[str] = []
        self.is_busy = False
        events = [self.blocks, self.some_of_them, self.reorganised, self.forgets, self.away, self.refuses, self.lost]
        more = {"strangers": [self.copied, self.again], "rivals": [self.rival, self.rival]}
        more["both"] = [*more["strangers"], self.rival]
        self.events = [*events, *more[kind]]

    def begin(self) -> None:
        self.ledger.before_call = self.maybe
        self.desk.observer = self.maybe_dies

    def end(self) -> None:
        self.ledger.before_call = self.ledger.after_submit = lambda _name: None
        self.desk.observer = None

    def maybe(self, name: str) -> None:
        if self.is_busy or self.chance.random() > self.likely:
            return
        self.is_busy = True
        try:
            event = self.chance.choice(self.events)
            self.happened.append(f"{event.__name__} before {name}")
            event(name)
        finally:
            self.is_busy = False

    def maybe_dies(self, name: str, moment: str) -> None:
        if self.chance.random() < self.likely / 4:
            self.happened.append(f"killed {moment} {name}")
            raise Killed

    def blocks(self, _name: str) -> None:
        self.ledger.mine(self.chance.randint(1, 3))

    def some_of_them(self, _name: str) -> None:
        self.ledger.mine(leave=lambda _txid: self.chance.random() < 0.4)

    def reorganised(self, _name: str) -> None:
        # What a rival paid to us is spent when it is three blocks deep; deeper, all that hangs on it could be lost.
        depth = self.chance.choice([1, 1, 2] if self.rival in self.events else [1, 1, 2, 6, 9, 100])
        self.ledger.reorganise(min(depth, self.ledger._blocks[-1].ref.height - 2), forget=self.chance.random() < 0.5)

    def forgets(self, _name: str) -> None:
        self.ledger.forget()

    def away(self, name: str) -> None:
        raise LedgerError(f"the node is away ({name})")

    def refuses(self, name: str) -> None:
        if name == "submit":
            reason = self.chance.choice(_REASONS)
            raise RefusedError(f"no: {reason}", reason=reason)

    def lost(self, _name: str) -> None:
        def answer_is_lost(_txid: str) -> None:
            self.ledger.after_submit = lambda _txid: None
            raise LedgerError("no answer")

        self.ledger.after_submit = answer_is_lost

    def copied(self, _name: str) -> None:
        """A stranger's copy of a pending transaction of ours is mined in its place."""
        live = {entry.ledger_txid for entry in self.desk.entries("submitted", "confirmed")}
        if ours := [txid for txid in self.ledger.pending if txid in live]:
            self.ledger.force(malleated(self.ledger._raw[self.chance.choice(ours)]))

    def again(self, _name: str) -> None:
        """A stranger hands on a transaction that the node may have forgotten."""
        if live := self.desk.entries("submitted", "confirmed"):
            with contextlib.suppress(RefusedError):
                self.ledger.submit(self.chance.choice(live).signed.raw)

    def rival(self, _name: str) -> None:
        """Another wallet with our key spends a coin that is free, or that we want."""
        coins = self.ledger.coins(ADDRESS)
        wanted = [coin for entry in self.desk.entries("signed", "submitted") for coin in entry.signed.spends]
        there = [coin for coin in wanted if coin.outpoint in self.ledger._outputs]
        coin = self.chance.choice([*coins, *there] or [None])
        if coin is None or coin.outpoint in self.ledger._spent_in_block or coin.amount_sat < 200_000:
            return
        if self.ledger._outputs[coin.outpoint][1] is None:
            return  # not mined yet: with its parent it could not stand in one block
        signed = Wallet(LAB.key, REGTEST, Limits(max_chain=10**6), [coin]).sign(b"")
        self.ledger.force(signed.raw, mined=self.chance.random() < 0.5)


def weathered(seed: int, folder: Path, kind: str) -> Storm:
    storm = Storm(seed, folder, kind=kind)
    storm.begin()
    for _ in range(6):
        wait = storm.chance.random() < 0.7
        try:
            storm.desk.run(wait=wait, timeout_s=600)
        except (EtdbError, Killed) as error:
            storm.happened.append(f"ended by {error!r}")
            was_away = type(error) is LedgerError
            if wait and was_away:
                raise  # a node that is away is waited for
        storm.desk.verify_laws()
    storm.end()
    storm.ledger.limits = Limits()
    storm.ledger.credit(ADDRESS, COIN)  # rivals may have left nothing
    storm.ledger.mine(3)
    report = storm.desk.run(timeout_s=20_000)
    assert report.in_time, storm.happened
    storm.desk.verify_done()
    return storm


@pytest.mark.parametrize("kind", ["strangers", "rivals", "both"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_any_storm_each_record_is_there_once(tmp_path, seed, kind):
    weathered(seed, tmp_path, kind)
