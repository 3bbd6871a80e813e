"""Several large files side by side, one a process: each byte is then brought from memory once for both of its hashes.

On one file together, a process that hashes leaves and the one that hashes the whole fetch the same bytes one after
the other; that costs a twentieth of the time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Progress", "plan_side_by_side", "run_side_by_side"]

Result = TypeVar("Result")
Progress = Callable[[int], None]


def plan_side_by_side(sizes_bytes: Sequence[int], processes: int) -> list[int]:
    """Which files should be hashed one a process, largest first, as positions in ``sizes_bytes``.

    Left out are files so large that the other processes would be idle before the end: all work on those together.
    """
    order = sorted(range(len(sizes_bytes)), key=lambda index: -sizes_bytes[index])
    rest_bytes = sum(sizes_bytes)
    while order:
        largest = sizes_bytes[order[0]]
        rest_bytes -= largest
        if largest * (processes - 1) <= rest_bytes:
            return order
        del order[0]
    return []


def run_side_by_side(
    jobs: Sequence[Callable[[Progress], Result]], lanes: int, progress: Progress | None
) -> list[Result]:
    """Run the jobs, so many at a time; their results in order.

    Each job gets what it tells its progress to: ``progress`` hears one call at a time. The first failure, of a job or
    of ``progress``, ends the others at their next word and is raised.
    """
    lock = threading.Lock()
    failures: list[BaseException] = []

    def tell(count: int) -> None:
        with lock:
            if failures:
                raise _StoppedError
            if progress is not None:
                progress(count)

    def guarded(job: Callable[[Progress], Result]) -> Result:
        try:
            tell(0)
            return job(tell)
        except BaseException as error:
            with lock:
                failures.append(error)
            raise

    with ThreadPoolExecutor(lanes) as pool:
        futures = [pool.submit(guarded, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException as error:  # noqa: BLE001 - an interrupt of this thread too; the first is raised below
            with lock:
                failures.append(error)
            pool.shutdown(cancel_futures=True)
            raise failures[0] from None


class _StoppedError(Exception):
    """Another job failed."""
