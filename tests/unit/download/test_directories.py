"""Datasets in sharded directories, and symbolic links that lead out of the folder: never followed, never made."""

import msgspec
import pytest

from etdb.errors import VerificationError
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, build_symlink, build_tree
from etdb.manifest import MANIFEST_NAME
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.sources.received import RECEIVED_NAME

from .conftest import Counting, put_file
from .test_run import get

SHARDING = msgspec.structs.replace(UNIXFS_V1_2025, shard_above_bytes=3000)


def put_tree(store, files, links=(), profile=UNIXFS_V1_2025):
    """A record over files and symbolic links (path, target), all of which it names as files."""
    placed = {path: put_file(store, data) for path, data in files.items()}
    for path, target in links:
        made = build_symlink(target)
        store.put(made.data, codec=DAG_PB)
        placed[path] = (made.cid, made.tree_size)
    root, nodes = build_tree(placed, profile)
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    entries = tuple(FileEntry(path=path) for path in placed)
    return Tomogram(title="T", sid="rr1", files=entries, location=str(root.cid)), root.cid


def test_a_sharded_dataset_arrives(memory, tmp_path):
    files = {f"frames/f{number:04d}.mrc": b"frame %d" % number for number in range(300)} | {"notes.txt": b"n"}
    store = Counting(memory)
    report = get(put_tree(memory, files, profile=SHARDING)[0], [store], tmp_path)
    assert report.is_complete
    (folder,) = tmp_path.iterdir()
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert {path: data for path, data in found.items() if path != RECEIVED_NAME} == files
    directories = [cid for cid in store.asked if cid.codec == DAG_PB]
    assert len(directories) == len(set(directories)), "each node of a directory is fetched once"


@pytest.mark.parametrize(
    "target", ["../../outside", "/etc/passwd", "..", ".", "a.txt", "a.txt/../../../x", "~/.ssh/id_rsa", "\\\\host\\x"]
)
def test_symbolic_links_are_refused_in_clear_words(memory, tmp_path, target):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    record, _ = put_tree(memory, {"a.txt": b"a"}, [("link", target)])
    report = get(record, [memory], tmp_path / "out")
    (failed,) = report.datasets[0].failed
    assert failed.path == "link"
    assert isinstance(failed.error, VerificationError)
    assert "symbolic link" in failed.error.message
    (folder,) = (tmp_path / "out").iterdir()
    assert not any(p.is_symlink() for p in folder.rglob("*"))
    assert not (folder / "link").exists()
    assert (folder / "a.txt").read_bytes() == b"a"
    assert outside.read_text() == "mine"


def test_a_path_through_a_symbolic_link_is_no_path(memory, tmp_path):
    """The record says that a file is below a name that is a link to somewhere else."""
    record, root = put_tree(memory, {"a.txt": b"a"}, [("d", "/tmp")])
    record = msgspec.structs.replace(record, files=(FileEntry(path="d/evil.txt"), FileEntry(path="a.txt")))
    report = get(record, [memory], tmp_path)
    (failed,) = report.datasets[0].failed
    assert failed.path == "d/evil.txt"
    assert str(root) in failed.error.message
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


def test_a_manifest_that_is_a_link_is_none(memory, tmp_path):
    record, _ = put_tree(memory, {"a.txt": b"a"}, [(MANIFEST_NAME, "/etc/passwd")])
    report = get(msgspec.structs.replace(record, files=(FileEntry(path="a.txt"),)), [memory], tmp_path)
    assert [bad.path for bad in report.datasets[0].failed] == [MANIFEST_NAME]
    assert not report.datasets[0].has_manifest
