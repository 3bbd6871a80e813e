"""A CAR from a gateway ends well only when everything that was asked for has come."""

from contextlib import closing

import msgspec
import pytest

from etdb.blocks import DagReader, MemoryStore
from etdb.blocks.gateway import GatewayStore
from etdb.errors import SourceError
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, Cid, FileDag, build_tree, cid_of, leaf_digest
from etdb.testing.blocks import hostile_gateway

SMALL = msgspec.structs.replace(UNIXFS_V1_2025, leaf_bytes=10, width=3, shard_above_bytes=300)
DATA = bytes(range(100))


@pytest.fixture(scope="module")
def dataset():
    store = MemoryStore()
    pieces = [DATA[at : at + 10] for at in range(0, 100, 10)]
    for piece in pieces:
        store.put(piece)
    dag = FileDag(b"".join(leaf_digest(piece, SMALL) for piece in pieces), 100, SMALL)
    small = (store.put(b"s"), 1)
    files = {f"d/{n}": small for n in range(30)} | {"file": (dag.root, dag.tree_size)}
    root, nodes = build_tree(files, SMALL)
    for node in (*nodes, *dag.nodes()):
        store.put(node.data, codec=DAG_PB)
    return store, root.cid, dag


def fetched(blocks, cid, **options):
    with hostile_gateway(blocks) as gateway, closing(GatewayStore(gateway.url)) as store:
        return [block.cid for block in store.fetch_car(cid, **options)]


def test_everything_in_any_order_with_strange_blocks_between(dataset):
    store, root, _ = dataset
    blocks = list(reversed(list(DagReader(store).blocks(root))))
    unasked = (cid_of(b"unasked"), b"unasked")
    assert set(fetched([*blocks, unasked], root)) == {cid for cid, _ in [*blocks, unasked]}


def test_what_is_missing_is_named_when_the_rest_has_come(dataset):
    store, root, dag = dataset
    blocks = list(DagReader(store).blocks(root))
    for left_out in (root, dag.root, dag.leaf_cid(7)):
        got = []
        with (
            hostile_gateway([pair for pair in blocks if pair[0] != left_out]) as gateway,
            closing(GatewayStore(gateway.url)) as gateway_store,
            pytest.raises(SourceError, match="left out") as caught,
        ):
            got.extend(block.cid for block in gateway_store.fetch_car(root))
        assert caught.value.fields["missing"] == (str(left_out),)
        assert str(left_out) in caught.value.message
        assert set(got) == {cid for cid, _ in blocks} - {left_out}


def test_a_scope_needs_its_own_blocks_only(dataset):
    store, root, dag = dataset
    reader = DagReader(store)
    directory = reader.resolve(root, "d")[-1]
    shards = list(reader.blocks(directory, "entity"))
    assert len(shards) > 1
    assert len(fetched(shards, directory, scope="entity")) == len(shards)
    assert fetched(shards[:1], directory, scope="block") == [directory]
    with pytest.raises(SourceError, match="left out"):
        fetched(shards[:1], directory, scope="entity")
    part = list(reader.blocks(dag.root, "entity", 35, 45))
    assert len(part) < 11
    assert len(fetched(part, dag.root, entity_bytes=(35, 45))) == len(part)
    with pytest.raises(SourceError, match="left out 1 blocks"):
        fetched(part, dag.root, entity_bytes=(35, 51))


def test_an_identity_cid_needs_nothing():
    assert fetched([], Cid(hash_code=0, digest=b"")) == []
