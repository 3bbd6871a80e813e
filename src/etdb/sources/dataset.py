"""A dataset as a lab's disk holds it: its files with what can be told at a first look, and what its people say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from etdb.em import MdocLook, MrcLook

__all__ = ["SourceDataset", "SourceFile"]


class SourceFile(Struct, frozen=True, kw_only=True):
    """One file of a dataset.

    `path` is relative to the dataset's root with '/'; `absolute` is where the bytes are (for a link, its target).
    """

    path: str
    absolute: Path
    size_bytes: int
    media_type: str
    role: str
    header: MrcLook | None = None
    mdoc: MdocLook | None = None
    tilt_angles_deg: tuple[float, ...] = ()
    notes: str = ""
    display_name: str = ""
    software: str = ""


class SourceDataset(Struct, frozen=True, kw_only=True):
    """One dataset: what will be published as one record.

    `metadata` holds the fields of `dataset.toml`; `notes` are remarks that stop nothing.
    """

    name: str
    root: Path
    files: tuple[SourceFile, ...]
    metadata: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    is_single_file: bool = False

    @property
    def size_bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.size_bytes for file in self.files)
