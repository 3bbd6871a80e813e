"""CARs in any order: the same result; what is missing is said; hostile ones are refused."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from etdb.blocks import CarStore, DagReader, MemoryStore, write_car
from etdb.errors import FormatError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    UNIXFS_V1_2025,
    Cid,
    DagClosure,
    DagWalk,
    FileDag,
    PbLink,
    build_tree,
    cid_of,
    encode_car,
    encode_car_header,
    encode_file_data,
    encode_node,
    leaf_digest,
    read_car,
)
from etdb.ipfs.closure import ClosureLimits
from etdb.ipfs.unixfs import DIRECTORY_DATA
from etdb.ipfs.varint import encode_varint

SMALL = replace(UNIXFS_V1_2025, leaf_bytes=5, width=3, shard_above_bytes=150)


def dataset(files):
    """A store over small files in the directories of a small profile: (store, root, blocks depth first)."""
    store = MemoryStore()
    placed = {}
    for path, data in files.items():
        pieces = [data[at : at + 5] for at in range(0, len(data), 5)] or [b""]
        for piece in pieces:
            store.put(piece)
        dag = FileDag(b"".join(leaf_digest(piece, SMALL) for piece in pieces), len(data), SMALL)
        for node in dag.nodes():
            store.put(node.data, codec=DAG_PB)
        placed[path] = (dag.root, dag.tree_size)
    root, nodes = build_tree(placed, SMALL)
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    return store, root.cid, list(DagReader(store).blocks(root.cid))


trees = st.dictionaries(
    st.from_regex(r"[a-z]{1,3}(/[A-Z]{1,2})?", fullmatch=True), st.binary(max_size=40), min_size=1, max_size=8
).map(lambda files: {p: d for p, d in files.items() if not any(q.startswith(p + "/") for q in files)})


def walk(root, get):
    steps = DagWalk(root)
    events = steps.start()
    while steps.wanted:
        events += steps.receive(steps.wanted[0], get(steps.wanted[0]))
    return events


@settings(max_examples=40)
@given(trees, st.randoms(), st.data())
def test_any_order_with_repeats_is_the_same_dag(tmp_path_factory, files, rng, data):
    store, root, blocks = dataset(files)
    mixed = blocks + rng.sample(blocks, rng.randrange(len(blocks) + 1))
    mixed += [(cid_of(b"unrelated"), b"unrelated"), (Cid(hash_code=0, digest=b"in"), b"in")]
    rng.shuffle(mixed)
    different = len({cid.digest for cid, _ in blocks})
    whole = b"".join(encode_car([root], mixed))
    cut = data.draw(st.integers(1, 200))
    pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    coverage = read_car(pieces)
    assert coverage.is_complete
    assert (coverage.blocks, coverage.unrelated) == (different + 1, 1)
    assert coverage.repeated == len(mixed) - 1 - coverage.blocks
    path = tmp_path_factory.mktemp("car") / "x.car"
    path.write_bytes(whole)
    opened = CarStore(path)
    assert opened.verify() == coverage
    assert walk(root, opened.get) == walk(root, store.get)
    opened.close()
    gone = rng.choice(blocks)[0]
    kept = [(cid, block) for cid, block in mixed if cid.digest != gone.digest]
    without = read_car([b"".join(encode_car([root], kept))])
    assert not without.is_complete
    assert gone.digest in {cid.digest for cid in without.missing}
    assert without.blocks == different


@settings(max_examples=50)
@given(trees, st.data())
def test_what_a_range_needs_is_what_the_reader_sends(files, data):
    store, _, _ = dataset(files)
    path = data.draw(st.sampled_from(sorted(files)))
    size = len(files[path])
    _, root, _ = dataset({path: files[path]})
    cid = DagReader(dataset({path: files[path]})[0]).resolve(root, path)[-1]
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    sent = list(DagReader(store).blocks(cid, "entity", start, stop))
    closure = DagClosure([cid], "entity", start=start, stop=stop)
    for name, block in sent:
        closure.take(name, block)
    assert closure.result().is_complete
    assert closure.result().unrelated == 0
    for left_out in {name.digest for name, _ in sent}:
        partly = DagClosure([cid], "entity", start=start, stop=stop)
        for name, block in sent:
            if name.digest != left_out:
                partly.take(name, block)
        assert not partly.result().is_complete


def test_several_roots_and_roots_that_are_not_there():
    store, root, blocks = dataset({"a": b"123456789"})
    _, other, more = dataset({"b": b"987654321" * 3})
    both = [*more, *blocks]
    car = b"".join(encode_car([root, other], both))
    assert read_car([car]).roots == (root, other)
    assert read_car([car]).is_complete
    absent = cid_of(b"absent")
    coverage = read_car([b"".join(encode_car([root, absent], blocks))])
    assert (coverage.missing_blocks, coverage.missing) == (1, (absent,))
    assert read_car([b"".join(encode_car([absent], blocks))], roots=[root]).is_complete
    assert read_car([encode_car_header([])]).blocks == 0
    assert store.has(root)


def test_scopes():
    files = {f"d/{n}": b"%d" % n for n in range(40)}
    store, root, whole = dataset(files)
    reader = DagReader(store)
    directory = reader.resolve(root, "d")[-1]
    entity = list(reader.blocks(directory, "entity"))
    assert 1 < len(entity) < len(whole)
    for scope, blocks, complete in [
        ("entity", entity, True),
        ("entity", entity[:1], False),
        ("block", entity[:1], True),
        ("block", entity[1:], False),
        ("all", entity, False),
    ]:
        closure = DagClosure([directory], scope)
        for cid, block in blocks:
            closure.take(cid, block)
        assert closure.result().is_complete is complete, scope


def test_identity_cids_are_never_missing_and_what_they_link_is():
    leaf = cid_of(b"leaf")
    inline = Cid(hash_code=0, digest=b"abc")
    nested = Cid(codec=DAG_PB, hash_code=0, digest=encode_node([PbLink(cid=leaf)], encode_file_data(4, [4])))
    node = encode_node([PbLink(cid=inline), PbLink(cid=nested)], encode_file_data(7, [3, 4]))
    root = cid_of(node, codec=DAG_PB)
    assert read_car([b"".join(encode_car([root], [(root, node)]))]).missing == (leaf,)
    assert read_car([b"".join(encode_car([root], [(root, node), (leaf, b"leaf")]))]).is_complete
    assert read_car([b"".join(encode_car([inline], []))]).is_complete
    taken = []
    car = b"".join(encode_car([root], [(inline, b"abc"), (root, node), (leaf, b"leaf")]))
    assert read_car([car], lambda cid, block: taken.append(cid)).is_complete
    assert taken == [root, leaf]


def test_an_identity_cid_is_not_taken_for_the_hash_that_it_spells():
    """Its content is the hash of a node that was seen already; it is no node itself."""
    empty = encode_node([], DIRECTORY_DATA)
    real = cid_of(empty, codec=DAG_PB)
    spelled = Cid(codec=DAG_PB, hash_code=0, digest=real.digest)
    root = encode_node([PbLink(cid=real, name="a"), PbLink(cid=spelled, name="b")], DIRECTORY_DATA)
    blocks = [(cid_of(root, codec=DAG_PB), root), (real, empty)]
    with pytest.raises(FormatError):
        read_car(encode_car([blocks[0][0]], blocks))


def test_limits_hold_for_dags_that_unfold():
    """Four levels of a thousand links to one child: in a range every place counts, but not for ever."""
    blocks, cid, size = [(cid_of(b"x"), b"x")], cid_of(b"x"), 1
    for _ in range(4):
        block = encode_node([PbLink(cid=cid)] * 1000, encode_file_data(size * 1000, [size] * 1000))
        cid, size = cid_of(block, codec=DAG_PB), size * 1000
        blocks.append((cid, block))
    for scope, raises in [("all", False), ("entity", True)]:
        closure = DagClosure([cid], scope, limits=ClosureLimits(max_visits=20_000))
        for name, block in blocks:
            closure.take(name, block)
        if raises:
            with pytest.raises(FormatError, match="20000 links"):
                closure.result()
        else:
            assert closure.result().is_complete
    few = DagClosure([cid], limits=ClosureLimits(max_blocks=2, max_node_bytes=10))
    few.take(*blocks[0])
    few.take(*blocks[0])
    with pytest.raises(FormatError, match="nodes have more"):
        few.take(*blocks[1])
    few.take(cid_of(b"y"), b"y")
    with pytest.raises(FormatError, match="more than 2 blocks"):
        few.take(cid_of(b"z"), b"z")


def test_a_broken_node_is_told_from_a_missing_one():
    for bad in (b"no dag-pb", encode_node([PbLink(cid=cid_of(b"x"))], b"\x08\x02\x18\x05\x20\x01")):
        cid = cid_of(bad, codec=DAG_PB)
        closure = DagClosure([cid], "entity")
        closure.take(cid, bad)
        with pytest.raises(FormatError):
            closure.result()


def section(body):
    return encode_varint(len(body)) + body


HEADER = encode_car_header([cid_of(b"x")])
DAG_CBOR = b"\x01\x71\x12\x20" + bytes(32)
SHA_512 = b"\x01\x55\x13\x40" + bytes(64)


@pytest.mark.parametrize(
    "car",
    [
        HEADER + b"\xff" * 9 + b"\x01",
        HEADER + b"\x80" * 8 + b"\x00",
        HEADER + b"\x00",
        HEADER + encode_varint((2 << 20) + 161),
        HEADER + encode_varint(1 << 62),
        HEADER + section(DAG_CBOR + b"unknown codec"),
        HEADER + section(SHA_512 + b"unknown hash"),
        HEADER + section(b"\x01\x55\x12\x20" + bytes(31)),
        HEADER + section(b"\x01\x55\x00\x81\x01" + bytes(129)),
        HEADER + section(bytes(cid_of(b"x")) + bytes((2 << 20) + 1)),
        HEADER[:-1],
        section(b"\xa1gversion\x02") + bytes(60),
        section(b"\xa2eroots\x9f\xffgversion\x01"),
        encode_car_header([cid_of(b"x")] * 65),
        section(b"\xa2eroots\x80gversion\x02"),
        b"",
    ],
    ids=itertools.count(),
)
def test_hostile_cars(tmp_path, car):
    with pytest.raises(FormatError):
        read_car([car])
    with pytest.raises(FormatError):
        read_car([bytes([byte]) for byte in car[:200]] + [car[200:]])
    (tmp_path / "x.car").write_bytes(car)
    with pytest.raises((FormatError, VerificationError)):
        CarStore(tmp_path / "x.car").verify()


def test_a_block_that_is_not_its_cid(tmp_path):
    cid = cid_of(b"right")
    with pytest.raises(VerificationError):
        read_car(encode_car([cid], [(cid, b"wrong")]))
    for identity in (Cid(hash_code=0, digest=b"right"),):
        with pytest.raises(VerificationError):
            read_car(encode_car([cid], [(identity, b"wrong")]))
    write_car(tmp_path / "x.car", [cid], [(cid_of(b"a"), b"a"), (cid, b"wrong")])
    store = CarStore(tmp_path / "x.car")
    with pytest.raises(VerificationError) as caught:
        store.verify()
    assert caught.value.fields["offset"] == len((tmp_path / "x.car").read_bytes()) - 5
    store.close()


def test_blocks_whose_hashes_begin_alike_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("etdb.blocks.car._prefix", lambda cid: 7)
    blocks = [(cid_of(b"%d" % n), b"%d" % n) for n in range(30)]
    empty = encode_node([], DIRECTORY_DATA)
    old = Cid(version=0, codec=DAG_PB, digest=cid_of(empty).digest)
    write_car(tmp_path / "x.car", [], [*blocks, (old, empty)])
    store = CarStore(tmp_path / "x.car")
    assert all(store.get(cid) == block for cid, block in blocks)
    assert store.get(cid_of(empty)) == empty
    assert not store.has(cid_of(b"30"))
    store.close()
