"""The states of a message about a dataset, and of a transaction, on their way to the ledger, as tables.

What is said of a dataset here goes for every message about it: the record, an edit, a withdrawal.

Everything that the journal may do is a row here; the journal refuses what is not, and the crash test kills the
publisher before and after each row. This file knows neither SQLite nor the ledger.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = [
    "DATASET_TRANSITIONS",
    "SENT_STATES",
    "TRANSACTION_TRANSITIONS",
    "UNSENT_STATES",
    "DatasetState",
    "TransactionState",
    "Transition",
]

DatasetState = Literal["new", "planned", "added", "signed", "prepared", "sent", "confirmed", "final", "dropped"]
TransactionState = Literal["new", "signed", "submitted", "confirmed", "void"]


class Transition(msgspec.Struct, frozen=True):
    """One thing that may happen: from which states, to which, and why."""

    name: str
    sources: tuple[str, ...]
    target: str
    meaning: str


UNSENT_STATES: Final = ("planned", "added", "signed")
"""Until here the ledger knows nothing of it, unless a transaction of it was stored before and is to be signed anew."""
SENT_STATES: Final = ("prepared", "sent", "confirmed", "final")
"""From here on the ledger may know the dataset: what it says stays."""


def _table(*rows: Transition) -> dict[str, Transition]:
    return {row.name: row for row in rows}


DATASET_TRANSITIONS: Final = _table(
    Transition("plan", ("new",), "planned", "the dataset is known by its publisher, sid and revision"),
    Transition("add", ("planned",), "added", "every file is hashed, the manifest is stored, the root CID is known"),
    Transition("sign", ("added",), "signed", "the record is written with its time and signed"),
    Transition("prepare", ("signed",), "prepared", "every transaction of the record is signed and stored"),
    Transition("send", ("prepared",), "sent", "the ledger has taken every transaction"),
    Transition("confirm", ("sent",), "confirmed", "every transaction is in a block"),
    Transition("finalise", ("confirmed",), "final", "every transaction is as deep as the user asks"),
    Transition(
        "restart", ("planned", "added", "signed", "dropped"), "planned", "the data changed before anything was sent"
    ),
    Transition(
        "drop", ("planned", "added", "signed"), "dropped", "a correction is not wanted any more, nothing was sent"
    ),
    Transition("reopen", ("prepared", "sent", "confirmed"), "signed", "a stranger's copy took a transaction's place"),
    Transition("return", ("confirmed", "final"), "sent", "a reorganisation took the blocks back"),
)

TRANSACTION_TRANSITIONS: Final = _table(
    Transition("fan-out", ("new",), "signed", "a transaction that splits coins into lanes is signed and stored"),
    Transition("submit", ("signed",), "submitted", "the ledger has taken the bytes"),
    Transition("bury", ("submitted",), "confirmed", "the transaction is in a block"),
    Transition("unbury", ("confirmed",), "submitted", "a reorganisation took the block back"),
    Transition("adopt", ("signed", "submitted", "confirmed"), "submitted", "the ledger holds it under another id"),
    Transition("void", ("signed", "submitted", "confirmed"), "void", "it can never be confirmed: its coins are gone"),
    Transition("withdraw", ("signed",), "void", "no node takes it for its fee: signed anew over the same coin"),
    Transition("revive", ("void",), "submitted", "the ledger holds it after all"),
)
