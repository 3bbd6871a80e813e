"""The same CIDs as Kubo 0.42 for files and directories in the three profiles, from vectors: no Kubo is needed."""

import importlib.util
from pathlib import Path

import pytest

from etdb.ipfs import DagBuilder, FileDag, build_symlink, build_tree, leaf_digest, profile_by_name

MAKE = Path(__file__).resolve().parents[2] / "vectors" / "make"
# Hashing a GiB takes too long here; tests/interop hashes all of them.
LARGEST, LARGEST_PUBLISHED = 6 << 20, 50 << 20


def load_rules():
    spec = importlib.util.spec_from_file_location("ipfs_content", MAKE / "ipfs_content.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rules = load_rules()


def file_cid(pieces, profile):
    builder = DagBuilder(profile)
    count = 0
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(view), profile.leaf_bytes):
            leaf = view[at : at + profile.leaf_bytes]
            builder.add_leaf(leaf_digest(leaf, profile), len(leaf))
            count += 1
    if not count:
        builder.add_leaf(leaf_digest(b"", profile), 0)
    return builder.finish()[:2]


def row_cid(row):
    profile = profile_by_name(row["profile"])
    if "text" in row:
        return file_cid([row["text"].encode()], profile)[0]
    if "size" in row:
        return file_cid(rules.keystream(row["seed"], row["size"]), profile)[0]
    known = {}
    placed = {}
    for path, content in rules.files_of(row).items():
        if content not in known:
            known[content] = file_cid([content] if content else [], profile)
        placed[path] = known[content]
    for path, target in row.get("links", {}).items():
        link = build_symlink(target, profile)
        placed[path] = (link.cid, link.tree_size)
    root, nodes = build_tree(placed, profile, folders=row.get("folders", ()))
    assert nodes[-1] == root
    return root.cid


def test_all_rows_of_kubo(own_vectors):
    vectors = own_vectors("ipfs_kubo.json")
    small = [row for row in vectors["published"] if row.get("size", 0) <= LARGEST_PUBLISHED]
    small += [row for row in vectors["rows"] if row.get("size", 0) <= LARGEST]
    assert len(small) > 60
    assert {row["profile"] for row in small} == {"unixfs-v1-2025", "unixfs-v0-2015", "etdb-2018"}
    for row in small:
        assert str(row_cid(row)) == row["cid"], {key: row[key] for key in row if key != "files"}


def test_the_largest_rows_have_the_geometry_of_two_levels(own_vectors):
    """Sizes around 1 GiB, without their content: the shape and the count of nodes."""
    profile = profile_by_name("unixfs-v1-2025")
    large = [row for row in own_vectors("ipfs_kubo.json")["rows"] if row.get("size", 0) > LARGEST]
    assert {row["size"] for row in large if row["profile"] == profile.name} >= {1 << 30, (1 << 30) + 1}
    for size, depth in [(1 << 30, 1), ((1 << 30) + 1, 2)]:
        leaves = -(-size // profile.leaf_bytes)
        assert FileDag(bytes(32 * leaves), size, profile).geometry.depth == depth


@pytest.mark.parametrize("name", ["unixfs-v0-2015", "etdb-2018"])
def test_nodes_of_version_0(name):
    profile = profile_by_name(name)
    root, nodes = build_tree({"a/b": file_cid([b"x" * 300_000], profile)}, profile)
    assert {node.cid.version for node in nodes} == {0}
    assert str(root.cid).startswith("Qm")
