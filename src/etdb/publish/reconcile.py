"""After a crash, a reorganisation or a stranger's hand: bring the journal in line with what the ledger holds.

A stranger may change the id of a transaction on its way without making it invalid. So what is watched is the coins
that we spend: when another id spends them and it is our transaction in all but its signature, that id is adopted
and whatever refers to the old one is signed anew; when it is something else, ours is void.
"""

from __future__ import annotations

from etdb.errors import NotFoundError
from etdb.ledger import Ledger, is_same_payment
from etdb.publish.journal import DatasetEntry, Journal, TransactionEntry
from etdb.publish.sender import Sender

__all__ = ["orphaned_parts", "reconcile", "settle_states"]


def reconcile(journal: Journal, ledger: Ledger, sender: Sender, *, final_depth: int) -> None:
    """Make the journal true, send again what the ledger has lost, and void what it can never take.

    Raises:
        LedgerError: the ledger cannot be read, or refuses bytes for a reason that no rule here explains.
    """
    tip = ledger.tip()
    shallow = (tip.height if tip else 0) - final_depth
    unknown: list[TransactionEntry] = []
    voided = True
    while voided:  # what is void takes with it what hangs on it
        before = journal.count_void()
        unsettled = journal.unsettled(shallow)
        unknown = [entry for entry in unsettled if not _is_accounted_for(journal, ledger, entry)]
        for dataset in journal.datasets("signed", "prepared", "sent", "confirmed"):
            _reopen_if_broken(journal, sender, dataset)
        voided = journal.count_void() > before
    # Only now, when nothing waits that refers to an id that is gone.
    for entry in unknown:
        if entry.state == "confirmed":
            journal.unbury(entry)
        ledger.submit(entry.signed.raw)
        if entry.state == "signed":
            journal.submit(entry)
    settle_states(journal, ledger, final_depth=final_depth)


def _is_accounted_for(journal: Journal, ledger: Ledger, entry: TransactionEntry) -> bool:
    """Note what the ledger says of a transaction; False when it says nothing and the transaction could still go."""
    status = ledger.status(entry.ledger_txid)
    if status.state != "unknown":
        if entry.state == "signed":
            journal.submit(entry)
        elif entry.state == "confirmed" and entry.height != status.height:
            journal.unbury(entry)
        return True
    for coin in entry.signed.spends:
        if journal.is_dead(coin.outpoint.txid):
            journal.void(entry)
            return True
        spender = ledger.spender(coin.outpoint)
        if spender is not None and spender != entry.ledger_txid:
            if is_same_payment(ledger.raw(spender), entry.signed.raw):
                journal.adopt(entry, spender)
            else:
                journal.void(entry)
            return True
    return False


def _reopen_if_broken(journal: Journal, sender: Sender, dataset: DatasetEntry) -> None:
    """Void parts that refer to a first part under an id that it no longer has, and ask for the missing ones anew."""
    split = sender.split(dataset.record)
    live = {entry.part: entry for entry in journal.parts(dataset.id)}
    moved = 0 not in live or live[0].seen_as is not None
    if live and moved:
        rest = split.rest(live[0].ledger_txid) if 0 in live else []
        for number, entry in list(live.items()):
            if number and (not rest or entry.data != rest[number - 1]):
                journal.void(entry)
                del live[number]
    if len(live) < split.count and dataset.state != "signed":
        journal.settle("reopen", [dataset.id])


def settle_states(journal: Journal, ledger: Ledger, *, final_depth: int) -> None:
    """Note what is in blocks by now, and which records are final."""
    tip = ledger.tip()
    height = tip.height if tip else 0
    for entry in journal.transactions(states=("submitted",)):
        status = ledger.status(entry.ledger_txid)
        if status.state == "confirmed" and status.height is not None:
            journal.bury(entry, status.height)
    for dataset in journal.datasets("prepared", "sent", "confirmed"):
        parts = journal.parts(dataset.id)
        heights = [entry.height for entry in parts if entry.height is not None]
        state = dataset.state
        if state == "prepared" and all(entry.state != "signed" for entry in parts):
            journal.send(dataset.id)
            state = "sent"
        if state == "sent" and len(heights) == len(parts):
            journal.settle("confirm", [dataset.id])
            state = "confirmed"
        elif state == "confirmed" and len(heights) < len(parts):
            journal.settle("return", [dataset.id])
            state = "sent"
        if state == "confirmed" and height - max(heights) + 1 >= final_depth:
            journal.settle("finalise", [dataset.id])


def orphaned_parts(journal: Journal, ledger: Ledger) -> list[str]:
    """Ids of voided transactions that are in a block all the same: parts on the ledger that belong to no record."""
    orphans = []
    for entry in journal.transactions(states=("void",)):
        try:
            status = ledger.status(entry.signed.txid)
        except NotFoundError:
            continue
        if status.state != "unknown":
            orphans.append(entry.signed.txid)
    return orphans
