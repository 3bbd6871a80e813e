"""Carry out a plan: several files' pieces over several sources, each byte checked before it is written.

The same command at any later time goes on where it ended: complete files are hashed, not fetched; of incomplete ones
only what is missing or wrong is fetched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from etdb.blocks.port import BlockStore
from etdb.download.filejob import FileJob, Piece
from etdb.download.partfile import storage_error
from etdb.download.plan import INCOMPLETE_FOLDER, DownloadPlan, PlannedDataset
from etdb.download.pool import BannedSource, SourcePool
from etdb.download.resolve import DirectoryReader
from etdb.download.smallfiles import SmallFiles, bring_small_files, in_batches
from etdb.durable import make_folder
from etdb.errors import DiskFullError, EtdbError, FormatError, NotFoundError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, parse_cid
from etdb.manifest import MANIFEST_NAME, Manifest, compare, parse_manifest
from etdb.sources.received import ReceivedDataset, ReceivedFile, TransactionEvidence, store_received
from etdb.workspace.locks import hold_lock

__all__ = ["DatasetReport", "DownloadReport", "Evidence", "FailedFile", "download"]

MAX_MANIFEST_BYTES = 64 << 20
# What is left for others when the disk is measured before the first byte.
SPARE_BYTES = 16 << 20
MAX_WORKERS = 64
# Datasets of many files and little content come in one request, and stay in memory until they are written.
GATHER_FROM_FILES = 8
MAX_GATHERED_BYTES = 32 << 20


class Evidence(Struct, frozen=True, kw_only=True):
    """What the ledger knows of a dataset, to be kept beside its files: its transactions in their order, and claims."""

    network: str = ""
    transactions: tuple[TransactionEvidence, ...] = ()
    claims: dict[str, str] = {}


class FailedFile(Struct, frozen=True, kw_only=True):
    """A file that could not be brought, and why; what has arrived of it is kept."""

    path: str
    error: EtdbError


class DatasetReport(Struct, frozen=True, kw_only=True):
    """How one dataset went. `differences` are fields in which its manifest does not say what its record says."""

    dataset_id: str
    folder: Path
    files: int
    kept_bytes: int
    fetched_bytes: int
    has_manifest: bool
    differences: tuple[str, ...] = ()
    failed: tuple[FailedFile, ...] = ()


class DownloadReport(Struct, frozen=True, kw_only=True):
    """How all went: complete only when nothing failed."""

    datasets: tuple[DatasetReport, ...]
    banned: tuple[BannedSource, ...]
    sources: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Every file is there and every byte was checked."""
        return not any(dataset.failed for dataset in self.datasets)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that came from a source in this run."""
        return sum(dataset.fetched_bytes for dataset in self.datasets)

    @property
    def kept_bytes(self) -> int:
        """Bytes that were there already and were checked again."""
        return sum(dataset.kept_bytes for dataset in self.datasets)


def download(
    plan: DownloadPlan,
    stores: Sequence[BlockStore],
    target_folder: Path | str,
    *,
    jobs: int = 4,
    progress: Callable[[int], None] | None = None,
    evidence: Mapping[str, Evidence] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> DownloadReport:
    """Bring everything of a plan.

    Args:
        plan: of `plan_download`.
        stores: sources, the preferred first; none is trusted.
        target_folder: each dataset gets a folder of its own in it.
        jobs: threads; memory is about `jobs` times one leaf (2 MiB at most).
        progress: told of each number of bytes that is there and checked, one call at a time.
        evidence: by dataset id, what is written beside the files for `verify`.
        sleep: waits before another try; for tests.

    Returns:
        The report. Files that failed are in it; ask `is_complete`.

    Raises:
        DiskFullError: there is, or will be, no room; what has arrived is kept.
        StorageError: the folder cannot be written.
        LockedError: another process downloads the same dataset into it.
    """
    folder = Path(target_folder)
    _check_space(plan, folder)
    pool = SourcePool(stores, sleep=sleep)
    reports = []
    for planned in plan.datasets:
        known = (evidence or {}).get(planned.dataset_id, Evidence())
        run = _DatasetRun(planned, folder / planned.folder, pool, workers=jobs, progress=progress, evidence=known)
        reports.append(run.run())
    return DownloadReport(datasets=tuple(reports), banned=pool.banned, sources=pool.used)


def _check_space(plan: DownloadPlan, folder: Path) -> None:
    needed = 0
    for dataset in plan.datasets:
        base = folder / dataset.folder
        for file in dataset.files:
            with contextlib.suppress(OSError):
                needed -= os.stat(f"{base}/{file.target}").st_size  # noqa: PTH116 - once for each of many files
            needed += file.size_bytes or 0
    for dataset in plan.datasets:
        with contextlib.suppress(OSError):
            for part in (folder / dataset.folder / INCOMPLETE_FOLDER).glob("*.part"):
                needed -= part.stat().st_blocks * 512
    try:
        make_folder(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise storage_error(error, folder) from error
    if needed > 0 and needed + SPARE_BYTES > free:
        raise DiskFullError(
            f"{folder} has room for {free} bytes, the download needs {needed} more",
            hint="make room, choose another folder, or fewer types of files; nothing was written",
            path=str(folder),
            needed_bytes=needed,
            free_bytes=free,
        )


def _is_worth_gathering(planned: PlannedDataset, folder: Path) -> bool:
    """Whether one request for all of a dataset beats one for each file: many, small, most of it wanted and not here."""
    sizes = [entry.size_bytes for entry in planned.tomogram.files]
    total = sum(size or 0 for size in sizes)
    if len(planned.files) < GATHER_FROM_FILES or None in sizes or total > MAX_GATHERED_BYTES:
        return False
    missing = [file for file in planned.files if not os.path.lexists(f"{folder}/{file.target}")]
    return len(missing) >= GATHER_FROM_FILES and 2 * sum(file.size_bytes or 0 for file in missing) >= total


class _DatasetRun:
    def __init__(
        self,
        planned: PlannedDataset,
        folder: Path,
        pool: SourcePool,
        *,
        workers: int,
        progress: Callable[[int], None] | None,
        evidence: Evidence,
    ) -> None:
        self.planned, self.folder, self.pool, self.evidence = planned, folder, pool, evidence
        self.hidden = folder / INCOMPLETE_FOLDER
        self.workers = max(1, min(workers, MAX_WORKERS))
        self.progress = progress
        self.jobs: list[FileJob] = []
        self.failed: list[FailedFile] = []
        self.sha256: dict[str, str] = {}
        self._folders: set[str] = set()
        self._lock = threading.Lock()
        self._supply_lock = threading.Lock()
        self._small_turn = threading.Lock()
        self._stop = threading.Event()
        self._fatal: BaseException | None = None

    def run(self) -> DatasetReport:
        try:
            make_folder(self.hidden)
        except OSError as error:
            raise storage_error(error, self.folder) from error
        with hold_lock(self.hidden / "download.lock"):
            try:
                report = self._run_locked()
            finally:
                self.pool.forget()
            if not report.failed:
                # With the lock held: behind it, the next download may have begun to put its own files there.
                shutil.rmtree(self.hidden, ignore_errors=True)
        return report

    def _run_locked(self) -> DatasetReport:
        manifest: Manifest | None = None
        differences: tuple[str, ...] = ()
        try:
            if _is_worth_gathering(self.planned, self.folder):
                self.pool.gather(parse_cid(self.planned.tomogram.location), MAX_GATHERED_BYTES)
            reader = DirectoryReader(self.planned.tomogram.location, self.pool)
            manifest = self._fetch_manifest(reader)
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
        job = self._job(MANIFEST_NAME, MANIFEST_NAME, cid, None)
        self._work_through(iter([job]))
        if job.error is not None:
            return None
        if job.size_bytes > MAX_MANIFEST_BYTES:
            raise FormatError(f"the manifest has {job.size_bytes} bytes; {MAX_MANIFEST_BYTES} are the limit")
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

    def _job(self, path: str, target: str, cid: Cid, size_bytes: int | None) -> FileJob:
        return FileJob(
            path,
            target,
            cid,
            size_bytes=size_bytes,
            sha256=self.sha256.get(path),
            folder=self.folder,
            hidden=self.hidden,
        )

    def _work_through(self, jobs: Iterator[FileJob]) -> None:
        supply = self._supply(jobs)
        threads = [
            threading.Thread(target=self._worker, args=(supply,), name=f"etdb-download-{n}", daemon=True)
            for n in range(self.workers)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._stop.set()
            for thread in threads:
                thread.join()
            raise
        finally:
            for job in self.jobs:
                job.close()
        if self._fatal is not None:
            raise self._fatal

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

    def _worker(self, supply: Iterator[Piece | FileJob | SmallFiles]) -> None:
        buffer = memoryview(bytearray(MAX_BLOCK_BYTES))
        try:
            while not self._stop.is_set():
                with self._supply_lock:
                    item = next(supply, None)
                if item is None:
                    return
                if isinstance(item, FileJob):
                    self._settle(item)
                elif isinstance(item, SmallFiles):
                    self._tell(bring_small_files(item, self.pool, failed=self._fail_job, is_stopped=self._stop.is_set))
                else:
                    self._do(item, buffer)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            with self._lock:
                self._fatal = self._fatal or error
            self._stop.set()

    def _do(self, piece: Piece, buffer: memoryview) -> None:
        job = piece.job
        result = None
        try:
            if job.error is None:
                result = job.work(piece, self.pool, buffer)
                self._tell(result.kept_bytes + result.fetched_bytes)
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

    def _tell(self, count: int) -> None:
        if self.progress is not None and count:
            with self._lock:
                self.progress(count)

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
