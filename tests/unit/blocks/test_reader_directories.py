"""Reading sharded directories, symbolic links and identity CIDs out of a store: as one plain directory would be."""

import msgspec
import pytest

from etdb.blocks import DagReader, MemoryStore
from etdb.errors import FormatError, NotFoundError
from etdb.ipfs import (
    DAG_PB,
    RAW,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    Cid,
    DagWalk,
    DirectoryFound,
    FileFound,
    PbLink,
    build_symlink,
    build_tree,
    cid_of,
    encode_file_data,
    encode_node,
    name_hash,
)
from etdb.ipfs.unixfs import encode_shard_data

NAMES = [f"frame_{number:05d}.mrc" for number in range(700)] + ["é", "e\u0301", "a name", "x" * 255, "§"]


class Counting:
    def __init__(self, inner):
        self.inner, self.asked = inner, []

    def get(self, cid):
        self.asked.append(cid)
        return self.inner.get(cid)


def stored(profile, files, **options):
    store = MemoryStore()
    root, nodes = build_tree({path: (store.put(data), len(data)) for path, data in files.items()}, profile, **options)
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    return store, root.cid


def sharded(base):
    return msgspec.structs.replace(base, shard_above_bytes=1000)


@pytest.fixture(scope="module", params=[UNIXFS_V1_2025, UNIXFS_V0_2015], ids=lambda p: p.name)
def large(request):
    """The same files twice: in a sharded directory, and in a plain one."""
    files = {name: name.encode() for name in NAMES} | {"sub/deeper/one": b"1"}
    never = msgspec.structs.replace(request.param, shard_above_bytes=None)
    return stored(sharded(request.param), files), stored(never, files)


def test_a_sharded_directory_has_the_same_entries(large):
    (store, root), (plain_store, plain_root) = large
    reader, plain = DagReader(store), DagReader(plain_store)
    assert reader.is_directory(root)
    assert reader.entries(root) == plain.entries(plain_root)
    assert reader.resolve(root, "/sub/deeper/one/")[1:] == plain.resolve(plain_root, "sub/deeper/one")[1:]
    for name in NAMES:
        assert reader.find(root, name) == cid_of(name.encode())
    for name in ("", "frame", "frame_00000.mrc2", "È", "00frame_00000.mrc"):
        assert reader.find(root, name) is None
    with pytest.raises(NotFoundError, match="no 'frame'"):
        reader.resolve(root, "frame")


def test_one_name_needs_only_the_shards_on_its_way(large):
    (store, root), _ = large
    counting = Counting(store)
    assert DagReader(counting).find(root, "é") is not None
    assert 2 <= len(counting.asked) <= 4
    reader = DagReader(store)
    way = reader.blocks_on_way(root, "é")
    assert way == counting.asked
    assert reader.resolve(root, "é") == [root, cid_of("é".encode())]
    walk = DagWalk(root)
    walk.start()
    for cid in way:
        walk.receive(cid, store.get(cid))


def test_the_blocks_of_a_sharded_directory(large):
    (store, root), _ = large
    reader = DagReader(store)
    entity = [cid for cid, _ in reader.blocks(root, "entity")]
    whole = [cid for cid, _ in reader.blocks(root)]
    leaves = {cid_of(name.encode()) for name in NAMES}
    assert entity[0] == whole[0] == root
    assert leaves & set(entity) == set()
    assert set(whole) >= leaves | set(entity)
    assert len(set(whole)) == len(whole)
    walk = DagWalk(root)
    events = walk.start()
    for cid in whole:
        if cid in walk.wanted:
            events += walk.receive(cid, store.get(cid))
    assert walk.done, "the blocks come in the order of a depth first walk"
    assert len([e for e in events if isinstance(e, FileFound)]) == len(NAMES) + 1
    assert len([e for e in events if isinstance(e, DirectoryFound)]) == 3
    assert [cid for cid, _ in reader.blocks(root, "block")] == [root]


def hostile(store, links, bits):
    field = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
    return store.put(encode_node(links, encode_shard_data(field, 0x22, 256)), codec=DAG_PB)


def test_hostile_shards_are_refused_wherever_they_are_read():
    store = MemoryStore()
    leaf = store.put(b"x")
    bucket = name_hash("a")[0]
    right = hostile(store, [PbLink(cid=leaf, name=f"{bucket:02X}a")], 1 << bucket)
    assert DagReader(store).find(right, "a") == leaf
    below = hostile(store, [PbLink(cid=right, name=f"{bucket:02X}")], 1 << bucket)
    onto_leaf = hostile(store, [PbLink(cid=leaf, name=f"{bucket:02X}")], 1 << bucket)
    for wrong in (below, onto_leaf):
        reader = DagReader(store)
        for read in (
            lambda reader=reader, wrong=wrong: reader.find(wrong, "a"),
            lambda reader=reader, wrong=wrong: reader.entries(wrong),
            lambda reader=reader, wrong=wrong: list(reader.blocks(wrong)),
            lambda reader=reader, wrong=wrong: list(reader.blocks(wrong, "entity")),
        ):
            with pytest.raises(FormatError):
                read()
    deep, level = leaf, 0
    for level in range(9):
        deep = hostile(store, [PbLink(cid=deep, name="00" + ("a" if level == 0 else ""))], 1)
    for read in (lambda: DagReader(store).entries(deep), lambda: list(DagReader(store).blocks(deep))):
        with pytest.raises(FormatError):
            read()


def test_a_symbolic_link_is_its_target_and_leads_nowhere():
    store, _ = stored(UNIXFS_V1_2025, {})
    link = build_symlink("../../etc/passwd")
    store.put(link.data, codec=DAG_PB)
    root, nodes = build_tree({"link": (link.cid, link.tree_size)})
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    reader = DagReader(store)
    assert reader.is_symlink(link.cid)
    assert not reader.is_directory(link.cid)
    assert not reader.is_symlink(root.cid)
    assert not reader.is_symlink(store.put(b"raw"))
    assert b"".join(reader.content(link.cid)) == b"../../etc/passwd"
    assert reader.file_size(link.cid) == 16
    assert [cid for cid, _ in reader.blocks(root.cid)] == [root.cid, link.cid]
    with pytest.raises(NotFoundError):
        reader.resolve(root.cid, "link/passwd")
    inside = store.put(encode_node([PbLink(cid=link.cid)], encode_file_data(16, [16])), codec=DAG_PB)
    with pytest.raises(FormatError, match="does not fit"):
        list(reader.content(inside))


def test_identity_cids_are_content_and_no_blocks():
    store = MemoryStore()
    inline = Cid(hash_code=0, digest=b"in line")
    leaf = store.put(b" and not")
    root = store.put(encode_node([PbLink(cid=inline), PbLink(cid=leaf)], encode_file_data(15, [7, 8])), codec=DAG_PB)
    reader = DagReader(store)
    assert b"".join(reader.content(root)) == b"in line and not"
    assert b"".join(reader.content(root, 3, 9)) == b"line a"
    assert [cid for cid, _ in reader.blocks(root)] == [root, leaf]
    assert list(reader.blocks(inline)) == []
    assert list(reader.blocks(inline, "block")) == []


def test_an_identity_cid_is_not_taken_for_the_hash_that_it_spells():
    """Its content may be the very 32 bytes of another node's hash."""
    store = MemoryStore()
    real = store.put(encode_node([], encode_file_data(0, [])), codec=DAG_PB)
    reader = DagReader(store)
    assert reader.file_size(real) == 0
    with pytest.raises(FormatError):
        reader.file_size(Cid(codec=DAG_PB, hash_code=0, digest=real.digest))
    assert reader.file_size(Cid(codec=RAW, hash_code=0, digest=real.digest)) == 32


def test_parsed_nodes_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("etdb.blocks.reader._CACHED_LINKS", 1000)
    store = MemoryStore()
    leaf = store.put(b"x")
    reader = DagReader(store)
    for number in range(20):
        links = [PbLink(cid=leaf, name=f"{number}-{n}") for n in range(300)]
        assert len(reader.entries(store.put(encode_node(links, b"\x08\x01"), codec=DAG_PB))) == 300
    assert 600 <= sum(len(node.links) for node in reader._nodes.values()) <= 1000


def test_a_listing_has_a_limit(large, monkeypatch):
    (store, root), _ = large
    monkeypatch.setattr("etdb.blocks.reader.MAX_ENTRIES", 100)
    with pytest.raises(FormatError, match="more than 100 entries"):
        DagReader(store).entries(root)
