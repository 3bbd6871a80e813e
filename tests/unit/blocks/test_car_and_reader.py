"""CAR files as stores, and reading out of stores whose DAGs are wrong."""

import os

import msgspec
import pytest

from etdb.blocks import CarStore, DagReader, MemoryStore, write_car
from etdb.errors import DiskFullError, FormatError, NotFoundError, SourceFileError, StorageError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    FileDag,
    PbLink,
    cid_of,
    encode_car,
    encode_file_data,
    encode_node,
    leaf_digest,
    leaf_frame,
)
from etdb.ipfs.unixfs import DIRECTORY_DATA

DATA = b"some block"
CAR = b"".join(encode_car([cid_of(DATA)], [(cid_of(DATA), DATA), (cid_of(b"two"), b"two")]))


@pytest.mark.parametrize(
    "data", [b"", b"x", CAR[:-1], CAR[:70], CAR + b"\0", CAR + b"\xff" * 20, CAR[:58] + b"\x05" + CAR[59:], b"\n" * 99]
)
def test_files_that_are_no_cars(tmp_path, data):
    (tmp_path / "x.car").write_bytes(data)
    with pytest.raises(FormatError):
        CarStore(tmp_path / "x.car")


def test_a_block_that_rots_in_a_car(tmp_path):
    path = tmp_path / "x.car"
    write_car(path, [cid_of(DATA)], [(cid_of(DATA), DATA), (cid_of(b"two"), b"two")])
    assert path.read_bytes() == CAR
    at = CAR.index(DATA)
    path.write_bytes(CAR.replace(DATA, b"Some block"))
    store = CarStore(path)
    assert store.roots == (cid_of(DATA),)
    with pytest.raises(VerificationError) as caught:
        store.get(cid_of(DATA))
    assert caught.value.fields["offset"] == at
    assert store.get(cid_of(b"two")) == b"two"
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.get(cid_of(b"two"))
    with pytest.raises(SourceFileError):
        CarStore(tmp_path / "missing.car")


def test_a_full_disk_leaves_no_half_car(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etdb.durable.os.fsync", full)
    with pytest.raises(DiskFullError):
        write_car(tmp_path / "x.car", [], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("base", [UNIXFS_V1_2025, UNIXFS_V0_2015])
def test_any_range_of_a_file(base):
    profile = msgspec.structs.replace(base, leaf_bytes=7, width=3)
    data = os.urandom(100)
    store = MemoryStore()
    digests = b""
    for at in range(0, 100, 7):
        head, tail = (b"", b"") if profile.raw_leaves else leaf_frame(len(data[at : at + 7]))
        store.put(head + data[at : at + 7] + tail)
        digests += leaf_digest(data[at : at + 7], profile)
    dag = FileDag(digests, 100, profile)
    for node in dag.nodes():
        store.put(node.data, codec=DAG_PB)
    reader = DagReader(store)
    assert reader.file_size(dag.root) == 100
    for start in range(0, 101, 3):
        for stop in range(start, 104, 5):
            assert b"".join(reader.content(dag.root, start, stop)) == data[start:stop]
    needed = [cid for cid, _ in reader.blocks(dag.root, "entity", 0, 1)]
    assert needed[0] == dag.root
    assert len(needed) == dag.geometry.depth + 1


def test_dags_in_the_store_that_are_wrong():
    store = MemoryStore()
    reader = DagReader(store)
    leaf = store.put(b"abc")
    short = store.put(encode_node([PbLink(cid=leaf)], encode_file_data(4, [4])), codec=DAG_PB)
    with pytest.raises(FormatError, match="4 were said"):
        list(reader.content(short))
    inner = store.put(encode_node([PbLink(cid=leaf)], encode_file_data(3, [3])), codec=DAG_PB)
    outer = store.put(encode_node([PbLink(cid=inner)], encode_file_data(9, [9])), codec=DAG_PB)
    with pytest.raises(FormatError, match="does not fit"):
        list(reader.content(outer))
    for _ in range(60):
        inner = store.put(encode_node([PbLink(cid=inner)], encode_file_data(3, [3])), codec=DAG_PB)
    with pytest.raises(FormatError, match="deeper"):
        list(reader.content(inner))
    folder = store.put(encode_node([], DIRECTORY_DATA), codec=DAG_PB)
    for _ in range(60):
        folder = store.put(encode_node([PbLink(cid=folder, name="d")], DIRECTORY_DATA), codec=DAG_PB)
    with pytest.raises(FormatError, match="deeper"):
        list(reader.blocks(folder))
    with pytest.raises(FormatError, match="deeper"):
        reader.resolve(folder, "d/" * 60)
    with pytest.raises(NotFoundError):
        reader.file_size(folder)
    with pytest.raises(NotFoundError):
        reader.resolve(leaf, "below")
    shard = store.put(encode_node([], b"\x08\x05\x28\x22\x30\x80\x04"), codec=DAG_PB)
    with pytest.raises(FormatError, match="fanout 512"):
        reader.is_directory(shard)
    assert cid_of(b"abc") == leaf
