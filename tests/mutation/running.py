"""The run itself, as a plugin of pytest: instead of the tests once, chosen tests for each mutant."""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
import platform
import random
import resource
import signal
import sys
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from tests.mutation.again import alive_in, bring_up_to_date
from tests.mutation.explained import reason_of
from tests.mutation.mutants import Mutant, mutants_of, names_read
from tests.mutation.rooms import ROOMS

SOURCE = Path(__file__).resolve().parents[2] / "src" / "etdb"
MAX_TESTS_SECONDS = 10
"""Processor time of all tests of one mutant together: the fastest that fit are run."""
SPARE_SECONDS = 5
DATA_LIMIT = 3 << 30
KILLED, TIMED_OUT, SURVIVED, NOT_REACHED = OUTCOMES = ("killed", "timed_out", "survived", "not_reached")


class MutationRun:
    """See ``__main__``."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.is_done = False

    def pytest_collection(self) -> None:
        """Choose the profile when conftest has chosen its own, and before tests take theirs over."""
        from hypothesis import HealthCheck, Phase, settings  # not before pytest has set up its import hook

        # To find the smallest example takes long and tells nothing here; one mutant's examples are not another's.
        settings.register_profile(
            "mutation",
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return True
        calls, seconds = in_child(lambda: reached(session))
        modules = sorted((SOURCE / ROOMS[self.options.room].code).glob("*.py"))
        if self.options.module:
            modules = [path for path in modules if path.name in self.options.module]
        mutants = [(path, one) for path in modules for one in mutants_of(path.read_text("utf-8"), str(path))]
        chosen = mutants
        if self.options.again:
            wanted = alive_in(json.loads(self.options.again.read_text("utf-8")))
            chosen = [(path, one) for path, one in mutants if told(path, one) in wanted]
        elif self.options.sample and self.options.sample < len(mutants):
            chosen = random.Random(self.options.seed).sample(mutants, self.options.sample)
        began, results = time.monotonic(), []
        for path, mutant in chosen:
            if self.options.seconds and time.monotonic() - began > self.options.seconds:
                break
            tests = sorted(tests_of(path, mutant, calls), key=lambda place: seconds[place])
            outcome = run_mutant(session, path, mutant, tests, seconds)
            results.append((path, mutant, outcome))
            if outcome not in (KILLED, TIMED_OUT):
                print(f"{outcome}: {told(path, mutant)}", flush=True)
        if self.options.again:
            bring_up_to_date(self.options.again, Counter((told(path, one), outcome) for path, one, outcome in results))
        else:
            self.report(mutants, results)
        self.is_done = True
        return True

    def report(self, mutants: list[Any], results: list[tuple[Path, Mutant, str]]) -> None:
        modules = []
        for path in sorted({path for path, _ in mutants}):
            here = [(told(path, mutant), mutant.owner, outcome) for where, mutant, outcome in results if where == path]
            modules.append(
                {
                    "module": f"{path.parent.name}/{path.name}",
                    "mutants": sum(where == path for where, _ in mutants),
                    **_counts(outcome for *_, outcome in here),
                    "survivors": [{"mutant": text, "why": reason_of(text)} for text, _, one in here if one == SURVIVED],
                    "not_reached_in": dict(Counter(owner for _, owner, one in here if one == NOT_REACHED)),
                }
            )
        counts = _counts(outcome for *_, outcome in results)
        document = {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "python": platform.python_version(),
            "room": self.options.room,
            "seed": self.options.seed,
            "mutants": len(mutants),
            **counts,
            "modules": modules,
        }
        if self.options.out:
            self.options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{self.options.room}: {len(mutants)} mutants, {counts}", flush=True)


def _counts(outcomes: Iterable[str]) -> dict[str, int]:
    found = Counter(outcomes)
    return {"run": found.total(), **{name: found[name] for name in OUTCOMES}}


def told(path: Path, mutant: Mutant) -> str:
    """A mutant in words that stay the same when lines above it change."""
    return f"{path.parent.name}/{path.name} {mutant.owner}: {mutant.what} in: {mutant.text}"


def reached(session: pytest.Session) -> tuple[dict[tuple[str, str], set[int]], list[float]]:
    """Run all tests once; which functions each calls, and how long it takes."""
    calls: dict[tuple[str, str], set[int]] = {}
    seconds: list[float] = []
    root = str(SOURCE)

    def watch(place: int) -> Callable[[Any, str, Any], None]:
        seen: set[CodeType] = set()

        def profile(frame: Any, event: str, _argument: Any) -> None:
            code = frame.f_code
            if event == "call" and code not in seen:
                seen.add(code)
                if code.co_filename.startswith(root):
                    calls.setdefault((code.co_filename, code.co_qualname.partition(".<locals>")[0]), set()).add(place)

        return profile

    for place, item in enumerate(session.items):
        profile = watch(place)
        threading.setprofile(profile)
        sys.setprofile(profile)
        began = time.process_time()
        run_tests(session, [place])
        sys.setprofile(None)
        seconds.append(time.process_time() - began)
        if session.testsfailed:
            raise RuntimeError(f"{item.nodeid} fails without any mutant")
    return calls, seconds


def tests_of(path: Path, mutant: Mutant, calls: dict[tuple[str, str], set[int]]) -> set[int]:
    if not mutant.is_constant:
        return calls.get((str(path), mutant.owner), set())
    found: set[int] = set()
    for other in path.parent.glob("*.py"):
        for owner in names_read(other.read_text("utf-8")).get(mutant.owner, ()):
            found |= calls.get((str(other), owner), set())
    return found


def run_mutant(session: pytest.Session, path: Path, mutant: Mutant, tests: list[int], seconds: list[float]) -> str:
    """Put a mutant in place in a process of its own, and run tests there."""
    chosen, total = [], 0.0
    for place in tests:
        if total + seconds[place] <= MAX_TESTS_SECONDS or not chosen:
            chosen.append(place)
            total += seconds[place]
    if not chosen:
        return NOT_REACHED
    pid = os.fork()
    if pid:
        return _wait(pid, 20 * (total + SPARE_SECONDS))
    status = 3
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        limit = int(2 * total + SPARE_SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
        if not put_in_place(path, mutant):
            status = 4
        else:
            session.config.option.maxfail = 1
            run_tests(session, chosen)
            status = 1 if session.testsfailed else 0
    except BaseException:
        status = 1  # the session was stopped, as by the first failure
    finally:
        os._exit(status)


def _wait(pid: int, seconds: float) -> str:
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)  # with the processes that a test has begun
            os.waitpid(pid, 0)
            return TIMED_OUT
        time.sleep(0.02)
    if os.WIFSIGNALED(status):
        return TIMED_OUT if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else KILLED
    return {0: SURVIVED, 1: KILLED, 4: NOT_REACHED}.get(os.WEXITSTATUS(status), KILLED)


def run_tests(session: pytest.Session, places: Iterable[int]) -> None:
    items = [session.items[place] for place in sorted(places, key=list(places).index)]
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return


def put_in_place(path: Path, mutant: Mutant) -> bool:
    """Exchange the code of a function, or a constant wherever it was imported. False when it cannot be found."""
    name = ".".join(path.with_suffix("").relative_to(SOURCE.parent).parts)
    module = sys.modules[name.removesuffix(".__init__")]
    if isinstance(mutant.code, int):
        old = getattr(module, mutant.owner)
        for other in [one for key, one in sys.modules.items() if key.startswith("etdb")]:
            if other.__dict__.get(mutant.owner) == old:
                setattr(other, mutant.owner, mutant.code)
        return True
    function = _function(module, mutant.owner)
    if function is None or function.__code__.co_freevars != mutant.code.co_freevars:
        return False
    function.__code__ = mutant.code
    return True


def _function(module: ModuleType, owner: str) -> FunctionType | None:
    found: Any = module
    for word in owner.split("."):
        found = found.__dict__.get(word)
    for unwrap in ("__func__", "fget", "func", "__wrapped__"):
        found = getattr(found, unwrap, None) or found
    return found if isinstance(found, FunctionType) else None


def in_child(work: Callable[[], Any]) -> Any:
    """A result of another process, so that what it imports, caches and changes is not here."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(work(), pipe)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        made = pickle.load(pipe)
    os.waitpid(pid, 0)
    return made
