"""The gateway server over loopback, asked with plain http.client and with our own client."""

import http.client
import json
import os
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from etdb.blocks import FilesInPlace
from etdb.blocks.gateway import GatewayStore
from etdb.errors import InputError, VerificationError
from etdb.ipfs import (
    CarBlock,
    CarEnd,
    CarReader,
    DagWalk,
    FileFound,
    LeafFound,
    cid_of,
    group_leaves,
    parse_cid,
    verify_block,
)
from etdb.web.gateway import gateway_app
from etdb.web.serving import serve, serving

CONTENT = os.urandom(2_500_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A served dataset: (url, root, {path: added}, store)."""
    folder = tmp_path_factory.mktemp("site")
    with closing(FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")) as store:
        added = {}
        for name, data in {"big.mrc": CONTENT, "sub/note.txt": b"hello", "sub/page.html": b"<b>", "none": b""}.items():
            path = folder / name.replace("/", "-")
            path.write_bytes(data)
            added[name] = store.add_file(path)
        root = store.add_directory(added)
        with serving(gateway_app(store)) as url:
            yield url, root, added, store


@contextmanager
def asked(url, path, method="GET", **headers):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    with closing(connection), connection.getresponse() as response:
        yield response, response.read()


def blocks_of(car):
    reader = CarReader()
    reader.receive_data(car)
    reader.receive_data(b"")
    header = reader.next_event()
    blocks = []
    while not isinstance(event := reader.next_event(), CarEnd):
        assert isinstance(event, CarBlock)
        blocks.append(event.cid)
    return header.roots, blocks


def test_raw_blocks(site):
    url, root, added, _ = site
    for cid in (root, added["big.mrc"].cid, added["none"].cid, parse_cid("bafkqaaa")):
        for path, headers in [
            (f"/ipfs/{cid}?format=raw", {}),
            (f"/ipfs/{cid}", {"Accept": "application/vnd.ipld.raw"}),
        ]:
            with asked(url, path, **headers) as (response, body):
                assert response.status == 200
                verify_block(cid, body)
                assert response.headers["Content-Type"] == "application/vnd.ipld.raw"
                assert response.headers["ETag"] == f'"{cid}.raw"'
                assert "immutable" in response.headers["Cache-Control"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"
            with asked(url, path, "HEAD", **headers) as (response, nothing):
                assert (response.headers["Content-Length"], nothing) == (str(len(body)), b"")


def test_files_by_path_and_by_range(site):
    url, root, added, _ = site
    for path in (f"/ipfs/{root}/big.mrc", f"/ipfs/{added['big.mrc'].cid}"):
        with asked(url, path) as (response, body):
            assert (response.status, body == CONTENT) == (200, True)
            assert response.headers["ETag"] == f'"{added["big.mrc"].cid}"'
        for span, part in [
            ("bytes=0-0", slice(0, 1)),
            ("bytes=1048575-1048576", slice(1048575, 1048577)),
            ("bytes=2000000-", slice(2000000, None)),
            ("bytes=-7", slice(-7, None)),
            ("bytes=10-99999999", slice(10, None)),
        ]:
            with asked(url, path, Range=span) as (response, body):
                first = range(len(CONTENT))[part][0]
                assert (response.status, body == CONTENT[part]) == (206, True), span
                assert response.headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(CONTENT)}"
        with asked(url, path, "HEAD", Range="bytes=5-9") as (response, body):
            assert (response.status, response.headers["Content-Length"], body) == (206, "5", b"")


def test_ranges_that_cannot_be_met_and_that_are_none(site):
    url, root, _, _ = site
    path = f"/ipfs/{root}/sub/note.txt"
    for span in ("bytes=5-", "bytes=9-12", "bytes=-0"):
        with asked(url, path, Range=span) as (response, _):
            assert (response.status, response.headers["Content-Range"]) == (416, "bytes */5")
    for span in ("bytes=0-1,3-4", "lines=1-2", "bytes=3-2", "bytes=-", "bytes= -", "bytes=\t-"):
        with asked(url, path, Range=span) as (response, body):
            assert (response.status, body) == (200, b"hello")
    with asked(url, path, Range="bytes=0-1", If_Range='"something else"') as (response, body):
        assert (response.status, body) == (200, b"hello")


def test_nothing_new_is_304(site):
    url, root, _, _ = site
    for path in ("/", "/big.mrc", "?format=raw", "?format=car", "/sub/note.txt?format=raw"):
        with asked(url, f"/ipfs/{root}{path}") as (response, _):
            tag = response.headers["ETag"]
        with asked(url, f"/ipfs/{root}{path}", If_None_Match=f'"x", {tag}') as (response, body):
            assert (response.status, body) == (304, b""), path


def test_directories(site):
    url, root, added, _ = site
    with asked(url, f"/ipfs/{root}/", Accept="application/json") as (_, body):
        listing = json.loads(body)
    assert [entry["name"] for entry in listing["entries"]] == ["big.mrc", "none", "sub"]
    assert listing["entries"][0]["cid"] == str(added["big.mrc"].cid)
    with asked(url, f"/ipfs/{listing['entries'][2]['cid']}", Accept="application/json") as (_response, body):
        assert [entry["name"] for entry in json.loads(body)["entries"]] == ["note.txt", "page.html"]


def test_what_a_browser_may_run(site):
    url, root, _, _ = site
    with asked(url, f"/ipfs/{root}/sub/page.html") as (response, _):
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in response.headers["Content-Security-Policy"]


def test_cars(site):
    url, root, added, _ = site
    big = added["big.mrc"].cid
    leaves = [cid_of(CONTENT[at : at + (1 << 20)]) for at in range(0, len(CONTENT), 1 << 20)]
    for query, roots, blocks in [
        (f"{root}?format=car&dag-scope=block", root, [root]),
        (f"{root}?format=car&dag-scope=entity", root, [root]),
        (f"{big}?format=car&dag-scope=entity", big, [big, *leaves]),
        (f"{big}?format=car&entity-bytes=0:0", big, [big, leaves[0]]),
        (f"{big}?format=car&entity-bytes=1048576:1048576", big, [big, leaves[1]]),
        (f"{big}?format=car&entity-bytes=1048575:*", big, [big, *leaves]),
        (f"{big}?format=car&entity-bytes=-3:-1", big, [big, leaves[2]]),
        (f"{big}?format=car&entity-bytes=99999999:*", big, [big]),
        (f"{root}/big.mrc?format=car&dag-scope=block", big, [root, big]),
    ]:
        with asked(url, f"/ipfs/{query}") as (response, body):
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("application/vnd.ipld.car; version=1")
            assert blocks_of(body) == ((roots,), blocks), query
        with asked(url, f"/ipfs/{query}", "HEAD") as (response, body):
            assert (response.status, body) == (200, b"")
    with asked(url, f"/ipfs/{root}", Accept="application/vnd.ipld.car") as (_, body):
        _, blocks = blocks_of(body)
    assert set(blocks) >= {root, big, *leaves, added["none"].cid, added["sub/note.txt"].cid}


def test_what_is_wrong_or_not_here(site):
    url, root, _, _ = site
    absent = cid_of(b"absent")
    for path, status in [
        ("/ipfs/not-a-cid", 400),
        (f"/ipfs/{root}?format=tar", 406),
        (f"/ipfs/{root}?format=x", 400),
        (f"/ipfs/{root}?format=car&dag-scope=some", 400),
        (f"/ipfs/{root}?format=car&entity-bytes=1-2", 400),
        (f"/ipfs/{absent}", 404),
        (f"/ipfs/{absent}?format=raw", 404),
        (f"/ipfs/{absent}?format=car", 404),
        (f"/ipfs/{root}/no/such", 404),
        (f"/ipfs/{root}/big.mrc/below", 404),
        (f"/ipfs/{root}/../../etc/passwd", 404),
    ]:
        with asked(url, path) as (response, body):
            assert response.status == status, path
            assert json.loads(body)["error"]
            assert response.headers["Cache-Control"] == "no-store"
    with asked(url, f"/ipfs/{root}", "POST") as (response, _):
        assert response.status == 405


def test_rotten_bytes_are_not_sent_and_no_path_of_ours_either(tmp_path):
    data = os.urandom(3 << 20)
    path = tmp_path / "file.mrc"
    path.write_bytes(data)
    with closing(FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "c")) as store:
        cid = store.add_file(path).cid
        with path.open("r+b") as file:
            file.seek(2 << 20)
            file.write(b"rot!" if data[2 << 20 : (2 << 20) + 4] != b"rot!" else b"ROT!")
        with serving(gateway_app(store)) as url:
            rotten = cid_of(data[2 << 20 :])
            with asked(url, f"/ipfs/{rotten}?format=raw") as (response, body):
                assert response.status == 502
                assert str(tmp_path).encode() not in body
            with pytest.raises(http.client.IncompleteRead) as caught, asked(url, f"/ipfs/{cid}"):
                pass
            assert data.startswith(caught.value.partial)


def test_our_client_fetches_a_dataset_from_our_server(site):
    url, root, _, _ = site
    with closing(GatewayStore(url)) as store:
        walk = DagWalk(root)
        events = walk.start()
        while walk.wanted:
            events += walk.receive(walk.wanted[0], store.get(walk.wanted[0]))
        cids = {event.path: event.cid for event in events if isinstance(event, FileFound)}
        found = {path: bytearray() for path in cids}
        buffer = bytearray(1 << 20)
        for group in group_leaves((e for e in events if isinstance(e, LeafFound) and e.length), 2 << 20):
            for leaf, view in store.read_leaves(cids[group[0].path], group, buffer):
                found[leaf.path] += view
        assert found == {"big.mrc": CONTENT, "none": b"", "sub/note.txt": b"hello", "sub/page.html": b"<b>"}
        blocks = {block.cid: block.data for block in store.fetch_car(root)}
        assert set(blocks) >= {event.cid for event in events if isinstance(event, LeafFound)}
        with pytest.raises(VerificationError):
            store.read_leaf_into(cid_of(b"hello"), bytearray(3))


def test_an_address_in_use(site):
    port = urlsplit(site[0]).port
    with pytest.raises(InputError, match="cannot listen"):
        serve(gateway_app(site[3]), port=port)
