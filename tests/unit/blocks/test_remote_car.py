"""CAR files on plain web servers, with ranges and without, right and wrong."""

import functools
import hashlib
import http.server
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from etdb.blocks.remotecar import RemoteCar
from etdb.errors import FormatError, NotFoundError, SourceError, VerificationError
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, FileDag, LeafFound, cid_of, encode_car, leaf_digest
from etdb.testing.blocks import BlockStoreContract

DATA = hashlib.shake_128(b"tilts").digest(7 << 19)
STEP = UNIXFS_V1_2025.leaf_bytes
LEAVES = [DATA[at : at + STEP] for at in range(0, len(DATA), STEP)]
DAG = FileDag(b"".join(leaf_digest(one, UNIXFS_V1_2025) for one in LEAVES), len(DATA), UNIXFS_V1_2025)
SMALL = [(cid_of(b"%d" % n), b"%d" % n) for n in range(600)]
BLOCKS = [
    *((node.cid, node.data) for node in DAG.nodes()),
    *((cid_of(one), one) for one in LEAVES),
    *SMALL,
]


class Server(http.server.ThreadingHTTPServer):
    """Serves one file. `ranges`: whether it can; `change` may do anything to a reply."""

    daemon_threads = True

    def __init__(self, body, *, ranges=True, cut=None, endless=False):
        self.body, self.ranges, self.cut, self.endless = body, ranges, cut, endless
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        if self.path != "/a.car":
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body, status = server.body, 200
        span = self.headers.get("Range")
        if span and server.ranges:
            first, last = (int(one) for one in span.removeprefix("bytes=").split("-"))
            body, status = body[first : last + 1], 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(server.body)}")
        if not server.endless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cut is not None and len(body) > server.cut:
            self.wfile.write(body[: server.cut])
            self.close_connection = True
            return
        self.wfile.write(body)
        while server.endless:
            self.wfile.write(bytes(1 << 16))

    def log_message(self, *_):
        pass


@contextmanager
def served(body, **options):
    server = Server(body, **options)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/a.car"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def car(blocks=BLOCKS):
    return b"".join(encode_car([DAG.root], blocks))


class TestRanges(BlockStoreContract):
    ranges = True

    @contextmanager
    def store_of(self, blocks, tmp_path):
        with served(b"".join(encode_car([], blocks)), ranges=self.ranges) as (_, url):
            store = RemoteCar(url, scratch=tmp_path)
            try:
                yield store
            finally:
                store.close()


class TestKept(TestRanges):
    ranges = False


def leaves():
    shape = DAG.geometry
    spans = [shape.leaf(index) for index in range(shape.leaf_count)]
    return [LeafFound(path="f", offset=s.offset, length=s.length, cid=DAG.leaf_cid(s.index)) for s in spans]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("order", ["as written", "backwards"])
def test_leaves_come_in_their_order_whatever_the_file_has(ranges, order):
    blocks = BLOCKS if order == "as written" else BLOCKS[::-1]
    with served(car(blocks), ranges=ranges) as (server, url):
        store = RemoteCar(url)
        found = b"".join(bytes(view) for _, view in store.read_leaves(DAG.root, leaves(), bytearray(STEP)))
        asked = len(server.asked)
        assert all(store.get(cid) == block for cid, block in SMALL)
        more = len(server.asked) - asked
        store.close()
    assert found == DATA
    if ranges and order == "as written":
        assert server.asked.count(None) == 0
        assert more < 20, "small blocks come many at once"
    if not ranges:
        assert server.asked.count(None) == 1, "the file is fetched once"


def test_neighbours_come_in_one_request():
    with served(car()) as (server, url):
        store = RemoteCar(url)
        store.has(SMALL[0][0])
        before = len(server.asked)
        list(store.read_leaves(DAG.root, leaves(), bytearray(STEP)))
        assert len(server.asked) == before + 1
        store.close()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda body: b"<html>" + body, FormatError),
        (lambda body: b"", (FormatError, SourceError)),
        (lambda body: body[: len(body) // 2], FormatError),
        (lambda body: body.replace(LEAVES[2][:50], b"x" * 50), VerificationError),
        (lambda body: body[:59] + b"\xff" * 20 + body[79:], FormatError),
    ],
)
def test_files_that_are_not_right(ranges, change, error):
    with served(change(car()), ranges=ranges) as (_, url):
        store = RemoteCar(url, timeout_s=2)
        with pytest.raises(error) as caught:
            list(store.read_leaves(DAG.root, leaves(), bytearray(STEP)))
        assert url in caught.value.message or isinstance(caught.value, FormatError)
        store.close()


def test_what_the_file_lacks_is_said_so():
    with served(car(BLOCKS[:3])) as (_, url):
        store = RemoteCar(url)
        with pytest.raises(NotFoundError):
            store.get(SMALL[5][0])
        assert not store.has(SMALL[5][0])
        store.close()
        other = RemoteCar(url.replace("a.car", "b.car"))
        with pytest.raises(NotFoundError):
            other.get(SMALL[5][0])
        other.close()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_breaks_off_can_be_asked_again(ranges):
    with served(car(), ranges=ranges, cut=100_000) as (server, url):
        store = RemoteCar(url, timeout_s=2)
        with pytest.raises(SourceError, match="broke off"):
            store.get(cid_of(LEAVES[1]))
        server.cut = None
        assert store.get(cid_of(LEAVES[1])) == LEAVES[1]
        store.close()


def test_an_endless_file_is_cut(monkeypatch):
    monkeypatch.setattr("etdb.blocks.remotefile.MAX_KEPT_BYTES", 8 << 20)
    with served(car(BLOCKS[:2]), ranges=False, endless=True) as (_, url):
        store = RemoteCar(url, timeout_s=2)
        assert store.get(DAG.root)
        with pytest.raises((FormatError, SourceError)):
            store.get(SMALL[5][0])
        store.close()


@pytest.mark.parametrize("free", [0, 1 << 40])
def test_no_room_to_keep_it_is_the_trouble_of_this_source_alone(monkeypatch, tmp_path, free):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    with served(car(), ranges=False) as (_, url):
        store = RemoteCar(url, scratch=tmp_path if not free else tmp_path / "not there")
        with pytest.raises(SourceError, match="no room"):
            store.get(DAG.root)
        store.close()


def test_a_car_that_was_cut_off_between_two_leaves_is_no_surprise():
    """The index is made as far as it was needed, and what it names is not all there."""
    body = car()
    with served(body, ranges=False) as (server, url):
        server.body = body[: body.index(LEAVES[3]) + 1000]
        store = RemoteCar(url, timeout_s=2)
        store.get(DAG.root)
        store._places.update({cid_of(LEAVES[3]).digest: (body.index(LEAVES[3]), len(LEAVES[3]))})
        with pytest.raises(FormatError, match="cut off"):
            list(store.read_leaves(DAG.root, leaves()[3:4], bytearray(STEP)))
        store.close()


def test_sections_that_repeat_count(monkeypatch):
    monkeypatch.setattr("etdb.blocks.remotecar.MAX_SECTIONS", 50)
    with served(car([*SMALL[:40]])) as (_, url):
        store = RemoteCar(url)
        assert not store.has(DAG.root)
        store.close()
    with served(car([SMALL[0]] * 60)) as (_, url):
        store = RemoteCar(url)
        with pytest.raises(FormatError, match="too many"):
            store.has(DAG.root)
        store.close()


def test_what_broke_off_is_not_kept(tmp_path):
    def open_files():
        return sum("(deleted)" in str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())

    before = open_files()
    with served(car(), ranges=False, cut=100_000) as (_, url):
        store = RemoteCar(url, timeout_s=2, scratch=tmp_path)
        for _ in range(6):
            with pytest.raises(SourceError, match="broke off"):
                store.get(cid_of(LEAVES[1]))
        assert open_files() <= before + 1
        store.close()


def test_a_plain_python_server(tmp_path):
    (tmp_path / "a.car").write_bytes(car())

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        store = RemoteCar(f"http://127.0.0.1:{server.server_port}/a.car")
        assert all(store.get(cid) == block for cid, block in BLOCKS)
        assert DAG.root.codec == DAG_PB
        store.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
