"""Block files in the layout that nodes write: magic, length, block, one after the other; blk00000.dat and on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from etdb.errors import DiskFullError, StorageError

__all__ = ["BlockFiles", "BlockPlace"]

FILE_LIMIT: Final = 128 * 1024 * 1024


class BlockPlace(msgspec.Struct, frozen=True):
    """Where a block's own bytes lie: the file's number, the offset behind magic and length, and how many."""

    file: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the block."""
        return self.offset + self.length


class BlockFiles:
    """The block files of a folder. Appending is for the one writer; reading for anyone.

    Args:
        folder: where the files are.
        magic: the network's four bytes.
    """

    def __init__(self, folder: Path, magic: bytes) -> None:
        self._folder = folder
        self._magic = magic
        self._readers: dict[int, int] = {}

    def path(self, number: int) -> Path:
        """The file of this number."""
        return self._folder / f"blk{number:05d}.dat"

    def trim(self, last: BlockPlace | None) -> None:
        """Cut off what a crash left behind the last block that the index knows.

        Raises:
            StorageError: a block that the index knows is not all there.
        """
        number, end = (last.file, last.end) if last else (0, 0)
        path = self.path(number)
        if path.exists():
            size = path.stat().st_size
            if size < end:
                raise StorageError(
                    f"{path} ends at byte {size}; the index knows a block up to {end}",
                    hint="put back the whole chain folder from a backup",
                    path=str(path),
                )
            if size > end:
                os.truncate(path, end)
        elif last:
            raise StorageError(
                f"{path} is missing", hint="put back the whole chain folder from a backup", path=str(path)
            )
        later = self.path(number + 1)
        if later.exists():
            later.unlink()

    def append(self, blocks: list[bytes], last: BlockPlace | None) -> list[BlockPlace]:
        """Write blocks behind ``last`` and wait until the disk has them.

        Raises:
            DiskFullError: there is no room; the next ``trim`` removes what was half-written.
        """
        number, offset = (last.file, last.end) if last else (0, 0)
        places: list[BlockPlace] = []
        try:
            file = self.path(number).open("r+b" if self.path(number).exists() else "w+b")
            try:
                file.seek(offset)
                for block in blocks:
                    if offset and offset + len(block) + 8 > FILE_LIMIT:
                        file.flush()
                        os.fsync(file.fileno())
                        file.close()
                        number, offset = number + 1, 0
                        file = self.path(number).open("w+b")
                    file.write(self._magic + len(block).to_bytes(4, "little") + block)
                    places.append(BlockPlace(number, offset + 8, len(block)))
                    offset += 8 + len(block)
                file.flush()
                os.fsync(file.fileno())
            finally:
                file.close()
        except OSError as error:
            raise DiskFullError(
                f"{self.path(number)} could not be written: {error.strerror}; no block was added",
                hint="make room and run the same command again",
                path=str(self.path(number)),
            ) from error
        return places

    def read(self, place: BlockPlace) -> bytes:
        """A block's bytes.

        Raises:
            StorageError: they are not all there, or not where the index says.
        """
        path = self.path(place.file)
        try:
            if place.file not in self._readers:
                self._readers[place.file] = os.open(path, os.O_RDONLY)
            data = os.pread(self._readers[place.file], place.length + 8, place.offset - 8)
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}", path=str(path)) from error
        if data[:8] != self._magic + place.length.to_bytes(4, "little") or len(data) != place.length + 8:
            raise StorageError(
                f"{path} has no block at byte {place.offset}",
                hint="put back the whole chain folder from a backup",
                path=str(path),
            )
        return data[8:]

    def close(self) -> None:
        """Close what was opened for reading."""
        for descriptor in self._readers.values():
            os.close(descriptor)
        self._readers.clear()
