"""The files of a node's blocks folder: where each block lies in them, and their bytes in plain.

The layout is bitcoind's: files ``blk00000.dat`` and on, in each records of the network's magic, a length and a block.
The node preallocates, so zeros may follow; it writes while we read, so the last record may be torn; after a crash
there may be anything between two records. Newer nodes hide their files behind a key of 8 bytes in ``xor.dat``.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etdb.errors import FormatError, LedgerError, VerificationError
from etdb.flo import HEADER_BYTES, MAX_BLOCK_BYTES, scan_whole_block
from etdb.ledger.blockfolder_chain import FolderBlock

__all__ = ["MAX_FILES", "MAX_FILE_BYTES", "BlockFolderError", "FolderFiles"]

MAX_FILES: Final = 100_000
MAX_FILE_BYTES: Final = 1 << 30
"""Nodes begin a new file at 128 MiB."""
MAX_TORN: Final = 1_000
"""Records of one file that look whole and are not: each costs the reading of a block."""
_KEY_BYTES: Final = 8
_FRAME_BYTES: Final = 8
_head: Final = struct.Struct("<4sI80s").unpack_from
"""Magic, length, header."""
_PIECE_BYTES: Final = 512 * 1024
"""Kept of a file, around the block that was read last."""
_CHUNK_BYTES: Final = 1 << 20
_OPEN_FILES: Final = 32
_NAME: Final = re.compile(r"blk([0-9]{5,7})\.dat", re.ASCII)


class BlockFolderError(LedgerError):
    """A blocks folder cannot be read, or is not one: ``path`` says where."""

    code = "block-folder"


class FolderFiles:
    """The block files of a folder, for reading only.

    Args:
        folder: the node's ``blocks``.
        magic: the network's four bytes.

    Raises:
        BlockFolderError: the folder or its key cannot be read.
    """

    def __init__(self, folder: Path, magic: bytes) -> None:
        self.folder = folder
        self._magic = magic
        self._open: OrderedDict[int, int] = OrderedDict()
        self._key = self._load_key()
        self._piece = (-1, 0, b"")

    def numbers(self) -> list[int]:
        """Of the files that are there now, lowest first.

        Raises:
            BlockFolderError: the folder cannot be read, or has more files than any node's.
        """
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if match := _NAME.fullmatch(entry.name):
                        found.append(int(match[1]))
                        if len(found) > MAX_FILES:
                            raise self._error(self.folder, f"has more than {MAX_FILES} block files")
        except OSError as error:
            raise self._error(self.folder, f"cannot be read: {error.strerror}") from error
        return sorted(found)

    def path(self, number: int) -> Path:
        """The file of this number."""
        return self.folder / f"blk{number:05d}.dat"

    def read(self, number: int, offset: int, length: int) -> bytes:
        """Bytes of a file in plain; fewer where it ends.

        Raises:
            BlockFolderError: it cannot be read.
        """
        try:
            data = os.pread(self._descriptor(number), length, offset)
        except OSError as error:
            raise self._error(self.path(number), f"cannot be read at byte {offset}: {error.strerror}") from error
        if not self._key:
            return data
        turn = offset % _KEY_BYTES
        key = (self._key[turn:] + self._key[:turn]) * (len(data) // _KEY_BYTES + 1)
        plain = int.from_bytes(data, "little") ^ int.from_bytes(key[: len(data)], "little")
        return plain.to_bytes(len(data), "little")

    def read_near(self, number: int, offset: int, length: int) -> bytes:
        """As :meth:`read`, out of a larger piece that is kept: blocks of a chain lie near each other.

        What was written since then is not in it; see :meth:`forget`.
        """
        kept, base, piece = self._piece
        if number != kept or not base <= offset <= offset + length <= base + len(piece):
            if length > _PIECE_BYTES // 4:
                return self.read(number, offset, length)
            base = max(0, offset - _PIECE_BYTES // 2)
            piece = self.read(number, base, _PIECE_BYTES)
            self._piece = number, base, piece
        return piece[offset - base : offset - base + length]

    def forget(self) -> None:
        """Read anew from now on."""
        self._piece = (-1, 0, b"")

    def begins_record(self, number: int, offset: int) -> bool:
        """Whether a record begins here."""
        return self.read(number, offset, len(self._magic)) == self._magic

    def frames(self, number: int, start: int) -> Iterator[FolderBlock]:
        """The blocks of a file from an offset on. What is no record is passed over, up to the next one.

        A record directly before another one is believed to be whole. Any other (the last one, which may still be
        written, and those before damage) is read, and given only when its transactions are those of its header.

        Raises:
            BlockFolderError: the file cannot be read, or is not one of a node's.
        """
        size, torn = self._size(number), 0
        base, chunk = start, b""
        magic, head_bytes = self._magic, _FRAME_BYTES + HEADER_BYTES
        offset = start
        while offset + head_bytes < size:
            at = offset - base
            if at + head_bytes > len(chunk):
                base, chunk, at = offset, self.read(number, offset, _CHUNK_BYTES), 0
                if len(chunk) < head_bytes:
                    return
            began, length, header = _head(chunk, at)
            if began == magic:
                end = offset + _FRAME_BYTES + length
                if HEADER_BYTES < length <= MAX_BLOCK_BYTES and end <= size:
                    behind = chunk[end - base : end - base + 4]
                    if behind == magic or self._is_whole(number, offset + _FRAME_BYTES, length, behind):
                        yield FolderBlock(header, number, offset + _FRAME_BYTES, length)
                        offset = end
                        continue
                    torn += 1
                    if torn > MAX_TORN:
                        raise self._error(self.path(number), f"has more than {MAX_TORN} torn records")
            found = chunk.find(self._magic, at + 1)
            # The beginning of a magic may stand at the end of the chunk.
            offset = base + (found if found >= 0 else max(at + 1, len(chunk) - len(self._magic) + 1))

    def close(self) -> None:
        """Close what was opened."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _is_whole(self, number: int, offset: int, length: int, behind: bytes) -> bool:
        if len(behind) < len(self._magic) and self.begins_record(number, offset + length):
            return True  # only the chunk ended
        try:
            scan_whole_block(self.read(number, offset, length))
        except (FormatError, VerificationError):
            return False
        return True

    def _size(self, number: int) -> int:
        try:
            size = os.fstat(self._descriptor(number)).st_size
        except OSError as error:
            raise self._error(self.path(number), f"cannot be read: {error.strerror}") from error
        if size > MAX_FILE_BYTES:
            raise self._error(self.path(number), f"has {size} bytes, more than a node's block file")
        return size

    def _descriptor(self, number: int) -> int:
        descriptor = self._open.get(number)
        if descriptor is not None:
            self._open.move_to_end(number)
            return descriptor
        # Not blocking: what bears this name may be a pipe, where opening would wait for ever.
        descriptor = os.open(self.path(number), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._error(self.path(number), "is not a file")
        self._open[number] = descriptor
        if len(self._open) > _OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def _load_key(self) -> bytes:
        path = self.folder / "xor.dat"
        try:
            with path.open("rb") as file:
                key = file.read(_KEY_BYTES + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._error(path, f"cannot be read: {error.strerror}") from error
        if len(key) != _KEY_BYTES:
            raise self._error(path, f"is not a key of {_KEY_BYTES} bytes")
        return key if any(key) else b""

    def _error(self, path: Path, what: str) -> BlockFolderError:
        return BlockFolderError(
            f"{path} {what}", hint="blocks_folder should be the `blocks` folder of a FLO node", path=str(path)
        )
