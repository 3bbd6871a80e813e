"""What a manifest says, as values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from etdb.counting import counted
from etdb.oip import Tomogram

__all__ = ["MANIFEST_NAME", "Difference", "Manifest", "ManifestFile", "counted_files"]

MANIFEST_NAME: Final = "ro-crate-metadata.json"


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: what it is, and what its bytes hash to. ``sha256`` is of the whole file, or was left out."""

    path: str
    size_bytes: int
    cid: str
    media_type: str = ""
    sha256: str | None = None
    role: str = "other"
    display_name: str = ""
    notes: str = ""
    software: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest that was read: the record without place and time, and the files with their hashes."""

    tomogram: Tomogram
    files: tuple[ManifestFile, ...]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A field in which manifest and record do not say the same."""

    field: str
    in_manifest: Any
    in_record: Any


def counted_files(paths: Collection[str]) -> str:
    """``11 files and the manifest``: it is none of the files that a record lists, so it is not counted with them."""
    has_manifest = MANIFEST_NAME in paths
    return counted(len(paths) - has_manifest, "file") + " and the manifest" * has_manifest
