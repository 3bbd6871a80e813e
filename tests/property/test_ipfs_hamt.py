"""Sharded directories: build, walk and lookup agree for any names; hostile and mutated shards are refused."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.errors import FormatError, InputError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    Cid,
    DagWalk,
    DirectoryEntry,
    DirectoryFound,
    FileFound,
    PbLink,
    SymlinkFound,
    WalkLimits,
    build_directory,
    build_symlink,
    build_tree,
    cid_of,
    encode_node,
    link_target,
    name_hash,
    parse_node,
    parse_shard,
    parse_unixfs,
)
from etdb.ipfs.murmur3 import murmur3_x64_64
from etdb.ipfs.unixfs import DIRECTORY_DATA, encode_shard_data, encode_symlink_data

names = (
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\\", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40
    )
    .map(lambda name: name[:60])
    .filter(lambda name: name not in {".", ".."})
)
always = st.sampled_from(
    [msgspec.structs.replace(base, shard_above_bytes=-1) for base in (UNIXFS_V1_2025, UNIXFS_V0_2015)]
)
ALWAYS = msgspec.structs.replace(UNIXFS_V1_2025, shard_above_bytes=-1)


def entries_of(some_names):
    return [DirectoryEntry(name=name, cid=cid_of(name.encode()), tree_size=7) for name in some_names]


def shard_of(blocks, cid):
    node = parse_node(blocks[cid.digest])
    return parse_shard(cid, node, parse_unixfs(node.data))


def look_up(blocks, root, name):
    """One name, by the nodes on its way alone; gives the CID or None, and how many nodes were read."""
    cid, level = root, 0
    while True:
        shard = shard_of(blocks, cid)
        link = shard.find(name, level)
        level += 1
        if link is None or link.name is not None:
            return (link.cid if link else None), level
        cid = link.cid


def walk_all(root, blocks, pick=lambda wanted: wanted[0], **limits):
    walk = DagWalk(root, WalkLimits(**limits))
    events = walk.start()
    while walk.wanted:
        cid = pick(walk.wanted)
        events += walk.receive(cid, blocks[cid.digest])
    return events


@settings(max_examples=50)
@given(st.lists(names, max_size=60, unique=True), names, always, st.randoms())
def test_build_walk_and_lookup_agree(some_names, another, profile, rng):
    nodes = build_directory(entries_of(some_names), profile)
    blocks = {node.cid.digest: node.data for node in nodes}
    root = nodes[-1].cid
    assert all(node.cid.version == profile.cid_version for node in nodes)
    assert nodes[-1].tree_size == sum(len(node.data) for node in nodes) + 7 * len(some_names)
    events = walk_all(root, blocks, rng.choice)
    assert [e for e in events if isinstance(e, DirectoryFound)] == [DirectoryFound(path="", cid=root, names=None)]
    assert {e.path: e.cid for e in events if isinstance(e, FileFound)} == {n: cid_of(n.encode()) for n in some_names}
    for name in some_names:
        assert look_up(blocks, root, name)[0] == cid_of(name.encode())
    if another not in some_names:
        assert look_up(blocks, root, another)[0] is None
    again = build_directory(entries_of(rng.sample(some_names, len(some_names))), profile)
    assert again[-1] == nodes[-1]


@given(st.binary(max_size=70))
def test_the_hash_of_names_by_its_definition(data):
    """The whole algorithm written out once more, as its author describes it: blocks, tail byte by byte, finish."""
    mask = (1 << 64) - 1

    def rotl(x, r):
        return ((x << r) | (x >> (64 - r))) & mask

    def fmix(k):
        for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53)):
            k = ((k ^ (k >> shift)) * factor) & mask
        return k ^ (k >> 33)

    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    h1 = h2 = 0
    for at in range(0, len(data) - 15, 16):
        k1, k2 = (int.from_bytes(data[at + i : at + i + 8], "little") for i in (0, 8))
        h1 = (rotl(h1 ^ (rotl(k1 * c1 & mask, 31) * c2 & mask), 27) + h2) * 5 + 0x52DCE729 & mask
        h2 = (rotl(h2 ^ (rotl(k2 * c2 & mask, 33) * c1 & mask), 31) + h1) * 5 + 0x38495AB5 & mask
    k1 = k2 = 0
    tail = data[len(data) // 16 * 16 :]
    for i, byte in enumerate(tail):
        if i < 8:
            k1 |= byte << 8 * i
        else:
            k2 |= byte << 8 * (i - 8)
    if len(tail) > 8:
        h2 ^= rotl(k2 * c2 & mask, 33) * c1 & mask
    if tail:
        h1 ^= rotl(k1 * c1 & mask, 31) * c2 & mask
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & mask
    h2 = (h2 + h1) & mask
    assert murmur3_x64_64(data) == (fmix(h1) + fmix(h2)) & mask


def test_the_hash_of_names_published():
    """Values of MurmurHash3_x64_128 that its implementations publish (first half)."""
    assert murmur3_x64_64(b"") == 0
    assert murmur3_x64_64(b"hello") == 0xCBD8A7B341BD9B02
    assert murmur3_x64_64(b"The quick brown fox jumps over the lazy dog.") == 0xCD99481F9EE902C9


# Hostile shards, built by hand.


def shard(blocks, links, *, bits=None, fanout=256, hash_type=0x22, data=None):
    """``links``: (bucket, name or "", CID); canonical unless told otherwise."""
    made = [PbLink(cid=cid, name=f"{bucket:02X}{name}", tree_size=1) for bucket, name, cid in links]
    number = sum(1 << bucket for bucket, _, _ in links) if bits is None else bits
    field = number.to_bytes((number.bit_length() + 7) // 8, "big")
    block = encode_node(made, data if data is not None else encode_shard_data(field, hash_type, fanout))
    cid = cid_of(block, codec=DAG_PB)
    blocks[cid.digest] = block
    return cid


def refused(root, blocks, match, **limits):
    with pytest.raises(FormatError, match=match):
        walk_all(root, blocks, **limits)


def bucket(name, level=0):
    return name_hash(name)[level]


LEAF = cid_of(b"x")


def named(blocks, name="a", **options):
    return shard(blocks, [(bucket(name), name, LEAF)], **options)


def test_a_shard_built_by_hand_is_read():
    blocks = {}
    assert [e.path for e in walk_all(named(blocks), blocks) if isinstance(e, FileFound)] == ["a"]
    assert len(walk_all(shard(blocks, []), blocks)) == 1


def test_wrong_bits_and_buckets():
    blocks = {}
    refused(named(blocks, bits=0), blocks, "0 buckets in use and 1 links")
    refused(named(blocks, bits=1 << bucket("a") | 1), blocks, "2 buckets in use and 1 links")
    refused(named(blocks, bits=1 << (bucket("a") ^ 1)), blocks, "should stand")
    refused(named(blocks, bits=1 << 256 | 1 << bucket("a")), blocks, "bytes of bits")
    refused(shard(blocks, [(bucket("a") ^ 1, "a", LEAF)]), blocks, "not its own")
    first, second = sorted(["a", "b"], key=bucket)
    backwards = [(bucket(second), second, LEAF), (bucket(first), first, LEAF)]
    refused(shard(blocks, backwards), blocks, "should stand")
    refused(shard(blocks, [(bucket("a"), "a", LEAF)] * 2, bits=1 << bucket("a")), blocks, "1 buckets in use and 2")


@pytest.mark.parametrize("label", ["", "0", "G0", "0a", "ZZ", "a"])
def test_link_names_that_are_no_buckets(label):
    blocks = {}
    block = encode_node([PbLink(cid=LEAF, name=label)], encode_shard_data(b"\4\0", 0x22, 256))
    cid = cid_of(block, codec=DAG_PB)
    refused(cid, {cid.digest: block}, "should stand")
    assert blocks == {}


@pytest.mark.parametrize("name", [".", "..", "a/b", "a\\b", "\n", "x" * 256])
def test_names_that_leave_the_folder(name):
    blocks = {}
    refused(shard(blocks, [(bucket(name), name, LEAF)]), blocks, "bad name")


def test_another_fanout_or_hash_or_sizes():
    blocks = {}
    refused(named(blocks, fanout=512), blocks, "fanout 512")
    refused(named(blocks, fanout=0), blocks, "fanout 0")
    refused(named(blocks, hash_type=0x12), blocks, "hash 18")
    refused(named(blocks, data=b"\x08\x05"), blocks, "fanout None")
    refused(named(blocks, data=encode_shard_data(b"\1", 0x22, 256) + b"\x18\x05"), blocks, "sizes of a file")


def test_shards_in_the_wrong_place():
    blocks = {}
    one = bucket("a")
    below = shard(blocks, [(bucket("a", 1), "a", LEAF)])
    assert [e.path for e in walk_all(shard(blocks, [(one, "", below)]), blocks) if isinstance(e, FileFound)] == ["a"]
    refused(shard(blocks, [(one ^ 1, "", below)]), blocks, "not its own")
    refused(shard(blocks, [(one, "", named(blocks))]), blocks, "not its own")
    refused(shard(blocks, [(one, "", shard(blocks, []))]), blocks, "empty shard")
    # The same small shard under every bucket: a name would be there 256 times.
    refused(shard(blocks, [(n, "", below) for n in range(256)]), blocks, "not its own")


def test_what_is_no_shard_below_a_shard():
    blocks = {}
    directory = encode_node([], DIRECTORY_DATA)
    folder = cid_of(directory, codec=DAG_PB)
    blocks[folder.digest] = directory
    refused(shard(blocks, [(1, "", folder)]), blocks, "where a shard")
    refused(shard(blocks, [(1, "", LEAF)]), blocks, "where a shard")
    refused(shard(blocks, [(1, "", Cid(hash_code=0, digest=b"x"))]), blocks, "where a shard")
    as_file = encode_node([PbLink(cid=named(blocks))], b"\x08\x02\x18\x01\x20\x01")
    blocks[cid_of(as_file, codec=DAG_PB).digest] = as_file
    refused(cid_of(as_file, codec=DAG_PB), blocks, "inside the file")


def test_shards_that_go_too_deep():
    """Eight levels are all that a hash has; below them is nothing, whatever a stranger links."""
    blocks = {}
    name = "deep"
    cid = shard(blocks, [(bucket(name, 7), name, LEAF)])
    for level in range(6, -1, -1):
        cid = shard(blocks, [(bucket(name, level), "", cid)])
    assert [e.path for e in walk_all(cid, blocks) if isinstance(e, FileFound)] == [name]
    refused(cid, blocks, "deeper than 5", max_depth=5)
    refused(shard(blocks, [(0, "", cid)]), blocks, "level 8")


def test_a_shard_inside_an_identity_cid():
    """It can hold itself as little as any other content can; small ones are read."""
    blocks = {}
    root = named(blocks)
    inline = Cid(codec=DAG_PB, hash_code=0, digest=blocks[root.digest])
    assert [e.path for e in walk_all(inline, {}) if isinstance(e, FileFound)] == ["a"]
    nested = shard(blocks, [(bucket("a"), "", inline)])
    refused(nested, blocks, "not its own")


def test_names_with_equal_hashes_are_refused(monkeypatch):
    monkeypatch.setattr("etdb.ipfs.hamt.name_hash", lambda name: b"samehash")
    with pytest.raises(InputError, match="'a' and 'b' have the same hash"):
        build_directory(entries_of(["a", "b"]), ALWAYS)


def test_hashes_that_part_at_the_last_byte(monkeypatch):
    monkeypatch.setattr("etdb.ipfs.hamt.name_hash", lambda name: b"7 alike" + name.encode())
    nodes = build_directory(entries_of(["a", "b"]), ALWAYS)
    blocks = {node.cid.digest: node.data for node in nodes}
    assert len(nodes) == 8
    assert {e.path for e in walk_all(nodes[-1].cid, blocks) if isinstance(e, FileFound)} == {"a", "b"}
    assert look_up(blocks, nodes[-1].cid, "b") == (cid_of(b"b"), 8)


@given(st.lists(names, min_size=1, max_size=8, unique=True), st.data())
def test_mutated_shards_raise_only_what_they_say(some_names, data):
    """Whatever one changes in a node: refused, or read as another directory; never another error."""
    nodes = build_directory(entries_of(some_names), ALWAYS)
    block = bytearray(nodes[-1].data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(block) - 1))
        block[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del block[data.draw(st.integers(0, len(block))) :]
    mutated = bytes(block)
    cid = cid_of(mutated, codec=DAG_PB)
    walk = DagWalk(cid)
    walk.start()
    try:
        events = walk.receive(cid, mutated)
    except (FormatError, VerificationError):
        return
    paths = [event.path for event in events if isinstance(event, FileFound)]
    assert len(paths) == len(set(paths))
    assert all("/" not in path for path in paths)


# The threshold, and what does not shard.


@pytest.mark.parametrize(("base", "size_of"), [(UNIXFS_V1_2025, "block"), (UNIXFS_V0_2015, "links")])
def test_the_threshold_is_strict(base, size_of):
    entries = entries_of(["a", "bb", "ccc"])
    flat = build_directory(entries, base)[0]
    links = parse_node(flat.data).links
    estimate = len(flat.data) if size_of == "block" else sum(len(e.name) + len(bytes(e.cid)) for e in links)
    at = msgspec.structs.replace(base, shard_above_bytes=estimate)
    above = msgspec.structs.replace(base, shard_above_bytes=estimate - 1)
    assert build_directory(entries, at) == [flat]
    assert parse_unixfs(parse_node(build_directory(entries, above)[-1].data).data).kind_name == "HAMT shard"


def test_a_directory_that_no_block_holds():
    never = msgspec.structs.replace(UNIXFS_V1_2025, shard_above_bytes=None)
    entries = [DirectoryEntry(name=f"{n:0250d}", cid=LEAF, tree_size=1) for n in range(7300)]
    with pytest.raises(InputError, match="at most"):
        build_directory(entries, never)


def test_empty_folders_and_no_files():
    root, nodes = build_tree({}, folders=["a/b", "c"])
    empty = build_tree({})[0]
    assert [link.name for link in parse_node(root.data).links] == ["a", "c"]
    assert parse_node(root.data).links[1].cid == empty.cid
    assert len(nodes) == 4
    with pytest.raises(InputError, match="at once"):
        build_tree({"a": (LEAF, 1)}, folders=["a"])


# Symbolic links.


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=50))
def test_symbolic_links_are_kept_as_they_are(target):
    made = build_symlink(target)
    blocks = {made.cid.digest: made.data}
    assert walk_all(made.cid, blocks) == [SymlinkFound(path="", cid=made.cid, target=target)]
    root, nodes = build_tree({"d/link": (made.cid, made.tree_size)})
    blocks |= {node.cid.digest: node.data for node in nodes}
    assert walk_all(root.cid, blocks)[-1] == SymlinkFound(path="d/link", cid=made.cid, target=target)


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 4096, "\udcff"])
def test_targets_that_no_link_has(target):
    with pytest.raises(InputError):
        build_symlink(target)


def test_links_of_strangers():
    for data in (b"\x08\x04", b"\x08\x04\x12\x01\xff", b"\x08\x04\x12\x01\0", encode_symlink_data("x" * 5000)):
        block = encode_node([], data)
        refused(cid_of(block, codec=DAG_PB), {cid_of(block, codec=DAG_PB).digest: block}, "symbolic link")
    for links, data in (([PbLink(cid=LEAF)], b""), ([], b"\x20\x01")):
        node = parse_node(encode_node(links, encode_symlink_data("x") + data))
        with pytest.raises(FormatError, match="content below"):
            link_target(LEAF, node, parse_unixfs(node.data))
    link = build_symlink("x")
    as_leaf = encode_node([PbLink(cid=link.cid)], b"\x08\x02\x18\x01\x20\x01")
    cid = cid_of(as_leaf, codec=DAG_PB)
    refused(cid, {cid.digest: as_leaf, link.cid.digest: link.data}, "inside the file")
