"""A dataset as a lab's disk holds it: its files with what can be told at a first look, and what its people say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from etdb.em import Look, MdocLook, MrcLook, TiltAngles
from etdb.sources.metadata import FileNote

__all__ = ["Problem", "ProblemKind", "SourceDataset", "SourceFile"]

ProblemKind = Literal[
    "name", "manifest-name", "empty", "unreadable", "link", "special", "too-many", "metadata", "nothing"
]
"""Why something cannot be published; `special` is a pipe, socket or device, `nothing` a dataset without a file."""


class Problem(Struct, frozen=True, kw_only=True):
    """What keeps a dataset from being published. `path` is safe to show, and "" for the dataset as a whole."""

    kind: ProblemKind
    path: str
    text: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.path}: {self.text}" if self.path else self.text


class SourceFile(Struct, frozen=True, kw_only=True):
    """One file of a dataset.

    `path` is relative to the dataset's root with '/'; `absolute` is where the bytes are (for a link, its target).
    `look` is what a first look told, None where there is nothing to tell; `unread` says why a look failed, or what was
    left out of it. `packing` is `gzip` or `bzip2` where the look was taken through it;
    `is_missing_part` that a package that is not installed would give a look.
    """

    path: str
    absolute: Path
    size_bytes: int
    media_type: str
    role: str
    look: Look | None = None
    unread: str = ""
    packing: Literal["", "gzip", "bzip2"] = ""
    is_missing_part: bool = False
    notes: str = ""
    display_name: str = ""
    software: str = ""

    @property
    def header(self) -> MrcLook | None:
        """The header, where this is an MRC file."""
        return self.look if isinstance(self.look, MrcLook) else None

    @property
    def mdoc(self) -> MdocLook | None:
        """What an mdoc file says, where this is one."""
        return self.look if isinstance(self.look, MdocLook) else None

    @property
    def tilt_angles_deg(self) -> tuple[float, ...]:
        """The angles of a `.rawtlt` or `.tlt` file; a tilt about the X axis (`.xtilt`) is none of them."""
        return self.look.angles_deg if isinstance(self.look, TiltAngles) and self.look.kind != "x-axis" else ()


class SourceDataset(Struct, frozen=True, kw_only=True):
    """One dataset: what will be published as one record.

    `metadata` holds the fields of `dataset.toml`, or of whatever else `metadata_origin` names for people (the lab's
    database), `file_notes` what they say of single files; `notes` are remarks that stop nothing.
    """

    name: str
    root: Path
    files: tuple[SourceFile, ...]
    metadata: dict[str, Any] = {}
    metadata_origin: str = "dataset.toml"
    file_notes: dict[str, FileNote] = {}
    notes: tuple[str, ...] = ()
    is_single_file: bool = False

    @property
    def size_bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.size_bytes for file in self.files)
