"""What the API answers: values that msgspec writes as JSON and describes as JSON Schema."""

from __future__ import annotations

import datetime as dt
from typing import Any

from msgspec import UNSET, Struct, UnsetType, structs

from etdb.catalogue import DatasetView, FacetValue, Page
from etdb.oip import FileEntry, Tomogram
from etdb.web.shown import file_url

__all__ = [
    "ClaimDocument",
    "DatasetDocument",
    "DatasetList",
    "FileDocument",
    "LedgerDocument",
    "ProvenanceDocument",
    "PublisherDocument",
    "dataset_document",
    "list_document",
]

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


class DatasetDocument(Struct, frozen=True, kw_only=True):
    """A dataset. ``record`` holds the signed description's fields that are set, named with their units."""

    id: str
    record: dict[str, Any]
    size_bytes: int
    files: tuple[FileDocument, ...] | UnsetType = UNSET
    file_count: int
    provenance: ProvenanceDocument
    claims: tuple[ClaimDocument, ...]
    duplicates: tuple[str, ...] = ()
    urls: dict[str, str]


class DatasetList(Struct, frozen=True, kw_only=True):
    """A page of datasets. ``next`` is the address of the following page, or "" on the last."""

    total: int
    results: tuple[DatasetDocument, ...]
    next_cursor: str
    next: str
    facets: dict[str, tuple[FacetValue, ...]]


class PublisherDocument(Struct, frozen=True, kw_only=True):
    """A publisher's address, with how many datasets it has here and the values its records give."""

    address: str
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
            transactions=view.part_txids,
        ),
        claims=tuple(
            ClaimDocument(claim=one.claim, outcome=one.outcome, detail=one.detail, meaning=one.claim.meaning)
            for one in view.claims.results
        ),
        duplicates=tuple(one.dataset_id for one in view.duplicates),
        urls={
            "page": f"{base}/datasets/{view.dataset_id}",
            "self": f"{base}/api/v1/datasets/{view.dataset_id}",
            "content": base + file_url(location, ""),
        },
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
