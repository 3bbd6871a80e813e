"""Blocks of others, kept for a while on disk: within a number of bytes, the longest unused go first.

Each block is a file named by its digest. It is hashed before it is kept and again before it is given out, written
beside its place, flushed and renamed: whatever was killed or rotted in between, no wrong block comes out. The folder is
the truth; what this process remembers of it is a guess that is made good by looking. So several processes can share it,
and it can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.errors import VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, verify_block

__all__ = ["MAX_KEPT_BLOCKS", "BlockCache"]

MAX_KEPT_BLOCKS: Final = 1 << 20
"""The most blocks, whatever their bytes: each is a file."""
BLOCK_OVERHEAD_BYTES: Final = 4096
"""What a file takes beside its content, so that a million tiny blocks count too."""
RESERVE_BYTES: Final = 256 << 20
"""What is left free on the disk: catalogue and journal lie on it too."""
TOUCHED_S: Final = 60.0
"""A block that is used again within this time is not marked again."""
LEFT_OVER_S: Final = 3600.0
"""After this long what was being written is left over from somebody who was killed."""
_FOLDERS: Final = 256
_PART: Final = ".part"
_log = logging.getLogger(__name__)


class BlockCache:
    """A block store that forgets. Can be used from several threads and by several processes.

    Args:
        folder: made when the first block comes.
        limit_bytes: what all blocks may take together, each counted with 4 KiB for its file; 0 keeps none.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None
        self._count = 0
        self._unseen_bytes = self._writing_bytes = 0
        self._numbers = count()
        self._is_noted = False

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return str(self._folder)

    @property
    def used_bytes(self) -> int:
        """About how much it holds."""
        return self._bytes or 0

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`. A block that is no longer right is thrown away.

        Raises:
            VerificationError: it was not right; the next call does not find it.
        """
        block = identity_block(cid, max_bytes)
        if block is not None:
            return block
        path = self._path(cid)
        try:
            with path.open("rb") as file:
                info = os.fstat(file.fileno())
                block = file.read(MAX_BLOCK_BYTES + 1)
        except OSError as error:
            if error.errno == errno.EIO:  # else it would never be kept again
                with contextlib.suppress(OSError):
                    path.unlink()
            raise not_in_store(cid, self.name) from None
        try:
            verify_block(cid, block, source=self.name)
        except VerificationError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        if len(block) > max_bytes:
            raise block_too_large(cid, len(block), max_bytes)
        if time.time() - info.st_mtime > TOUCHED_S:
            with contextlib.suppress(OSError):
                os.utime(path)
        return block

    def has(self, cid: Cid) -> bool:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return cid.is_identity or self._path(cid).is_file()

    def put(self, cid: Cid, block: bytes) -> bool:
        """Keep a block, when there is room for it; whether it is kept now. A disk that fails keeps nothing.

        Raises:
            VerificationError: it is not what its CID says.
        """
        verify_block(cid, block)
        if cid.is_identity or len(block) > MAX_BLOCK_BYTES:
            return False
        path, taken = self._path(cid), len(block) + BLOCK_OVERHEAD_BYTES
        try:
            if path.is_file():
                return True
            with self._lock:
                if not self._make_room(taken):
                    return False
                self._writing_bytes += taken
                self._unseen_bytes += taken
                number = next(self._numbers)
        except OSError as error:
            self._note(error)
            return False
        try:
            self._write(path, block, number)
        except OSError as error:
            self._note(error)
            return False
        else:
            with self._lock:
                self._bytes, self._count = (self._bytes or 0) + taken, self._count + 1
            return True
        finally:
            with self._lock:
                self._writing_bytes -= taken

    def close(self) -> None:
        """Nothing to let go of."""

    def _path(self, cid: Cid) -> Path:
        name = cid.digest.hex()
        return self._folder / name[:2] / name

    def _write(self, path: Path, block: bytes, number: int) -> None:
        part = path.with_name(f"{path.name}.{os.getpid()}-{number}{_PART}")
        try:
            with _opened_new(part) as file:
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def _make_room(self, taken: int) -> bool:
        """Whether ``taken`` more bytes fit; the folder is looked at when it seems full, and now and then.

        An eighth is left for what other processes wrote since the last look.
        """
        aim = self._limit_bytes - self._limit_bytes // 8
        if taken > aim:
            return False
        is_due = self._bytes is None or self._unseen_bytes + taken > self._limit_bytes // 16
        if is_due or (self._bytes or 0) + self._writing_bytes + taken > aim or self._count >= MAX_KEPT_BLOCKS:
            return self._sweep(taken, aim)
        return True

    def _sweep(self, taken: int, aim: int) -> bool:
        """Look at the folder, throw away what was not used longest, and say whether there is room."""
        found = sorted(self._look())
        taken += self._writing_bytes
        total = sum(size for _, size, _ in found)
        disk = os.statvfs(next(one for one in (self._folder, *self._folder.parents) if one.exists()))
        aim = min(aim, total + disk.f_bavail * disk.f_frsize - RESERVE_BYTES)
        # A sixteenth more goes at once, so that not every block that comes looks at the folder.
        target = aim if total + taken <= aim else aim - aim // 16
        gone = 0
        for used_s, size, path in found:
            if used_s > -math.inf and total + taken <= target and len(found) - gone < MAX_KEPT_BLOCKS:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            total, gone = total - size, gone + 1
        self._bytes, self._count, self._unseen_bytes = total, len(found) - gone, 0
        return total + taken <= aim

    def _look(self) -> Iterator[tuple[float, int, Path]]:
        """When each block was used last, what it takes, and where it is."""
        now, own = time.time(), str(os.getpid())
        for number in range(_FOLDERS):
            try:
                entries = list(os.scandir(self._folder / f"{number:02x}"))
            except OSError:
                continue
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
                used_s = info.st_mtime
                if entry.name.endswith(_PART):
                    writer = entry.name.split(".")[1].partition("-")[0]
                    if writer == own:
                        continue  # is counted already
                    # What is being written goes last; what nobody writes any more goes first.
                    used_s = math.inf if now - info.st_mtime < LEFT_OVER_S and _is_alive(writer) else -math.inf
                yield used_s, info.st_size + BLOCK_OVERHEAD_BYTES, Path(entry.path)

    def _note(self, error: OSError) -> None:
        if not self._is_noted:
            self._is_noted = True
            _log.warning("what is fetched is not kept: %s", error.strerror or error)


def _is_alive(pid: str) -> bool:
    """Whether a process still runs; one of another machine or container that seems not to only keeps one block less."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def _opened_new(path: Path) -> Iterator[BinaryIO]:
    """A new file; its folders are made when somebody deleted them."""
    for is_last in (False, True):
        try:
            with path.open("xb") as file:
                yield file
                return
        except FileNotFoundError:
            if is_last:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
