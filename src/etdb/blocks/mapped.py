"""Hashing in processes that map the file: the fast road for large files, equal to the general one in all it gives.

One process carries the whole file's SHA-256 on from window to window, because that hash has an order; the others take
the leaves of the windows around it, and whoever is early helps. They stay near each other, so that the disk is read
once. When anything at all goes wrong the answer is None, and the caller reads the file in the ordinary way.
"""

from __future__ import annotations

import functools
import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from etdb.blocks import hashworker
from etdb.ipfs import DIGEST_BYTES, FileGeometry, ImportProfile, leaf_frame

__all__ = ["MAPPED_FROM_BYTES", "HashProcesses"]

MAPPED_FROM_BYTES = 32 << 20
"""Files below this are read: starting processes would take longer."""
WINDOW_BYTES = 32 << 20
"""Mapped at once by each process: what bounds the memory."""
SMALLEST_WINDOW_BYTES = 4 << 20
_AHEAD_WINDOWS = 8
"""How far leaves may be ahead of the ordered hash: what has been read must still be in the system's cache."""
_IN_FLIGHT = 2
"""Windows that a process has been given, so that it need not wait for the next."""
_MAX_PROCESSES = 16
_64_BITS = 0xFFFF_FFFF_FFFF_FFFF


class HashProcesses:
    """Processes that hash, started when first needed. They may work on one file together or on several side by side.

    Args:
        count: how many; as many as there are cores by default.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = min(count or _cores(), _MAX_PROCESSES)
        self._free: list[_Worker] = []
        self._lent = self._expected = 0
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many there are at most."""
        return self._count

    @property
    def lent(self) -> int:
        """How many are at work now."""
        return self._lent

    @contextmanager
    def side_by_side(self, files: int) -> Iterator[None]:
        """So many files will be hashed ``alone``, from several threads; when the last has begun, the free help."""
        with self._changed:
            self._expected += files
        try:
            yield
        finally:
            with self._changed:
                self._expected = 0

    def hash(
        self,
        path: Path,
        descriptor: int,
        geometry: FileGeometry,
        profile: ImportProfile,
        *,
        sha256: bool,
        progress: Callable[[int], None] | None = None,
        alone: bool = False,
    ) -> tuple[bytes, bytes | None] | None:
        """The digests of all leaves, joined, and the whole file's SHA-256 when asked for.

        None when it cannot be done here: no such processes on this system, others are using all of them, or one was
        ended by what it read. What ``progress`` raises ends the work and is raised. ``alone`` one process works on
        it, and later those for which no other file is left.
        """
        if geometry.size_bytes < MAPPED_FROM_BYTES:
            return None
        workers: list[_Worker] = []
        is_done = False
        try:
            self._lend(workers, alone=alone)
            if not workers:
                return None
            run = _Run(workers, geometry, profile, sha256=sha256, progress=progress)
            result = run.run(path, descriptor, functools.partial(self._lend_spare, workers) if alone else None)
            is_done = True
        except (OSError, EOFError, subprocess.SubprocessError) as error:
            if type(error).__module__ == "etdb.errors":
                raise
            return None
        else:
            return result
        finally:
            self._take_back(workers, still_good=is_done)

    def close(self) -> None:
        """End the processes, when their work is done; may be called twice."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lent)
            for worker in self._free:
                worker.close()
            self._free.clear()

    def _lend(self, workers: list[_Worker], *, alone: bool) -> None:
        with self._changed:
            if alone:
                self._expected = max(0, self._expected - 1)
            self._lend_some(workers, min(1 if alone else self._count, self._count - self._lent))

    def _lend_spare(self, workers: list[_Worker]) -> None:
        with self._changed:
            self._lend_some(workers, self._count - self._lent - self._expected)

    def _lend_some(self, workers: list[_Worker], count: int) -> None:
        for _ in range(count):
            workers.append(self._free.pop() if self._free else _Worker())
            self._lent += 1

    def _take_back(self, workers: list[_Worker], *, still_good: bool) -> None:
        with self._changed:
            self._lent -= len(workers)
            if still_good:
                self._free += workers
            else:
                for worker in workers:
                    worker.close()
            self._changed.notify_all()


class _Worker:
    def __init__(self) -> None:
        # In a group of its own, so that the keyboard's interrupt is for us alone; it ends when its input does.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", hashworker.__file__],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.descriptor = self._answers.fileno()
        self.in_flight: deque[tuple[int, int]] = deque()

    def ask(self, request: bytes) -> None:
        """Requests are shorter than what a pipe holds, so this does not wait."""
        os.write(self._requests.fileno(), request)

    def answer(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = os.read(self.descriptor, size - len(data))
            if not piece:
                raise EOFError("a hashing process ended")
            data += piece
        return data

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._answers.close()


class _Run:
    """One file. Leaves and the ordered hash each have a next window; the lead worker owns the ordered hash."""

    def __init__(
        self,
        workers: list[_Worker],
        geometry: FileGeometry,
        profile: ImportProfile,
        *,
        sha256: bool,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.workers, self.geometry, self.profile = workers, geometry, profile
        self.sha256, self.progress = sha256, progress
        self.windows = _plan_windows(geometry, len(workers))
        self.digests = bytearray(geometry.leaf_count * DIGEST_BYTES)
        self.next_leaves = 0
        self.next_ordered = 0 if sha256 else len(self.windows)

    def run(
        self, path: Path, descriptor: int, lend_spare: Callable[[], None] | None = None
    ) -> tuple[bytes, bytes | None]:
        """The digests of all leaves, joined, and the whole file's hash; ``lend_spare`` adds workers where it can."""
        opening = self._opening(path)
        status = os.fstat(descriptor)
        identity = hashworker.IDENTITY.pack(status.st_dev & _64_BITS, status.st_ino & _64_BITS)
        by_descriptor: dict[int, _Worker] = {}
        poll = select.poll()
        while True:
            new = self.workers[len(by_descriptor) :]
            for worker in new:
                worker.in_flight.clear()
                worker.ask(opening)
                by_descriptor[worker.descriptor] = worker
                poll.register(worker.descriptor, select.POLLIN)
            for worker in new:
                if worker.answer(len(identity)) != identity:
                    raise EOFError("the file has another name now")
            self._give_out()
            if not any(worker.in_flight for worker in self.workers):
                break
            for number, _event in poll.poll():
                self._take(by_descriptor[number])
            if lend_spare is not None and self.next_leaves < len(self.windows):
                lend_spare()
        return bytes(self.digests), self._whole() if self.sha256 else None

    def _opening(self, path: Path) -> bytes:
        last = self.geometry.leaf(self.geometry.leaf_count - 1)
        frames = (b"", b"", b"", b"")
        if not self.profile.raw_leaves:
            frames = (*leaf_frame(self.geometry.leaf_bytes), *leaf_frame(last.length))
        about = hashworker.FRAMES.pack(last.offset, *map(len, frames)) + b"".join(frames) + os.fsencode(path)
        return hashworker.REQUEST.pack(hashworker.FILE, 0, 0, len(about), 0) + about

    def _give_out(self) -> None:
        for _ in range(_IN_FLIGHT):
            for worker in self.workers:
                if len(worker.in_flight) < _IN_FLIGHT:
                    self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next work for a worker, if there is any that may be done now."""
        work = 0
        if worker is self.workers[0] and self.next_ordered < len(self.windows):
            index = self.next_ordered
            work = hashworker.WHOLE
            self.next_ordered += 1
            if self.next_leaves <= index:
                work |= hashworker.LEAVES
                self.next_leaves = index + 1
        elif self.next_leaves < min(len(self.windows), self.next_ordered + _AHEAD_WINDOWS):
            index = self.next_leaves
            work = hashworker.LEAVES
            self.next_leaves += 1
        if work:
            offset, length = self.windows[index]
            leaves = -(-length // self.geometry.leaf_bytes) if work & hashworker.LEAVES else 0
            worker.in_flight.append((offset, leaves))
            worker.ask(hashworker.REQUEST.pack(hashworker.WINDOW, work, offset, length, self.geometry.leaf_bytes))

    def _take(self, worker: _Worker) -> None:
        offset, leaves = worker.in_flight.popleft()
        answer = worker.answer(leaves * DIGEST_BYTES or len(hashworker.DONE))
        if leaves:
            first = offset // self.geometry.leaf_bytes
            self.digests[first * DIGEST_BYTES : (first + leaves) * DIGEST_BYTES] = answer
            if self.progress is not None:
                self.progress(min(leaves * self.geometry.leaf_bytes, self.geometry.size_bytes - offset))

    def _whole(self) -> bytes:
        lead = self.workers[0]
        lead.ask(hashworker.REQUEST.pack(hashworker.END, 0, 0, 0, 0))
        return lead.answer(DIGEST_BYTES)


def _plan_windows(geometry: FileGeometry, workers: int) -> list[tuple[int, int]]:
    """Offset and length of each window: large, because each costs a mapping, and smaller towards the end.

    So all workers finish at about the same time.
    """
    windows = []
    offset, size, leaf_bytes = 0, geometry.size_bytes, geometry.leaf_bytes
    while offset < size:
        wanted = min(max((size - offset) // (4 * workers), SMALLEST_WINDOW_BYTES), WINDOW_BYTES)
        length = min(max(wanted // leaf_bytes, 1) * leaf_bytes, size - offset)
        windows.append((offset, length))
        offset += length
    return windows


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
