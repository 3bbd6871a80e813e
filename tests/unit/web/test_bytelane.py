"""The fast way out for bytes: its answers are those of the general server, and nothing uncertain is answered by it."""

import http.client
import os
import re
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etdb.blocks import FilesInPlace
from etdb.blocks.files import OpenPlace
from etdb.web import bytelane
from etdb.web.cars import MAX_CARS
from etdb.web.gateway import gateway_app
from etdb.web.httphead import parse_plain_request
from etdb.web.serving import serving
from etdb.web.wanted import Wanted

CONTENT = os.urandom(2_500_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lane")
    with closing(FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")) as found:
        found.added = {}
        for name, data in {"big.mrc": CONTENT, "note.txt": b"hello", "none": b""}.items():
            path = folder / name
            path.write_bytes(data)
            found.added[name] = found.add_file(path)
        found.root = found.add_directory(found.added)
        yield found


@contextmanager
def serve_generally(app):
    """An application without its fast way."""
    del app.state.gateway
    with serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def ways(store):
    unchecked = serving(gateway_app(store, check=False))
    with serving(gateway_app(store)) as lane, unchecked as fast, serve_generally(gateway_app(store)) as url:
        yield url, lane, fast


def talk(url, data, *, pause_after=0, until=None):
    """Send bytes; gives what comes back until there is silence, or what was waited for."""
    with socket.create_connection(urlsplit(url).netloc.split(":"), timeout=20) as connection:
        if pause_after:
            connection.sendall(data[:pause_after])
            time.sleep(0.05)
        connection.sendall(data[pause_after:])
        received = b""
        with suppress(TimeoutError):
            while until is None or not received.endswith(until):
                piece = connection.recv(1 << 16)
                if not piece:
                    break
                received += piece
                connection.settimeout(0.4)
        return received


def answered(url, path, method, headers):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request(method, path, headers=headers)
    with closing(connection), connection.getresponse() as response:
        told = {n.lower(): v for n, v in response.getheaders() if n.lower() not in {"date", "server"}}
        return response.status, told, response.read()


def request(path, method="GET", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: here"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


CARS = ["?format=car&car-dups=n", "?format=car&dag-scope=entity&entity-bytes=1048570:1048580"]
targets = st.sampled_from(["big.mrc", "note.txt", "none", "", "absent"])
ranges = st.one_of(
    st.none(),
    st.builds(lambda a, b: f"bytes={a}-{b}", st.integers(0, 2_600_000), st.integers(0, 2_600_000)),
    st.sampled_from(["bytes=-5", "bytes=100-", "bytes=0-0,5-6", "bytes=-", "lines=1-2", "bytes=5-2"]),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=targets,
    by_cid=st.booleans(),
    query=st.sampled_from(["", "?format=raw", "?format=car", "?format=x", "?format=car&format=raw", "?a=b", *CARS]),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    wanted=ranges,
    accept=st.sampled_from([None, "application/vnd.ipld.raw", "application/vnd.ipld.car", "*/*"]),
    condition=st.booleans(),
)
def test_both_ways_answer_alike(ways, store, target, by_cid, query, method, wanted, accept, condition):  # noqa: PLR0917
    cid = store.added[target].cid if by_cid and target in store.added else store.root
    path = f"/ipfs/{cid}" if by_cid and target in store.added else f"/ipfs/{cid}/{target}"
    headers = {"Range": wanted, "Accept": accept, "If-None-Match": f'"{cid}"' if condition else None}
    set_ones = {name: value for name, value in headers.items() if value is not None}
    first, *others = (answered(url, path + query, method, set_ones) for url in ways)
    for other in others:
        assert other == first


ODD = [
    b"GET /ipfs/bafkqaaa HTTP/1.0\r\nHost: x\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\nHost: x\n\n",
    b"GET /ipfs/../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /ipfs/bafkqaaa/%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nX: \xff\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nX:" + b" " * 8000 + b"\x7f\r\n\r\n",
    b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\n",
]


@pytest.mark.parametrize("data", ODD)
def test_what_is_not_plain_is_left_to_the_general_server(data):
    assert parse_plain_request(data) is None


def test_room_around_a_value_is_not_part_of_it():
    _, wanted = parse_plain_request(b"GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nAccept:\t  a b \t \r\nX: \r\n\r\n")
    assert (wanted.headers["accept"], wanted.headers["x"]) == ("a b", "")


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=400), st.binary().map(lambda tail: request("/ipfs/bafkqaaa")[:-2] + tail)))
def test_any_bytes_are_read_or_left(data):
    found = parse_plain_request(data)
    assert found is None or data[: found[0]].endswith(b"\r\n\r\n")


def test_a_connection_carries_both_kinds_in_turn(ways, store):
    path = f"/ipfs/{store.added['note.txt'].cid}"
    data = request(path) + request(path, Expect_Not="1") + request(path, "HEAD", If_None_Match='"x"') + request(path)
    for url in ways:
        answer = talk(url, data)
        assert len(re.findall(rb"HTTP/1\.1 200 OK\r\n", answer)) == 4
        assert answer.count(b"hello") == 3


@pytest.mark.parametrize("pause_after", [1, 10, 60])
def test_a_head_that_comes_in_drops_is_answered_too(ways, store, pause_after):
    data = request(f"/ipfs/{store.added['note.txt'].cid}")
    for url in ways:
        assert talk(url, data, pause_after=pause_after, until=b"hello").endswith(b"hello")


def test_when_all_threads_are_busy_the_general_server_answers(store):
    data = request(f"/ipfs/{store.added['big.mrc'].cid}")
    only_one = patch.object(bytelane.ByteLane.__init__, "__kwdefaults__", {"threads": 1})
    with only_one, serving(gateway_app(store)) as url, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", urlsplit(url).port))
        slow.sendall(data * 4)  # takes nothing: its thread waits
        time.sleep(0.2)
        assert talk(url, data, until=CONTENT[-100:]).endswith(b"\r\n\r\n" + CONTENT)


def test_wrong_bytes_are_refused_with_and_without_hashing(tmp_path):
    with closing(FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "own")) as store:
        path = tmp_path / "file"
        path.write_bytes(b"right")
        cid = store.add_file(path).cid
        path.write_bytes(b"wrong")
        os.utime(path, ns=(1, 1))  # another time: looked at again even where nothing is hashed
        for check in (True, False):
            with serving(gateway_app(store, check=check)) as url:
                assert b"wrong" not in talk(url, request(f"/ipfs/{cid}"))
                assert b"wrong" not in talk(url, request(f"/ipfs/{cid}?format=raw"))
                assert b"wrong" not in talk(url, request(f"/ipfs/{cid}?format=car"))


def open_files(name):
    """How often this process has a file of this name open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(descriptor.readlink().name)
    return found.count(name)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="left out: this system does not list open files")
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("server", [serving, serve_generally])
def test_a_client_that_leaves_a_car_leaves_no_file_open(store, server, check):
    app = gateway_app(store, check=check)
    data = request(f"/ipfs/{store.root}?format=car&car-dups=n")
    with server(app) as url:
        for _ in range(2 * MAX_CARS):
            with socket.create_connection(urlsplit(url).netloc.split(":"), timeout=20) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(data)
                assert connection.recv(100).startswith(b"HTTP/1.1 ")
        until = time.monotonic() + 20
        while open_files("big.mrc") and time.monotonic() < until:
            time.sleep(0.05)
        assert open_files("big.mrc") == 0
        assert answered(url, f"/ipfs/{store.root}?format=car", "GET", {})[0] == 200


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="left out: this system does not list open files")
def test_a_car_that_is_given_up_closes_what_it_opened(store):
    answers = gateway_app(store, check=False).state.gateway
    asked = Wanted(
        is_head=False,
        cid=str(store.root),
        path="",
        url_path=f"/ipfs/{store.root}",
        query={"format": "car"},
        headers={},
    )
    places = 0
    for taken in range(9):
        pieces = answers.answer(asked).pieces
        for piece in islice(pieces, taken):
            if isinstance(piece, OpenPlace):
                places += 1
                piece.close()
        pieces.close()
        assert open_files("big.mrc") == 0
    assert places


def test_a_car_whose_file_changes_meanwhile_is_broken_off(tmp_path):
    with closing(FilesInPlace(tmp_path / "d.sqlite", content_folder=tmp_path / "own")) as store:
        path = tmp_path / "file"
        path.write_bytes(CONTENT * 8)
        cid = store.add_file(path).cid
        with serving(gateway_app(store, check=False)) as url, socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", urlsplit(url).port))
            slow.sendall(request(f"/ipfs/{cid}?format=car"))
            received = slow.recv(1000)
            os.truncate(path, 100)
            slow.settimeout(20)
            while piece := slow.recv(1 << 20):
                received += piece
    assert b"transfer-encoding: chunked" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert len(received) < 8 * len(CONTENT)


def test_an_end_waits_for_what_is_under_way(store):
    data = request(f"/ipfs/{store.added['big.mrc'].cid}")
    received = []

    def read(connection):
        with closing(connection):
            time.sleep(0.3)
            received.extend(iter(lambda: connection.recv(1 << 16), b""))

    with serving(gateway_app(store)) as url:
        connection = socket.create_connection(urlsplit(url).netloc.split(":"), timeout=20)
        connection.sendall(data)
        received.append(connection.recv(100))
        reader = threading.Thread(target=read, args=[connection])
        reader.start()
    reader.join(20)
    assert b"".join(received).endswith(CONTENT[-100:])
