"""What the catalogue gives back."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from etdb.oip import FieldChange, Tomogram
from etdb.trust import Verification

__all__ = [
    "AsideMessage",
    "CurrentRecord",
    "DatasetView",
    "Duplicate",
    "FacetValue",
    "Listing",
    "Observation",
    "OrphanedParts",
    "OtherRecord",
    "Page",
    "Revision",
    "StoredManifest",
    "StoredMessage",
    "Tip",
    "Withdrawal",
    "stored_message",
]


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """The newest block of the catalogue."""

    height: int
    block_hash: str


class CurrentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset's record as it stands on the ledger: what an edit changes.

    ``dataset_id`` is the first message's transaction, ``revision`` counts from 1, ``revision_id`` is the transaction
    of the newest message that counts, ``artifact`` the record as it is written there (JSON), edits applied.
    """

    dataset_id: str
    owner: str
    sid: str
    revision: int
    revision_id: str
    artifact: bytes
    is_withdrawn: bool = False


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """When, by whom and why a dataset was withdrawn. ``time_s`` is that of the block, ``reason`` foreign text."""

    revision_id: str
    height: int
    time_s: int
    signed_by: str
    reason: str


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One message that counts in a dataset's history.

    ``kind`` is publish, edit, transfer or deactivate; ``revision_id`` its first transaction, ``txids`` all of them.
    ``signed_by`` is who did it, ``owner`` whose the dataset is after it. ``time_s`` is that of the block,
    ``timestamp_s`` as the message says. ``changes`` are the fields that an edit made others; values are shortened.
    """

    number: int
    kind: str
    revision_id: str
    txids: tuple[str, ...]
    signed_by: str
    owner: str
    height: int
    time_s: int
    timestamp_s: int
    reason: str = ""
    changes: tuple[FieldChange, ...] = ()
    claims: Verification


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that somebody checked: ``source`` is where the evidence came from, ``time_s`` when (Unix seconds).

    ``dataset_id`` is that of the revision that was looked at (``DatasetView.content_id``): what held of one
    revision says nothing of the next.
    """

    dataset_id: str
    claim: str
    outcome: str
    detail: str
    source: str
    time_s: int


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """Another record that says it is of the same data: by its publisher's own id, or by its content."""

    dataset_id: str
    why: Literal["same sid", "same location"]


class DatasetView(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as the catalogue knows it.

    ``height``, ``block_hash`` and ``time_s`` are those of the block that completed the record; ``confirmations``
    counts from it to the newest block indexed. ``claims`` joins what the fold found with what was observed since;
    ``observed`` says when and from whom. Text is as it was sent: show it through ``display``.

    It is shown as of ``revision``, of ``revisions`` that there are; ``revision_id`` is the first transaction of that
    revision's message, ``content_id`` that of the one that made its content (a transfer makes none), and
    ``revision_txids`` are all transactions that made it what it is, after those of the record itself. ``owner`` is
    the address whose key counts, ``publisher_name`` the name that the publisher gave itself. A dataset that is
    ``withdrawn`` says so in all its revisions.
    """

    dataset_id: str
    tomogram: Tomogram
    part_txids: tuple[str, ...]
    height: int
    block_hash: str
    time_s: int
    confirmations: int
    signature: str
    claims: Verification
    observed: tuple[Observation, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    owner: str = ""
    publisher_name: str = ""
    revision: int = 1
    revisions: int = 1
    revision_id: str = ""
    content_id: str = ""
    revision_txids: tuple[str, ...] = ()
    withdrawn: Withdrawal | None = None

    @property
    def txids(self) -> tuple[str, ...]:
        """All transactions that made this revision what it is."""
        return self.part_txids + self.revision_txids


class FacetValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a facet, in its commonest spelling, and how many records have it."""

    value: str
    count: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of results. ``next_cursor`` is "" on the last; ``facets`` has the commonest values first."""

    results: tuple[DatasetView, ...]
    total: int
    next_cursor: str = ""
    facets: dict[str, tuple[FacetValue, ...]] = {}


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the ledger brought it; ``message_id`` counts them in the order of the ledger."""

    message_id: int
    height: int
    position: int
    txid: str
    sender: tuple[str, ...]
    data: bytes


class AsideMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that made no record, and why. ``detail`` holds foreign text."""

    txid: str
    height: int
    reason: str
    detail: str


class OtherRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the protocol's family that is not about tomograms."""

    txid: str
    height: int
    protocol: str
    kind: str
    title: str
    publisher: str


class OrphanedParts(msgspec.Struct, frozen=True, kw_only=True):
    """Parts that wait for others: ``reference`` is the id of part 0, or its beginning while part 0 is not here."""

    publisher: str
    reference: str
    count: int
    present: tuple[int, ...]
    txids: tuple[str, ...]
    height: int

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers that have not come."""
        return tuple(number for number in range(self.count) if number not in self.present)


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a list; ``next_after`` is what to pass for the rest, or None at its end."""

    items: tuple[Any, ...]
    next_after: int | None = None


class StoredManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that was fetched: whose, from where, when."""

    dataset_id: str
    cid: str
    source: str
    time_s: int
    document: bytes


def stored_message(row: tuple[int, int, int, str, str, bytes]) -> StoredMessage:
    """A row of ``messages`` as a value."""
    return StoredMessage(
        message_id=row[0],
        height=row[1],
        position=row[2],
        txid=row[3],
        sender=tuple(json.loads(row[4])),
        data=row[5],
    )
