"""Work in a process of its own, with its memory and time."""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

MIB = 1 << 20
FIGURES: list[dict[str, Any]] = []
"""What was measured in this run."""
_CPU_LIMIT_S = 240
"""Only so that work without an end becomes a failure here."""


class Cost(NamedTuple):
    """What came of work: its result, or the error it ended with, and how much more memory it had at its height."""

    result: Any
    error: Exception | None
    peak_mib: float
    cpu_s: float


def cost_of(work: Callable[[], Any]) -> Cost:
    """Run ``work`` in a child; what it gives and raises must pickle, or its text comes instead."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os._exit(_child(work, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status or not data:
        name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else status
        raise AssertionError(f"the work did not end by itself: {name}")
    return Cost(*pickle.loads(data))


def _child(work: Callable[[], Any], writing: int) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = _CPU_LIMIT_S if hard == resource.RLIM_INFINITY else min(hard, _CPU_LIMIT_S)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    result: Any = None
    error: Exception | None = None
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the parent has freed must not serve for this
    Path("/proc/self/clear_refs").write_text("5")  # the height of memory begins here
    before, began = _memory("VmRSS"), time.process_time()
    try:
        result = work()
    except Exception as caught:
        error = caught
    cost = (max(0, _memory("VmHWM") - before) / MIB, time.process_time() - began)
    try:
        data = pickle.dumps((result, error, *cost))
    except Exception:
        data = pickle.dumps((repr(result), RuntimeError(f"{type(error).__name__}: {error}") if error else None, *cost))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(data)
    return 0


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
