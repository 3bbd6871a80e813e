"""Files in place: what is read, what is refused, what survives."""

import gc
import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from etdb.blocks import FilesInPlace
from etdb.blocks import hashing as hashing_module
from etdb.errors import DiskFullError, FormatError, NotFoundError, SourceFileError, StorageError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    RAW,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    Cid,
    DagWalk,
    InlineFound,
    LeafFound,
    cid_of,
    verify_leaf,
)
from etdb.testing.rights import no_power_over_files

SMALL = msgspec.structs.replace(UNIXFS_V1_2025, leaf_bytes=1000, width=4)


@pytest.fixture
def store(tmp_path):
    store = FilesInPlace(tmp_path / "state" / "digests.sqlite", content_folder=tmp_path / "content", threads=4)
    yield store
    store.close()


@pytest.fixture
def small_store(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules["etdb.ipfs.profile"].PROFILES, SMALL.name, SMALL)
    store = FilesInPlace(
        tmp_path / "state" / "small.sqlite", content_folder=tmp_path / "content", profile=SMALL, threads=4
    )
    yield store
    store.close()


def read_back(store, root):
    """The content of a file or directory through nothing but the store and the walk: {path: bytes}."""
    walk = DagWalk(root)
    files = {}
    events = walk.start()
    while True:
        for event in events:
            if isinstance(event, LeafFound):
                data = store.get(event.cid)
                verify_leaf(event, data)
            elif isinstance(event, InlineFound):
                data = event.data
            else:
                continue
            files.setdefault(event.path, {})[event.offset] = data
        if not walk.wanted:
            break
        cid = walk.wanted[0]
        events = walk.receive(cid, store.get(cid))
    return {path: b"".join(data for _, data in sorted(parts.items())) for path, parts in files.items()}


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 4000, 4001, 16_000, 16_001, 70_123])
def test_a_file_comes_back_from_its_cid(small_store, tmp_path, size):
    data = os.urandom(size)
    path = tmp_path / "file.mrc"
    path.write_bytes(data)
    seen = []
    added = small_store.add_file(path, progress=seen.append)
    assert (added.size_bytes, added.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert sum(seen) == size
    assert read_back(small_store, added.cid) == {"": data}
    assert small_store.has(added.cid)


def test_dag_pb_leaves_are_framed_on_the_way_out(tmp_path):
    store = FilesInPlace(tmp_path / "v0.sqlite", content_folder=tmp_path / "c", profile=UNIXFS_V0_2015)
    data = os.urandom(300_000)
    (tmp_path / "f").write_bytes(data)
    assert read_back(store, store.add_file(tmp_path / "f").cid) == {"": data}
    store.close()


def test_directories(store, tmp_path):
    contents = {"a.mrc": b"1" * 10, "x/y/b.mrc": b"", "x/c.mrc": os.urandom(1_100_000)}
    entries = {}
    for number, (name, data) in enumerate(contents.items()):
        path = tmp_path / f"on-disk-{number}"
        path.write_bytes(data)
        entries[name] = store.add_file(path, sha256=False)
    entries["ro-crate-metadata.json"] = store.add_bytes(b"{}")
    root = store.add_directory(entries)
    assert read_back(store, root) == {**contents, "ro-crate-metadata.json": b"{}"}
    assert store.add_directory(dict(reversed(entries.items()))) == root


def test_a_known_file_is_not_read_again(store, tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    first = store.add_file(path)
    monkeypatch.setattr("etdb.blocks.files.hash_file", lambda *a, **k: pytest.fail("it was read again"))
    seen = []
    assert store.add_file(path, progress=seen.append) == first
    assert seen == [3]


def test_a_known_file_without_sha256_is_read_when_it_is_asked_for(store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert store.add_file(path, sha256=False).sha256 is None
    assert store.add_file(path).sha256 == hashlib.sha256(b"abc").hexdigest()


def test_a_changed_file_is_hashed_anew_and_its_old_leaves_are_forgotten(small_store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a" * 2500)
    old = small_store.add_file(path)
    path.write_bytes(b"b" * 2500)
    new = small_store.add_file(path)
    assert new.cid != old.cid
    assert not small_store.has(cid_of(b"a" * 1000))
    assert read_back(small_store, new.cid) == {"": b"b" * 2500}
    assert len(small_store.files()) == 1


def test_a_new_time_alone_is_not_refused(small_store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a" * 2500)
    added = small_store.add_file(path)
    os.utime(path, ns=(1, 1))
    assert read_back(small_store, added.cid) == {"": b"a" * 2500}
    assert small_store.verify_file(path).cid == added.cid
    assert small_store.verify_file(added.cid).cid == added.cid


def test_other_bytes_are_never_served_even_with_the_same_time(small_store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a" * 1000 + b"b" * 1000 + b"c" * 500)
    added = small_store.add_file(path)
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(1500)
        file.write(b"!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert small_store.get(cid_of(b"a" * 1000)) == b"a" * 1000
    with pytest.raises(VerificationError) as caught:
        small_store.get(cid_of(b"b" * 1000))
    assert caught.value.fields["offset"] == 1000
    assert str(path) in caught.value.message
    with pytest.raises(VerificationError) as caught:
        small_store.verify_file(added.cid)
    assert caught.value.fields["offset"] == 1000


def test_a_truncated_file_and_a_removed_file(small_store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a" * 2500)
    small_store.add_file(path)
    os.truncate(path, 10)
    with pytest.raises(VerificationError):
        small_store.get(cid_of(b"a" * 500))
    path.unlink()
    with pytest.raises(NotFoundError, match="does not exist"):
        small_store.get(cid_of(b"a" * 500))


def test_another_copy_of_the_bytes_serves_when_one_is_gone(small_store, tmp_path):
    for name in ("f", "g"):
        (tmp_path / name).write_bytes(b"a" * 2500)
        small_store.add_file(tmp_path / name)
    (tmp_path / "f").unlink()
    assert small_store.get(cid_of(b"a" * 1000)) == b"a" * 1000


def test_what_cannot_be_added(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, words in [("missing", "does not exist"), ("folder", "not a regular"), ("pipe", "not a regular")]:
        with pytest.raises(SourceFileError, match=words):
            store.add_file(tmp_path / name)
    bad_name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mrc")
    with pytest.raises(SourceFileError, match="UTF-8"):
        store.add_file(tmp_path.__class__(bad_name))


def test_an_unreadable_file(store, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0)
    with no_power_over_files(), pytest.raises(SourceFileError, match="cannot be opened"):
        store.add_file(tmp_path / "f")


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite", "replace", "remove"])
def test_a_file_that_changes_while_it_is_read(small_store, tmp_path, change):
    path = tmp_path / "f"
    path.write_bytes(b"a" * 200_000)
    os.utime(path, ns=(1, 1))
    done = []

    def progress(_count):
        if done:
            return
        done.append(True)
        if change == "grow":
            with path.open("ab") as file:
                file.write(b"more")
        elif change == "shrink":
            os.truncate(path, 100)
        elif change == "rewrite":
            path.write_bytes(b"b" * 200_000)
        elif change == "replace":
            (tmp_path / "new").write_bytes(b"a" * 200_000)
            (tmp_path / "new").replace(path)
        else:
            path.unlink()

    with pytest.raises(SourceFileError, match="changed while it was read"):
        small_store.add_file(path, progress=progress)
    assert small_store.files() == []


def test_what_progress_raises_ends_the_work(small_store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a" * 200_000)

    def stop(_count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_store.add_file(path, progress=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hash-")]
    assert small_store.files() == []


def test_memory_is_bounded_by_buffers(tmp_path, monkeypatch):
    """A file of any size uses one buffer a thread and a few more."""
    made = []

    class Counting(bytearray):
        def __init__(self, size):
            made.append(size)
            super().__init__(size)

    path = tmp_path / "f"
    path.write_bytes(bytes(100_000))
    monkeypatch.setattr(hashing_module, "bytearray", Counting, raising=False)
    hashed = hashing_module.hash_file(path, SMALL, threads=3)
    assert hashed.sha256 == hashlib.sha256(bytes(100_000)).digest()
    assert sorted(made) == [1000] * 7 + [100 * 32]


def test_kept_content_is_durable_and_survives_the_loss_of_the_table(tmp_path):
    store = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    added = store.add_bytes(b"a manifest")
    assert added.path == tmp_path / "content" / str(added.cid)
    assert [path.name for path in (tmp_path / "content").iterdir()] == [str(added.cid)]
    store.close()
    for path in tmp_path.glob("digests.sqlite*"):
        path.unlink()
    store = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    assert not store.has(added.cid)
    assert store.add_content_folder() == 1
    assert store.get(added.cid) == b"a manifest"
    store.close()


def test_damaged_kept_content_is_mended_by_keeping_it_again(store):
    added = store.add_bytes(b"a manifest")
    added.path.write_bytes(b"b manifest")
    with pytest.raises(VerificationError):
        store.get(added.cid)
    store.add_bytes(b"a manifest")
    assert store.get(added.cid) == b"a manifest"


def test_a_full_disk_is_told_apart_and_leaves_nothing_half(store, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etdb.durable.os.fsync", full)
    with pytest.raises(DiskFullError, match="no room left"):
        store.add_bytes(b"a manifest")
    assert list((tmp_path / "content").iterdir()) == []


def test_a_full_database(small_store, tmp_path):
    connection = small_store._table._connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    path = tmp_path / "f"
    path.write_bytes(os.urandom(1_000_000))
    with pytest.raises(DiskFullError):
        small_store.add_file(path)
    assert small_store.files() == []
    connection.execute("PRAGMA max_page_count = 100000")
    assert small_store.has(small_store.add_file(path).cid)


def test_a_table_of_another_version_or_kind(tmp_path):
    database = sqlite3.connect(tmp_path / "new.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="version 99"):
        FilesInPlace(tmp_path / "new.sqlite", content_folder=tmp_path)
    (tmp_path / "text.sqlite").write_bytes(b"not a database, certainly not" * 100)
    with pytest.raises(StorageError, match="damaged"):
        FilesInPlace(tmp_path / "text.sqlite", content_folder=tmp_path)


def test_another_process_reads_while_one_writes(store, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"seen from outside")
    cid = store.add_file(path).cid
    script = (
        "import sys; from pathlib import Path; from etdb.blocks import FilesInPlace; from etdb.ipfs import parse_cid\n"
        "store = FilesInPlace(Path(sys.argv[1]), content_folder=Path(sys.argv[2]))\n"
        "sys.stdout.buffer.write(store.get(parse_cid(sys.argv[3])))"
    )
    with store._table._writing() as connection:
        connection.execute("UPDATE files SET tree_size = 0")
        arguments = [
            sys.executable,
            "-c",
            script,
            tmp_path / "state" / "digests.sqlite",
            tmp_path / "content",
            str(cid),
        ]
        outside = subprocess.run(arguments, capture_output=True, timeout=60, check=True)
    assert outside.stdout == b"seen from outside"


def test_many_threads_add_and_get(small_store, tmp_path):
    failures = []

    def work(number):
        try:
            for turn in range(5):
                path = tmp_path / f"f{number}-{turn}"
                data = os.urandom(5000)
                path.write_bytes(data)
                assert read_back(small_store, small_store.add_file(path).cid) == {"": data}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(small_store.files()) == 30


def test_limits_of_get(store):
    cid = store.add_bytes(b"x" * 100).cid
    with pytest.raises(FormatError, match="100 bytes"):
        store.get(cid, max_bytes=99)
    with pytest.raises(NotFoundError):
        store.get(Cid(digest=bytes(32)))


def test_each_byte_is_read_once(small_store, tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(os.urandom(12_345))
    reads = []
    preadv = os.preadv

    def counting(descriptor, buffers, offset):
        count = preadv(descriptor, buffers, offset)
        reads.append((offset, count))
        return count

    monkeypatch.setattr("etdb.blocks.hashing.os.preadv", counting)
    added = small_store.add_file(path)
    assert added.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(reads) == [(at, min(1000, 12_345 - at)) for at in range(0, 12_345, 1000)]


def test_processes_make_and_fill_one_table_together(tmp_path):
    script = (
        "import sys; from pathlib import Path; from etdb.blocks import FilesInPlace\n"
        "folder = Path(sys.argv[1]); store = FilesInPlace(folder / 'd.sqlite', content_folder=folder / 'c')\n"
        "for n in range(5): store.add_bytes(f'{n} of {sys.argv[2]}'.encode()); store.add_bytes(b'%d' % n)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path, str(n)], stderr=subprocess.PIPE) for n in range(3)
    ]
    assert [process.communicate(timeout=60)[1] for process in running] == [b""] * 3
    store = FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "c")
    assert len(store.files()) == 20
    store.close()


@pytest.mark.parametrize("before", [None, b"damaged"])
def test_the_same_content_kept_by_several_at_once_is_written_once(tmp_path, before, monkeypatch):
    """A file that one has kept and reads is not replaced by the next one's copy."""
    together = threading.Barrier(4)
    kept, failures = [], []

    def meet(path):
        found = path.read_bytes() if path.exists() else None
        if threading.current_thread() not in met:
            met.add(threading.current_thread())
            together.wait(timeout=30)
        return found

    def work(number):
        store = FilesInPlace(tmp_path / f"{number}.sqlite", content_folder=tmp_path / "c")
        try:
            path = store.add_bytes(b"a manifest").path
            kept.append((path, path.stat().st_ino))
        except BaseException as error:
            failures.append(error)
        store.close()

    if before is not None:
        cid = FilesInPlace(tmp_path / "first.sqlite", content_folder=tmp_path / "c").add_bytes(b"a manifest").cid
        (tmp_path / "c" / str(cid)).write_bytes(before)
    met = set()
    monkeypatch.setattr("etdb.blocks.files._content", meet)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(kept)) == 1
    assert [path.name for path in (tmp_path / "c").iterdir()] == [kept[0][0].name]


@pytest.fixture
def same_leaf(small_store, tmp_path):
    """A leaf that is forty times in one file, and once in another that was added later."""
    leaf = b"\0" * 1000
    for name, times in (("many", 40), ("one", 1)):
        (tmp_path / name).write_bytes(leaf * times + name.encode())
        small_store.add_file(tmp_path / name)
    return cid_of(leaf)


def test_a_leaf_comes_from_any_file_that_has_it(small_store, tmp_path, same_leaf):
    (tmp_path / "many").unlink()
    assert small_store.get(same_leaf) == b"\0" * 1000
    assert small_store.can_read(same_leaf)
    place = small_store.open_unchecked(same_leaf, as_block=True)
    assert place is not None
    place.close()
    (tmp_path / "one").unlink()
    with pytest.raises(NotFoundError, match="cannot be read"):
        small_store.get(same_leaf)
    assert small_store.has(same_leaf)


def test_connections_of_threads_that_ended_are_closed(small_store, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    cid = small_store.add_file(tmp_path / "f").cid
    before = len(list(Path("/proc/self/fd").iterdir()))
    gc.disable()
    try:
        for _ in range(20):
            thread = threading.Thread(target=small_store.get, args=(cid,))
            thread.start()
            thread.join()
        assert len(list(Path("/proc/self/fd").iterdir())) < before + 10
    finally:
        gc.enable()


def test_the_hash_of_a_root_node_under_another_codec_is_no_file(small_store, tmp_path):
    (tmp_path / "f").write_bytes(b"y" * 5000)
    root = small_store.add_file(tmp_path / "f").cid
    assert root.codec == DAG_PB
    place = small_store.open_unchecked(root, as_block=False)
    assert place is not None
    place.close()
    assert small_store.open_unchecked(Cid(codec=RAW, digest=root.digest), as_block=False) is None


def test_kept_content_is_verified_where_its_workspace_is_now(tmp_path):
    store = FilesInPlace(tmp_path / "a" / "d.sqlite", content_folder=tmp_path / "a" / "content")
    cid = store.add_bytes(b"a manifest").cid
    store.close()
    (tmp_path / "a").rename(tmp_path / "b")
    store = FilesInPlace(tmp_path / "b" / "d.sqlite", content_folder=tmp_path / "b" / "content")
    for named in (cid, tmp_path / "b" / "content" / str(cid)):
        assert store.verify_file(named).cid == cid
    with pytest.raises(NotFoundError):
        store.verify_file(tmp_path / "b" / "content" / "other")
    store.close()
