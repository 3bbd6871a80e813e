"""SIGKILL at any moment: the same command completes, and no wrong byte ever lies under a final name."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from etdb.blocks import write_car
from etdb.download import download, plan_download
from etdb.ipfs import cid_of, parse_cid

from .conftest import MIB, Counting, noise, put_dataset

ID = "ab" * 32
FILES = {"raw/a.st": noise(9 * MIB + 17), "b.rec": noise(3 * MIB, 2), "c.txt": b"hello"}

CHILD = textwrap.dedent("""
    import os, signal, sys, time
    from pathlib import Path
    import msgspec
    from etdb.blocks import CarStore
    from etdb.download import download, plan_download
    from etdb.oip.tomogram import Tomogram

    car, record, target, fatal = sys.argv[1:5]
    store = CarStore(Path(car))
    tomogram = msgspec.json.decode(Path(record).read_bytes(), type=Tomogram)
    calls = 0
    if fatal != "by-parent":
        name, _, number = fatal.partition(":")
        true = getattr(os, name)
        def dying(*arguments, **options):
            global calls
            calls += 1
            if calls == int(number):
                os.kill(os.getpid(), signal.SIGKILL)
            return true(*arguments, **options)
        setattr(os, name, dying)
    class Slow:
        name = "slow"
        def get(self, cid, **options):
            if fatal == "by-parent":
                time.sleep(0.02)
            return store.get(cid, **options)
    report = download(plan_download([("ab" * 32, tomogram)]), [Slow()], target, jobs=2)
    sys.exit(0 if report.is_complete else 9)
""")


@pytest.fixture
def prepared(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)
    car, record = tmp_path / "all.car", tmp_path / "record.json"
    # A store finds blocks by their hash; the codec does not matter.
    write_car(car, [parse_cid(tomogram.location)], [(cid_of(block), block) for block in memory._blocks.values()])
    record.write_bytes(msgspec.json.encode(tomogram))
    return tomogram, car, record


def start(prepared, target, fatal):
    _, car, record = prepared
    return subprocess.Popen([sys.executable, "-c", CHILD, str(car), str(record), str(target), fatal])


def check_partial(target: Path):
    """Whatever lies under a final name is whole and right."""
    for path, data in FILES.items():
        for found in target.glob(f"*/{path}"):
            assert found.read_bytes() == data


def check_complete(prepared, memory, target):
    store = Counting(memory)
    report = download(plan_download([(ID, prepared[0])]), [store], target)
    assert report.is_complete
    for path, data in FILES.items():
        assert (report.datasets[0].folder / path).read_bytes() == data
    assert not (report.datasets[0].folder / ".etdb-incomplete").exists()
    return report


# The calls by which a download changes the disk: data and maps, flushes, final names, clearing up.
FATAL = (
    [f"pwrite:{n}" for n in (1, 2, 3, 8, 17, 28)]
    + ["write:1", "open:9"]
    + [f"fsync:{n}" for n in (1, 2, 3, 5, 7)]
    + [f"replace:{n}" for n in (1, 2, 4, 5)]
    + [f"unlink:{n}" for n in (1, 3)]
)


@pytest.mark.crash
@pytest.mark.parametrize("fatal", FATAL)
def test_killed_at_a_system_call(prepared, memory, tmp_path, fatal):
    target = tmp_path / "out"
    child = start(prepared, target, fatal)
    child.wait(60)
    assert child.returncode == -signal.SIGKILL
    check_partial(target)
    check_complete(prepared, memory, target)


@pytest.mark.crash
def test_killed_again_and_again_it_gets_on(prepared, memory, tmp_path):
    target = tmp_path / "out"
    for _ in range(3):
        child = start(prepared, target, "by-parent")
        for _ in range(500):
            if child.poll() is not None or list(target.glob("*/.etdb-incomplete/*.map")):
                break
            time.sleep(0.01)
        time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(60)
        check_partial(target)
    report = check_complete(prepared, memory, target)
    assert report.kept_bytes > 0
