"""Clients that do nothing hold nothing: half requests, answers that are not taken, more clients than descriptors."""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from etdb.blocks import FilesInPlace
from etdb.web.gateway import gateway_app
from etdb.web.patience import SILENCE_S, PatientConnection
from etdb.web.serving import serving

CONTENT = os.urandom(8_000_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patience")
    with closing(FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")) as found:
        (folder / "big.mrc").write_bytes(CONTENT)
        found.cid = found.add_file(folder / "big.mrc").cid
        yield found


@pytest.fixture
def held(monkeypatch):
    """The connections that the general server has."""
    held, lost = set(), PatientConnection.connection_lost

    def forget(one, error):
        held.discard(one)
        lost(one, error)

    made = PatientConnection.connection_made
    monkeypatch.setattr(PatientConnection, "silence_s", 0.3)
    monkeypatch.setattr(PatientConnection, "connection_made", lambda one, way: (held.add(one), made(one, way)))
    monkeypatch.setattr(PatientConnection, "connection_lost", forget)
    return held


@pytest.fixture
def url(store, held):
    with serving(gateway_app(store)) as url:
        yield url


def connect(url):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", urlsplit(url).port))
    return client


def read_to_end(client):
    received = b""
    with suppress(ConnectionResetError):
        while piece := client.recv(1 << 16):
            received += piece
    return received


def wait_until(holds):
    until = time.monotonic() + 20
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /ipfs/x HTTP/1.1\r\nHost: here\r\nX: ",
        b"PUT /routing/v1/ipns/x HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf",
        b"GET /nothing HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
def test_half_a_request_is_not_waited_for(url, held, sent):
    with connect(url) as client:
        client.sendall(sent)
        assert wait_until(lambda: held)
        assert wait_until(lambda: not held)
        read_to_end(client)


def test_a_head_in_drops_has_no_more_time(url, held):
    with connect(url) as client:
        client.sendall(b"G")
        assert wait_until(lambda: held)
        until = time.monotonic() + 20
        while held and time.monotonic() < until:
            with suppress(ConnectionError):
                client.sendall(b"G")
            time.sleep(0.02)
    assert not held


def test_who_takes_nothing_is_left_without_a_word_in_the_log(url, store, held, caplog):
    with connect(url) as client:
        client.sendall(f"GET /ipfs/{store.cid} HTTP/1.1\r\nHost: here\r\nIf-Match: *\r\n\r\n".encode())
        assert wait_until(lambda: held)
        assert wait_until(lambda: not held)
        assert len(read_to_end(client)) < len(CONTENT)
    assert not caplog.records


def test_more_connections_than_there_may_be_are_told_so(store, held, monkeypatch):
    monkeypatch.setattr("etdb.web.serving.MAX_CONNECTIONS", 3)
    monkeypatch.setattr(PatientConnection, "silence_s", 60.0)
    with serving(gateway_app(store)) as url, connect(url) as first, connect(url) as second, connect(url) as third:
        for client in (first, second):
            client.sendall(b"GET /ipfs/x")
        assert wait_until(lambda: len(held) == 2)
        third.sendall(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n")
        assert third.recv(100).startswith(b"HTTP/1.1 503 ")


class Way:
    """The transport of a connection, and a loop whose clock goes when it is told."""

    def __init__(self):
        self.now, self.untaken, self.is_aborted, self.later = 0.0, 0, False, None

    def time(self):
        return self.now

    def call_later(self, seconds, call):
        self.later = (self.now + seconds, call)
        return self

    def cancel(self):
        self.later = None

    def get_extra_info(self, _name):
        return None

    def get_write_buffer_size(self):
        return self.untaken

    def abort(self):
        self.is_aborted = True

    def look(self):
        self.now, call = self.later
        call()


@pytest.fixture
def way():
    way = Way()
    connection = PatientConnection(uvicorn.Config(lambda: None, log_config=None), ServerState(), {}, _loop=way)
    connection.connection_made(way)
    return way


def test_who_takes_a_little_now_and_then_is_not_left(way):
    for untaken in range(1000, 0, -1):
        way.untaken = untaken
        way.look()
    assert way.now > 100 * SILENCE_S
    assert not way.is_aborted


def test_who_takes_nothing_is_left_when_the_time_is_over(way):
    way.untaken = 5
    while not way.is_aborted:
        way.look()
    assert SILENCE_S <= way.now <= 2 * SILENCE_S


FEW = """
import resource, sys
from contextlib import closing
from pathlib import Path
from etdb.blocks import FilesInPlace
from etdb.web.gateway import gateway_app
from etdb.web.serving import serve
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
folder = Path(sys.argv[1])
(folder / "file").write_bytes(b"a file")
with closing(FilesInPlace(folder / "d.sqlite", content_folder=folder / "c")) as store:
    cid = store.add_file(folder / "file").cid
    serve(gateway_app(store), on_ready=lambda url: print(url, cid, flush=True))
"""


def test_when_no_descriptor_is_left_the_longest_waiting_gives_one(tmp_path):
    """Clients that only connect take all descriptors; who comes last is answered, without waiting for their end."""
    server = subprocess.Popen([sys.executable, "-c", FEW, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        url, cid = server.stdout.readline().split()
        with ExitStack() as idle:
            for _ in range(200):
                idle.enter_context(connect(url))
            client = idle.enter_context(connect(url))
            client.settimeout(10)  # the others are let go of after thirty seconds anyway
            client.sendall(f"GET /ipfs/{cid} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
