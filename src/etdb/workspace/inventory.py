"""What lies in a workspace and what it would cost to lose it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

from msgspec import Struct

__all__ = ["Holding", "Worth", "measure"]

Worth = Literal["precious", "costly", "free"]


class Holding(Struct, frozen=True, kw_only=True):
    """One part of a workspace: where it is, how much it takes and whether it can be made again."""

    name: str
    path: Path
    worth: Worth
    why: str
    exists: bool
    files: int
    size_bytes: int


def measure(name: str, path: Path, worth: Worth, why: str) -> Holding:
    """Count the files and bytes of a file or folder; links are not followed, SQLite's side files count with it."""
    files = size = 0
    exists = path.is_dir() or path.exists()
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for entry in names:
                files, size = _add(Path(folder, entry), files, size)
    else:
        for side in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            files, size = _add(side, files, size)
    return Holding(name=name, path=path, worth=worth, why=why, exists=exists, files=files, size_bytes=size)


def _add(path: Path, files: int, size: int) -> tuple[int, int]:
    try:
        found = path.lstat()
    except OSError:
        return files, size  # gone between the listing and the look
    return (files + 1, size + found.st_size) if stat.S_ISREG(found.st_mode) else (files, size)
