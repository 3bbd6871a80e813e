"""Laws of the IPFS formats: round trips, split input, hostile bytes, and the tree against a slow obvious one."""

import base64
import contextlib
import hashlib
import itertools

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etdb.errors import FormatError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    RAW,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    CarBlock,
    CarEnd,
    CarReader,
    Cid,
    DagBuilder,
    FileDag,
    NeedData,
    PbLink,
    cid_of,
    encode_car,
    encode_file_data,
    encode_node,
    file_geometry,
    leaf_digest,
    leaf_frame,
    parse_cid,
    parse_cid_bytes,
    parse_node,
    parse_unixfs,
    read_cid,
)
from etdb.ipfs.varint import encode_varint, parse_varint

digests = st.binary(min_size=32, max_size=32)
cids = st.one_of(
    st.builds(lambda d: Cid(version=0, codec=DAG_PB, digest=d), digests),
    st.builds(lambda c, d: Cid(codec=c, digest=d), st.sampled_from([RAW, DAG_PB]), digests),
    st.builds(lambda d: Cid(hash_code=0, digest=d), st.binary(max_size=128)),
)
small_profiles = st.builds(
    lambda leaf, width, base: msgspec.structs.replace(base, leaf_bytes=leaf, width=width),
    st.integers(1, 40),
    st.integers(2, 5),
    st.sampled_from([UNIXFS_V1_2025, UNIXFS_V0_2015]),
)


def dag_of(data, profile):
    step = profile.leaf_bytes
    pieces = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
    return FileDag(b"".join(leaf_digest(piece, profile) for piece in pieces), len(data), profile)


def slow_tree(data, profile):
    """The tree by its definition, with all blocks in memory: ({digest: block}, root digest)."""
    blocks, level = {}, []
    step = profile.leaf_bytes
    for at in range(0, max(1, len(data)), step):
        piece = data[at : at + step]
        head, tail = (b"", b"") if profile.raw_leaves else leaf_frame(len(piece))
        block = head + piece + tail
        codec = RAW if profile.raw_leaves else DAG_PB
        version = 1 if profile.raw_leaves else profile.cid_version
        cid = cid_of(block, codec=codec, version=version)
        blocks[cid.digest] = block
        level.append((cid, len(piece), len(block)))
    while len(level) > 1:
        groups = [level[at : at + profile.width] for at in range(0, len(level), profile.width)]
        level = []
        for group in groups:
            links = [PbLink(cid=cid, tree_size=tree) for cid, _, tree in group]
            sizes = [size for _, size, _ in group]
            block = encode_node(links, encode_file_data(sum(sizes), sizes))
            cid = cid_of(block, codec=DAG_PB, version=profile.cid_version)
            blocks[cid.digest] = block
            level.append((cid, sum(sizes), len(block) + sum(tree for _, _, tree in group)))
    return blocks, level[0]


@given(st.integers(0, (1 << 63) - 1))
def test_varints(value):
    data = encode_varint(value)
    assert parse_varint(b"x" + data + b"y", 1) == (value, 1 + len(data))
    with pytest.raises(FormatError):
        parse_varint(data[:-1], 0)


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff" * 9 + b"\x01", b"\x80", b""])
def test_varints_that_are_none(data):
    with pytest.raises(FormatError):
        parse_varint(data, 0)


@given(cids)
def test_cids(cid):
    assert parse_cid(str(cid)) == cid
    assert parse_cid_bytes(bytes(cid)) == cid
    assert read_cid(b"??" + bytes(cid) + b"behind", 2) == (cid, 2 + len(bytes(cid)))
    with pytest.raises(FormatError):
        parse_cid_bytes(bytes(cid) + b"\0")


def test_a_cid_in_base58_as_its_specification_writes_it():
    cid = parse_cid("zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA")
    assert (cid.version, cid.codec) == (1, RAW)
    assert cid.digest.hex() == "6e6ff7950a36187a801613426e858dce686cd7d7e3c0fc42ee0330072d245c95"


@pytest.mark.parametrize("length", [0, 20, 31, 33])
def test_a_hash_that_is_cut_or_longer_is_none(length):
    with pytest.raises(FormatError, match=f"cuts SHA-256 to {length}"):
        parse_cid_bytes(bytes([1, RAW, 0x12, length]) + bytes(length))


def test_version_0_has_one_codec():
    with pytest.raises(ValueError, match="always dag-pb"):
        cid_of(b"", codec=RAW, version=0)


@given(cids, st.data())
def test_a_cid_has_one_spelling(cid, data):
    text = str(cid)
    at = data.draw(st.integers(0, len(text) - 1))
    other = text[:at] + data.draw(st.characters(codec="utf-8")) + text[at + 1 :]
    try:
        found = parse_cid(other)
    except FormatError:
        return
    assert str(found) == other


letters = st.text("abcdefghijklmnopqrstuvwxyz234567", max_size=70) | st.text(max_size=20)


@given(cids.map(lambda cid: str(cid)[1:] if cid.version else "") | letters, st.sampled_from(["", "a", "=", "\n", "٢"]))
def test_base32_is_that_of_the_standard_library(letters, more):
    text = letters + more
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
        found = parse_cid_bytes(data)
    except (ValueError, FormatError):
        found = None
    if found is None or found.version == 0 or base64.b32encode(data).decode().rstrip("=").lower() != text:
        with pytest.raises(FormatError):
            parse_cid("b" + text)
    else:
        assert parse_cid("b" + text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "z",
        "Qm",
        "B" + "A" * 58,
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5f",  # a stray bit at the end
        "BAFKREIFZJUT3TE2NHYEKKLSS27NH3K72YSCO7Y32KOAO5EEI66WOF36N5E",
        "bafyreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",  # dag-cbor
        "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQ0",  # 0 is not in the alphabet
        "zQmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
        "b" * 600,
    ],
)
def test_cids_that_are_none(text):
    with pytest.raises(FormatError):
        parse_cid(text)


@given(st.binary(max_size=200))
@example(b"\x12\x20short")
@example(b"\x01\x55\x00\x81\x01" + bytes(129))
def test_any_bytes_as_a_cid(data):
    try:
        cid, end = read_cid(data, 0)
    except FormatError:
        return
    assert bytes(cid) == data[:end]


@given(
    st.lists(st.tuples(cids, st.text(max_size=20), st.none() | st.integers(0, 1 << 50)), max_size=6),
    st.binary(max_size=50),
)
def test_nodes(links, data):
    made = tuple(PbLink(cid=cid, name=name, tree_size=size) for cid, name, size in links)
    node = parse_node(encode_node(made, data))
    assert (node.links, node.data) == (made, data)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_node(data):
    try:
        node = parse_node(data)
        parse_unixfs(node.data)
    except FormatError:
        pass


@given(st.binary(max_size=80))
def test_any_bytes_as_unixfs(data):
    with contextlib.suppress(FormatError):
        parse_unixfs(data)


@given(st.binary(max_size=600), small_profiles)
def test_the_tree_equals_the_slow_one(data, profile):
    blocks, (root, size, tree_size) = slow_tree(data, profile)
    dag = dag_of(data, profile)
    assert (dag.root, dag.size_bytes, dag.tree_size) == (root, size, tree_size)
    for node in dag.nodes():
        assert blocks.pop(node.cid.digest, node.data) == node.data
    leaf_codec = RAW if profile.raw_leaves else DAG_PB
    left = {dag.leaf_cid(index).digest for index in range(dag.geometry.leaf_count)}
    assert set(blocks) <= left
    assert all(dag.leaf_cid(i).codec == leaf_codec for i in range(dag.geometry.leaf_count))


@given(st.integers(0, 5000), small_profiles)
def test_geometry(size, profile):
    shape = file_geometry(size, profile)
    spans = [shape.leaf(index) for index in range(shape.leaf_count)]
    assert sum(span.length for span in spans) == size
    assert all(first.end == second.offset for first, second in itertools.pairwise(spans))
    for level in range(1, shape.depth + 1):
        at = 0
        for node in range(shape.level_counts[level]):
            start, stop = shape.node_span(level, node)
            assert start == at
            at = stop
            children = shape.children(level, node)
            assert shape.node_span(level - 1, children[0])[0] == start
            assert shape.node_span(level - 1, children[-1])[1] == stop
            assert all(shape.parent(child) == node for child in children)
        assert at == size


@given(st.integers(0, 3000), st.integers(-10, 3010), st.integers(-10, 3010), small_profiles)
def test_leaves_of_a_range(size, start, stop, profile):
    shape = file_geometry(size, profile)
    wanted = {shape.leaf_index_at(at) for at in range(max(0, start), min(stop, size))}
    assert set(shape.leaves_of_range(start, stop)) == wanted


def test_builder_refuses_what_is_not_a_file():
    with pytest.raises(ValueError):
        DagBuilder().finish()
    builder = DagBuilder()
    builder.add_leaf(bytes(32), 5)
    with pytest.raises(ValueError):
        builder.add_leaf(bytes(32), 5)
    with pytest.raises(FormatError):
        FileDag(bytes(64), 5)


def events_of(pieces, **options):
    reader = CarReader(**options)
    events = []
    try:
        for piece in [*pieces, b""]:
            reader.receive_data(piece)
            while not isinstance(event := reader.next_event(), NeedData):
                events.append(event)
                if isinstance(event, CarEnd):
                    return events
    except VerificationError as error:
        events.append((type(error), error.message))
    return events


blocks_lists = st.lists(st.binary(max_size=60).map(lambda data: (cid_of(data), data)), max_size=5)


@given(st.lists(cids, max_size=3), blocks_lists)
def test_car_round_trip(roots, blocks):
    header, *rest, end = events_of([b"".join(encode_car(roots, blocks))])
    assert header.roots == tuple(roots)
    assert [(event.cid, event.data) for event in rest] == blocks
    assert isinstance(end, CarEnd)


@given(st.lists(cids, max_size=2), blocks_lists, st.data())
def test_car_split_input_gives_equal_events(roots, blocks, data):
    """Whole, one byte at a time and in any pieces; also of damaged and cut files, and of any bytes at all."""
    car = bytearray(b"".join(encode_car(roots, blocks)))
    if data.draw(st.booleans()):
        car[data.draw(st.integers(0, len(car) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.booleans()):
        del car[data.draw(st.integers(0, len(car) - 1)) :]
    whole = events_of([bytes(car)] if car else [])
    assert events_of([bytes([byte]) for byte in car]) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(car)), max_size=4)))
    pieces = [bytes(car[a:b]) for a, b in zip([0, *cuts], [*cuts, len(car)], strict=True) if a < b]
    assert events_of(pieces) == whole


@given(st.binary(max_size=200))
def test_any_bytes_as_a_car(data):
    assert not isinstance(events_of([data] if data else [])[-1], CarBlock)


def test_car_limits():
    cid, data = cid_of(bytes(101)), bytes(101)
    car = b"".join(encode_car([cid], [(cid, data)]))
    assert len(events_of([car], max_block_bytes=101)) == 3
    assert events_of([car], max_block_bytes=100)[-1][0] is FormatError
    liar = b"".join(encode_car([cid], [(cid, b"x")]))
    assert events_of([liar])[-1][0] is VerificationError
    assert isinstance(events_of([liar], verify=False)[1], CarBlock)
    assert hashlib.sha256(data).digest() == cid.digest


def test_a_refused_car_stays_refused():
    reader = CarReader()
    reader.receive_data(b"\x05hello" * 10)
    for _ in range(2):
        with pytest.raises(FormatError):
            reader.next_event()
