"""The server against strangers: their requests, and what they published."""

import gzip
import json
import re
import socket
from contextlib import ExitStack
from html.parser import HTMLParser
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from tests.hostile.portal_records import BIDI, MARKS, hostile_tomograms

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.errors import StorageError
from etdb.ipfs import DAG_PB, IpldBlock, PbLink, cid_of, encode_node
from etdb.ipfs.unixfs import DIRECTORY_DATA
from etdb.testing.catalogue import dataset_id_of, fill_catalogue
from etdb.web.application import portal_app
from etdb.web.follower import FollowerState
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.workspace import PortalSettings

RECORDS = hostile_tomograms()
SECRET = "/srv/private-folder/etdb"


class Site:
    """A portal over the hostile records, with files of hostile names."""

    def __init__(self, folder, stack):
        self.files = FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")
        stack.callback(self.files.close)
        (folder / "a.mrc").write_bytes(b"\0" * 3000)
        added = self.files.add_file(folder / "a.mrc")
        self.cid = added.cid
        # A folder as no program of ours makes it.
        names = sorted(
            ["a b.mrc", "x\tset-cookie: a=b\x7f", "y\r\nset-cookie: a=b", f"t{BIDI}x.exe", 'q"u;o.mrc', "%2e.txt"]
        )
        node = encode_node([PbLink(cid=self.cid, name=name, tree_size=3000) for name in names], DIRECTORY_DATA)
        self.root = cid_of(node, codec=DAG_PB)
        self.files._table.store_nodes([IpldBlock(cid=self.root, data=node, tree_size=len(node))])
        catalogue = stack.enter_context(Catalogue(folder / "catalogue.sqlite", writable=True))
        fill_catalogue(catalogue, list(RECORDS.values()))
        self.portal = Portal(catalogue, self.files, PortalSettings(), network="local")
        self.app = portal_app(self.portal)
        self.app.state.follower = self.follower = FollowerState()
        self.url = stack.enter_context(serving(self.app))
        self.address = (urlsplit(self.url).hostname, urlsplit(self.url).port)

    def raw(self, data, *, timeout=30):
        """What comes back for these bytes, until the server closes."""
        with socket.create_connection(self.address, timeout=timeout) as connection:
            connection.sendall(data)
            got = b""
            while piece := connection.recv(65536):
                got += piece
            return got

    def get(self, path, method="GET", host="127.0.0.1", body=b"", **headers):
        """Status, headers, body."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head, _, rest = self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body).partition(b"\r\n\r\n")
        first, *found = head.decode("latin-1").split("\r\n")
        names = [line.partition(":") for line in found]
        given = {name.lower(): value.strip() for name, _, value in names}
        assert len(given) == len(found), found  # nothing twice, nothing smuggled in
        if given.get("transfer-encoding") == "chunked":
            rest = unchunked(rest)
        return int(first.split()[1]), given, rest


def unchunked(data):
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return body


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), stack)


ID = dataset_id_of(0)


def paths(site):
    return [
        "/", "/datasets", "/datasets?q=x", "/datasets?sort=no", f"/datasets/{ID}", f"/datasets/{ID}/embed",
        f"/datasets/{ID}/embed/viewer", f"/oembed?url=x/datasets/{ID}%23view:x=1",
        f"/datasets/{ID}/cite.bib", f"/datasets/{ID}/cite.exe", f"/tomogram/{ID}", f"/datasets/{ID[:20]}", "/datasets/",
        "/publishers", "/publishers/nobody", "/ledger", "/ledger?list=x", "/about", "/faq", "/static/site.css",
        "/static/../routes.py", "/static/nothing", "/feed.atom", "/sitemap.xml", "/robots.txt", "/oembed", "/healthz",
        f"/oembed?url=x/datasets/{ID}", "/readyz", "/metrics", "/nothing", "/api/v1/datasets", "/api/v1/openapi.json",
        "/api/v1/nothing", "/api/v1/datasets/zz", f"/api/v1/volumes/{site.cid}/slice", "/api/v1/volumes/x/slice",
        f"/ipfs/{site.cid}", f"/ipfs/{site.cid}?format=raw", f"/ipfs/{site.root}?format=car", f"/ipfs/{site.root}/",
        f"/ipfs/{site.root}", "/ipfs/nonsense", f"/ipfs/{site.root}/a%20b.mrc", f"/ipfs/{site.root}/no",
        f"/routing/v1/providers/{site.cid}", "/routing/v1/peers/x", "/favicon.ico", "//evil.example/datasets/",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE"])
def test_every_answer_is_safe(site, method):
    for path in paths(site):
        status, headers, body = site.get(path, method)
        assert status < 500 or status in {501, 503}, (path, status)
        assert headers["x-content-type-options"] == "nosniff", path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert not re.search(r"script-src[^;]*('unsafe|\*|http|data:)", policy), path
        assert "set-cookie" not in headers
        assert "server" not in headers
        if method in {"HEAD", "OPTIONS"}:
            assert body == b"" or (method == "OPTIONS" and status in {404, 405}), path
            assert status != 405 or path.startswith("/routing/"), path
        if method in {"POST", "DELETE", "TRACE"}:
            assert status in {307, 404, 405, 501}, (path, status)


HOSTS = [
    "evil.example/x",
    'a"><script>',
    "a b",
    "a\tb",
    "user@evil",
    "[::1",
    "a:port",
    "a:123456",
    "é",
    "-x",
    "a" * 400,
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_is_refused(site, host):
    assert site.get("/feed.atom", host=host)[0] == 400


@pytest.mark.parametrize("host", ["etdb.example.org", "127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_absolute_addresses_come_from_the_host_or_the_settings(site, host):
    assert f"http://{host}/datasets/" in site.get("/feed.atom", host=host)[2].decode()
    site.portal.settings = PortalSettings(url="https://etdb.example.org/")
    try:
        feed = site.get("/feed.atom", host="evil.example")[2].decode()
        assert "https://etdb.example.org/datasets/" in feed
        for path in ("/feed.atom", "/sitemap.xml", "/robots.txt", f"/oembed?url=x/datasets/{ID}"):
            assert "evil.example" not in re.sub(
                "https://evil.example", "", site.get(path, host="evil.example")[2].decode()
            )
    finally:
        site.portal.settings = PortalSettings()


def test_requests_have_limits(site):
    assert site.get("/datasets?q=" + "a" * 9_000)[0] == 414
    assert site.get("/ipfs/" + "a" * 9_000)[0] == 414
    assert site.get("/", "POST", body=b"x" * 70_000, Content_Length=70_000)[0] == 413
    assert site.get("/", Content_Length="9" * 30)[0] in {400, 413}
    assert site.get("/", "POST", body=b"5\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked")[0] == 411
    bomb = gzip.compress(b"\0" * 10_000_000)
    assert site.get("/api/v1/datasets", "POST", body=bomb, Content_Length=len(bomb), Content_Encoding="gzip")[0] == 415
    assert site.get("/", X="a" * 40_000)[0] in {400, 431}
    many = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(5_000)) + b"\r\n"
    assert site.raw(many).split()[1] in {b"400", b"431"}


SMUGGLED = [
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("data", SMUGGLED)
def test_what_is_no_request_is_refused(site, data):
    answer = site.raw(data.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n", 1), timeout=20)
    assert answer == b"" or int(answer.split()[1]) >= 400


def test_names_in_content_disposition_are_no_more_than_names(site):
    assert site.get(f"/ipfs/{site.root}/y%0D%0Aset-cookie:%20a=b?download=true")[0] == 404
    for name in ("x%09set-cookie:%20a=b%7f", f"t{''.join(f'%{b:02x}' for b in BIDI.encode())}x.exe", "q%22u%3Bo.mrc"):
        status, headers, _ = site.get(f"/ipfs/{site.root}/{name}?download=true")
        assert status == 200, name
        given = headers["content-disposition"]
        assert re.fullmatch(
            r'attachment; filename="[^"\\\x00-\x1f\x7f-\xff]*"(; filename\*=UTF-8\'\'[\w.%!~-]*)?', given
        ), given
        assert "%E2%80%AE" not in given
    for asked in ("..%2F..%2Fetc%2Fpasswd", ".htaccess", "%0d%0aset-cookie:a", "a%22;x=%22", "", "....//", "C:%5Cx"):
        given = site.get(f"/ipfs/{site.cid}?filename={asked}")[1].get("content-disposition", "")
        assert "/" not in given.partition("UTF-8''")[0]
        assert '"."' not in given
        assert '".' not in given


TRICKS = [
    "/static/%2e%2e/__init__.py", "/static/..%2frender.py", "/static/....//routes.py", "/static/%00", "/static//etc",
    "/static/viewer/../../pages/render.py", "/static/%c0%ae%c0%ae/x", "/ipfs/..%2f..%2fetc%2fpasswd", "/ipfs/%2e%2e/x",
    "/ipfs/ROOT/..%2f..%2f..%2fetc/passwd", "/ipfs/ROOT/%252e%252e/x", "/ipfs/ROOT/%00", "/ipfs/ROOT/%ff%fe",
    "/ipfs/ROOT/../../../../etc/passwd", "/ipfs/ROOT%2f..%2f..", "/about/../../etc/passwd", "/%2e%2e/etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_paths_lead_nowhere_else(site, path):
    status, headers, body = site.get(path.replace("ROOT", str(site.root)))
    assert status in {301, 307, 400, 404}
    assert b"root:" not in body
    assert "location" not in headers or urlsplit(headers["location"]).hostname in {None, "127.0.0.1"}


def test_a_percent_in_a_name_is_a_percent(site):
    assert site.get(f"/ipfs/{site.root}/%252e.txt")[0] == 200


def test_nothing_of_this_machine_is_told(site, caplog):
    site.follower.trouble = f"the ledger {SECRET} is gone"
    original = site.portal.statistics
    for trouble in (None, StorageError(f"{SECRET} is damaged", path=SECRET)):
        if trouble is not None:

            def fail(trouble=trouble):
                raise trouble

            site.portal.statistics = fail
        for path in ("/readyz", "/healthz", "/metrics", "/", "/ledger", "/nothing"):
            _, _, body = site.get(path)
            assert SECRET.encode() not in body, path
            assert b"Traceback" not in body
    site.portal.statistics = original
    assert json.loads(site.get("/readyz")[2])["trouble"] == "the ledger cannot be followed now"
    assert "Traceback" not in caplog.text


def test_a_log_has_one_line_for_what_happened(site, caplog):
    caplog.set_level("INFO")
    for path in (
        "/ipfs/%0aFAKE%20LINE",
        f"/ipfs/{site.root}/%0d%0aFAKE%20LINE%1b[31m",
        "/%0aFAKE",
        "/api/v1/x%0aFAKE?%0aFAKE",
    ):
        site.get(path, X_Forwarded_For="1.2.3.4", User_Agent="a\tFAKE")
    for record in caplog.records:
        assert record.getMessage().isprintable()


TOO_MUCH = 3_000_000


class Reading(HTMLParser):
    """Reads a page as a browser does: elements, attributes, and where links lead."""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert tag not in {"base", "object", "embed", "applet", "math"}, (tag, attrs)
        assert not any(name.startswith("on") or name == "style" for name in given), (tag, attrs)
        if tag == "script":
            assert given.get("src", "").startswith("/static/") or given.get("type") == "application/ld+json", attrs
        for name in ("href", "src", "action", "poster", "srcdoc", "formaction", "data-volumes"):
            url = urlsplit(given.get(name) or "")
            assert url.scheme in {"", "http", "https"}, (tag, attrs)
            if name != "href":
                assert not url.netloc, (tag, attrs)
            elif url.netloc:
                assert url.netloc in KNOWN_HOSTS or tag == "a", (tag, attrs)


KNOWN_HOSTS = {"127.0.0.1"}


@pytest.mark.parametrize("name", list(RECORDS))
def test_a_hostile_record_is_shown_and_does_nothing(site, name):
    dataset_id = dataset_id_of(list(RECORDS).index(name))
    for path in (f"/datasets/{dataset_id}", f"/datasets/{dataset_id}/embed", f"/datasets/{dataset_id}/cite.bib"):
        status, headers, body = site.get(path)
        assert status == 200, (path, status, body[:200])
        assert len(body) < TOO_MUCH
        text = body.decode()
        assert not set(text) & set(BIDI)
        if "html" in headers["content-type"]:
            Reading().feed(text)
            assert "49" not in re.findall(r"<h1>(.*?)</h1>", text, re.DOTALL)[:1]
    status, _, body = site.get(f"/api/v1/datasets/{dataset_id}")
    assert status == 200
    json.loads(body)


def test_lists_of_hostile_records(site):
    for path in (
        "/",
        "/datasets",
        "/publishers",
        "/ledger",
        *(f"/datasets?q={n}" for n in ("hostile", "%3Cscript%3E")),
    ):
        status, _, body = site.get(path)
        assert status == 200, path
        assert len(body) < TOO_MUCH
        assert not any(mark.encode() in body for mark in MARKS if mark.startswith("<")), path
    for path in ("/feed.atom", "/sitemap.xml"):
        ET.fromstring(site.get(path)[2])
