"""Where a lab's datasets come from: folders, tables, databases. Nothing is ever written there.

Databases and YAML need libraries that are extras: those adapters are imported by their own names.
"""

from etdb.sources.dataset import SourceDataset, SourceFile
from etdb.sources.folder import FolderSource
from etdb.sources.metadata import DATASET_TOML, DatasetMetadata, FileNote, parse_dataset_toml
from etdb.sources.port import Listing, Source
from etdb.sources.received import (
    RECEIVED_NAME,
    ReceivedDataset,
    ReceivedFile,
    TransactionEvidence,
    load_received,
    store_received,
)
from etdb.sources.roles import ROLES, guess_media_type, guess_role

__all__ = [
    "DATASET_TOML",
    "RECEIVED_NAME",
    "ROLES",
    "DatasetMetadata",
    "FileNote",
    "FolderSource",
    "Listing",
    "ReceivedDataset",
    "ReceivedFile",
    "Source",
    "SourceDataset",
    "SourceFile",
    "TransactionEvidence",
    "guess_media_type",
    "guess_role",
    "load_received",
    "parse_dataset_toml",
    "store_received",
]
