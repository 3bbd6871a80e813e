"""What the specifications of gateways and of Delegated Routing say, statement by statement.

Trustless gateway, path gateway (https://specs.ipfs.tech/http-gateways/), Delegated Routing V1
(https://specs.ipfs.tech/routing/http-routing-v1/), with the IPIPs named in each row.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from etdb.blocks import MemoryStore
from etdb.errors import FormatError, InputError
from etdb.ipfs import (
    CarBlock,
    CarEnd,
    CarReader,
    Cid,
    PbLink,
    cid_of,
    encode_node,
)
from etdb.ipfs.cid import DAG_PB
from etdb.ipfs.unixfs import encode_file_data
from etdb.web import cars
from etdb.web.answers import GatewayAnswers
from etdb.web.gateway import gateway_app
from etdb.web.providers import gateway_multiaddr
from etdb.web.serving import serving
from etdb.web.wanted import Wanted

HELLO, PAGE = b"hello, world", b"<script>alert(1)</script>"
DIRECTORY = b"\x08\x01"
NAME = "ą/ę"


def node(store: MemoryStore, entries: dict[str, Cid]) -> Cid:
    """A directory."""
    links = [PbLink(cid=cid, name=name, tree_size=1) for name, cid in sorted(entries.items())]
    block = encode_node(links, DIRECTORY)
    return store.put(block, codec=DAG_PB)


class Site:
    """A served store: a file, a directory of twins, names of all kinds, an index page."""

    def __init__(self, stack: ExitStack) -> None:
        store = MemoryStore()
        self.hello, self.page = store.put(HELLO), store.put(PAGE)
        self.twins = node(store, {"a": self.hello, "b": self.hello})
        self.with_index = node(store, {"index.html": self.page, "x": self.hello})
        below = node(store, {"<b>&\u202e.txt": self.hello})
        self.root = node(
            store,
            {"hello.txt": self.hello, "twins": self.twins, "site": self.with_index, "ą": node(store, {"ę": below})},
        )
        self.app = gateway_app(store)
        self.url = stack.enter_context(serving(self.app))
        self.store = store

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, quote(path, safe="/?=&:,*!%"), headers=named)
        with closing(connection), connection.getresponse() as response:
            return response.status, response.headers, response.read()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack)


def car_of(body: bytes) -> tuple[tuple[Cid, ...], list[Cid]]:
    """The roots and blocks of a CAR."""
    reader, blocks = CarReader(), []
    reader.receive_data(body)
    reader.receive_data(b"")
    header = reader.next_event()
    while not isinstance(event := reader.next_event(), CarEnd):
        assert isinstance(event, CarBlock)
        blocks.append(event.cid)
    return header.roots, blocks


RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"

STATEMENTS = {
    "a block by its CID": ("{hello}?format=raw", {}, 200, {"content-type": RAW}),
    "format counts before Accept (IPIP-523)": ("{hello}?format=raw", {"Accept": CAR}, 200, {"content-type": RAW}),
    "a block's name ends in .bin": (
        "{hello}?format=raw",
        {},
        200,
        {"content-disposition": r'attachment; filename=".*\.bin"'},
    ),
    "a name that is asked for": (
        "{hello}?format=raw&filename=f.bin",
        {},
        200,
        {"content-disposition": 'attachment; filename="f.bin"'},
    ),
    "a name that is a path or turns text round is made harmless": (
        "{hello}?filename=../..\\%E2%80%AEgpj.exe",
        {},
        200,
        {"content-disposition": 'inline; filename="gpj.exe"'},
    ),
    "download=true makes an attachment": (
        "{root}/hello.txt?download=true",
        {},
        200,
        {"content-disposition": 'attachment; filename="hello.txt"'},
    ),
    "a part of a block": ("{hello}?format=raw", {"Range": "bytes=0-4"}, 206, {"content-range": "bytes 0-4/12"}),
    "a part of a file": ("{root}/hello.txt", {"Range": "bytes=-5"}, 206, {"content-range": "bytes 7-11/12"}),
    "a part behind the end": ("{root}/hello.txt", {"Range": "bytes=12-"}, 416, {"content-range": r"bytes \*/12"}),
    "several parts may be answered with the whole": ("{hello}", {"Range": "bytes=0-1,3-4"}, 200, {}),
    "a CAR says version, order and duplicates (IPIP-412)": (
        "{root}?format=car",
        {},
        200,
        {"content-type": re.escape(CAR + "; version=1; order=dfs; dups=y"), "accept-ranges": "none"},
    ),
    "a CAR without duplicates": ("{root}?format=car&car-dups=n", {}, 200, {"content-type": ".*dups=n"}),
    "the same by Accept": ("{root}", {"Accept": CAR + "; order=dfs; dups=n"}, 200, {"content-type": ".*dups=n"}),
    "a query counts before Accept's parameters": (
        "{root}?car-dups=y&format=car",
        {"Accept": CAR + ";dups=n"},
        200,
        {"content-type": ".*dups=y"},
    ),
    "another version of CAR": ("{root}?format=car&car-version=2", {}, 400, {}),
    "duplicates neither y nor n": ("{root}?format=car&car-dups=maybe", {}, 400, {}),
    "a CAR's tag is weak": ("{root}?format=car", {}, 200, {"etag": 'W/".*"'}),
    "an unknown scope (IPIP-402)": ("{root}?format=car&dag-scope=more", {}, 400, {}),
    "bytes that are no range (IPIP-402)": ("{hello}?format=car&entity-bytes=a:b", {}, 400, {}),
    "a format that is not made": ("{root}?format=tar", {}, 406, {}),
    "a record of a name is not made": ("{root}?format=ipns-record", {}, 406, {}),
    "a format that nobody knows": ("{root}?format=zip", {}, 400, {}),
    "no CID": ("not-a-cid", {}, 400, {"cache-control": "no-store"}),
    "what is not there": ("{root}/absent", {}, 404, {"cache-control": "no-store"}),
    "only-if-cached, and here": ("{hello}", {"Cache-Control": "only-if-cached"}, 200, {}),
    "only-if-cached, and not here": ("{absent}", {"Cache-Control": "only-if-cached"}, 412, {}),
    "the probe": ("bafkqaaa?format=raw", {}, 200, {"content-length": "0"}),
    "where it was found": ("{root}/ą/ę/", {}, 200, {"x-ipfs-path": "/ipfs/{root}/%C4%85/%C4%99/"}),
    "by which nodes": ("{root}/twins/a", {}, 200, {"x-ipfs-roots": "{root},{twins},{hello}"}),
    "a directory without a slash": ("{root}/ą/ę", {}, 301, {"location": "/ipfs/{root}/%C4%85/%C4%99/"}),
    "a directory's page changes, slowly": (
        "{root}/",
        {},
        200,
        {"cache-control": "public, max-age=604800, .*", "etag": '"DirIndex-.*_CID-{root}"'},
    ),
    "a directory has its index page": (
        "{root}/site/",
        {},
        200,
        {"etag": '"{with_index}"', "content-security-policy": "sandbox; default-src 'none'"},
    ),
    "the index page that the client has": ("{root}/site/", {"If-None-Match": '"{with_index}"'}, 304, {}),
    "a directory for programs": ("{root}", {"Accept": "application/json"}, 200, {"content-type": "application/json"}),
    "content never changes": ("{hello}", {}, 200, {"cache-control": "public, max-age=29030400, immutable"}),
    "pages from elsewhere may read": (
        "{hello}",
        {},
        200,
        {"access-control-allow-origin": r"\*", "access-control-expose-headers": ".*X-Ipfs-Roots.*"},
    ),
    "where what Accept chose is by its URL alone": (
        "{hello}",
        {"Accept": RAW},
        200,
        {"content-location": r"/ipfs/{hello}\?format=raw"},
    ),
    "and with what the query and Accept say of a CAR": (
        "{root}?car-dups=n",
        {"Accept": CAR + "; dups=y; order=dfs"},
        200,
        {"content-location": r"/ipfs/{root}\?car-dups=n&format=car&car-order=dfs"},
    ),
    "a format that Accept contradicts": (
        "{hello}?format=raw",
        {"Accept": CAR},
        200,
        {"content-location": r"/ipfs/{hello}\?format=raw"},
    ),
    "a URL that says it already": ("{hello}?format=raw", {"Accept": RAW + ", */*"}, 200, {"content-location": ""}),
    "a file is where it is": ("{hello}", {"Accept": "text/html"}, 200, {"content-location": ""}),
    "a service worker of the whole gateway": ("{hello}", {"Service-Worker": "script"}, 400, {}),
    "a service worker of a content root": ("{root}/hello.txt", {"Service-Worker": "script"}, 200, {}),
    "nothing is guessed by browsers": ("{hello}", {}, 200, {"x-content-type-options": "nosniff"}),
}


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_gateway_keeps(site: Site, statement: str, method: str) -> None:
    path, headers, status, told = STATEMENTS[statement]
    names = {"absent": cid_of(b"absent"), **{k: v for k, v in vars(site).items() if isinstance(v, Cid)}}
    sent = {name.replace("-", "_"): value.format(**names) for name, value in headers.items()}
    found, answered, body = site.ask("/ipfs/" + path.format(**names), method, **sent)
    assert found == status, body
    for name, pattern in told.items():
        filled = re.sub(r"\{(\w+)\}", lambda match: str(names[match[1]]), pattern)
        assert re.fullmatch(filled, answered[name] or ""), f"{name}: {answered[name]}"
    if method == "HEAD":
        assert body == b""


def test_a_browser_asks_first(site: Site) -> None:
    for path in (f"/ipfs/{site.hello}", f"/ipfs/{site.root}/x", f"/routing/v1/providers/{site.hello}"):
        status, headers, _ = site.ask(path, "OPTIONS")
        assert status == 204
        assert {"GET", "HEAD", "OPTIONS"} <= set(headers["access-control-allow-methods"].split(", "))


def test_twins_come_once_or_as_often_as_they_are_there(site: Site) -> None:
    _, _, body = site.ask(f"/ipfs/{site.twins}?format=car")
    assert car_of(body) == ((site.twins,), [site.twins, site.hello, site.hello])
    _, _, body = site.ask(f"/ipfs/{site.twins}?format=car&car-dups=n")
    assert car_of(body) == ((site.twins,), [site.twins, site.hello])
    _, _, body = site.ask(f"/ipfs/{site.root}/twins/a?format=car&car-dups=n")
    assert car_of(body) == ((site.hello,), [site.root, site.twins, site.hello])


def test_a_page_escapes_what_strangers_named(site: Site) -> None:
    status, headers, body = site.ask(f"/ipfs/{site.root}/ą/ę/")
    text = body.decode()
    assert status == 200
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text
    assert "unicode-bidi:isolate" in text
    assert "script" not in headers["content-security-policy"]
    assert f'<a href="/ipfs/{site.root}/%C4%85/%C4%99/..">..</a>' in text
    assert '/%3Cb%3E%26%E2%80%AE.txt"' in text


def test_a_dag_that_repeats_itself_without_end_is_broken_off(site: Site) -> None:
    cid = site.hello
    for _ in range(40):
        cid = node(site.store, {"a": cid, "b": cid})
    with pytest.raises(http.client.IncompleteRead):
        site.ask(f"/ipfs/{cid}?format=car")
    status, _, body = site.ask(f"/ipfs/{cid}?format=car&dag-scope=entity")
    assert (status, car_of(body)) == (200, ((cid,), [cid]))


def test_a_car_without_duplicates_does_not_pass_over_the_same_block_for_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = site.store.put(b"x")
    links = [PbLink(cid=leaf, name="", tree_size=1)] * 50
    file = site.store.put(encode_node(links, encode_file_data(50, [1] * 50)), codec=DAG_PB)
    url = f"/ipfs/{file}?format=car&car-dups=n"
    assert car_of(site.ask(url)[2]) == ((file,), [file, leaf])
    monkeypatch.setattr(cars, "MAX_REPEATED_BLOCKS", 48)
    assert site.ask(url)[0] == 422


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        (RAW, 200, RAW),
        (f"{RAW};q=0", 200, "application/octet-stream"),
        (f"{CAR};q=0.1, {RAW};q=0", 200, CAR),
        (f"{CAR};q=0.9, {RAW};q=0.2", 200, CAR),
        ("application/x-tar", 406, "application/json"),
        ("application/vnd.ipld.dag-json, application/x-tar;q=0.5", 406, "application/json"),
        ("application/x-tar, */*;q=0.1", 200, "application/octet-stream"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200, "application/octet-stream"),
        ("*/*", 200, "application/octet-stream"),
        ("nonsense;;q=x", 200, "application/octet-stream"),
    ],
)
def test_what_accept_names(site: Site, accept: str, status: int, kind: str) -> None:
    found, headers, _ = site.ask(f"/ipfs/{site.hello}", Accept=accept)
    assert (found, headers["content-type"].partition(";")[0]) == (status, kind)


@pytest.mark.parametrize("more", ["", "?format=raw"])
def test_what_is_not_here_is_not_said_to_be_unchanged(site: Site, more: str) -> None:
    elsewhere = cid_of(b"elsewhere")
    kept = {"Cache-Control": "only-if-cached"}
    tag = f'"{elsewhere}{".raw" if more else ""}"'
    assert site.ask(f"/ipfs/{elsewhere}{more}", **{"If-None-Match": "*"})[0] == 404
    assert site.ask(f"/ipfs/{elsewhere}{more}", **{"If-None-Match": tag}, **kept)[0] == 412
    assert site.ask(f"/ipfs/{site.hello}{more}", **{"If-None-Match": "*"}, **kept)[0] == 304


def test_the_way_to_a_directory_keeps_the_query(site: Site) -> None:
    status, headers, _ = site.ask(f"/ipfs/{site.root}?filename=a&download=true")
    assert (status, headers["location"]) == (301, f"/ipfs/{site.root}/?filename=a&download=true")


def test_a_query_of_any_bytes_is_kept() -> None:
    path = f"/ipfs/{node(store := MemoryStore(), {})}"
    wanted = Wanted(is_head=False, cid=path[6:], path="", url_path=path, query={"a\udcfb": "\udcff"}, headers={})
    answer = GatewayAnswers(store).answer(wanted)
    assert (answer.status, answer.headers["location"]) == (301, f"{path}/?a%FB=%FF")


def test_an_end_beyond_any_file_is_its_end(site: Site) -> None:
    whole = site.ask(f"/ipfs/{site.hello}?format=car&entity-bytes=0:*")
    assert site.ask(f"/ipfs/{site.hello}?format=car&entity-bytes=0:{2**63 - 1}")[::2] == whole[::2]


def test_who_comes_when_too_many_cars_are_made_is_told_when_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = site.app.state.gateway._cars
    held = [writer._free.acquire(blocking=False) for _ in range(cars.MAX_CARS)]
    try:
        assert all(held)
        status, headers, body = site.ask(f"/ipfs/{site.root}?format=car")
        assert (status, headers["retry-after"]) == (429, "5")
        assert json.loads(body)["error"] == "busy"
        assert site.ask(f"/ipfs/{site.hello}?format=raw")[0] == 200
    finally:
        for _ in held:
            writer._free.release()
    for _ in range(cars.MAX_CARS + 1):  # each gives its place back, asked for whole or for its headers alone
        assert site.ask(f"/ipfs/{site.root}?format=car", "HEAD")[0] == 200
        assert site.ask(f"/ipfs/{site.root}?format=car")[0] == 200


def test_a_car_without_duplicates_has_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cars, "MAX_DIFFERENT_BLOCKS", 2)
    answers = site.app.state.gateway
    part = cars.CarPart(scope="all", start=0, stop=None, has_duplicates=False)
    with pytest.raises(FormatError, match="at most 2"):
        list(answers._cars.pieces(site.root, "", site.root, part))


# -- Delegated Routing


@pytest.fixture
def announced(site: Site) -> str:
    site.app.state.providers.announce("http://192.0.2.7:8080")
    return f"/routing/v1/providers/{site.hello}"


def test_a_provider_is_named_as_json_and_as_lines(site: Site, announced: str) -> None:
    status, headers, body = site.ask(announced)
    (record,) = json.loads(body)["Providers"]
    assert (status, headers["content-type"], headers["vary"]) == (200, "application/json", "accept")
    assert record["Schema"] == "peer"
    assert record["Addrs"] == ["/ip4/192.0.2.7/tcp/8080/http"]
    assert record["Protocols"] == ["transport-ipfs-gateway-http"]
    assert re.fullmatch(r"Qm[1-9A-HJ-NP-Za-km-z]{44}", record["ID"])
    status, headers, body = site.ask(announced, Accept="application/x-ndjson")
    assert (headers["content-type"], json.loads(body)) == ("application/x-ndjson", record)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("filter-protocols=transport-ipfs-gateway-http", 1),
        ("filter-protocols=unknown,transport-bitswap", 0),
        ("filter-addrs=http", 1),
        ("filter-addrs=tcp,unknown", 1),
        ("filter-addrs=!http", 0),
        ("filter-addrs=!tcp,http", 0),
        ("filter-addrs=quic-v1", 0),
        ("filter-addrs=!quic-v1", 1),
    ],
)
def test_filters(site: Site, announced: str, query: str, count: int) -> None:
    """IPIP-484."""
    assert len(json.loads(site.ask(f"{announced}?{query}")[2])["Providers"]) == count


def test_what_is_not_here_has_no_provider_and_what_is_wrong_is_said(site: Site, announced: str) -> None:
    """IPIP-513: an empty answer, not 404."""
    status, headers, body = site.ask(f"/routing/v1/providers/{cid_of(b'absent')}")
    assert (status, json.loads(body)) == (200, {"Providers": []})
    assert "max-age=15" in headers["cache-control"]
    assert site.ask("/routing/v1/providers/nonsense")[0] == 400
    assert site.ask("/routing/v1/peers/Qm")[0] == 501
    assert site.ask("/routing/v1/ipns/k51")[0] == 501
    for path in ("providers", f"providers/{site.hello}", "peers", "ipns/k51"):
        assert site.ask(f"/routing/v1/{path}", "PUT")[0] == 501, path
    assert site.ask("/routing/v1/nonsense/x")[0] == 400
    assert site.ask("/routing/v1/peers/Qm", "OPTIONS")[0] == 204


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://data.example.org", "/dns/data.example.org/tcp/443/https"),
        ("http://[2001:db8::1]:81/", "/ip6/2001:db8::1/tcp/81/http"),
    ],
)
def test_addresses_of_gateways(url: str, address: str) -> None:
    assert gateway_multiaddr(url) == address


@pytest.mark.parametrize(
    "url", ["data.example.org", "ftp://x", "http://a/b", "http://u:p@x", "http://x:99999", "http://a_b/"]
)
def test_what_is_no_gateway_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        gateway_multiaddr(url)
