"""What the API answers: values that msgspec writes as JSON and describes as JSON Schema."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, structs

from etdb.catalogue import DatasetView, FacetValue, Page, Revision
from etdb.oip import FileEntry, Tomogram
from etdb.trust import Verification
from etdb.web.shown import file_url

__all__ = [
    "AsideDocument",
    "ChangeDocument",
    "ClaimDocument",
    "DatasetDocument",
    "DatasetList",
    "FieldDocument",
    "FileDocument",
    "LedgerDocument",
    "LedgerList",
    "ListName",
    "MessageDocument",
    "OrphansDocument",
    "OtherDocument",
    "ProvenanceDocument",
    "PublisherDocument",
    "RevisionDocument",
    "WithdrawalDocument",
    "dataset_document",
    "list_document",
    "record_fields",
    "revision_document",
]

ListName = Literal["aside", "orphans", "other"]

_ELSEWHERE = frozenset({"files", "location", "publisher", "timestamp_s", "storage_network"})


class FileDocument(Struct, frozen=True, kw_only=True):
    """A file: its path in the dataset, its size in bytes, what it is, and where this site serves it."""

    path: str
    size_bytes: int | None
    role: str
    media_type: str
    display_name: str
    notes: str
    software: str
    url: str


class ClaimDocument(Struct, frozen=True, kw_only=True):
    """A claim: ``held``, ``failed``, ``not checked`` or ``not possible``, with why."""

    claim: str
    outcome: str
    detail: str
    meaning: str


class ProvenanceDocument(Struct, frozen=True, kw_only=True):
    """Where a record stands on the ledger. Times are in Unix seconds."""

    publisher: str
    timestamp_s: int
    location: str
    signature: str
    height: int
    block_hash: str
    block_time_s: int
    confirmations: int
    transactions: tuple[str, ...]


class WithdrawalDocument(Struct, frozen=True, kw_only=True):
    """How a dataset was withdrawn by its owner. What was published stays on the ledger."""

    revision_id: str
    height: int
    time_s: int
    signed_by: str
    reason: str


class DatasetDocument(Struct, frozen=True, kw_only=True):
    """A dataset. ``record`` holds the signed description's fields that are set, named with their units.

    It is shown as ``revision`` left it, of ``revisions`` that there are.
    """

    id: str
    revision: int
    revisions: int
    revision_id: str
    owner: str
    record: dict[str, Any]
    size_bytes: int
    files: tuple[FileDocument, ...] | UnsetType = UNSET
    file_count: int
    provenance: ProvenanceDocument
    claims: tuple[ClaimDocument, ...]
    duplicates: tuple[str, ...] = ()
    withdrawn: WithdrawalDocument | None = None
    urls: dict[str, str]


class DatasetList(Struct, frozen=True, kw_only=True):
    """A page of datasets. ``next`` is the address of the following page, or "" on the last."""

    total: int
    results: tuple[DatasetDocument, ...]
    next_cursor: str
    next: str
    facets: dict[str, tuple[FacetValue, ...]]


class PublisherDocument(Struct, frozen=True, kw_only=True):
    """A publisher's address, the name it gave itself, how many datasets it has here and what its records say."""

    address: str
    name: str
    datasets: int
    labs: tuple[str, ...]
    institutions: tuple[str, ...]
    first_published_s: int | None


class LedgerDocument(Struct, frozen=True, kw_only=True):
    """The ledger as far as it is indexed."""

    network: str
    height: int | None
    block_hash: str
    block_time_s: int | None
    counts: dict[str, int]
    is_following: bool


class FieldDocument(Struct, frozen=True, kw_only=True):
    """Something to filter by: whole values that can be counted (a facet), a range, or both."""

    name: str
    kind: str
    help: str
    unit: str
    is_facet: bool
    is_range: bool


class ChangeDocument(Struct, frozen=True, kw_only=True):
    """A field that a correction made another; long values are shortened."""

    field: str
    before: Any
    after: Any


class RevisionDocument(Struct, frozen=True, kw_only=True):
    """Something that became of a dataset: ``kind`` is publish, edit, transfer or deactivate."""

    number: int
    kind: str
    revision_id: str
    transactions: tuple[str, ...]
    signed_by: str
    owner: str
    height: int
    block_time_s: int
    timestamp_s: int
    reason: str
    changes: tuple[ChangeDocument, ...]
    claims: tuple[ClaimDocument, ...]


class MessageDocument(Struct, frozen=True, kw_only=True):
    """A message of a transaction. ``text`` is null where the bytes are not UTF-8."""

    txid: str
    height: int
    position: int
    text: str | None
    data_base64: str


class AsideDocument(Struct, frozen=True, kw_only=True, tag_field="list", tag="aside"):
    """A message that made no record, and why."""

    txid: str
    height: int
    reason: str
    detail: str


class OtherDocument(Struct, frozen=True, kw_only=True, tag_field="list", tag="other"):
    """A message of the protocol's family that is not about tomograms."""

    txid: str
    height: int
    protocol: str
    kind: str
    title: str
    publisher: str


class OrphansDocument(Struct, frozen=True, kw_only=True, tag_field="list", tag="orphans"):
    """Parts of a message that wait for others."""

    height: int
    publisher: str
    reference: str
    count: int
    present: tuple[int, ...]
    missing: tuple[int, ...]
    txids: tuple[str, ...]


class LedgerList(Struct, frozen=True, kw_only=True):
    """A page of a list. ``after`` is what to ask for the following one, or null on the last."""

    kind: str
    items: tuple[AsideDocument | OtherDocument | OrphansDocument, ...]
    after: int | None


def dataset_document(view: DatasetView, *, base: str = "", files: bool = True) -> DatasetDocument:
    """A dataset as the API gives it.

    Args:
        view: of the catalogue.
        base: what stands before the addresses of this site.
        files: whether its files are listed.
    """
    tomogram = view.tomogram
    location = tomogram.location
    return DatasetDocument(
        id=view.dataset_id,
        revision=view.revision,
        revisions=view.revisions,
        revision_id=view.revision_id or view.dataset_id,
        owner=view.owner or tomogram.publisher,
        record=record_fields(tomogram),
        size_bytes=tomogram.size_bytes,
        files=tuple(_file(one, location, base) for one in tomogram.files) if files else UNSET,
        file_count=len(tomogram.files),
        provenance=ProvenanceDocument(
            publisher=tomogram.publisher,
            timestamp_s=tomogram.timestamp_s,
            location=location,
            signature=view.signature,
            height=view.height,
            block_hash=view.block_hash,
            block_time_s=view.time_s,
            confirmations=view.confirmations,
            transactions=view.txids,
        ),
        claims=_claims(view.claims),
        duplicates=tuple(one.dataset_id for one in view.duplicates),
        withdrawn=None if view.withdrawn is None else WithdrawalDocument(**structs.asdict(view.withdrawn)),
        urls={
            "page": f"{base}/datasets/{view.dataset_id}",
            "self": f"{base}/api/v1/datasets/{view.dataset_id}",
            "content": base + file_url(location, ""),
        },
    )


def revision_document(one: Revision) -> RevisionDocument:
    """A revision as the API gives it."""
    return RevisionDocument(
        number=one.number,
        kind=one.kind,
        revision_id=one.revision_id,
        transactions=one.txids,
        signed_by=one.signed_by,
        owner=one.owner,
        height=one.height,
        block_time_s=one.time_s,
        timestamp_s=one.timestamp_s,
        reason=one.reason,
        changes=tuple(ChangeDocument(field=it.field, before=it.before, after=it.after) for it in one.changes),
        claims=_claims(one.claims),
    )


def _claims(claims: Verification) -> tuple[ClaimDocument, ...]:
    return tuple(
        ClaimDocument(claim=one.claim, outcome=one.outcome, detail=one.detail, meaning=one.claim.meaning)
        for one in claims.results
    )


def record_fields(tomogram: Tomogram) -> dict[str, Any]:
    """The fields of a record that say something, those apart that stand elsewhere in the document."""
    found: dict[str, Any] = {}
    for name in structs.fields(Tomogram):
        value = getattr(tomogram, name.name)
        if name.name not in _ELSEWHERE and value is not None and value not in ("", (), {}):
            found[name.name] = value.isoformat() if isinstance(value, dt.date) else value
    return found


def list_document(page: Page, *, next_url: str, base: str = "", files: bool = False) -> DatasetList:
    """A page of results as the API gives it."""
    return DatasetList(
        total=page.total,
        results=tuple(dataset_document(view, base=base, files=files) for view in page.results),
        next_cursor=page.next_cursor,
        next=next_url,
        facets=page.facets,
    )


def _file(entry: FileEntry, location: str, base: str) -> FileDocument:
    return FileDocument(
        path=entry.path,
        size_bytes=entry.size_bytes,
        role=entry.role,
        media_type=entry.media_type,
        display_name=entry.display_name,
        notes=entry.notes,
        software=entry.software,
        url=base + file_url(location, entry.path),
    )
