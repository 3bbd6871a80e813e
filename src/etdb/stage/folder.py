"""Staging into a folder of this machine: a disk that a server outside mounts for reading."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from etdb.durable import make_folder, storage_errors, sync_folder
from etdb.stage.layout import NAME
from etdb.stage.port import LEFT_OVER_DAYS, Piece, Progress, WrongBytesError, chunks_of, source_errors

__all__ = ["FolderTarget"]

_STEP: Final = 4 << 20
_PART: Final = ".part"
_FOLDER_MODE: Final = 0o755
_FILE_MODE: Final = 0o644
"""Whoever serves is another user, who reads; what is staged is public."""


class FolderTarget:
    """See :class:`~etdb.stage.port.StageTarget`.

    Args:
        folder: made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @property
    def name(self) -> str:
        """See :class:`~etdb.stage.port.StageTarget`."""
        return str(self._folder)

    def present(self) -> dict[str, int]:
        """See :class:`~etdb.stage.port.StageTarget`."""
        found = {}
        left_over_s = time.time() - LEFT_OVER_DAYS * 86_400
        with storage_errors(self._folder):
            for inside in ("content", "roots"):
                if not (self._folder / inside).is_dir():
                    continue
                with os.scandir(self._folder / inside) as entries:
                    for entry in entries:
                        name = f"{inside}/{entry.name}"
                        if NAME.fullmatch(name) and entry.is_file(follow_symlinks=False):
                            found[name] = entry.stat().st_size
                        elif entry.name.endswith(_PART) and entry.stat(follow_symlinks=False).st_mtime < left_over_s:
                            with suppress(OSError):  # another user's
                                Path(entry.path).unlink()
        return found

    def put(self, piece: Piece, *, progress: Progress = lambda _count: None) -> None:
        """See :class:`~etdb.stage.port.StageTarget`."""
        target = self._folder / piece.name
        part = target.with_name(f".{target.name}{_PART}")
        with storage_errors(target):
            for folder in (self._folder, target.parent):
                make_folder(folder)
                if folder.stat().st_uid == os.geteuid():
                    folder.chmod(_FOLDER_MODE)
            _copy(piece, part, progress)
            if _read_back(part) != piece.sha256:
                part.unlink()
                raise WrongBytesError(
                    f"{piece.name} in {self.name} has other bytes than {piece.path}",
                    hint="it was removed there; run the same command again",
                    path=str(piece.path),
                )
            part.chmod(_FILE_MODE)
            part.replace(target)
            sync_folder(target.parent)

    def close(self) -> None:
        """See :class:`~etdb.stage.port.StageTarget`; there is nothing to let go of."""


def _copy(piece: Piece, part: Path, progress: Progress) -> None:
    with source_errors(piece):
        source = piece.path.open("rb")
    with source, part.open("ab") as out:
        done = out.tell()
        if done > piece.size_bytes:
            out.truncate(done := 0)
        source.seek(done)
        progress(done)
        for chunk in chunks_of(piece, source, _STEP):
            out.write(chunk)
            progress(len(chunk))
        out.flush()
        os.fsync(out.fileno())


def _read_back(path: Path) -> str:
    """From the disk, as far as the system lets us: what was just written stands in memory too."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()
