"""Where a lab's datasets come from: a folder. Nothing is ever written there."""

from etdb.sources.dataset import SourceDataset, SourceFile
from etdb.sources.folder import FolderSource
from etdb.sources.metadata import DATASET_TOML, DatasetMetadata, FileNote, parse_dataset_toml
from etdb.sources.roles import ROLES, guess_media_type, guess_role

__all__ = [
    "DATASET_TOML",
    "ROLES",
    "DatasetMetadata",
    "FileNote",
    "FolderSource",
    "SourceDataset",
    "SourceFile",
    "guess_media_type",
    "guess_role",
    "parse_dataset_toml",
]
