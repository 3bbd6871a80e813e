"""A file on its way: written under a temporary name, with a map of what has arrived, renamed when all was checked.

Both live in a hidden folder of the dataset, on the same file system as the result. The map has one bit a leaf, set
after the leaf's bytes were written; it says what is worth looking at, not what is right: after an interruption each
leaf that it names is hashed again. So a kill, a full disk or a power cut costs time, never a wrong byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path

from etdb import durable
from etdb.errors import StorageError

__all__ = ["PartFile", "storage_error"]

MAP_MAGIC = b"etdbmap1"


def storage_error(error: OSError, path: Path) -> StorageError:
    """What a failed write means to the user."""
    kept = "make room, then run the same command again; what has arrived is kept"
    return durable.storage_error(error, path, hint="check the folder", full_hint=kept)


class PartFile:
    """The place of one file of a dataset.

    Args:
        folder: the dataset's folder.
        hidden: the folder for what is incomplete.
        target: the file's safe path below `folder`.
        cid: of the file; another content has another temporary name.

    Raises:
        DiskFullError: no room.
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path, hidden: Path, target: str, cid: str) -> None:
        self.final = folder / target
        stem = hashlib.sha256(f"{cid} {target}".encode()).hexdigest()[:32]
        self.part = hidden / f"{stem}.part"
        self._map_path = hidden / f"{stem}.map"
        self._lock = threading.Lock()
        self._bits = bytearray()
        self._all_set = False
        self._map_fd = -1
        try:
            durable.make_folder(self.final.parent)
            hidden.mkdir(exist_ok=True)
            self._fd, self._is_final = self._open()
        except OSError as error:
            raise storage_error(error, self.final) from error

    def _open(self) -> tuple[int, bool]:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        if not self.part.exists():
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self.final, flags)
                self._all_set = True
                return descriptor, True
        descriptor = os.open(self.part, flags | os.O_CREAT, 0o644)
        self._load_map()
        return descriptor, False

    def _load_map(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            data = self._map_path.read_bytes()
            if data.startswith(MAP_MAGIC):
                self._bits = bytearray(data[len(MAP_MAGIC) :])

    def may_have(self, leaf: int) -> bool:
        """Whether a leaf is worth hashing: it was written once."""
        if self._all_set:
            return True
        byte, bit = divmod(leaf, 8)
        return byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)

    def read(self, offset: int, buffer: memoryview) -> bool:
        """Fill the buffer from what has arrived; False when the file is too short or cannot be read."""
        at = 0
        try:
            while at < len(buffer):
                count = os.preadv(self._fd, [buffer[at:]], offset + at)
                if count == 0:
                    return False
                at += count
        except OSError:
            return False  # a bad place of the disk: the leaf is fetched again
        return True

    def write(self, offset: int, data: memoryview, leaves: range) -> None:
        """Write checked bytes, then mark their leaves.

        Raises:
            DiskFullError: no room.
            StorageError: the disk fails.
        """
        try:
            if self._is_final:
                self._take_back()
            at = 0
            while at < len(data):
                at += os.pwrite(self._fd, data[at:], offset + at)
            self._mark(leaves)
        except OSError as error:
            raise storage_error(error, self.final) from error

    def _take_back(self) -> None:
        """A file under its final name turned out not to be right: nobody may read it there until it is."""
        with self._lock:
            if self._is_final:
                # No map yet: after a kill here all of it counts as not arrived.
                self.final.replace(self.part)
                self._is_final = False

    def _mark(self, leaves: range) -> None:
        with self._lock:
            if self._map_fd < 0:
                self._map_fd = os.open(self._map_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                os.pwrite(self._map_fd, MAP_MAGIC, 0)
            last = leaves.stop - 1
            if len(self._bits) <= last // 8:
                self._bits.extend(bytes(last // 8 + 1 - len(self._bits)))
            for leaf in leaves:
                self._bits[leaf // 8] |= 1 << leaf % 8
            first = leaves.start // 8
            os.pwrite(self._map_fd, self._bits[first : last // 8 + 1], len(MAP_MAGIC) + first)

    def finish(self, size_bytes: int) -> None:
        """All leaves are right: cut to size, flush, give the final name.

        Raises:
            DiskFullError: no room.
            StorageError: the disk fails.
        """
        try:
            if os.fstat(self._fd).st_size != size_bytes:
                if self._is_final:
                    self._take_back()
                os.ftruncate(self._fd, size_bytes)
            if not self._is_final:
                os.fsync(self._fd)
                self.part.replace(self.final)
                self._is_final = True
                durable.sync_folder(self.final.parent)
            with contextlib.suppress(FileNotFoundError):
                self._map_path.unlink()
        except OSError as error:
            raise storage_error(error, self.final) from error
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the files; what has arrived stays."""
        for descriptor in (self._fd, self._map_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._fd = self._map_fd = -1
