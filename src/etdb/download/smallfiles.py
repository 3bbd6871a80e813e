"""Files that are a single leaf: many of them in one piece of work, flushed to the disk together.

A small file costs its name more than its bytes: a folder entry, a map, a flush, a rename and another flush. Here the
content is checked in memory, written under a temporary name, and a whole batch is flushed, then renamed, then its
folders are flushed: the same order for each file, with the disk asked once. After a kill or a power cut each file is
there whole or not at all.
"""

# ruff: noqa: PTH105 - what is done for each of thousands of files is done with text
from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from etdb import durable
from etdb.download.filejob import FileJob
from etdb.download.partfile import storage_error
from etdb.download.pool import SourcePool
from etdb.errors import EtdbError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES

__all__ = ["BATCH_BYTES", "BATCH_FILES", "SmallFiles", "bring_small_files", "in_batches"]

BATCH_FILES = 128
BATCH_BYTES = 8 << 20


class SmallFiles(Struct, frozen=True):
    """A batch of files of one leaf each."""

    jobs: tuple[FileJob, ...]


def in_batches(jobs: Iterable[FileJob]) -> Iterator[FileJob | SmallFiles]:
    """Jobs in order, those of a single leaf joined with the ones that follow them, up to a limit."""
    batch: list[FileJob] = []
    size = 0
    for job in jobs:
        if not job.is_single_leaf:
            yield job
            continue
        batch.append(job)
        size += job.claimed_bytes or 0
        if len(batch) == BATCH_FILES or size >= BATCH_BYTES:
            yield SmallFiles(tuple(batch))
            batch, size = [], 0
    if batch:
        yield SmallFiles(tuple(batch))


def bring_small_files(
    batch: SmallFiles,
    pool: SourcePool,
    *,
    failed: Callable[[FileJob, EtdbError], None],
    is_stopped: Callable[[], bool],
) -> int:
    """Bring the files of a batch; gives the bytes that are there and checked.

    Args:
        batch: their folders exist, as :class:`~etdb.download.filejob.FileJob` says where.
        pool: where content comes from.
        failed: told of a file that cannot be brought; the others go on.
        is_stopped: asked before each file.

    Raises:
        StorageError: they cannot be written.
    """
    written: list[_Written] = []
    done: list[FileJob] = []
    for job in batch.jobs:
        if is_stopped():
            break
        final, part = job.small_paths()
        try:
            if not _is_there(job, final, part):
                _write(job, final, part, pool)
                written.append(_Written(final, part))
        except StorageError:
            raise
        except EtdbError as error:
            failed(job, error)
        else:
            done.append(job)
    _settle(written)
    for job in done:
        try:
            job.verify_sha256(job.cid.digest)
        except VerificationError as error:
            failed(job, error)
    return sum(job.size_bytes for job in done)


class _Written(NamedTuple):
    final: str
    part: str


def _is_there(job: FileJob, final: str, part: str) -> bool:
    """Whether the file lies under its name with the right bytes; a wrong one loses that name at once."""
    try:
        descriptor = os.open(final, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(error, job.final) from error
    try:
        size = os.fstat(descriptor).st_size
        if size <= MAX_BLOCK_BYTES:
            content = b""
            with contextlib.suppress(OSError):  # a bad place of the disk: it is fetched again
                content = os.pread(descriptor, size, 0)
            if len(content) == size and hashlib.sha256(content).digest() == job.cid.digest:
                job.verify_size(size)
                job.kept_bytes = size
                return True
    finally:
        os.close(descriptor)
    try:
        os.replace(final, part)
    except OSError as error:
        raise storage_error(error, job.final) from error
    return False


def _write(job: FileJob, final: str, part: str, pool: SourcePool) -> None:
    """Write the checked content under its temporary name."""
    content = pool.get(job.cid)
    job.verify_size(len(content))
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            at = os.write(descriptor, content)
            while at < len(content):
                at += os.write(descriptor, memoryview(content)[at:])
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(error, Path(final)) from error
    job.fetched_bytes = len(content)


def _settle(written: list[_Written]) -> None:
    """Flush all, then name all, then flush the names.

    Each is opened again for it: all of them open at once, in each thread, would be more than a process may have.
    """
    try:
        for one in written:
            descriptor = os.open(one.part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        for one in written:
            os.replace(one.part, one.final)
        for folder in {one.final.rpartition("/")[0] for one in written}:
            durable.sync_folder(Path(folder))
    except OSError as error:
        raise storage_error(error, Path(written[0].final)) from error
