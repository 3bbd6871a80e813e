"""SIGKILL at any moment leaves a chain that opens, with all that was acknowledged, and that is whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.ledger.blockfiles import BlockFiles
from etdb.ledger.chain_index import ChainIndex

pytestmark = pytest.mark.crash

KILLS = 15
WRITER = Path(__file__).with_name("chain_writer.py")


def write_until_killed(folder: Path, seconds: float) -> list[list[str]]:
    """Lines that the writer said before it died; the time counts from its first."""
    with subprocess.Popen([sys.executable, str(WRITER), str(folder)], stdout=subprocess.PIPE, text=True) as writer:
        said = [writer.stdout.readline()]
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().splitlines()
    assert writer.returncode == -signal.SIGKILL, said
    return [line.split() for line in said if line.strip()]


def assert_whole(folder: Path) -> None:
    """Another chain takes every block, and comes to the same coins: the index says what the blocks say."""
    with closing(LocalChain(folder)) as chain:
        fresh = folder.with_name("fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        with closing(LocalChain(fresh, writable=True)) as other:
            for height in range(1, chain.tip().height + 1):
                other.append_block(chain.raw_block(height))
            assert other.tip() == chain.tip()
            ours = "SELECT * FROM coins WHERE height IS NOT NULL ORDER BY txid, vout"
            rows = [row[:-2] for row in chain._index._db.execute(ours)]
            assert rows == [row[:-2] for row in other._index._db.execute(ours)]
            spent = "SELECT txid, vout, spent_by FROM coins WHERE spent_height IS NOT NULL ORDER BY txid, vout"
            assert list(chain._index._db.execute(spent)) == list(other._index._db.execute(spent))


def test_killed_at_any_moment(tmp_path):
    dice = random.Random(1)
    folder = tmp_path / "chain"
    acknowledged, longest_s = 0, 0.35
    for number in range(KILLS):
        said = write_until_killed(folder, dice.uniform(0.0, longest_s))
        if len(said) < 3:  # a busy machine has hardly begun to write by then
            longest_s = min(longest_s * 1.3, 10.0)
        readable = (folder / "index.sqlite").exists()
        if readable and number % 2:  # readers come before the next writer has mended anything
            with closing(LocalChain(folder)) as reader:
                assert len(list(reader.blocks(0))) == reader.tip().height + 1
        with closing(LocalChain(folder, writable=True)) as chain:
            for word, *values in said:
                if word == "tip":
                    assert chain.block_ref(int(values[0])).block_hash == values[1]
                elif word == "sent":
                    assert chain.status(values[0]).state != "unknown"
            acknowledged += len(said)
            assert len(list(chain.blocks(0))) == chain.tip().height + 1
    assert acknowledged > KILLS  # it did come to write between the kills
    assert_whole(folder)
    with closing(LocalChain(folder, writable=True)) as chain:
        chain.settle()
        assert not chain._index.has_pending()


KEY = PrivateKey(bytes(range(1, 33)))


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_write(descriptor: int, data: memoryview, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    os.write(descriptor, data[: len(data) * 2 // 3])
    die()
    return 0


def dying_after(owner: type, name: str) -> None:
    real = getattr(owner, name)

    def act(*words: object, **named: object) -> None:
        real(*words, **named)
        die()

    setattr(owner, name, act)


POINTS = {
    "before the blocks are written": (lambda: setattr(BlockFiles, "write", die), (0,)),
    "in the middle of them": (lambda: setattr(os, "pwrite", half_a_write), (2,)),
    "before they are on disk": (lambda: setattr(os, "fsync", die), (4,)),
    "on disk, not in the index": (lambda: dying_after(BlockFiles, "write"), (4,)),
    "rows written, blocks not": (lambda: dying_after(ChainIndex, "add_block"), (0,)),
    "when all is done": (lambda: None, (4,)),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_this_moment(tmp_path, point):
    """Blocks that are whole on disk are taken, others are gone; what waits still waits, or is in a block."""
    folder = tmp_path / "chain"
    with closing(LocalChain(folder, writable=True)) as chain:
        chain.mine(104, KEY.address(REGTEST))
        signed = Wallet(KEY, REGTEST, Limits(), chain.coins(KEY.address(REGTEST))).sign(b"text:waits")
        chain.submit(signed.raw)
    arrange, added = POINTS[point]
    pid = os.fork()
    if pid == 0:
        try:
            chain = LocalChain(folder, writable=True)
            arrange()
            chain.mine(4)
            die()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with closing(LocalChain(folder)) as reader:
        assert len(list(reader.blocks(0))) == reader.tip().height + 1
    with closing(LocalChain(folder, writable=True)) as chain:
        grown = chain.tip().height - 104
        assert grown in added
        state = chain.status(signed.txid).state
        assert state == ("confirmed" if grown else "pending")
        chain.settle()
        assert chain.status(signed.txid).state == "confirmed"
        assert chain.raw(signed.txid) == signed.raw
    assert_whole(folder)
