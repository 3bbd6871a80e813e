"""A dataset that is wrong itself: it fails, it costs no more than its limits, and no source is blamed for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etdb.download import content, download, plan_download
from etdb.download.pool import SourcePool
from etdb.errors import FormatError
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, FileDag, PbLink, build_symlink, build_tree, leaf_digest, verify_leaf
from etdb.ipfs.dagpb import encode_node
from etdb.ipfs.unixfs import encode_file_data
from etdb.manifest import MANIFEST_NAME
from etdb.oip.tomogram import FileEntry, Tomogram

from .conftest import MIB, Counting, Ranges, noise, put_dataset


def record(store, name, files):
    root, nodes = build_tree(files)
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    entries = tuple(FileEntry(path=path, size_bytes=size) for path, (_, size) in files.items() if path != MANIFEST_NAME)
    return Tomogram(title=name, sid=name, location=str(root.cid), files=entries)


def lying_sizes(store):
    """Two leaves of 1,000 bytes, of which the node says 999 and 1,001."""
    links = [PbLink(cid=store.put(noise(1000, n)), name="", tree_size=1000) for n in (5, 6)]
    node = store.put(encode_node(links, encode_file_data(2000, [999, 1001])), codec=DAG_PB)
    return record(store, "lying", {"bad.rec": (node, 2000)})


def too_large_block(store):
    return record(store, "large", {"bad.rec": (store.put(noise(3 * MIB, 9)), 3 * MIB)})


class AsFiles(Ranges):
    """Sends ranges of a file as its leaves make it, whatever its nodes say of their sizes."""

    def read_leaves(self, file_cid, leaves, buffer):
        if leaves[0].length == 999:
            verify_leaf(leaves[0], self.inner.get(leaves[0].cid)[:999], source=self.name)
        yield from super().read_leaves(file_cid, leaves, buffer)


@pytest.mark.parametrize("kind", [Counting, AsFiles])
@pytest.mark.parametrize("make", [lying_sizes, too_large_block])
def test_a_wrong_dataset_bans_nobody(memory, tmp_path, make, kind):
    good = put_dataset(memory, {"good.rec": noise(3 * MIB)}, title="good")
    plan = plan_download([("ba" * 32, make(memory)), ("ab" * 32, good)])
    report = download(plan, [kind(memory, "http://one"), kind(memory, "http://two")], tmp_path, jobs=1)
    assert report.banned == ()
    bad, whole = report.datasets
    assert [one.path for one in bad.failed] == ["bad.rec"]
    assert (whole.failed, whole.files) == ((), 2)


def test_a_manifest_is_measured_before_it_is_written(memory, tmp_path):
    leaf = noise(MIB)
    memory.put(leaf)
    dag = FileDag(leaf_digest(leaf, UNIXFS_V1_2025) * 65, 65 * MIB, UNIXFS_V1_2025)
    for node in dag.nodes():
        memory.put(node.data, codec=DAG_PB)
    bad = record(memory, "bad", {MANIFEST_NAME: (dag.root, dag.tree_size)})
    report = download(plan_download([("ba" * 32, bad)]), [memory], tmp_path)
    assert [one.path for one in report.datasets[0].failed] == [MANIFEST_NAME]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < MIB


def test_links_count_as_files_do(memory, monkeypatch):
    link = memory.put(build_symlink("elsewhere").data, codec=DAG_PB)
    root, nodes = build_tree({f"{number}": (link, 10) for number in range(5)})
    for node in nodes:
        memory.put(node.data, codec=DAG_PB)
    planned = content.plan_content(root.cid, SourcePool([memory]))
    assert len(planned.datasets[0].left_out) == 5
    monkeypatch.setattr(content, "MAX_ENTRIES", 4)
    with pytest.raises(FormatError, match="more than 4 files and links"):
        content.plan_content(root.cid, SourcePool([memory]))


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_many_small_files_are_not_open_at_once(memory, tmp_path, monkeypatch):
    tomogram = put_dataset(memory, {f"{number}.txt": noise(10, number) for number in range(200)}, manifest=False)
    before, most = open_files(), []
    fsync = os.fsync

    def counting(descriptor):
        most.append(open_files())
        fsync(descriptor)

    monkeypatch.setattr("etdb.download.smallfiles.os.fsync", counting)
    assert download(plan_download([("ab" * 32, tomogram)]), [memory], tmp_path, jobs=1).is_complete
    assert len(most) >= 200
    assert max(most) < before + 20
