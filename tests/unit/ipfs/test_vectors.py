"""The same CIDs as importers that others wrote: npm ipfs-unixfs-importer, Kubo, aleph-cid."""

import random

import aleph_cid
import msgspec
import numpy as np
import pytest

from etdb.ipfs import (
    ETDB_2018,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    DagBuilder,
    FileDag,
    build_tree,
    leaf_digest,
    parse_cid,
    profile_by_name,
)

KUBO_V1_256K = msgspec.structs.replace(ETDB_2018, name="kubo-v1-256k", cid_version=1)


def content(size, seed):
    i = np.arange(size, dtype=np.int64)
    return ((i * 7 + (i >> 12) * 13 + (i >> 20) * 31 + seed) & 255).astype(np.uint8).tobytes()


def dag_of(data, profile):
    step = profile.leaf_bytes
    pieces = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
    return FileDag(b"".join(leaf_digest(piece, profile) for piece in pieces), len(data), profile)


def profile_of(row):
    if "profile" in row:
        return profile_by_name(row["profile"])
    return msgspec.structs.replace(UNIXFS_V1_2025, leaf_bytes=row["leaf_bytes"], width=row["width"])


def test_files_of_the_npm_importer(own_vectors):
    rows = own_vectors("ipfs_unixfs.json")["files"]
    for row in rows:
        assert str(dag_of(content(row["size"], row["seed"]), profile_of(row)).root) == row["cid"], row


def test_directories_of_the_npm_importer(own_vectors):
    for tree in own_vectors("ipfs_unixfs.json")["trees"]:
        dags = {f["path"]: dag_of(content(f["size"], f["seed"]), UNIXFS_V1_2025) for f in tree["files"]}
        root, nodes = build_tree({path: (dag.root, dag.tree_size) for path, dag in dags.items()})
        assert str(root.cid) == tree["cid"]
        assert nodes[-1] == root


def test_files_of_kubo_and_aleph(shared_vectors):
    rng = random.Random(7)
    for row in shared_vectors("ipfs_cids_random7.json")["rows"]:
        data = rng.randbytes(row["size"])
        assert str(dag_of(data, UNIXFS_V0_2015).root) == row["kubo_v0"], row["size"]
        assert str(dag_of(data, KUBO_V1_256K).root) == row["v1_raw_256k"], row["size"]


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 3_000_000])
def test_aleph_cid_in_process(size):
    data = content(size, 77)
    assert str(dag_of(data, UNIXFS_V0_2015).root) == aleph_cid.compute_cid(data)
    hasher = aleph_cid.CidHasher.for_ipfs_v1_raw_leaves()
    hasher.update(data)
    assert str(dag_of(data, KUBO_V1_256K).root) == hasher.finalize()


def test_etdb_2018_is_raw_leaves_below_version_0_nodes():
    assert str(dag_of(b"one leaf", ETDB_2018).root).startswith("bafk")
    dag = dag_of(content(600_000, 1), ETDB_2018)
    assert str(dag.root).startswith("Qm")
    assert dag.leaf_cid(0) == dag_of(content(600_000, 1), KUBO_V1_256K).leaf_cid(0)


def test_one_full_node_and_one_leaf_more(own_vectors):
    expected = own_vectors("ipfs_unixfs.json")["zero_mebibytes"]
    digest = leaf_digest(bytes(1 << 20), UNIXFS_V1_2025)
    for count, depth, nodes in [(1024, 1, 1), (1025, 2, 3)]:
        dag = FileDag(digest * count, count << 20)
        assert str(dag.root) == expected[str(count)]
        assert (dag.geometry.depth, len(list(dag.nodes()))) == (depth, nodes)


def test_builder_gives_each_node_when_it_is_full():
    profile = msgspec.structs.replace(UNIXFS_V1_2025, leaf_bytes=4, width=2)
    builder = DagBuilder(profile)
    counts = [len(builder.add_leaf(leaf_digest(b"abcd", profile), 4)) for _ in range(8)]
    assert counts == [0, 1, 0, 2, 0, 1, 0, 3]
    root, tree_size, rest = builder.finish()
    assert rest == []
    dag = dag_of(b"abcd" * 8, profile)
    assert (dag.root, dag.tree_size) == (root, tree_size)
    assert parse_cid(str(root)) == root
