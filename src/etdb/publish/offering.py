"""Giving stored bytes to the ledger, and what its refusals mean for the rest.

The same bytes may be given any number of times, never others in their place. What is refused for a reason that passes
by itself stays stored and waits; what hangs on it waits with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
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

_TOGETHER: Final = 64
"""Transactions that are offered at once: one look at the ledger and one commit for all of them."""
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
            LedgerError: it is away; what it took just before may be noted only when it is offered again.
        """
        held: list[TransactionEntry] = []
        blocked: set[Outpoint] = set()
        self.is_full = False
        for start in range(0, len(entries), _TOGETHER):
            self._progress("send", start, len(entries))
            together = entries[start : start + _TOGETHER]
            taken = self._offer_together(together, blocked)
            held += [one for one in together if one.seq not in taken and one.seq not in self.withdrawn]
        self._progress("send", len(entries), len(entries))
        return held

    def _offer_together(self, entries: Sequence[TransactionEntry], blocked: set[Outpoint]) -> set[int]:
        """Offer neighbours; which of them were taken, by number. What the others make goes to ``blocked``."""
        offered = []
        for entry in entries:
            if not self._is_behind(entry, blocked) and not self.is_full and self._is_due(entry):
                offered.append(entry)
            else:
                blocked.update(coin.outpoint for coin in entry.signed.creates)
        answers = self._ledger.submit_many([entry.signed.raw for entry in offered])
        taken = [entry for entry, refused in zip(offered, answers, strict=True) if refused is None]
        self._note_taken(taken)
        for entry, refused in zip(offered, answers, strict=True):
            if refused is None:
                continue
            if not self._is_behind(entry, blocked) and self._is_taken(entry, refused):
                self._note_taken([entry])
                taken.append(entry)
            else:
                blocked.update(coin.outpoint for coin in entry.signed.creates)
        return {entry.seq for entry in taken}

    def _is_behind(self, entry: TransactionEntry, blocked: set[Outpoint]) -> bool:
        is_behind = any(coin.outpoint in blocked for coin in entry.signed.spends)
        if is_behind:
            self.behind.add(entry.seq)
        return is_behind

    def _note_taken(self, entries: Iterable[TransactionEntry]) -> None:
        new = [entry for entry in entries if entry.state == "signed"]
        if new:
            self._journal.submit(new)
            self.sent += len(new)

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

    def _is_taken(self, entry: TransactionEntry, error: RefusedError) -> bool:
        verdict = judge(error)
        if verdict == "known":
            return True
        told = explain(error, self.limits, entry.signed.txid)
        self.refused[entry.seq] = told
        if verdict == "room":
            self._believe_less(entry)
        elif verdict == "full":
            if not self.is_full:
                self._note(f"{told.message}; trying again later")
            self.is_full = True
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
