"""The walk: honest DAGs come back byte for byte, hostile ones are refused, whatever the order of arrival."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.errors import FormatError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    Cid,
    DagWalk,
    DirectoryFound,
    FileDag,
    FileFound,
    InlineFound,
    LeafFound,
    PbLink,
    WalkLimits,
    build_tree,
    cid_of,
    encode_file_data,
    encode_node,
    group_leaves,
    leaf_digest,
    leaf_frame,
    verify_leaf,
)
from etdb.ipfs.unixfs import DIRECTORY_DATA

names = st.text(st.characters(codec="utf-8", exclude_characters="/\\", exclude_categories=["Cc", "Cs"]), min_size=1)
paths = st.lists(names.filter(lambda n: n not in {".", ".."}).map(lambda n: n[:20]), min_size=1, max_size=3)
profiles = st.builds(
    lambda leaf, width, base: msgspec.structs.replace(base, leaf_bytes=leaf, width=width),
    st.integers(1, 30),
    st.integers(2, 4),
    st.sampled_from([UNIXFS_V1_2025, UNIXFS_V0_2015]),
)


def add_file(blocks, data, profile=UNIXFS_V1_2025):
    """Put a file's blocks into ``blocks`` by digest; gives its DAG."""
    step = profile.leaf_bytes
    pieces = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
    for piece in pieces:
        head, tail = (b"", b"") if profile.raw_leaves else leaf_frame(len(piece))
        blocks[leaf_digest(piece, profile)] = head + piece + tail
    dag = FileDag(b"".join(leaf_digest(piece, profile) for piece in pieces), len(data), profile)
    blocks.update((node.cid.digest, node.data) for node in dag.nodes())
    return dag


def walk_all(root, blocks, pick=lambda wanted: wanted[0], **limits):
    walk = DagWalk(root, WalkLimits(**limits))
    events = walk.start()
    while walk.wanted:
        cid = pick(walk.wanted)
        events += walk.receive(cid, blocks[cid.digest])
    assert walk.done
    return events


def contents(events, blocks):
    files = {event.path: {} for event in events if isinstance(event, FileFound)}
    for event in events:
        if isinstance(event, LeafFound):
            verify_leaf(event, blocks[event.cid.digest])
            files[event.path][event.offset] = blocks[event.cid.digest]
        elif isinstance(event, InlineFound):
            files[event.path][event.offset] = event.data
    return {path: b"".join(parts[at] for at in sorted(parts)) for path, parts in files.items()}


@given(st.binary(max_size=400), profiles, st.randoms())
def test_the_walk_of_a_file_gives_its_bytes_in_any_order_of_nodes(data, profile, rng):
    blocks = {}
    dag = add_file(blocks, data, profile)
    events = walk_all(dag.root, blocks, rng.choice)
    assert contents(events, blocks) == {"": data}


@given(st.dictionaries(paths.map("/".join), st.binary(max_size=60), min_size=1, max_size=6), profiles)
def test_the_walk_of_a_tree_gives_all_files(files, profile):
    files = {p: d for p, d in files.items() if not any(q.startswith(p + "/") for q in files)}
    blocks = {}
    dags = {path: add_file(blocks, data, profile) for path, data in files.items()}
    root, nodes = build_tree({path: (dag.root, dag.tree_size) for path, dag in dags.items()}, profile)
    blocks.update((node.cid.digest, node.data) for node in nodes)
    events = walk_all(root.cid, blocks)
    assert contents(events, blocks) == files
    assert {e.path: e.cid for e in events if isinstance(e, FileFound)} == {p: d.root for p, d in dags.items()}
    assert sum(isinstance(event, DirectoryFound) for event in events) == len(nodes)


@given(st.binary(min_size=20, max_size=200), st.data())
def test_a_wrong_node_changes_nothing(data, draw):
    profile = msgspec.structs.replace(UNIXFS_V1_2025, leaf_bytes=3, width=3)
    blocks = {}
    dag = add_file(blocks, data, profile)
    walk = DagWalk(dag.root)
    walk.start()
    right = blocks[dag.root.digest]
    at = draw.draw(st.integers(0, len(right) - 1))
    wrong = right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]
    with pytest.raises(VerificationError, match="elsewhere"):
        walk.receive(dag.root, wrong, source="elsewhere")
    assert walk.wanted == (dag.root,)
    assert walk.receive(cid_of(b"nobody asked"), b"nobody asked") == []
    assert walk.receive(dag.root, right)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 100))
def test_groups_of_leaves(lengths, limit):
    leaves, at = [], 0
    for number, length in enumerate(lengths):
        if number % 7 == 6:
            at += 1
        leaves.append(LeafFound(path="f", offset=at, length=length, cid=cid_of(b"")))
        at += length
    groups = list(group_leaves(leaves, limit))
    assert [leaf for group in groups for leaf in group] == leaves
    for group in groups:
        assert len(group) == 1 or sum(leaf.length for leaf in group) <= limit
        assert all(a.offset + a.length == b.offset for a, b in itertools.pairwise(group))


# Hostile DAGs: built by hand, node by node.


def node(blocks, links, data):
    block = encode_node(links, data)
    cid = cid_of(block, codec=DAG_PB)
    blocks[cid.digest] = block
    return cid


def leaf(blocks, data):
    blocks[cid_of(data).digest] = data
    return cid_of(data)


def refused(root, blocks, **limits):
    with pytest.raises(FormatError):
        walk_all(root, blocks, **limits)


def test_sizes_that_do_not_add_up():
    blocks = {}
    a = leaf(blocks, b"abc")
    link = PbLink(cid=a, tree_size=3)
    refused(node(blocks, [link, link], encode_file_data(7, [3, 3])), blocks)
    refused(node(blocks, [link, link], encode_file_data(6, [3])), blocks)
    refused(node(blocks, [link], encode_file_data(6, [3, 3])), blocks)
    refused(node(blocks, [link, link], encode_file_data(3, [3, 0])), blocks)
    refused(node(blocks, [link], encode_file_data(1 << 60, [1 << 60])), blocks)
    refused(node(blocks, [link], encode_file_data(5 << 20, [5 << 20])), blocks)


def test_a_parent_that_lies_about_its_child():
    blocks = {}
    child = node(blocks, [PbLink(cid=leaf(blocks, b"abc"))], encode_file_data(3, [3]))
    refused(node(blocks, [PbLink(cid=child)], encode_file_data(4, [4])), blocks)
    folder = node(blocks, [], DIRECTORY_DATA)
    refused(node(blocks, [PbLink(cid=folder)], encode_file_data(4, [4])), blocks)


def test_a_leaf_that_is_shorter_than_said_is_found_when_it_comes():
    blocks = {}
    root = node(blocks, [PbLink(cid=leaf(blocks, b"abc"))], encode_file_data(4, [4]))
    (event,) = (event for event in walk_all(root, blocks) if isinstance(event, LeafFound))
    with pytest.raises(VerificationError, match="4 were said"):
        verify_leaf(event, b"abc")
    with pytest.raises(VerificationError, match="offset 0"):
        verify_leaf(event, b"abcd")


def test_identity_cids_are_inside_and_cannot_hide():
    blocks = {}
    inline = Cid(hash_code=0, digest=b"abc")
    events = walk_all(node(blocks, [PbLink(cid=inline)], encode_file_data(3, [3])), blocks)
    assert contents(events, blocks) == {"": b"abc"}
    refused(node(blocks, [PbLink(cid=inline)], encode_file_data(4, [4])), blocks)
    nested = Cid(codec=DAG_PB, hash_code=0, digest=encode_node([PbLink(cid=inline)], encode_file_data(3, [3])))
    assert contents(walk_all(nested, {}), {}) == {"": b"abc"}
    deep = inline
    while len(deep.digest) < 100:
        deep = Cid(codec=DAG_PB, hash_code=0, digest=encode_node([PbLink(cid=deep)], encode_file_data(3, [3])))
    refused(deep, {}, max_depth=1)


def test_deep_and_wide_dags():
    blocks = {}
    cid = leaf(blocks, b"x")
    for _ in range(60):
        cid = node(blocks, [PbLink(cid=cid)], encode_file_data(1, [1]))
    refused(cid, blocks)
    folder = node(blocks, [], DIRECTORY_DATA)
    for _ in range(60):
        folder = node(blocks, [PbLink(cid=folder, name="d")], DIRECTORY_DATA)
    refused(folder, blocks)
    refused(node(blocks, [PbLink(cid=leaf(blocks, b"x"))] * 9000, encode_file_data(9000, [1] * 9000)), blocks)


def test_a_small_dag_that_unfolds_to_a_huge_one():
    """Levels of a thousand links to one and the same child: a few blocks that stand for 10**12 places."""
    blocks = {}
    cid, size = leaf(blocks, b"x"), 1
    for _ in range(4):
        cid = node(blocks, [PbLink(cid=cid)] * 1000, encode_file_data(size * 1000, [size] * 1000))
        size *= 1000
    refused(cid, blocks, max_nodes=10_000)
    refused(node(blocks, [PbLink(cid=cid)], encode_file_data(size, [size])), blocks, max_depth=1)
    folder = node(blocks, [], DIRECTORY_DATA)
    for _ in range(5):
        folder = node(blocks, [PbLink(cid=folder, name=f"{n}") for n in range(100)], DIRECTORY_DATA)
    refused(folder, blocks, max_nodes=10_000)
    files = node(blocks, [PbLink(cid=leaf(blocks, b"x"), name=f"{n}", tree_size=1) for n in range(100)], DIRECTORY_DATA)
    refused(files, blocks, max_entries=50)
    refused(files, blocks, max_size_bytes=99)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", "\n", "x" * 256])
def test_names_that_leave_the_folder(name):
    blocks = {}
    refused(node(blocks, [PbLink(cid=leaf(blocks, b"x"), name=name, tree_size=1)], DIRECTORY_DATA), blocks)


def test_a_name_twice():
    blocks = {}
    link = PbLink(cid=leaf(blocks, b"x"), name="a", tree_size=1)
    refused(node(blocks, [link, link], DIRECTORY_DATA), blocks)


def test_kinds_that_are_not_read():
    blocks = {}
    for data in (b"\x08\x05\x28\x22\x30\x80\x04", b"\x08\x04", b"\x08\x03", b"", b"\x08"):
        refused(node(blocks, [], data), blocks)
    assert isinstance(walk_all(node(blocks, [], DIRECTORY_DATA), blocks)[0], DirectoryFound)


def test_a_raw_root():
    (found, only) = DagWalk(cid_of(b"abc")).start()
    assert (found.size_bytes, only.length) == (None, None)
    verify_leaf(only, b"abc")
