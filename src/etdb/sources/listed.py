"""A dataset whose files a table lists: each is looked at on the disk, below one folder, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import UNSET, Struct

from etdb.sources.dataset import SourceDataset
from etdb.sources.folder import FolderReading, refusal
from etdb.sources.metadata import DatasetMetadata, FileNote
from etdb.sources.names import name_problem, shown

__all__ = ["ListedFile", "read_listed", "safe_place"]


class ListedFile(Struct, frozen=True, kw_only=True):
    """A file that a table names: its path in the dataset, where it is, and what is said of it.

    ``place`` is seen from the source's folder. One that is `optional` may be missing: that is noted, and stops nothing.
    """

    path: str
    place: str
    role: str = ""
    notes: str = ""
    display_name: str = ""
    software: str = ""
    optional: bool = False


def safe_place(text: str) -> str:
    """Why a relative path of a table is not one, or "": never up, never from the root, no strange names."""
    parts = text.split("/")
    if text.startswith("/") or "" in parts or ".." in parts or "." in parts:
        return "is not a plain relative path such as rawdata/a.mrc"
    return next((problem for part in parts if (problem := name_problem(part))), "")


def read_listed(
    sid: str,
    root: Path,
    files: Sequence[ListedFile],
    metadata: dict[str, Any],
    *,
    notes: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> SourceDataset:
    """Look at the files that a table lists.

    Args:
        sid: the lab's id.
        root: the source's folder; a link to outside of it is refused.
        files: what the table lists; an empty list is a problem.
        metadata: the record's fields.
        notes: remarks of the table's reader.
        problems: what its reader found wrong; told together with what is wrong on the disk.

    Raises:
        SourceFileError: ``problems`` in its fields holds every problem, a line each.
    """
    looked = FolderReading(root)
    for text in problems:
        looked.refuse("metadata", "", text)
    looked.notes += notes
    told: dict[str, FileNote] = {}
    base = root.resolve()
    for file in files:
        problem = safe_place(file.path) or safe_place(file.place)
        if problem:
            looked.refuse("name", file.path, problem)
            continue
        if file.path in told:
            looked.refuse("name", file.path, "is listed twice")
            continue
        place = root / file.place
        if not place.resolve().is_relative_to(base):
            looked.refuse("link", file.path, f"is reached by a link to outside of {shown(str(root))}")
            continue
        if not place.exists():
            if file.optional:
                looked.notes.append(f"{file.path} is named by the source and is not there")
            else:
                looked.refuse("unreadable", file.path, f"is not there: {shown(str(place))}")
            continue
        told[file.path] = FileNote(
            role=file.role or UNSET,  # type: ignore[arg-type]
            notes=file.notes,
            display_name=file.display_name,
            software=file.software,
        )
        looked.take(PurePosixPath(file.path), place)
    # Of a file that could not be taken the problem has been told.
    looked.metadata = DatasetMetadata(files={one.path: told[one.path] for one in looked.found})
    found, wrong = looked.finish()
    if wrong:
        raise refusal(sid, root, wrong)
    return SourceDataset(
        name=sid, root=root, files=found.files, metadata=metadata, file_notes=found.file_notes, notes=found.notes
    )
