"""Block files in the layout that nodes write: magic, length, block, one after the other; blk00000.dat and on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from etdb.durable import sync_folder
from etdb.errors import DiskFullError, StorageError
from etdb.flo import MAX_BLOCK_BYTES

__all__ = ["RESTORE_HINT", "BlockFiles", "BlockPlace", "write_error"]

FILE_LIMIT_BYTES: Final = 128 * 1024 * 1024
RESTORE_HINT: Final = "put back the whole chain folder from a backup"
_FRAME_BYTES: Final = 8
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlockPlace(msgspec.Struct, frozen=True):
    """Where a block's own bytes lie: the file's number, the offset behind magic and length, and how many."""

    file: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the block."""
        return self.offset + self.length


def write_error(path: Path, error: OSError) -> StorageError:
    """The error of a write that failed: no room, or something else."""
    kind = DiskFullError if error.errno in _NO_ROOM else StorageError
    hint = "make room and run the same command again" if kind is DiskFullError else "check the folder and its disk"
    return kind(f"{path} could not be written: {error.strerror}; no block was added", hint=hint, path=str(path))


def _read_error(path: Path, offset: int, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be read at byte {offset}: {error.strerror}",
        hint=f"look at the disk; {RESTORE_HINT}",
        path=str(path),
        offset=offset,
    )


class BlockFiles:
    """The block files of a folder. Writing is for the one writer; reading for anyone.

    Args:
        folder: where the files are.
        magic: the network's four bytes.
        file_limit_bytes: a block that would make a file longer begins the next one.
    """

    def __init__(self, folder: Path, magic: bytes, *, file_limit_bytes: int = FILE_LIMIT_BYTES) -> None:
        self._folder = folder
        self._magic = magic
        self._file_limit_bytes = file_limit_bytes
        self._readers: dict[int, int] = {}

    def path(self, number: int) -> Path:
        """The file of this number."""
        return self._folder / f"blk{number:05d}.dat"

    # -- reading

    def read(self, place: BlockPlace) -> bytes:
        """A block's bytes.

        Raises:
            StorageError: they are not all there, or not where the index says.
        """
        path = self.path(place.file)
        try:
            if place.file not in self._readers:
                self._readers[place.file] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._readers[place.file], place.length + _FRAME_BYTES, place.offset - _FRAME_BYTES)
        except OSError as error:
            raise _read_error(path, place.offset, error) from error
        if data[:_FRAME_BYTES] != self._frame(place.length) or len(data) != place.length + _FRAME_BYTES:
            raise StorageError(
                f"{path} has no block at byte {place.offset}", hint=RESTORE_HINT, path=str(path), offset=place.offset
            )
        return data[_FRAME_BYTES:]

    def behind(self, last: BlockPlace | None) -> Iterator[tuple[BlockPlace, bytes]]:
        """Blocks that are whole behind ``last``, in order, until one is not: what a crash left.

        Raises:
            StorageError: the disk does not give them back, so nobody knows whether they are whole.
        """
        number, offset = (last.file, last.end) if last else (0, 0)
        while self.path(number).exists():
            with self.path(number).open("rb") as file:
                while block := self._block_at(file, offset):
                    yield BlockPlace(number, offset + _FRAME_BYTES, len(block)), block
                    offset += _FRAME_BYTES + len(block)
                if offset < os.fstat(file.fileno()).st_size:
                    return
            number, offset = number + 1, 0

    def _block_at(self, file: BinaryIO, offset: int) -> bytes:
        """The whole block whose frame begins here; nothing when there is none."""
        try:
            file.seek(offset)
            frame = file.read(_FRAME_BYTES)
            length = int.from_bytes(frame[4:], "little")
            if len(frame) < _FRAME_BYTES or frame[:4] != self._magic or length > MAX_BLOCK_BYTES:
                return b""
            block = file.read(length)
        except OSError as error:
            raise _read_error(Path(file.name), offset, error) from error
        return block if len(block) == length else b""

    def holds_more(self, last: BlockPlace | None) -> bool:
        """Whether something that looks like a later whole block follows the first damage behind ``last``."""
        number, start = (last.file, last.end + 1) if last else (0, 1)
        while self.path(number).exists():
            try:
                data = self.path(number).read_bytes()
            except OSError as error:
                raise _read_error(self.path(number), start, error) from error
            at = data.find(self._magic, start)
            while at >= 0:
                length = int.from_bytes(data[at + 4 : at + 8], "little")
                if 0 < length <= len(data) - at - _FRAME_BYTES:
                    return True
                at = data.find(self._magic, at + 1)
            number, start = number + 1, 0
        return False

    def bytes_behind(self, last: BlockPlace | None) -> int:
        """How much lies behind a block."""
        number, end = (last.file, last.end) if last else (0, 0)
        behind = -end
        while (path := self.path(number)).exists():
            behind += path.stat().st_size
            number += 1
        return max(behind, 0)

    def close(self) -> None:
        """Close what was opened for reading."""
        for descriptor in self._readers.values():
            os.close(descriptor)
        self._readers.clear()

    # -- writing

    def check_end(self, last: BlockPlace) -> None:
        """See that the last block that the index knows is there.

        Raises:
            StorageError: the file is missing or ends before it.
        """
        path = self.path(last.file)
        size = path.stat().st_size if path.exists() else -1
        if size < last.end:
            state = "is missing" if size < 0 else f"ends at byte {size}"
            raise StorageError(
                f"{path} {state}; the index knows a block up to byte {last.end}", hint=RESTORE_HINT, path=str(path)
            )

    def trim(self, last: BlockPlace | None) -> None:
        """Cut off what is behind the last block: a torn write.

        Raises:
            StorageError: the files cannot be written.
        """
        number, end = (last.file, last.end) if last else (0, 0)
        path = self.path(number)
        try:
            if path.exists() and path.stat().st_size > end:
                os.truncate(path, end)
            for later in range(number + 1, number + 1 + sum(1 for _ in self._folder.glob("blk*.dat"))):
                self._forget(later)
                self.path(later).unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error) from error

    def plan(self, lengths: Sequence[int], last: BlockPlace | None) -> list[BlockPlace]:
        """Where blocks of these lengths will lie behind ``last``."""
        number, offset = (last.file, last.end) if last else (0, 0)
        places = []
        for length in lengths:
            if offset and offset + _FRAME_BYTES + length > self._file_limit_bytes:
                number, offset = number + 1, 0
            places.append(BlockPlace(number, offset + _FRAME_BYTES, length))
            offset += _FRAME_BYTES + length
        return places

    def write(self, blocks: Sequence[tuple[BlockPlace, bytes]], last: BlockPlace | None) -> None:
        """Write blocks at the places that were planned for them, and wait until the disk has them.

        Raises:
            DiskFullError: there is no room; nothing of them is left.
            StorageError: the files cannot be written; nothing of them is left.
        """
        try:
            for number in sorted({place.file for place, _ in blocks}):
                self._write_file(number, [(place, block) for place, block in blocks if place.file == number])
        except OSError as error:
            # When even this fails the tail stays, and the next writer cuts it off.
            self.trim(last)
            raise write_error(self.path(blocks[0][0].file), error) from error

    def _write_file(self, number: int, blocks: Sequence[tuple[BlockPlace, bytes]]) -> None:
        path = self.path(number)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            data = memoryview(b"".join(self._frame(len(block)) + block for _, block in blocks))
            offset = blocks[0][0].offset - _FRAME_BYTES
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._folder)

    def _frame(self, length: int) -> bytes:
        return self._magic + length.to_bytes(4, "little")

    def _forget(self, number: int) -> None:
        descriptor = self._readers.pop(number, None)
        if descriptor is not None:
            os.close(descriptor)
