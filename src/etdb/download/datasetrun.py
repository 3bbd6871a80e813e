"""One dataset of a download: its manifest, its files, what is written beside them, and how it went."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from etdb.download.crew import Crew
from etdb.download.filejob import MAX_UNKNOWN_FILE_BYTES, FileJob, Piece
from etdb.download.partfile import storage_error
from etdb.download.plan import INCOMPLETE_FOLDER, PlannedDataset
from etdb.download.pool import SourcePool
from etdb.download.reports import DatasetReport, Evidence, FailedFile
from etdb.download.resolve import DirectoryReader
from etdb.download.smallfiles import SmallFiles, bring_small_files, in_batches
from etdb.durable import make_folder
from etdb.errors import EtdbError, NotFoundError, StorageError, VerificationError
from etdb.ipfs import Cid
from etdb.manifest import MANIFEST_NAME, Manifest, compare, parse_manifest
from etdb.sources.received import ReceivedDataset, ReceivedFile, store_received
from etdb.workspace.locks import hold_lock

__all__ = ["MAX_GATHERED_BYTES", "DatasetRun"]

MAX_MANIFEST_BYTES = 64 << 20
# Datasets of many files and little content come in one request, and stay in memory until they are written.
GATHER_FROM_FILES = 8
MAX_GATHERED_BYTES = 32 << 20
GATHERED_ROOM_BYTES = 4 << 20
"""What is left for nodes and the manifest beside the files."""


def _is_worth_gathering(planned: PlannedDataset, folder: Path) -> bool:
    """Whether one request for all of a dataset beats one for each file: many, small, most of it wanted and not here."""
    sizes = [entry.size_bytes for entry in planned.tomogram.files]
    total = sum(size or 0 for size in sizes)
    if len(planned.files) < GATHER_FROM_FILES or None in sizes or total > MAX_GATHERED_BYTES:
        return False
    missing = [file for file in planned.files if not os.path.lexists(f"{folder}/{file.target}")]
    return len(missing) >= GATHER_FROM_FILES and 2 * sum(file.size_bytes or 0 for file in missing) >= total


class DatasetRun:
    """The work on one dataset.

    Args:
        planned: what is wanted.
        folder: where it goes.
        pool: its sources, see :meth:`~etdb.download.pool.SourcePool.for_dataset`.
        crew: who works.
        gathering: held while blocks of a small dataset wait in memory, so that they do so for one dataset at a time.
        progress: told of each number of bytes that is there and checked; safe to be called from any thread.
        evidence: what is written beside the files.
    """

    def __init__(
        self,
        planned: PlannedDataset,
        folder: Path,
        pool: SourcePool,
        crew: Crew,
        *,
        gathering: threading.Lock,
        progress: Callable[[int], None],
        evidence: Evidence,
    ) -> None:
        self.planned, self.folder, self.pool, self.evidence = planned, folder, pool, evidence
        self.hidden = folder / INCOMPLETE_FOLDER
        self.crew, self.progress = crew, progress
        self._gathering = gathering
        self.jobs: list[FileJob] = []
        self.failed: list[FailedFile] = []
        self.sha256: dict[str, str] = {}
        self._folders: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> DatasetReport:
        """Bring it, as far as it can be brought.

        Raises:
            StorageError: the folder cannot be written.
            LockedError: another process downloads it into the same place.
        """
        try:
            make_folder(self.hidden)
        except OSError as error:
            raise storage_error(error, self.folder) from error
        with hold_lock(self.hidden / "download.lock"):
            report = self._run_gathered() if _is_worth_gathering(self.planned, self.folder) else self._run_locked()
            if not report.failed:
                # With the lock held: behind it, the next download may have begun to put its own files there.
                shutil.rmtree(self.hidden, ignore_errors=True)
        return report

    def _run_gathered(self) -> DatasetReport:
        size = sum(file.size_bytes or 0 for file in self.planned.tomogram.files)
        with self._gathering:
            try:
                self.pool.gather(min(2 * size + GATHERED_ROOM_BYTES, MAX_GATHERED_BYTES + GATHERED_ROOM_BYTES))
                return self._run_locked()
            finally:
                self.pool.forget()

    def _run_locked(self) -> DatasetReport:
        manifest: Manifest | None = None
        differences: tuple[str, ...] = ()
        try:
            reader = DirectoryReader(self.planned.tomogram.location, self.pool)
            manifest = None if self.planned.is_bare else self._fetch_manifest(reader)
            # An old record may point to its only file instead of a directory.
            is_file = len(self.planned.tomogram.files) == 1 and not reader.is_directory()
        except StorageError:
            raise
        except EtdbError as error:
            self.failed.append(FailedFile(path=MANIFEST_NAME, error=error))
        else:
            if manifest is not None:
                differences = tuple(d.field for d in compare(manifest, self.planned.tomogram))
                self.sha256 = {f.path: f.sha256 for f in manifest.files if f.sha256}
            self._fetch_files(reader, is_file=is_file)
        done = [job for job in self.jobs if job.error is None]
        if not self.planned.is_bare:
            store_received(self.folder, self._received(done))
        return DatasetReport(
            dataset_id=self.planned.dataset_id,
            folder=self.folder,
            files=len(done),
            kept_bytes=sum(job.kept_bytes for job in self.jobs),
            fetched_bytes=sum(job.fetched_bytes for job in self.jobs),
            has_manifest=manifest is not None,
            differences=differences,
            failed=tuple(self.failed),
        )

    def _fetch_manifest(self, reader: DirectoryReader) -> Manifest | None:
        try:
            cid = reader.find(MANIFEST_NAME)
        except NotFoundError as error:
            if "path" not in error.fields:
                raise  # not the entry is missing, but the directory itself
            return None
        job = self._job(MANIFEST_NAME, MANIFEST_NAME, cid, None, max_bytes=MAX_MANIFEST_BYTES)
        self._work_through(iter([job]))
        if job.error is not None:
            return None
        try:
            return parse_manifest(job.final.read_bytes())
        except OSError as error:
            raise storage_error(error, job.final) from error

    def _fetch_files(self, reader: DirectoryReader, *, is_file: bool) -> None:
        def jobs() -> Iterator[FileJob]:
            for file in self.planned.files:
                try:
                    cid = reader.root if is_file else reader.find(file.path)
                except EtdbError as error:
                    self._fail(file.path, error)
                else:
                    yield self._job(file.path, file.target, cid, file.size_bytes)

        self._work_through(jobs())

    def _job(
        self, path: str, target: str, cid: Cid, size_bytes: int | None, max_bytes: int = MAX_UNKNOWN_FILE_BYTES
    ) -> FileJob:
        return FileJob(
            path,
            target,
            cid,
            size_bytes=size_bytes,
            max_bytes=max_bytes,
            sha256=self.sha256.get(path),
            folder=self.folder,
            hidden=self.hidden,
        )

    def _work_through(self, jobs: Iterator[FileJob]) -> None:
        try:
            self.crew.work_through(self._supply(jobs), self._do)
        finally:
            for job in self.jobs:
                job.close()

    def _supply(self, jobs: Iterator[FileJob]) -> Iterator[Piece | FileJob | SmallFiles]:
        """Pieces of all files in order; a file itself when it has no more, so that an empty one is finished too."""
        for job in in_batches(jobs):
            if isinstance(job, SmallFiles):
                self.jobs += job.jobs
                self._make_folders(job)
                yield job
                continue
            self.jobs.append(job)
            try:
                for piece in job.pieces(self.pool):
                    yield piece
                    if job.error is not None:
                        break
            except StorageError:
                raise
            except EtdbError as error:
                self._fail(job.path, error, job)
            job.all_given()
            yield job

    def _make_folders(self, batch: SmallFiles) -> None:
        for name in {job.target.rpartition("/")[0] for job in batch.jobs} - self._folders:
            folder = self.folder / name
            try:
                make_folder(folder)
            except OSError as error:
                raise storage_error(error, folder) from error
            self._folders.add(name)

    def _do(self, item: Piece | FileJob | SmallFiles, buffer: memoryview) -> None:
        if isinstance(item, FileJob):
            self._settle(item)
        elif isinstance(item, SmallFiles):
            done = bring_small_files(item, self.pool, failed=self._fail_job, is_stopped=lambda: self.crew.is_stopped)
            self.progress(done)
        else:
            self._do_piece(item, buffer)

    def _do_piece(self, piece: Piece, buffer: memoryview) -> None:
        job = piece.job
        result = None
        try:
            if job.error is None:
                result = job.work(piece, self.pool, buffer)
                self.progress(result.kept_bytes + result.fetched_bytes)
        except StorageError:
            raise
        except EtdbError as error:
            self._fail(job.path, error, job)
        job.done(result)
        self._settle(job)

    def _settle(self, job: FileJob) -> None:
        """Finish a file once, when all of its pieces are done."""
        if not job.claim_finish():
            return
        try:
            if job.error is None:
                job.finish()
                self.pool.settle(job.cid)
        except VerificationError as error:
            self._fail(job.path, error, job)
        finally:
            job.close()

    def _fail_job(self, job: FileJob, error: EtdbError) -> None:
        self._fail(job.path, error, job)

    def _fail(self, path: str, error: EtdbError, job: FileJob | None = None) -> None:
        with self._lock:
            if job is not None:
                if job.error is not None:
                    return
                job.error = error
            self.failed.append(FailedFile(path=path, error=error))

    def _received(self, done: list[FileJob]) -> ReceivedDataset:
        return ReceivedDataset(
            dataset_id=self.planned.dataset_id,
            tomogram=self.planned.tomogram,
            network=self.evidence.network,
            transactions=self.evidence.transactions,
            files=tuple(
                ReceivedFile(path=job.path, target=job.target, cid=str(job.cid), size_bytes=job.size_bytes)
                for job in done
            ),
            left_out=self.planned.left_out,
            claims=self.evidence.claims,
            sources=self.pool.used,
        )
