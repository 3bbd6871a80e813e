"""Following the ledger: while the catalogue's tip is not on the chain, go back; then take the blocks above it.

Each batch of blocks is one transaction that holds its rows and the new tip, so a process that is killed at any moment
leaves a catalogue that is true of an earlier tip, and the same command goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import msgspec

from etdb.catalogue import Batch, Catalogue, Tip
from etdb.errors import LedgerError, LockedError, NotFoundError
from etdb.flo import Network
from etdb.index.fold import Fold
from etdb.ledger import Ledger, LedgerBlock
from etdb.ledger.node_errors import NodeAwayError
from etdb.trust import ClaimResult

__all__ = ["IndexReport", "follow", "watch"]

BATCH_BLOCKS: Final = 2_000
BATCH_MESSAGES: Final = 5_000
BATCH_BYTES: Final = 16 << 20
"""Of messages that wait in memory: a miner may write a megabyte into each."""
_MAX_RESTARTS: Final = 100
_MAX_MISSED: Final = 3
_RULE: Final = "fold"

Progress = Callable[[str, int, int], None]
Stop = Callable[[], bool]


class IndexReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. ``height`` is the tip after it, None while there is no block.

    ``revisions_new`` counts messages about records that count: edits, withdrawals, transfers.
    """

    blocks: int = 0
    messages: int = 0
    records_new: int = 0
    records_removed: int = 0
    revisions_new: int = 0
    blocks_removed: int = 0
    aside: int = 0
    height: int | None = None
    seconds: float = 0.0


class _Totals:
    def __init__(self) -> None:
        self.blocks = self.messages = self.new = self.removed = self.blocks_removed = self.aside = self.revised = 0

    def report(self, height: int | None, seconds: float) -> IndexReport:
        return IndexReport(
            blocks=self.blocks,
            messages=self.messages,
            records_new=self.new,
            records_removed=self.removed,
            revisions_new=self.revised,
            blocks_removed=self.blocks_removed,
            aside=self.aside,
            height=height,
            seconds=seconds,
        )


def follow(
    ledger: Ledger,
    catalogue: Catalogue,
    *,
    network: Network,
    publishers: Iterable[str] | None = None,
    check_transactions: bool = False,
    given: Iterable[ClaimResult] = (),
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> IndexReport:
    """Bring the catalogue to the ledger's tip.

    Args:
        ledger: what to read.
        catalogue: opened writable.
        network: whose addresses and signatures count.
        publishers: accept records of these addresses only. Messages of others are kept all the same: with another
            list, records are folded anew from what is here.
        check_transactions: also check the signatures of each record's transactions, at the cost of reading each one
            again.
        given: what is to be said of each record's claims, where the ledger itself can prove less than others.
        progress: told ("index", height reached, height of the tip) after each batch.
        stop: asked between batches; True ends the run early, with what was done kept.

    Raises:
        LedgerError: the ledger changes faster than it can be read, or gives blocks that do not follow one another.
        LockedError: another process writes the catalogue.
    """
    began = time.monotonic()
    fold = Fold(
        network,
        publishers=None if publishers is None else frozenset(publishers),
        raw_transaction=ledger.raw if check_transactions else None,
        given=given,
    )
    totals = _Totals()
    _go_back(ledger, catalogue, fold, totals)
    _apply_rule(catalogue, fold, totals)
    missed = 0
    for _ in range(_MAX_RESTARTS):
        _go_back(ledger, catalogue, fold, totals)
        try:
            if _go_on(ledger, catalogue, fold, totals, progress=progress, stop=stop):
                break
        except NotFoundError:  # a better chain may lack what was just listed
            missed += 1
            if missed > _MAX_MISSED:
                raise
    else:
        raise LedgerError("the ledger's blocks do not follow one another", hint="run it again; then check the ledger")
    tip = catalogue.tip()
    return totals.report(tip.height if tip else None, time.monotonic() - began)


def watch(
    ledger: Ledger,
    catalogue: Catalogue,
    *,
    network: Network,
    wait: Callable[[], bool],
    publishers: Iterable[str] | None = None,
    check_transactions: bool = False,
    given: Iterable[ClaimResult] = (),
    progress: Progress | None = None,
    stop: Stop | None = None,
    away: Callable[[NodeAwayError], None] = lambda _error: None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[IndexReport]:
    """Follow for ever: a report whenever a run changed something (and after the first).

    ``wait`` is called between runs; it sleeps as long as it likes and answers True to end, as
    ``functools.partial(event.wait, 5)`` does. A catalogue that another process writes just now is tried again later,
    and so is a node that went away; ``away`` is told of it, once until it is back. ``turn`` is held while the catalogue
    is written: others have their turns between.

    Raises:
        NodeAwayError: it is away from the beginning: perhaps it is the wrong one.
    """
    chosen = None if publishers is None else frozenset(publishers)
    given = tuple(given)
    first, is_away = True, False
    while not (stop is not None and stop()):
        try:
            with turn():
                report = follow(
                    ledger,
                    catalogue,
                    network=network,
                    publishers=chosen,
                    check_transactions=check_transactions,
                    given=given,
                    progress=progress,
                    stop=stop,
                )
        except LockedError:
            pass
        except NodeAwayError as error:
            if first:
                raise
            if not is_away:
                away(error)
            is_away = True
        else:
            is_away = False
            if first or report.blocks or report.blocks_removed or report.records_removed:
                yield report
            first = False
        if wait():
            return


def _apply_rule(catalogue: Catalogue, fold: Fold, totals: _Totals) -> None:
    """Fold anew what is stored, when it was folded by another rule."""
    if catalogue.meta(_RULE) == fold.rule:
        return
    with catalogue.batch() as batch:
        before, after = batch.count("records"), 0
        batch.forget_fold()
        for message in batch.messages():
            after += fold.add(batch, message)
        batch.set_meta(_RULE, fold.rule)
    totals.new += max(0, after - before)
    totals.removed += max(0, before - after)


def _go_back(ledger: Ledger, catalogue: Catalogue, fold: Fold, totals: _Totals) -> None:
    """Roll back to the newest block that both have; one transaction, however deep."""
    tip = catalogue.tip()
    if tip is None:
        return
    known: Tip | None = tip
    while known is not None:
        there = ledger.block_ref(known.height)
        if there is not None and there.block_hash == known.block_hash:
            break
        known = catalogue.newest_block(known.height - 1)
    height = known.height if known is not None else -1
    if height == tip.height:
        return
    with catalogue.batch() as batch:
        now = batch.tip()
        if now is not None:
            touched = batch.touched_above(height)
            totals.removed += batch.rollback(height)
            for dataset_id in touched:
                fold.refold(batch, dataset_id)
            totals.blocks_removed += max(0, now.height - height)


def _go_on(
    ledger: Ledger, catalogue: Catalogue, fold: Fold, totals: _Totals, *, progress: Progress | None, stop: Stop | None
) -> bool:
    """Take the blocks above the tip. False when the chain changed meanwhile, and we must go back again."""
    tip = catalogue.tip()
    top = ledger.tip()
    goal = top.height if top else 0
    blocks = ledger.blocks(tip.height + 1 if tip else 0)
    for group in _batches(blocks):
        if stop is not None and stop():
            return True
        with catalogue.batch() as batch:
            whole = _add_blocks(batch, fold, group, totals)
        if progress is not None:
            height = group[-1].ref.height
            progress("index", height, max(goal, height))
        if not whole:
            return False
    top, tip = ledger.tip(), catalogue.tip()
    return (top is None and tip is None) or (
        top is not None and tip is not None and (top.height, top.block_hash) == (tip.height, tip.block_hash)
    )


def _batches(blocks: Iterable[LedgerBlock]) -> Iterator[list[LedgerBlock]]:
    group: list[LedgerBlock] = []
    messages = size_bytes = 0
    for block in blocks:
        group.append(block)
        messages += len(block.messages)
        size_bytes += sum(len(message.data) for message in block.messages)
        if len(group) >= BATCH_BLOCKS or messages >= BATCH_MESSAGES or size_bytes >= BATCH_BYTES:
            yield group
            group, messages, size_bytes = [], 0, 0
    if group:
        yield group


def _add_blocks(batch: Batch, fold: Fold, group: list[LedgerBlock], totals: _Totals) -> bool:
    """Add what follows the tip; False at the first block that does not."""
    newest = batch.tip()
    tip = None if newest is None else (newest.height, newest.block_hash)
    aside, revised = batch.count_aside(), batch.count_revisions()
    for block in group:
        # Heights may be left out by a ledger that has no blocks there, links never.
        follows = tip is None or (block.ref.height > tip[0] and block.previous_hash == tip[1])
        if not follows:
            break
        batch.add_block(block.ref.height, block.ref.block_hash, block.time_s)
        for message in sorted(block.messages, key=lambda one: one.position):
            stored = batch.add_message(block.ref.height, message.position, message.txid, message.sender, message.data)
            totals.new += fold.add(batch, stored)
        totals.messages += len(block.messages)
        totals.blocks += 1
        tip = (block.ref.height, block.ref.block_hash)
    totals.aside += batch.count_aside() - aside
    totals.revised += batch.count_revisions() - revised
    return tip == (group[-1].ref.height, group[-1].ref.block_hash)
