"""What the catalogue gives back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from etdb.oip import Tomogram
from etdb.trust import Verification

__all__ = [
    "AsideMessage",
    "DatasetView",
    "Duplicate",
    "FacetValue",
    "Listing",
    "Observation",
    "OrphanedParts",
    "OtherRecord",
    "Page",
    "StoredManifest",
    "StoredMessage",
    "Tip",
]


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """The newest block of the catalogue."""

    height: int
    block_hash: str


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that somebody checked: ``source`` is where the evidence came from, ``time_s`` when (Unix seconds)."""

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
