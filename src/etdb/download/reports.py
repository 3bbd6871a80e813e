"""What a download is told of the ledger, and what it tells when it is over."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from etdb.download.sourceset import BannedSource
from etdb.errors import EtdbError
from etdb.sources.received import TransactionEvidence

__all__ = ["DatasetReport", "DownloadReport", "Evidence", "FailedFile"]


class Evidence(Struct, frozen=True, kw_only=True):
    """What the ledger knows of a dataset, to be kept beside its files: its transactions in their order, and claims."""

    network: str = ""
    transactions: tuple[TransactionEvidence, ...] = ()
    claims: dict[str, str] = {}


class FailedFile(Struct, frozen=True, kw_only=True):
    """A file that could not be brought, and why; what has arrived of it is kept."""

    path: str
    error: EtdbError


class DatasetReport(Struct, frozen=True, kw_only=True):
    """How one dataset went. `differences` are fields in which its manifest does not say what its record says."""

    dataset_id: str
    folder: Path
    files: int
    kept_bytes: int
    fetched_bytes: int
    has_manifest: bool
    differences: tuple[str, ...] = ()
    failed: tuple[FailedFile, ...] = ()


class DownloadReport(Struct, frozen=True, kw_only=True):
    """How all went: complete only when nothing failed."""

    datasets: tuple[DatasetReport, ...]
    banned: tuple[BannedSource, ...]
    sources: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Every file is there and every byte was checked."""
        return not any(dataset.failed for dataset in self.datasets)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that came from a source in this run."""
        return sum(dataset.fetched_bytes for dataset in self.datasets)

    @property
    def kept_bytes(self) -> int:
        """Bytes that were there already and were checked again."""
        return sum(dataset.kept_bytes for dataset in self.datasets)
