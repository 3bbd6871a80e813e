"""After a crash, a reorganisation or a stranger's hand: bring the journal in line with what the ledger holds.

A stranger may change the id of a transaction on its way without making it invalid. So what is watched is the coins
that we spend: when another id spends them and it is our transaction in all but its signature, that id is adopted
and whatever refers to the old one is signed anew; when it is something else, ours is void: at once when no node ever
took ours, else only when the other is in a block, because until then either of them may win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

from etdb import oip
from etdb.counting import counted
from etdb.ledger import Ledger, is_same_payment
from etdb.ledger.wallet import payment
from etdb.publish.journal import Journal, Settling
from etdb.publish.journal_reading import DatasetEntry, TransactionEntry
from etdb.publish.offering import Note, Offering

__all__ = ["know_copies", "orphaned_parts", "reconcile", "settle_records"]

Split = Callable[[bytes], oip.Split]
_Look = Literal["there", "gone", "lost", "rivalled"]
_DEEPEST_REORGANISATION: Final = 200
"""FLO Core stops at 100 blocks on main net; as many may have come on top before anybody looked again."""
_MOST_PASSES: Final = 100
"""What is void takes with it what hangs on it, lane by lane; more passes than that mean that something flips."""


def reconcile(
    journal: Journal,
    ledger: Ledger,
    offering: Offering,
    split: Split,
    *,
    publisher: str,
    final_depth: int,
    note: Note,
    is_reorganised: bool,
) -> list[TransactionEntry]:
    """Make the journal true, offer again what the ledger has lost, and void what it can never take.

    Args:
        journal: is compared with the ledger.
        ledger: is asked.
        offering: gives the ledger what it lacks.
        split: cuts and signs a record as it is sent.
        publisher: whose records are looked at.
        final_depth: of a record that is final.
        note: hears what somebody should know.
        is_reorganised: whether the chain may be another than before, so that the newest final record, when it is
            where it was, says nothing of the others.

    Returns:
        Live transactions that the ledger does not hold now, in the order of signing: their coins are not free.

    Raises:
        LedgerError: the ledger cannot be read, or refuses bytes for a reason that does not pass.
    """
    tip = ledger.tip()
    height = tip.height if tip else 0
    all_above = height - _DEEPEST_REORGANISATION if is_reorganised else height
    _return_final(journal, ledger, publisher, note, all_above=all_above)
    held: list[TransactionEntry] = []
    rivalled: list[TransactionEntry] = []
    for _ in range(_MOST_PASSES):
        lost, rivalled = _look_at_all(journal, ledger, split, height - final_depth, publisher=publisher, note=note)
        # Only now, when nothing waits that refers to an id that is gone.
        offered = []
        for entry in sorted([*lost, *_lost_parents(journal, ledger, lost)], key=lambda one: one.seq):
            if entry.state == "confirmed":
                journal.unbury(entry)
            again = journal.find_transaction(entry.signed.txid)
            offered.append(again or entry)
        journal.settle("return", journal.undone())
        offering.begin()
        held = offering.offer(offered)
        # What was known under a stranger's id has its own again: what hangs on the other is to be signed anew.
        if not {entry.seq for entry in offered if entry.seen_as}.difference(entry.seq for entry in held):
            break
    settle_records(journal, height, final_depth=final_depth)
    return sorted([*held, *rivalled], key=lambda one: one.seq)


def _look_at_all(
    journal: Journal, ledger: Ledger, split: Split, shallow_height: int, *, publisher: str, note: Note
) -> tuple[list[TransactionEntry], list[TransactionEntry]]:
    """Make the journal true; the live transactions that the ledger lacks, and those of them that have a rival."""
    lost: list[TransactionEntry] = []
    rivalled: list[TransactionEntry] = []
    for _ in range(_MOST_PASSES):
        lost, rivalled = [], []
        before = journal.count_void()
        for entry in journal.unsettled(shallow_height):
            look = _look(journal, ledger, entry, note)
            if look == "lost":
                lost.append(entry)
            elif look == "rivalled":
                rivalled.append(entry)
        changed = [_mend(journal, ledger, split, dataset) for dataset in journal.doubtful(publisher)]
        if journal.count_void() == before and not any(changed):
            break
    return lost, rivalled


def _return_final(journal: Journal, ledger: Ledger, publisher: str, note: Note, *, all_above: int) -> None:
    """Records that were final and whose blocks are gone all the same: a reorganisation deeper than the user foresaw.

    All above a height are looked at; below it those that come, newest first, before one that is where it was.
    """
    returned = set()
    for entry in journal.last_final(publisher):
        status = ledger.status(entry.ledger_txid)
        if status.height is not None and status.height == entry.height:
            if status.height <= all_above:
                break
            continue
        returned.add(entry.dataset)
    returned |= set(journal.undone())
    if returned:
        note(f"a reorganisation took back {counted(len(returned), 'final record')}: raise final_depth under [limits]")
    journal.settle("return", sorted(one for one in returned if one is not None))


def _look(journal: Journal, ledger: Ledger, entry: TransactionEntry, note: Note) -> _Look:
    """Note what the ledger says of a transaction."""
    status = ledger.status(entry.ledger_txid)
    if status.state != "unknown":
        if entry.state == "signed":
            journal.submit([entry])
        elif entry.state == "confirmed" and entry.height != status.height:
            journal.unbury(entry)
        if status.height is not None and entry.height != status.height:
            journal.bury([entry.seq], status.height)
        return "there"
    look: _Look = "lost"
    for coin in entry.signed.spends:
        parent = coin.outpoint.txid
        if journal.is_dead(parent) and ledger.status(parent).state == "unknown":
            journal.void(entry)
            return "gone"
        spender = ledger.spender(coin.outpoint)
        if spender is None or spender == entry.ledger_txid:
            continue
        if is_same_payment(ledger.raw(spender), entry.signed.raw):
            journal.adopt(entry, spender)
            height = ledger.status(spender).height
            if height is not None:
                journal.bury([entry.seq], height)
            return "there"
        note(f"transaction {spender} spends a coin of {coin.address} that {entry.signed.txid} spends: who has the key?")
        if entry.state == "signed" or ledger.status(spender).state == "confirmed":
            journal.void(entry)
            return "gone"
        look = "rivalled"
    return look


def _lost_parents(journal: Journal, ledger: Ledger, lost: list[TransactionEntry]) -> list[TransactionEntry]:
    """Transactions of ours that were settled long ago, on which lost ones hang, and that are lost as well."""
    seen = {entry.seq for entry in lost}
    found: list[TransactionEntry] = []
    waiting = list(lost)
    while waiting:
        for coin in waiting.pop().signed.spends:
            parent = journal.find_transaction(coin.outpoint.txid)
            if parent is None or parent.seq in seen or parent.state != "confirmed":
                continue
            seen.add(parent.seq)
            if ledger.status(parent.ledger_txid).state == "unknown":
                found.append(parent)
                waiting.append(parent)
    return found


def _mend(journal: Journal, ledger: Ledger, split: Split, dataset: DatasetEntry) -> bool:
    """Void parts that refer to a first part under an id that it no longer has, and ask for the missing ones anew.

    What was void and is on the ledger all the same takes its place again, unless another has taken it there.

    Returns:
        Whether anything changed.
    """

    def is_there(entry: TransactionEntry) -> bool:
        return ledger.status(entry.ledger_txid).state != "unknown"

    def take_place(entry: TransactionEntry) -> bool:
        former = live.get(entry.part)
        if former is not None and is_there(former):
            return False
        if former is not None:
            journal.void(former)
        journal.revive(entry)
        live[entry.part] = entry
        return True

    whole = split(dataset.record)
    live = {entry.part: entry for entry in journal.parts(dataset.id)}
    back = [entry for entry in journal.transactions(dataset.id, states=("void",)) if is_there(entry)]
    changed = sum(take_place(entry) for entry in back if entry.part == 0) > 0
    rest = whole.rest(live[0].ledger_txid) if 0 in live and whole.count > 1 else []
    fitting = [entry for entry in back if entry.part and rest and entry.data == rest[entry.part - 1]]
    changed |= sum(map(take_place, fitting)) > 0
    for number, entry in list(live.items()):
        if number and (not rest or entry.data != rest[number - 1]):
            journal.void(entry)
            del live[number]
            changed = True
    if len(live) < whole.count and dataset.state != "signed":
        journal.settle("reopen", [dataset.id])
        changed = True
    return changed


def settle_records(journal: Journal, tip_height: int, *, final_depth: int) -> None:
    """Note of records what their transactions show: sent, confirmed, taken back, final."""
    found: dict[Settling, list[int]] = {"send": [], "confirm": [], "return": [], "finalise": []}
    for record in journal.progress():
        state = record.state
        if state == "prepared" and not record.signed:
            found["send"].append(record.dataset)
            state = "sent"
        if state == "sent" and 0 < record.parts == record.confirmed:
            found["confirm"].append(record.dataset)
            state = "confirmed"
        elif state == "confirmed" and record.confirmed < record.parts:
            found["return"].append(record.dataset)
            state = "sent"
        if state == "confirmed" and tip_height - record.height + 1 >= final_depth:
            found["finalise"].append(record.dataset)
    for name, datasets in found.items():
        journal.settle(name, datasets)


def know_copies(journal: Journal, ledger: Ledger, txids: Iterable[str]) -> None:
    """Note which of these are strangers' copies of what we gave up.

    Our key may spend their coins as if somebody had paid us. But when a reorganisation takes such a copy back, nobody
    may ever send it again: then what hangs on it is void, as what hangs on the transaction itself would be.
    """
    unknown = [txid for txid in txids if journal.find_transaction(txid) is None]
    void = journal.transactions(states=("void",)) if unknown else []
    given_up = {payment(entry.signed.raw): entry for entry in void}
    for txid in unknown if given_up else ():
        entry = given_up.get(payment(ledger.raw(txid)))
        if entry is not None:
            journal.know_as(entry, txid)


def orphaned_parts(journal: Journal, ledger: Ledger) -> list[str]:
    """Ids of voided transactions that are in a block all the same: parts on the ledger that belong to no record."""
    void = journal.transactions(states=("void",))
    return [entry.signed.txid for entry in void if ledger.status(entry.signed.txid).state != "unknown"]
