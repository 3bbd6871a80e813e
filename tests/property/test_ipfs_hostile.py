"""DAGs of strangers: nodes of any kind, linked in any way, with true hashes. Only the errors that are said come out."""

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from etdb.blocks import DagReader, MemoryStore
from etdb.errors import FormatError, NotFoundError, VerificationError
from etdb.ipfs import (
    DAG_PB,
    Cid,
    DagClosure,
    DagWalk,
    DirectoryFound,
    FileFound,
    InlineFound,
    LeafFound,
    PbLink,
    SymlinkFound,
    WalkLimits,
    encode_file_data,
    encode_node,
    name_hash,
)
from etdb.ipfs.closure import ClosureLimits
from etdb.ipfs.names import verify_entry_name
from etdb.ipfs.unixfs import DIRECTORY_DATA, encode_shard_data, encode_symlink_data
from etdb.ipfs.varint import encode_varint

LIMITS = WalkLimits(max_nodes=300, max_entries=300, max_leaves=300)

sizes = st.sampled_from([0, 1, 2, 3, 5, 40, 1 << 21, (1 << 21) + 1, 1 << 50, (1 << 63) - 1])
names = st.sampled_from(["a", "b", "", ".", "..", "a/b", "00", "FFa", "00a", "é", "x" * 300, "a\0"]) | st.text(
    max_size=3
)
mostly = st.sampled_from([True, True, True, False])


@st.composite
def stores(draw):
    """A store, and the CIDs of its blocks: leaves and inline ones first, then nodes over them."""
    store, cids, lengths = MemoryStore(), [], []
    for data in draw(st.lists(st.binary(max_size=5), min_size=1, max_size=3)):
        cids.append(draw(st.sampled_from([store.put(data), Cid(hash_code=0, digest=data)])))
        lengths.append(len(data))
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["file", "directory", "shard", "symlink", "bytes", "mutated"]))
        below = draw(st.lists(st.integers(0, len(cids) - 1), max_size=5))
        said = [lengths[i] if draw(mostly) else draw(sizes) for i in below]
        if kind == "file" or not below:
            links = [PbLink(cid=cids[i], tree_size=1) for i in below]
            block = encode_node(links, encode_file_data(sum(said) % (1 << 63), said))
        elif kind == "shard":
            entries = {draw(names) if not draw(mostly) else f"n{i}": i for i in below}
            placed = sorted(
                (name_hash(name)[0] if draw(mostly) else draw(st.integers(0, 255)), name) for name in entries
            )
            links = [
                PbLink(cid=cids[entries[name]], name=f"{bucket:02X}" + (name if draw(mostly) else ""), tree_size=3)
                for bucket, name in placed
            ]
            bits = sum({1 << bucket for bucket, _ in placed}).to_bytes(32, "big").lstrip(b"\0")
            block = encode_node(links, encode_shard_data(bits, 0x22, 256))
        elif kind == "symlink":
            links = [] if draw(mostly) else [PbLink(cid=cids[0])]
            block = encode_node(links, encode_symlink_data(draw(names)))
        elif kind == "bytes":
            block = draw(st.binary(max_size=40))
        else:
            links = [
                PbLink(cid=cids[i], name=draw(names) if not draw(mostly) else f"n{n}") for n, i in enumerate(below)
            ]
            block = encode_node(links, DIRECTORY_DATA)
            if kind == "mutated" and block:
                at = draw(st.integers(0, len(block) - 1))
                block = block[:at] + bytes([draw(st.integers(0, 255))]) + block[at + 1 :]
        inline = len(block) <= 128 and not draw(mostly)
        cids.append(Cid(codec=DAG_PB, hash_code=0, digest=block) if inline else store.put(block, codec=DAG_PB))
        lengths.append(sum(said) % (1 << 63))
    return store, cids


def check_events(events):
    paths = [e.path for e in events if isinstance(e, (DirectoryFound, FileFound, SymlinkFound))]
    assert len(paths) == len(set(paths)), "a path twice"
    files = {e.path: e.size_bytes for e in events if isinstance(e, FileFound)}
    for path in paths:
        for name in path.split("/") if path else ():
            verify_entry_name(name)
    for path, size in files.items():
        parts = sorted(
            (e.offset, len(e.data) if isinstance(e, InlineFound) else e.length)
            for e in events
            if isinstance(e, (LeafFound, InlineFound)) and e.path == path
        )
        if size is not None:
            assert sum(length or 0 for _, length in parts) == size
            for (at, length), (after, _) in itertools.pairwise(part for part in parts if part[1]):
                assert at + length == after


@settings(max_examples=80)
@given(stores(), st.randoms(), st.data())
def test_any_dag_is_walked_or_refused(made, rng, data):
    store, cids = made
    root = data.draw(st.sampled_from(cids))
    walk = DagWalk(root, LIMITS)
    outcome = "walked"
    events = []
    try:
        events += walk.start()
        while walk.wanted:
            cid = rng.choice(walk.wanted)
            events += walk.receive(cid, store.get(cid))
    except FormatError:
        outcome = "refused"
    except NotFoundError:
        outcome = "absent"  # a mutated link names another block
    if outcome == "walked":
        check_events(events)
    reader = DagReader(store)
    found = [event for event in events if isinstance(event, (FileFound, DirectoryFound, SymlinkFound))]
    for event in found[:5] if outcome == "walked" else ():
        assert reader.resolve(root, event.path)[-1] == event.cid, "the reader finds what the walk found"
    for ask in (
        lambda: reader.resolve(root, "n0/n1"),
        lambda: reader.entries(root),
        lambda: list(itertools.islice(reader.content(root), 50)),
        lambda: list(itertools.islice(reader.blocks(root), 200)),
        lambda: list(itertools.islice(reader.blocks(root, "entity", 1, 3), 200)),
        lambda: reader.blocks_on_way(root, "n0"),
        lambda: reader.is_symlink(root),
    ):
        try:
            ask()
        except (FormatError, NotFoundError, VerificationError):
            assert True
    for scope in ("all", "entity", "block"):
        closure = DagClosure([root], scope, limits=ClosureLimits(max_visits=2000))
        for cid in cids:
            closure.take(cid, store.get(cid))
        try:
            coverage = closure.result()
        except FormatError:
            assert outcome != "walked", "the walk read what the closure refuses"
        else:
            assert outcome != "walked" or not any(store.has(cid) for cid in coverage.missing)


@given(st.binary(max_size=60), st.integers(0, 4))
@example(encode_varint((1 << 63) - 1), 1)
def test_any_bytes_as_the_data_of_a_node(data, links):
    block = encode_node([PbLink(cid=Cid(digest=bytes(32)), name="00")] * links, data)
    cid = Cid(codec=DAG_PB, hash_code=0, digest=block[:128])
    try:
        check_events(DagWalk(cid, LIMITS).start())
    except FormatError:
        assert True
