"""Bulk download: plan, fetch from any source, check every byte, go on after any interruption."""

from etdb.download.content import plan_content
from etdb.download.finder import KnownProvider, NetworkFinder
from etdb.download.names import dataset_folder_name, safe_component, safe_paths
from etdb.download.plan import (
    FILE_CLASSES,
    DownloadPlan,
    PlannedDataset,
    PlannedFile,
    file_class,
    plan_download,
    targets_of,
)
from etdb.download.pool import RangeStore, SourceFinder, SourcePool
from etdb.download.reports import DatasetReport, DownloadReport, Evidence, FailedFile
from etdb.download.run import download
from etdb.download.sourceset import BannedSource
from etdb.sources.received import TransactionEvidence

__all__ = [
    "FILE_CLASSES",
    "BannedSource",
    "DatasetReport",
    "DownloadPlan",
    "DownloadReport",
    "Evidence",
    "FailedFile",
    "KnownProvider",
    "NetworkFinder",
    "PlannedDataset",
    "PlannedFile",
    "RangeStore",
    "SourceFinder",
    "SourcePool",
    "TransactionEvidence",
    "dataset_folder_name",
    "download",
    "file_class",
    "plan_content",
    "plan_download",
    "safe_component",
    "safe_paths",
    "targets_of",
]
