"""Sharded directories, symbolic links and identity CIDs over the gateway."""

import json
from contextlib import closing

import msgspec
import pytest

from etdb.blocks import MemoryStore
from etdb.blocks.gateway import GatewayStore
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, build_symlink, build_tree, cid_of, parse_cid
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving

from .test_gateway import asked, blocks_of

NAMES = [f"image {number:04d} é.jpg" for number in range(400)]
SHARDING = msgspec.structs.replace(UNIXFS_V1_2025, shard_above_bytes=2000)


@pytest.fixture(scope="module")
def site():
    store = MemoryStore()
    files = {f"images/{name}": (store.put(name.encode()), len(name.encode())) for name in NAMES}
    link = build_symlink("../secret")
    store.put(link.data, codec=DAG_PB)
    root, nodes = build_tree({**files, "link": (link.cid, link.tree_size)}, SHARDING)
    for node in nodes:
        store.put(node.data, codec=DAG_PB)
    with serving(gateway_app(store)) as url:
        yield url, root.cid, nodes, link.cid


def test_a_sharded_directory_is_listed_and_its_files_are_found(site):
    url, root, _, _ = site
    with asked(url, f"/ipfs/{root}/images", Accept="application/json") as (response, body):
        assert response.status == 200
        assert [entry["name"] for entry in json.loads(body)["entries"]] == sorted(NAMES)
    for name in (NAMES[0], NAMES[399]):
        quoted = name.replace(" ", "%20").replace("é", "%C3%A9")
        with asked(url, f"/ipfs/{root}/images/{quoted}") as (response, body):
            assert (response.status, body) == (200, name.encode())
            assert len(response.headers["X-Ipfs-Roots"].split(",")) == 3
    with asked(url, f"/ipfs/{root}/images/none") as (response, _):
        assert response.status == 404


def test_a_car_proves_the_way_through_the_shards(site):
    url, root, nodes, _ = site
    shards = {node.cid for node in nodes}
    images = nodes[-2].cid
    quoted = NAMES[7].replace(" ", "%20").replace("é", "%C3%A9")
    with asked(url, f"/ipfs/{root}/images/{quoted}?format=car") as (_, body):
        roots, blocks = blocks_of(body)
    leaf = cid_of(NAMES[7].encode())
    assert (roots, blocks[:2], blocks[-1]) == ((leaf,), [root, images], leaf)
    assert len(blocks) >= 4
    assert set(blocks[:-1]) <= shards
    with asked(url, f"/ipfs/{images}?format=car&dag-scope=entity") as (_, body):
        _, blocks = blocks_of(body)
    assert set(blocks) == shards - {root}
    with asked(url, f"/ipfs/{root}?format=car") as (_, body):
        _, blocks = blocks_of(body)
    assert set(blocks) >= shards | {cid_of(name.encode()) for name in NAMES}


def test_a_symbolic_link_is_shown_not_followed(site):
    url, root, _, link = site
    with asked(url, f"/ipfs/{root}/link") as (response, body):
        assert (response.status, body) == (200, b"../secret")
        assert response.headers["Content-Type"] == "inode/symlink"
    with asked(url, f"/ipfs/{root}/link/below") as (response, _):
        assert response.status == 404
    with asked(url, f"/ipfs/{root}/link?format=car") as (_, body):
        assert blocks_of(body) == ((link,), [root, link])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_probe_of_gateways(site, method):
    url = site[0]
    probe = parse_cid("bafkqaaa")
    for query, kind in (("?format=raw", "vnd.ipld.raw"), ("?format=car", "vnd.ipld.car"), ("", "octet-stream")):
        with asked(url, f"/ipfs/bafkqaaa{query}", method) as (response, body):
            assert response.status == 200
            assert kind in response.headers["Content-Type"]
            if "car" in query and method == "GET":
                assert blocks_of(body) == ((probe,), [])
            else:
                assert body == b""
    with closing(GatewayStore(url)) as store:
        assert store.get(probe) == b""
