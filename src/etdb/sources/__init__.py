"""Where a lab's datasets come from: a folder. Nothing is ever written there."""

from etdb.sources.dataset import Problem, ProblemKind, SourceDataset, SourceFile
from etdb.sources.folder import FolderSource
from etdb.sources.forms import guess_media_type
from etdb.sources.metadata import DATASET_TOML, DatasetMetadata, FileNote, parse_dataset_toml
from etdb.sources.names import collision_key, portability_problem
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
    "Problem",
    "ProblemKind",
    "ReceivedDataset",
    "ReceivedFile",
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
