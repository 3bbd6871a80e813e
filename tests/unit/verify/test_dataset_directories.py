"""Datasets in a store: sharded directories are walked and read, symbolic links are no files."""

import msgspec
import pytest

from etdb.blocks import MemoryStore
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, build_symlink, build_tree
from etdb.oip import FileEntry, Tomogram
from etdb.trust import Claim, Outcome
from etdb.verify import verify_dataset

SHARDING = msgspec.structs.replace(UNIXFS_V1_2025, shard_above_bytes=500)
FILES = {f"frames/{number:03d}.mrc": b"%d" % number for number in range(40)}


@pytest.fixture
def made():
    store = MemoryStore()
    link = build_symlink("000.mrc")
    store.put(link.data, codec=DAG_PB)
    placed = {path: (store.put(data), len(data)) for path, data in FILES.items()}
    root, nodes = build_tree({**placed, "frames/link": (link.cid, link.tree_size)}, SHARDING)
    assert len(nodes) > 2
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    entries = tuple(FileEntry(path=path, size_bytes=len(data)) for path, data in FILES.items())
    return store, nodes, Tomogram(title="T", files=entries, location=str(root.cid))


def file_bytes(record, store):
    return verify_dataset("ab" * 32, record, (), store)[Claim.FILE_BYTES]


def test_a_sharded_dataset_holds(made):
    store, _, record = made
    result = file_bytes(record, store)
    assert result.outcome is Outcome.HELD, result.detail
    assert result.detail.startswith("40 files")


def test_a_link_is_no_file(made):
    store, _, record = made
    files = (*record.files, FileEntry(path="frames/link"))
    result = file_bytes(msgspec.structs.replace(record, files=files), store)
    assert (result.outcome, result.detail) == (Outcome.FAILED, "'frames/link' is a symbolic link, not a file")


def test_a_shard_that_is_not_there_is_not_a_failure_of_the_dataset(made):
    store, nodes, record = made
    store._blocks.pop(nodes[0].cid.digest)
    assert file_bytes(record, store).outcome is Outcome.NOT_CHECKED


def test_a_root_that_is_a_shard_of_another_place(made):
    """Somebody points a record at a shard in the middle of a directory: its names are not where they belong."""
    store, nodes, record = made
    inner = nodes[0].cid
    result = file_bytes(msgspec.structs.replace(record, location=str(inner)), store)
    assert result.outcome is Outcome.FAILED
    assert "not its own" in result.detail
