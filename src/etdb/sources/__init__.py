"""Where a lab's datasets come from: folders, tables, databases. Nothing is ever written there.

Databases and YAML need libraries that are extras: those adapters are imported by their own names.
"""

from etdb.sources.dataset import Problem, ProblemKind, SourceDataset, SourceFile
from etdb.sources.folder import FolderSource
from etdb.sources.forms import guess_media_type
from etdb.sources.metadata import DATASET_TOML, DatasetMetadata, FileNote, parse_dataset_toml
from etdb.sources.names import collision_key, portability_problem
from etdb.sources.port import Listing, Source
from etdb.sources.received import (
    RECEIVED_NAME,
    ReceivedDataset,
    ReceivedFile,
    TransactionEvidence,
    load_received,
    store_received,
)
from etdb.sources.roles import ROLES, guess_role, guess_roles

__all__ = [
    "DATASET_TOML",
    "RECEIVED_NAME",
    "ROLES",
    "DatasetMetadata",
    "FileNote",
    "FolderSource",
    "Listing",
    "Problem",
    "ProblemKind",
    "ReceivedDataset",
    "ReceivedFile",
    "Source",
    "SourceDataset",
    "SourceFile",
    "TransactionEvidence",
    "collision_key",
    "guess_media_type",
    "guess_role",
    "guess_roles",
    "load_received",
    "parse_dataset_toml",
    "portability_problem",
    "store_received",
]
