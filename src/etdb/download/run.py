"""Carry out a plan: several datasets' pieces over several sources, each byte checked before it is written.

The same command at any later time goes on where it ended: complete files are hashed, not fetched; of incomplete ones
only what is missing or wrong is fetched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from etdb.blocks.port import BlockStore
from etdb.download.crew import Crew
from etdb.download.datasetrun import DatasetRun
from etdb.download.ending import Ending
from etdb.download.partfile import storage_error
from etdb.download.plan import INCOMPLETE_FOLDER, DownloadPlan, PlannedDataset
from etdb.download.pool import SourceFinder, SourcePool
from etdb.download.reports import DatasetReport, DownloadReport, Evidence
from etdb.durable import make_folder
from etdb.errors import DiskFullError, FormatError
from etdb.ipfs import parse_cid

__all__ = ["download"]

# What is left for others when the disk is measured before the first byte.
SPARE_BYTES = 16 << 20
MAX_WORKERS = 64
DATASETS_AT_ONCE = 4


def download(
    plan: DownloadPlan,
    stores: Sequence[BlockStore],
    target_folder: Path | str,
    *,
    jobs: int = 4,
    finder: SourceFinder | None = None,
    progress: Callable[[int], None] | None = None,
    evidence: Mapping[str, Evidence] | None = None,
    sleep: Callable[[float], None] | None = None,
) -> DownloadReport:
    """Bring everything of a plan, several datasets side by side.

    Args:
        plan: of `plan_download`.
        stores: sources, the preferred first; none is trusted.
        target_folder: each dataset gets a folder of its own in it.
        jobs: threads; memory is about `jobs` times one leaf (2 MiB at most).
        finder: finds more sources of a dataset, where the stores cannot help or there are none.
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
    ending = Ending()
    pool = SourcePool(stores, finder=finder, ending=ending, sleep=sleep)
    workers = max(1, min(jobs, MAX_WORKERS))
    telling, gathering = threading.Lock(), threading.Lock()

    def tell(count: int) -> None:
        if progress is not None and count:
            with telling:
                progress(count)

    crew = Crew(workers, ending)

    def run(planned: PlannedDataset) -> DatasetReport:
        known = (evidence or {}).get(planned.dataset_id, Evidence())
        own = _sources_of(planned, pool)
        one = DatasetRun(
            planned, folder / planned.folder, own, crew, gathering=gathering, progress=tell, evidence=known
        )
        return one.run()

    try:
        reports = _side_by_side(plan.datasets, run, crew, min(workers, DATASETS_AT_ONCE))
    finally:
        crew.close()
    return DownloadReport(datasets=tuple(reports), banned=pool.banned, sources=pool.used)


def _sources_of(planned: PlannedDataset, pool: SourcePool) -> SourcePool:
    try:
        root = parse_cid(planned.tomogram.location)
    except FormatError:
        return pool  # it is said where the location is used
    own = pool.for_dataset(root)
    own.seek()
    return own


def _side_by_side(
    datasets: Sequence[PlannedDataset], run: Callable[[PlannedDataset], DatasetReport], crew: Crew, at_once: int
) -> list[DatasetReport]:
    """The reports in the order of the plan; what cannot be helped in one ends them all."""
    if min(len(datasets), at_once) <= 1:
        return [run(planned) for planned in datasets]

    def guarded(planned: PlannedDataset) -> DatasetReport | None:
        if crew.is_stopped:
            return None
        try:
            return run(planned)
        except BaseException as error:
            crew.stop(error)
            raise

    with ThreadPoolExecutor(at_once, thread_name_prefix="etdb-dataset") as threads:
        futures = [threads.submit(guarded, planned) for planned in datasets]
        try:
            found = [future.result() for future in futures]
        except BaseException as error:
            crew.stop(error)
            threads.shutdown(cancel_futures=True)
            raise
    return [report for report in found if report is not None]


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
