"""Getting records into blocks that come at their own pace: look, mend, send, wait, until all of them are final."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from etdb.errors import LedgerError, NotFoundError, RefusedError
from etdb.ledger import Ledger
from etdb.ledger.node_errors import NodeAnswerError, NodeChainError, NodeLoginError, NodePrunedError
from etdb.publish.journal import Journal
from etdb.publish.journal_reading import DatasetEntry, TransactionEntry
from etdb.publish.offering import Note, Offering
from etdb.publish.pace import Pace
from etdb.publish.reconcile import reconcile, settle_records
from etdb.publish.sender import Sender
from etdb.publish.submission import Progress
from etdb.publish.troubles import RivalPublisherError
from etdb.publish.watching import BlockWatch

__all__ = ["Dispatch"]

_IN_A_BLOCK: Final = 590
"""Full transactions that a block holds."""
_MOST_STRANGE: Final = 10
"""Tries in a row at a node that does not let us in or answers nonsense; they take some minutes."""


class Dispatch:
    """Sends records and follows them. It may be cut off anywhere: another one goes on from the journal.

    Args:
        journal: what was signed, and what became of it.
        ledger: where it goes.
        sender: signs.
        watch: follows the blocks.
        offering: gives the ledger what is stored.
        final_depth: blocks on top of and with a record's last transaction that make it final.
        pace: how to wait for blocks; None not to wait.
        progress: for whoever watches.
        note: likewise.
        fund: called once, before the first transaction is signed.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        sender: Sender,
        offering: Offering,
        watch: BlockWatch,
        *,
        final_depth: int,
        pace: Pace | None,
        progress: Progress,
        note: Note,
        fund: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._sender = sender
        self._offering = offering
        self._final_depth = final_depth
        self._pace = pace
        self._progress = progress
        self._note = note
        self._fund: Callable[[], None] | None = fund
        self._watch = watch
        self._wanted: list[int] = []
        self._held: list[TransactionEntry] = []
        self._is_in_doubt = True
        self._is_reorganised = True
        self._has_more = False
        self._has_waited = False
        self._is_shown = False

    def begin(self) -> None:
        """Bring the journal in line with the ledger, and give the ledger what it lacks.

        Raises:
            LedgerError: it is away and nobody waits, or it refuses.
        """
        self._go_on(until_final=False)

    def add(self, datasets: Iterable[DatasetEntry]) -> None:
        """Send these too, as many of them as go now. Errors as ``begin``."""
        self._wanted += [dataset.id for dataset in datasets]
        self._has_more = True
        self._go_on(until_final=False)

    def finish(self) -> None:
        """Go on until everything is final, or, if nobody waits, until only another block can help.

        Raises:
            TimeIsUpError: it takes longer than may be waited.
            RivalPublisherError: somebody else signs with this key.
            LedgerError: as ``begin``.
        """
        self._has_more = True
        self._go_on(until_final=True)

    def _go_on(self, *, until_final: bool) -> None:
        strange = 0
        while True:
            try:
                moved = self._step()
                strange = 0
            except (RefusedError, NodeChainError, NodePrunedError):
                raise  # time does not mend these
            except (LedgerError, NotFoundError) as error:  # not found: another transaction took its place meanwhile
                self._is_in_doubt = True
                # A new cookie, or a proxy before a node that starts: time may mend them, but not much time.
                strange = strange + 1 if isinstance(error, (NodeLoginError, NodeAnswerError, NotFoundError)) else 0
                if self._pace is None or strange > _MOST_STRANGE:
                    raise
                self._note(f"{error.message}; trying again")
                if not until_final:
                    return
                self._pace.step_back()
                continue
            if moved:
                self._is_shown = False
                continue
            if not until_final or self._is_done():
                return
            if self._pace is None:
                self._verify_nothing_is_stuck()
                return
            self._wait(self._pace)

    def _step(self) -> bool:
        """One look, and what follows from it; False when there was nothing to do."""
        seen = self._watch.look()
        if seen == "same" and not self._is_in_doubt and not self._has_more:
            has_waited, self._has_waited = self._has_waited, False
            if not has_waited or not self._watch.missed_any():
                return False
            self._is_in_doubt = True
        self._is_reorganised |= seen == "changed"
        reconciles = seen == "changed" or self._is_in_doubt or (bool(self._held) and seen == "grown")
        if reconciles:
            self._held = reconcile(
                self._journal,
                self._ledger,
                self._offering,
                self._sender.split,
                publisher=self._sender.address,
                final_depth=self._final_depth,
                note=self._note,
                is_reorganised=self._is_reorganised,
            )
            self._is_reorganised = False
        self._is_in_doubt = self._has_more = False
        self._send()
        settle_records(self._journal, self._watch.height, final_depth=self._final_depth)
        self._ledger.settle()
        # A stranger's copy of our own looks foreign until it is adopted; what was given up must be signed anew.
        self._is_in_doubt = bool(self._offering.withdrawn or (self._sender.foreign and not reconciles))
        self._offering.withdrawn.clear()
        return True

    def _send(self) -> None:
        self._sender.foreign = []
        signed = [one for one in self._journal.datasets("signed") if one.publisher == self._sender.address]
        under_way = {one.id for one in self._journal.under_way(self._sender.address)}
        wanted = under_way.union(self._wanted)
        datasets = [one for one in signed if one.id in wanted]
        if not datasets:
            return
        if self._fund is not None:
            self._fund()
            self._fund = None
        if not self._sender.send(datasets, is_waiting=bool(self._held)):
            stored = self._journal.transactions(states=("signed",))
            waits = self._offering.refused.keys() - {entry.seq for entry in self._held}
            self._held += [entry for entry in stored if entry.seq in waits]

    def _is_done(self) -> bool:
        return not self._journal.unfinished(self._wanted)

    def _wait(self, pace: Pace) -> None:
        if not self._is_shown:
            self._show()
            self._is_shown = True
        if self._sender.foreign:
            self._note(f"{self._rival().message}; waiting until a block has it")
        if self._sender.foreign or not self._needs_only_room():
            pace.step_back()
            self._is_in_doubt = True
        else:
            pace.rest()
            self._has_waited = True

    def _needs_only_room(self) -> bool:
        """Whether whatever the ledger has not taken will go when a block has made room for it."""
        refused, behind = self._offering.refused, self._offering.behind
        return not self._offering.is_full and all(
            one.seq in behind or (one.seq in refused and refused[one.seq].fields["verdict"] == "room")
            for one in self._held
        )

    def _show(self) -> None:
        waiting = len(self._journal.waiting())
        deepest = max((one.height for one in self._journal.progress()), default=self._watch.height)
        more = -(-waiting // _IN_A_BLOCK) + max(0, deepest + self._final_depth - 1 - self._watch.height)
        self._progress("confirm", self._watch.blocks_seen, self._watch.blocks_seen + more)

    def _rival(self) -> RivalPublisherError:
        txid = self._sender.foreign[0]
        return RivalPublisherError(
            f"transaction {txid} is signed by the key of {self._sender.address} and is not in this journal:"
            " another program publishes with this key",
            hint="let only one workspace publish with a key; run the same command again when the other one is done",
            txid=txid,
            address=self._sender.address,
        )

    def _verify_nothing_is_stuck(self) -> None:
        """Nobody waits: say what no block alone will mend."""
        if self._sender.foreign:
            raise self._rival()
        stuck = [error for error in self._offering.refused.values() if error.fields["verdict"] in {"full", "coins"}]
        if stuck:
            raise stuck[0]
