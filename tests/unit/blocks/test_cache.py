"""The cache of blocks: within its limit, longest unused first, nothing wrong in or out, shared, killed, deleted."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etdb.blocks.cache import BLOCK_OVERHEAD_BYTES, BlockCache
from etdb.errors import NotFoundError, VerificationError
from etdb.ipfs import cid_of

BLOCK = 100_000


def block_of(number):
    return random.Random(number).randbytes(BLOCK)


def size_of(folder):
    return sum(p.stat().st_size + BLOCK_OVERHEAD_BYTES for p in folder.rglob("*") if p.is_file())


def test_the_limit_is_held_and_the_longest_unused_goes_first(tmp_path):
    cache = BlockCache(tmp_path / "c", 20 * BLOCK)
    cids = []
    for number in range(60):
        block = block_of(number)
        cids.append(cid_of(block))
        assert cache.put(cids[-1], block)
        path = cache._path(cids[-1])
        os.utime(path, (number, number))  # the order of use, whatever the file system's clock can tell apart
        if number >= 5:
            cache.get(cids[5])  # is used again and again
        assert size_of(tmp_path) <= 20 * BLOCK
    assert cache.has(cids[5])
    assert cache.has(cids[-1])
    assert not cache.has(cids[6])
    assert size_of(tmp_path) > 10 * BLOCK


def test_a_block_larger_than_all_and_a_limit_of_nothing(tmp_path):
    block = block_of(1)
    for limit in (0, BLOCK):
        cache = BlockCache(tmp_path / "c", limit)
        assert not cache.put(cid_of(block), block)
    assert not (tmp_path / "c").exists()


def test_a_limit_that_became_smaller_is_held(tmp_path):
    for number in range(20):
        BlockCache(tmp_path, 100 * BLOCK).put(cid_of(block_of(number)), block_of(number))
    BlockCache(tmp_path, 5 * BLOCK).put(cid_of(block_of(99)), block_of(99))
    assert size_of(tmp_path) <= 5 * BLOCK


def test_wrong_bytes_go_neither_in_nor_out(tmp_path):
    cache, block = BlockCache(tmp_path, 1 << 30), block_of(1)
    with pytest.raises(VerificationError):
        cache.put(cid_of(block), block[:-1] + b"x")
    assert list(tmp_path.rglob("*")) == []
    cache.put(cid_of(block), block)
    cache._path(cid_of(block)).write_bytes(block[:-1])
    with pytest.raises(VerificationError):
        cache.get(cid_of(block))
    with pytest.raises(NotFoundError):
        cache.get(cid_of(block))


def test_a_block_that_cannot_be_read_is_kept_anew(tmp_path):
    cache = BlockCache(tmp_path, 1 << 20)
    block = b"on a bad sector"
    cid = cid_of(block)
    cache.put(cid, block)
    (path,) = (one for one in tmp_path.rglob("*") if one.is_file())
    path.unlink()
    path.symlink_to("/proc/self/mem")  # on Linux it opens, and gives EIO; elsewhere it is not there
    with pytest.raises(NotFoundError):
        cache.get(cid)
    assert cache.put(cid, block)
    assert cache.get(cid) == block


def test_threads_hold_the_limit_together(tmp_path):
    cache, most = BlockCache(tmp_path, 20 * BLOCK), []

    def work(first):
        for number in range(first, first + 40):
            cache.put(cid_of(block_of(number)), block_of(number))
            most.append(size_of_alive(tmp_path))

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 20 * BLOCK


def size_of_alive(folder):
    """As `size_of`, while files come and go."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(where, name).stat().st_size + BLOCK_OVERHEAD_BYTES
    return total


def test_what_was_left_half_written_long_ago_goes(tmp_path):
    cache, block = BlockCache(tmp_path, 1 << 30), block_of(1)
    folder = cache._path(cid_of(block)).parent
    folder.mkdir(parents=True)
    # Process 1 is always there; no process has the other number.
    old, new, dead = folder / "a.1-1.part", folder / "b.1-1.part", folder / f"c.{2**22 + 1}-1.part"
    for path in (old, new, dead):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.put(cid_of(block), block)
    assert not old.exists()
    assert not dead.exists()
    assert new.exists()


_WRITER = """
import random, sys
from pathlib import Path
from etdb.blocks.cache import BlockCache
from etdb.ipfs import cid_of
cache = BlockCache(Path(sys.argv[1]), int(sys.argv[2]))
print("begun", flush=True)
number = int(sys.argv[3])
while True:
    block = random.Random(number).randbytes(300_000)
    cache.put(cid_of(block), block)
    number += 1
"""


@pytest.mark.crash
def test_two_processes_that_are_killed_while_they_write_leave_no_wrong_block_and_hold_the_limit(tmp_path):
    limit = 12_000_000
    for round_number in range(6):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(tmp_path), str(limit), str(10**6 * (2 * round_number + n))],
                stdout=subprocess.PIPE,
            )
            for n in range(2)
        ]
        for writer in writers:
            assert writer.stdout.readline() == b"begun\n"
        most = 0
        for _ in range(40):
            time.sleep(0.01)
            for writer in writers:  # what moves cannot be summed
                writer.send_signal(signal.SIGSTOP)
                os.waitpid(writer.pid, os.WUNTRACED)
            most = max(most, size_of_alive(tmp_path))
            for writer in writers:
                writer.send_signal(signal.SIGCONT)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        assert 1_000_000 < most <= limit
        cache = BlockCache(tmp_path, limit)
        names = [p for p in tmp_path.rglob("*") if p.is_file() and not p.name.endswith(".part")]
        assert names
        for path in names:
            assert cid_of(path.read_bytes()).digest.hex() == path.name
        block = block_of(round_number)
        assert cache.put(cid_of(block), block)
        assert cache.get(cid_of(block)) == block
