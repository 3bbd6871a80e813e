"""What the cases share: taking turns, medians, and the machine that it ran on."""

from __future__ import annotations

import dataclasses
import os
import platform
import ssl
import statistics
import time
from collections.abc import Callable
from pathlib import Path

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How large and how often.

    Attributes:
        gib: the size of the data of the case `cids`.
        turns: how often each side is measured.
        folder: where a case may write; removed afterwards.
        records: a table of tilt series for the case `archive`; None makes records up.
        limit: no more records than these, or blocks of the case `sync`.
    """

    gib: float
    turns: int
    folder: Path
    records: Path | None = None
    limit: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """One comparison: the medians of both sides, in a unit of which more is better, if not said otherwise.

    Attributes:
        aim: the ratio that the project promises, where it promises one.
        peak_mib: the most memory of one process of ours, where it was looked at.
        limit_mib: the memory that the project promises.
        less_is_better: of what is a weight, not a speed.
    """

    name: str
    unit: str
    ours: float
    reference: float
    reference_name: str
    aim: float | None = None
    note: str = ""
    peak_mib: float | None = None
    limit_mib: float | None = None
    less_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ours over the reference; the other way round where less is better."""
        return self.reference / self.ours if self.less_is_better else self.ours / self.reference


def rate(amount: float, work: Callable[[], object]) -> float:
    """How much of `amount` a second `work` gets done."""
    started = time.perf_counter()
    work()
    return amount / (time.perf_counter() - started)


def by_turns(turns: int, *sides: Callable[[], float]) -> list[float]:
    """The median rate of each side; one turn of each after the other, so that noise meets all of them."""
    rates: list[list[float]] = [[] for _ in sides]
    for _ in range(turns):
        for side, found in zip(sides, rates, strict=True):
            found.append(side())
    return [statistics.median(found) for found in rates]


class Peak:
    """The most memory that a running process has had, in MiB; 0 where the system does not say."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/status")
        self.mib = 0.0

    def look(self) -> None:
        """Read it again; the process must still run."""
        try:
            lines = self._path.read_text(encoding="ascii").splitlines()
        except OSError:
            return
        found = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        self.mib = max(self.mib, *(int(one) / 1024 for one in found), 0.0)


def describe_machine() -> dict[str, str | int]:
    """What the figures depend on."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": platform.system(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION.removeprefix("OpenSSL ").split()[0],
    }
