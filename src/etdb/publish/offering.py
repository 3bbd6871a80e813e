"""Giving stored bytes to the ledger, and what its refusals mean for the rest.

The same bytes may be given any number of times, never others in their place. What is refused for a reason that passes
by itself stays stored and waits; what hangs on it waits with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from etdb.errors import RefusedError
from etdb.ledger import Ledger, Limits, Outpoint
from etdb.publish.journal import Journal
from etdb.publish.journal_reading import TransactionEntry
from etdb.publish.refusals import explain, judge
from etdb.publish.submission import Progress

__all__ = ["Note", "Offering"]

Note = Callable[[str], None]
"""Called with a sentence about the work for whoever watches."""

_FIRST_PAUSE_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 600.0


class Offering:
    """Offers transactions of one journal to one ledger.

    Args:
        journal: what is taken is noted there.
        ledger: gets the bytes.
        limits: what the ledger is believed to allow.
        address: the publisher's.
        progress, note: for whoever watches.
        clock: seconds that only grow.

    Attributes:
        limits: as they are believed now; lower than at first when the ledger refused.
        sent: how many were taken that had not been noted as taken before.
        refused: why those that wait were refused since ``begin``, by number in the journal.
        behind: what was not offered because it hangs on one that waits, likewise.
        is_full: whether the ledger took nothing more at the last offer.
        withdrawn: what was given up in this run because it pays too little, by number in the journal.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        limits: Limits,
        address: str,
        *,
        progress: Progress,
        note: Note,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._address = address
        self._progress = progress
        self._note = note
        self._clock = clock
        self._again: dict[int, tuple[float, float]] = {}
        self.limits = limits
        self.sent = 0
        self.refused: dict[int, RefusedError] = {}
        self.behind: set[int] = set()
        self.is_full = False
        self.withdrawn: set[int] = set()

    def begin(self) -> None:
        """Everything that waits is about to be offered again: what was refused so far says nothing any more."""
        self.refused, self.behind = {}, set()

    def offer(self, entries: Sequence[TransactionEntry]) -> list[TransactionEntry]:
        """Give these to the ledger, in the order of signing; those that it did not take.

        Raises:
            RefusedError: for a reason that does not pass by itself, with what to do.
            LedgerError: it is away; what it took so far is noted.
        """
        held: list[TransactionEntry] = []
        blocked: set[Outpoint] = set()
        self.is_full = False
        for number, entry in enumerate(entries):
            self._progress("send", number, len(entries))
            is_behind = any(coin.outpoint in blocked for coin in entry.signed.spends)
            if is_behind:
                self.behind.add(entry.seq)
            if is_behind or self.is_full or not self._is_due(entry) or not self._submit(entry):
                blocked.update(coin.outpoint for coin in entry.signed.creates)
                if entry.seq not in self.withdrawn:
                    held.append(entry)
        self._progress("send", len(entries), len(entries))
        return held

    def _is_due(self, entry: TransactionEntry) -> bool:
        """Whether it may go out once more: what was taken before and forgotten, each time after a longer while."""
        if entry.state == "signed":
            return True
        now = self._clock()
        due, pause = self._again.get(entry.seq, (now, _FIRST_PAUSE_S))
        if now < due:
            return False
        self._again[entry.seq] = now + pause, min(2 * pause, _LONGEST_PAUSE_S)
        return True

    def _submit(self, entry: TransactionEntry) -> bool:
        try:
            self._ledger.submit(entry.signed.raw)
        except RefusedError as error:
            if not self._is_taken(entry, error):
                return False
        if entry.state == "signed":
            self._journal.submit(entry)
            self.sent += 1
        return True

    def _is_taken(self, entry: TransactionEntry, error: RefusedError) -> bool:
        verdict = judge(error)
        if verdict == "known":
            return True
        told = explain(error, self.limits, entry.signed.txid)
        self.refused[entry.seq] = told
        if verdict == "room":
            self._believe_less(entry)
        elif verdict == "full":
            self.is_full = True
            self._note(f"{told.message}; trying again later")
        elif verdict == "fee" and entry.state == "signed" and self._pays_more_now(entry):
            self._journal.withdraw(entry)
            self.withdrawn.add(entry.seq)
        elif verdict != "coins":
            raise told from error
        return False

    def _pays_more_now(self, entry: TransactionEntry) -> bool:
        return self.limits.fee_sat(len(entry.signed.raw)) > entry.signed.fee_sat

    def _believe_less(self, entry: TransactionEntry) -> None:
        """The chain was too long for the ledger: as long as it is now is what it allows."""
        spent = {coin.outpoint for coin in entry.signed.spends}
        used = [coin.chain_depth for coin in self._ledger.coins(self._address) if coin.outpoint in spent]
        length = max(used, default=0)
        if 0 < length < self.limits.max_chain:
            self._note(
                f"the ledger lets {length} unconfirmed transactions hang on each other, not {self.limits.max_chain}:"
                f" set max_unconfirmed_chain = {length} under [limits] in etdb.toml"
            )
            self.limits = msgspec.structs.replace(self.limits, max_chain=length)
