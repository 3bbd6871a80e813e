"""Hash a file once, on all cores: every leaf's digest, and the SHA-256 of the whole, from the same single read.

N threads take leaves in order. Each reads its leaf into a buffer that is used again and hashes it outside the GIL.
The whole-file hash needs the leaves in order: a finished buffer waits until its turn, and whichever thread finds the
next one waiting carries the ordered hash on (one at a time). A thread takes a buffer *before* it takes a number, so
the lowest unfinished leaf always has a buffer and the pipeline cannot stand still; buffers bound the memory.
"""

from __future__ import annotations

import hashlib
import os
import queue
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from etdb.blocks.mapped import HashProcesses
from etdb.errors import EtdbError, SourceFileError
from etdb.ipfs import DIGEST_BYTES, FileGeometry, ImportProfile, file_geometry, leaf_digest

__all__ = ["FileState", "HashedFile", "file_state", "hash_file", "open_source_file", "read_exactly"]

_SPARE_BUFFERS = 4
"""Buffers beyond one a thread, so that readers need not wait for the ordered hash at once."""


class FileState(Struct, frozen=True, kw_only=True):
    """What tells a changed file from an unchanged one without reading it."""

    size_bytes: int
    mtime_ns: int
    inode: int


class HashedFile(Struct, frozen=True, kw_only=True):
    """The digests of all leaves, joined, and the whole file's SHA-256 (None when not asked for)."""

    state: FileState
    geometry: FileGeometry
    digests: bytes
    sha256: bytes | None


def file_state(status: os.stat_result) -> FileState:
    """The state of a file from its ``stat``."""
    return FileState(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def open_source_file(path: Path) -> int:
    """Open a file for reading; gives the descriptor.

    Raises:
        SourceFileError: missing, unreadable, or not a regular file.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SourceFileError(f"the file {path} does not exist", path=str(path)) from None
    except OSError as error:
        raise SourceFileError(f"the file {path} cannot be opened: {error.strerror}", path=str(path)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceFileError(f"{path} is not a regular file", hint="only files can be added", path=str(path))
    return descriptor


def read_exactly(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill ``buffer`` from ``offset``; gives the bytes read, fewer only at the end of the file."""
    done = 0
    while done < len(buffer):
        count = os.preadv(descriptor, [buffer[done:]], offset + done)
        if count == 0:
            break
        done += count
    return done


def hash_file(
    path: Path,
    profile: ImportProfile,
    *,
    sha256: bool = True,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    processes: HashProcesses | None = None,
    alone: bool = False,
) -> HashedFile:
    """Read a file once and hash it.

    Args:
        path: a regular file; it may be empty.
        profile: how it is cut into leaves.
        sha256: also hash the whole file, in order.
        threads: readers; twice the cores by default, because more readers than cores hide the disk's latency.
        progress: told the bytes of each finished leaf, from the threads, one call at a time. What it raises ends the
            work and is raised here.
        processes: for large files, the faster way; the result is the same.
        alone: by one of the processes, and by others only when they have nothing else to do.

    Raises:
        SourceFileError: the file cannot be read, or changed, grew or shrank meanwhile.
    """
    descriptor = open_source_file(path)
    try:
        before = file_state(os.fstat(descriptor))
        geometry = file_geometry(before.size_bytes, profile)
        told = _Told(progress)
        found = None
        if processes is not None:
            found = processes.hash(path, descriptor, geometry, profile, sha256=sha256, progress=told.tell, alone=alone)
        if found is None:
            work = _Work(path, descriptor, geometry, profile, ordered=sha256, progress=told.again())
            work.run(min(threads or 2 * (os.cpu_count() or 1), geometry.leaf_count))
            found = bytes(work.digests), work.ordered.digest() if work.ordered else None
        if file_state(os.fstat(descriptor)) != before:
            raise _changed(path, "it was written to")
        if _state_by_name(path) != before:
            raise _changed(path, "it was removed, renamed or replaced")
    finally:
        os.close(descriptor)
    digests, whole = found
    return HashedFile(state=before, geometry=geometry, digests=digests, sha256=whole)


class _Told:
    """What a caller has been told of, so that a second reading of the same bytes is not told once more."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self._progress = progress
        self._told = self._seen = 0

    def again(self) -> Callable[[int], None] | None:
        """The bytes are read from the beginning again."""
        self._seen = 0
        return self.tell if self._progress is not None else None

    def tell(self, count: int) -> None:
        self._seen += count
        if self._progress is not None and self._seen > self._told:
            new, self._told = self._seen - self._told, self._seen
            self._progress(new)


class _Work:
    def __init__(
        self,
        path: Path,
        descriptor: int,
        geometry: FileGeometry,
        profile: ImportProfile,
        *,
        ordered: bool,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.path, self.descriptor, self.geometry, self.profile = path, descriptor, geometry, profile
        self.progress = progress
        self.digests = bytearray(geometry.leaf_count * DIGEST_BYTES)
        self.ordered = hashlib.sha256() if ordered else None
        self.failure: BaseException | None = None
        self._lock = threading.Lock()
        self._next_leaf = 0
        self._next_ordered = 0
        self._ordered_busy = False
        self._waiting: dict[int, tuple[memoryview, int]] = {}
        self._buffers: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()

    def run(self, threads: int) -> None:
        size = min(self.profile.leaf_bytes, max(1, self.geometry.size_bytes))
        for _ in range(min(threads + _SPARE_BUFFERS, self.geometry.leaf_count)):
            self._buffers.put(memoryview(bytearray(size)))
        workers = [threading.Thread(target=self._guarded, name=f"hash-{n}", daemon=True) for n in range(threads - 1)]
        for worker in workers:
            worker.start()
        self._guarded()
        try:
            for worker in workers:
                worker.join()
        except BaseException as error:
            # An interrupt: no thread may outlive this call, because the descriptor is closed behind it.
            self.failure = self.failure or error
            for worker in workers:
                worker.join()
            raise
        if self.failure is not None:
            raise self.failure

    def _guarded(self) -> None:
        try:
            self._read_leaves()
        except BaseException as error:  # noqa: BLE001 - whatever ends one thread ends the work; run() raises it
            with self._lock:
                self.failure = self.failure or error
        finally:
            self._buffers.put(None)

    def _read_leaves(self) -> None:
        while True:
            buffer = self._buffers.get()
            if buffer is None:
                # A thread left: wake the next one, then see for ourselves whether work remains.
                if self.failure is not None or self._next_leaf >= self.geometry.leaf_count:
                    return
                continue
            with self._lock:
                index = self._next_leaf
                if self.failure is not None or index >= self.geometry.leaf_count:
                    return
                self._next_leaf += 1
            leaf = self.geometry.leaf(index)
            view = buffer[: leaf.length]
            try:
                count = read_exactly(self.descriptor, view, leaf.offset)
            except OSError as error:
                raise SourceFileError(
                    f"the file {self.path} cannot be read at offset {leaf.offset}: {error.strerror}",
                    hint="look at the disk and put the file back, then run the same command again",
                    path=str(self.path),
                    offset=leaf.offset,
                ) from error
            if count != leaf.length:
                raise _changed(self.path, "it became shorter")
            digest = leaf_digest(view, self.profile)
            self.digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES] = digest
            if self.progress is not None:
                with self._lock:
                    self.progress(leaf.length)
            self._hand_over(index, buffer, leaf.length)

    def _hand_over(self, index: int, buffer: memoryview, length: int) -> None:
        """Give the buffer to the ordered hash, and carry that on when nobody does."""
        if self.ordered is None:
            self._buffers.put(buffer)
            return
        with self._lock:
            self._waiting[index] = (buffer, length)
            if self._ordered_busy:
                return
            self._ordered_busy = True
        while True:
            with self._lock:
                ready = self._waiting.pop(self._next_ordered, None)
                if ready is None:
                    self._ordered_busy = False
                    return
                self._next_ordered += 1
            self.ordered.update(ready[0][: ready[1]])
            self._buffers.put(ready[0])


def _state_by_name(path: Path) -> FileState | None:
    try:
        return file_state(path.stat())
    except OSError:
        return None


def _changed(path: Path, how: str) -> EtdbError:
    return SourceFileError(
        f"the file {path} changed while it was read: {how}",
        hint="wait until the file is complete, then run the same command again",
        path=str(path),
    )
