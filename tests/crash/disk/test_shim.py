"""The shim misses nothing: what it noted is what is on the disk, and a second witness saw no other calls."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys

import pytest
from disk_shim import compile_shim, load_log
from disk_states import Disk
from disk_stories import told_story

pytestmark = pytest.mark.crash

CHANGES = "write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,rename,renameat,renameat2,link,linkat,"
CHANGES += "unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,sync_file_range,sendfile,copy_file_range,splice"


def test_what_was_noted_makes_the_disk_as_it_is(runner):
    with told_story("workspace", runner) as lab:
        records = [record for name in lab.LIFE for record in lab.begin(name, "record")]
        made = Disk(records).after_cut("ordered", 1.0, random.Random(0))
        there = {
            str(path.relative_to(lab.disk)): None if path.is_dir() else path.read_bytes()
            for path in lab.disk.rglob("*")
        }
    assert sorted(made) == sorted(there)
    for path, content in there.items():
        assert path.endswith("-shm") or made[path] == content, path


def test_the_kernel_sees_no_other_calls(tmp_path):
    """strace counts the calls on the same files: SQLite and Python go through the C library in all they do."""
    strace, library = shutil.which("strace"), compile_shim(tmp_path)
    if strace is None or library is None:
        pytest.skip("left out: the cross-check of the shim needs cc and strace")
    disk, log, trace = tmp_path / "disk", tmp_path / "log", tmp_path / "trace"
    disk.mkdir()
    env = {"LD_PRELOAD": library, "ETDB_SHIM_MODE": "record", "ETDB_SHIM_ROOT": disk, "ETDB_SHIM_LOG": log}
    words = [strace, "-f", "-y", "-e", f"trace={CHANGES}", "-o", trace]
    words += [word for name, value in env.items() for word in ("-E", f"{name}={value}")]
    words += [sys.executable, "-m", "etdb", "init", disk / "ws"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if "ptrace" in done.stderr or "PTRACE" in done.stderr:
        pytest.skip("left out: this machine does not let strace look")
    assert done.returncode == 0, done.stderr
    calls = [
        line
        for line in trace.read_text().splitlines()
        if str(disk) in line and str(log) not in line.split("(", 1)[1].split(",")[0] and not re.search(r"= -1 ", line)
    ]
    noted = [record for record in load_log(log) if record.op not in "OP"]
    assert len(calls) == len(noted), os.linesep.join(calls)
