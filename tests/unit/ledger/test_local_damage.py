"""Crashes, rot, lost files and full disks: what is left opens, or says what to do."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest

from etdb.errors import DiskFullError, StorageError
from etdb.flo import REGTEST
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.ledger.blockfiles import BlockFiles

BLOCKS = "blk00000.dat"


def reopened(folder):
    with closing(LocalChain(folder, writable=True)) as chain:
        tip = chain.tip()
        assert len(list(chain.blocks(0))) == tip.height + 1
        return tip


@pytest.mark.parametrize(
    "tail", [b"\xfa", bytes.fromhex("fabfb5da"), bytes.fromhex("fabfb5da64000000") + bytes(50), bytes(5000)]
)
def test_a_torn_tail_is_cut_off(folder, tail):
    size = (folder / BLOCKS).stat().st_size
    with (folder / BLOCKS).open("ab") as file:
        file.write(tail)
    with closing(LocalChain(folder)) as reader:
        assert len(list(reader.blocks(0))) == 105  # a reader does not mind, and changes nothing
    assert (folder / BLOCKS).stat().st_size == size + len(tail)
    assert reopened(folder).height == 104
    assert (folder / BLOCKS).stat().st_size == size


def test_whole_blocks_that_the_index_does_not_know_are_taken(folder, tmp_path, wallet, chain, address):
    """Killed between the block's way to disk and the index; or an older index was put back."""
    chain.close()
    shutil.copy(folder / "index.sqlite", tmp_path / "old.sqlite")
    with closing(LocalChain(folder, writable=True)) as later:
        later.submit(wallet.sign(b"text:kept").raw)
        later.settle()
        later.mine(3)
        tip, coins = later.tip(), later.coins(address)
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "old.sqlite", folder / "index.sqlite")
    with closing(LocalChain(folder, writable=True)) as again:
        assert again.tip() == tip
        assert again.coins(address) == coins


def test_a_lost_index_is_made_again(folder, address):
    with closing(LocalChain(folder)) as before:
        tip, coins = before.tip(), before.coins(address)
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    with pytest.raises(StorageError):
        LocalChain(folder)
    with closing(LocalChain(folder, writable=True)) as again:
        assert again.tip() == tip
        assert again.coins(address) == coins


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def test_no_block_is_lost_when_the_index_is_and_a_block_rots(folder):
    """Blocks behind the damage are known to nobody else: they are not cut off, however often it is tried."""
    size = (folder / BLOCKS).stat().st_size
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    flip(folder / BLOCKS, size // 2)
    for _ in range(2):
        with pytest.raises(StorageError) as caught:
            LocalChain(folder, writable=True)
        assert "backup" in caught.value.hint
        assert (folder / BLOCKS).stat().st_size == size
    flip(folder / BLOCKS, size // 2)
    assert reopened(folder).height == 104


def test_another_networks_blocks_are_left_alone(folder):
    for path in folder.glob("index.sqlite*"):
        path.unlink()
    flip(folder / BLOCKS, 100)
    with pytest.raises(StorageError):
        LocalChain(folder, writable=True)


def test_rot_in_a_block_is_found(folder):
    flip(folder / BLOCKS, (folder / BLOCKS).stat().st_size - 3)
    with closing(LocalChain(folder)) as reader:
        with pytest.raises(StorageError) as caught:
            reader.raw_block(104)
        assert caught.value.fields["height"] == 104
        assert "backup" in caught.value.hint
        assert reader.raw_block(103)


def test_a_block_file_that_is_too_short(folder):
    os.truncate(folder / BLOCKS, 5000)
    with pytest.raises(StorageError) as caught:
        LocalChain(folder, writable=True)
    assert "backup" in caught.value.hint
    with closing(LocalChain(folder)) as reader, pytest.raises(StorageError):
        list(reader.blocks(0))


def test_a_block_file_that_is_gone(folder):
    (folder / BLOCKS).unlink()
    with pytest.raises(StorageError):
        LocalChain(folder, writable=True)
    with closing(LocalChain(folder)) as reader, pytest.raises(StorageError):
        reader.raw_block(1)


def test_an_index_that_is_no_index(folder):
    (folder / "index.sqlite").write_bytes(b"not a database at all, and long enough to be looked at" * 100)
    for path in (folder / "index.sqlite-wal", folder / "index.sqlite-shm"):
        path.unlink(missing_ok=True)
    for writable in (True, False):
        with pytest.raises(StorageError) as caught:
            LocalChain(folder, writable=writable)
        assert "index.sqlite" in caught.value.hint


def test_an_index_of_another_version(folder):
    with closing(sqlite3.connect(folder / "index.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError) as caught:
        LocalChain(folder, writable=True)
    assert "99" in str(caught.value)


def test_an_opening_that_fails_lets_go_of_the_lock(folder):
    good = (folder / "index.sqlite").read_bytes()
    (folder / "index.sqlite").write_bytes(b"broken" * 1000)
    with pytest.raises(StorageError):
        LocalChain(folder, writable=True)
    (folder / "index.sqlite").write_bytes(good)
    assert reopened(folder).height == 104


def test_no_chain_there(tmp_path):
    with pytest.raises(StorageError):
        LocalChain(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        LocalChain(tmp_path / "file", writable=True)


def test_init_is_harmless_when_it_is_there(folder):
    LocalChain.init(folder)
    assert reopened(folder).height == 104


def in_a_process_with_little_room(limit_bytes, act):
    """Run ``act`` in a child whose files cannot grow beyond a size; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
            try:
                act()
            except DiskFullError:
                status = 7
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_no_room_for_blocks(folder, address):
    size = (folder / BLOCKS).stat().st_size

    def act():
        chain = LocalChain(folder, writable=True)
        try:
            chain.mine(2000, address)
        finally:
            assert chain.tip().height == 104
            assert (folder / BLOCKS).stat().st_size == size
            chain.close()

    assert in_a_process_with_little_room(max(size, (folder / "index.sqlite").stat().st_size) + 50_000, act) == 7
    assert reopened(folder).height == 104


def test_no_room_for_the_index(folder, key, address):
    """A pending transaction is there or not there, and what was there before still is."""

    def act():
        chain = LocalChain(folder, writable=True, limits=Limits(max_chain=5000, max_chain_bytes=10_000_000))
        wallet = Wallet(key, REGTEST, Limits(max_chain=5000, max_chain_bytes=10_000_000), chain.coins(address))
        for _ in range(500):
            chain.submit(wallet.sign(bytes(1040)).raw)

    limit = max(path.stat().st_size for path in folder.iterdir()) + 500_000
    assert in_a_process_with_little_room(limit, act) == 7
    with closing(LocalChain(folder, writable=True)) as chain:
        assert chain.tip().height == 104
        chain.settle()
        assert sum(len(block.messages) for block in chain.blocks(1)) > 10
    reopened(folder)


def test_a_write_that_fails_leaves_nothing(chain, folder, monkeypatch, wallet):
    size = (folder / BLOCKS).stat().st_size
    chain.submit(wallet.sign(b"text:waits").raw)

    def full(_descriptor, data, _offset):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(DiskFullError) as caught:
            chain.settle()
    assert "room" in caught.value.hint
    assert (folder / BLOCKS).stat().st_size == size
    assert chain.tip().height == 104
    chain.settle()
    assert chain.tip().height == 105


def test_a_disk_that_does_not_take_it(chain, folder, monkeypatch):
    size = (folder / BLOCKS).stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StorageError) as caught:
            chain.mine(1)
    assert not isinstance(caught.value, DiskFullError)
    assert (folder / BLOCKS).stat().st_size == size


def test_block_files_begin_anew_when_they_are_full(folder, tmp_path):
    with closing(LocalChain(folder)) as source:
        raws = [source.raw_block(height) for height in range(40)]
    files = BlockFiles(tmp_path, REGTEST.magic, file_limit_bytes=3000)
    places, last = [], None
    for start in range(0, 40, 8):
        planned = files.plan([len(raw) for raw in raws[start : start + 8]], last)
        files.write(list(zip(planned, raws[start : start + 8], strict=True)), last)
        places += planned
        last = planned[-1]
    assert len(list(tmp_path.glob("blk*.dat"))) == places[-1].file + 1 > 2
    assert all(path.stat().st_size <= 3000 for path in tmp_path.glob("blk*.dat"))
    assert [files.read(place) for place in places] == raws
    assert list(files.behind(None)) == list(zip(places, raws, strict=True))
    files.trim(places[9])
    assert len(list(files.behind(None))) == 10
    assert list(files.behind(places[9])) == []
    files.close()
