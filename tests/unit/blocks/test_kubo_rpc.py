"""Kubo's RPC when it is not a Kubo, stalls, breaks off, never ends, or refuses: the message names the culprit."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from etdb.blocks.kubo import KuboNode
from etdb.blocks.kubo_address import parse_kubo_address
from etdb.blocks.kubo_errors import KuboError, KuboSetupError, NotKuboError
from etdb.blocks.kubo_rpc import MAX_LINE_BYTES, KuboRpc
from etdb.errors import (
    ConfigurationError,
    DiskFullError,
    FormatError,
    InputError,
    LockedError,
    NotFoundError,
    SourceError,
    VerificationError,
)
from etdb.ipfs import cid_of
from etdb.testing.fake_kubo import fake_kubo

BLOCK = b"a block" * 2000
CID = cid_of(BLOCK)


def ask(address, **options):
    """One question to a node of its own."""
    with closing(KuboNode(address, **options)) as node:
        return node.verify_version()


@pytest.fixture
def kubo():
    with fake_kubo([(CID, BLOCK)]) as kubo:
        yield kubo


@pytest.fixture
def node(kubo):
    with closing(KuboNode(kubo.url, timeout_s=0.4, long_s=0.4)) as node:
        yield node


@pytest.mark.parametrize(
    ("text", "shown", "host", "port"),
    [
        ("", "http://127.0.0.1:5001", "127.0.0.1", 5001),
        (" http://kubo.lab:80/ ", "http://kubo.lab:80", "kubo.lab", 80),
        ("http://kubo.lab", "http://kubo.lab", "kubo.lab", 5001),
        ("https://kubo.lab", "https://kubo.lab", "kubo.lab", 443),
        ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001", "127.0.0.1", 5001),
        ("/ip4/127.0.0.1/tcp/5001/http", "http://127.0.0.1:5001", "127.0.0.1", 5001),
        ("/ip6/::1/tcp/5002", "http://[::1]:5002", "::1", 5002),
        ("/dns/kubo.lab/tcp/443/https", "https://kubo.lab:443", "kubo.lab", 443),
    ],
)
def test_an_address_as_people_and_kubo_write_it(text, shown, host, port):
    address = parse_kubo_address(text)
    assert (address.text, address.host, address.port) == (shown, host, port)


def test_a_path_in_front_stays_and_that_of_the_rpc_does_not():
    assert parse_kubo_address("http://x:1/kubo/api/v0/").prefix == "/kubo"
    assert parse_kubo_address("http://x:1/api/v0").prefix == ""


@pytest.mark.parametrize(
    "text", ["/ip4/1.2.3.4/udp/1/quic", "ftp://x", "x:5001", "http://u:p@x", "http://x:y", "unix:"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputError, match="not the address of a Kubo"):
        parse_kubo_address(text)


def test_over_a_unix_socket(tmp_path):
    path = tmp_path / "api.sock"
    for text in (f"unix:{path}", f"unix://{path}", f"/unix{path}"):
        assert parse_kubo_address(text).socket_path == path
    with socket.socket(socket.AF_UNIX) as server, closing(KuboRpc(f"unix:{path}")) as rpc:
        server.bind(str(path))
        server.listen()
        pid = os.fork()
        if not pid:  # the other side: one answer, and its end
            peer, _ = server.accept()
            peer.recv(1 << 16)
            peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"Version":"0.42.0"')
            os._exit(0)
        with pytest.raises(SourceError) as caught:
            rpc.document("version")
        os.waitpid(pid, 0)
    assert "not JSON" in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        ("html", NotKuboError, "not the RPC of a Kubo"),
        ("other-json", NotKuboError, "has no Version"),
        ("not-http", SourceError, "does not speak HTTP"),
        ("hang-up", SourceError, "breaks off"),
        ("silent", SourceError, "silent or too slow"),
        ("cut-off", SourceError, "breaks off"),
        ("endless", FormatError, "more than"),
        ("redirect", NotKuboError, "redirects"),
        ("broken-stream", DiskFullError, "full"),
    ],
)
def test_whoever_answers_like_this_is_named(kubo, node, behaviour, kind, words):
    kubo.behaviour = behaviour
    with pytest.raises(kind, match=words) as caught:
        node.rpc.document("version") if behaviour != "other-json" else node.verify_version()
    assert kubo.url in caught.value.message


@pytest.mark.parametrize("behaviour", ["html", "hang-up", "silent", "cut-off", "endless", "broken-stream", "drip"])
def test_lines_that_go_wrong_end_with_an_error(kubo, node, behaviour):
    kubo.pins = {str(CID): "x" * 3000}
    kubo.behaviour = behaviour
    with pytest.raises((SourceError, VerificationError, DiskFullError)):
        list(node.pins())


@pytest.mark.parametrize("end", [b"", b"5", b"5\r\n", b"0\r\n"])
def test_a_kubo_that_dies_between_two_chunks_has_not_come_to_its_end(end):
    line = b'{"Cid":"%s","Type":"recursive"}\n' % str(CID).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1 << 16)
                peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                peer.sendall(b"%x\r\n%s\r\n%s" % (len(line), line, end))

        thread = threading.Thread(target=answer)
        thread.start()
        with closing(KuboRpc(f"http://127.0.0.1:{server.getsockname()[1]}")) as rpc, pytest.raises(SourceError):
            list(rpc.lines("pin/ls"))
        thread.join()


def test_a_line_without_end_is_not_read_to_its_end(kubo, node):
    kubo.pins = {str(CID): "x" * (MAX_LINE_BYTES + 1)}
    with pytest.raises(FormatError, match="endless line"):
        list(node.pins())
    kubo.pins = {f"bafy{number}": "" for number in range(12)}
    with pytest.raises(FormatError, match="more than 10 lines"):
        list(node.rpc.lines("pin/ls", stream=True, max_lines=10))


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, KuboSetupError, "wants a secret"),
        (403, KuboSetupError, "who asks from where"),
        (404, NotKuboError, "does not know the command"),
        (405, NotKuboError, "not the RPC"),
        (429, KuboError, "429"),
        (500, KuboError, "500"),
        (502, KuboError, "502"),
    ],
)
def test_statuses_without_a_message_of_kubo(kubo, node, status, kind, words):
    kubo.behaviour, kubo.status = "status", status
    with pytest.raises(kind, match=words) as caught:
        node.verify_version()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ("write /repo/blocks/x: no space left on device", DiskFullError, "disk"),
        ("lock /repo/repo.lock: someone else has the lock", LockedError, "locked"),
        ("cannot add filestore references outside ipfs root (/home/me)", KuboSetupError, "below /home/me"),
        ("either the filestore or the urlstore must be enabled to use nocopy", KuboSetupError, "in place"),
        ("data in file did not match. a/b.mrc offset 0", VerificationError, "a/b.mrc"),
        ("block was not found locally (offline): ipld: could not find baf", NotFoundError, "not have"),
        ("this command must be run in online mode. Try running 'ipfs daemon' first", KuboError, "not connected"),
        ("cannot provide, no connected peers", KuboError, "not connected"),
        ("context deadline exceeded", KuboError, "in time"),
        ("something new", KuboError, "something new"),
        ("", KuboError, "without a reason"),
        ("x" * 10_000, KuboError, "xxx"),
    ],
)
@pytest.mark.parametrize("behaviour", ["refuse", "refuse-early"])
def test_what_kubo_refuses_says_what_to_do(kubo, node, words, kind, says, behaviour, tmp_path):  # noqa: PLR0917
    path = tmp_path / "big.mrc"
    path.write_bytes(bytes(3 << 20) if behaviour == "refuse-early" else b"x")
    kubo.behaviour, kubo.words = behaviour, words
    with pytest.raises(kind, match=says) as caught:
        node.add_file(path, name="test")
    assert caught.value.hint or kind is NotFoundError
    assert len(caught.value.message) < 1000


def test_nobody_there(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceError, match="no Kubo answers") as caught:
            ask(url)
    assert "ipfs daemon" in caught.value.hint
    with pytest.raises(SourceError, match="no Kubo answers"):
        ask(f"unix:{tmp_path}/none.sock")


def test_a_kept_connection_that_was_closed_is_not_the_end(kubo, node):
    assert node.get(CID) == BLOCK
    for connection in node.rpc._idle:
        connection.sock.shutdown(socket.SHUT_RDWR)
    assert node.get(CID) == BLOCK


def test_the_secret_is_shown_and_never_said(kubo, tmp_path):
    kubo.secret = "very-secret-token"
    with pytest.raises(KuboSetupError, match="wants a secret"):
        ask(kubo.url)
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("bearer:very-secret-token\n")
    assert ask(kubo.url, secret_file=file) == "0.42.0"
    file.write_text("another-token\n")
    with pytest.raises(KuboSetupError, match="does not take the secret") as caught:
        ask(kubo.url, secret_file=file)
    assert "another-token" not in f"{caught.value} {caught.value.hint} {caught.value.fields}"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", "naïve".encode(), b"x" * 5000])
def test_a_file_that_holds_no_secret(tmp_path, content):
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="one line"):
        ask("", secret_file=file)


def test_a_secret_that_others_can_read_or_that_would_go_out_in_the_clear(tmp_path):
    file = tmp_path / "token"
    file.write_text("token")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others can read"):
        ask("", secret_file=file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        ask("", secret_file=Path(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="for everybody on the way to read"):
        KuboNode("http://kubo.lab:5001", secret_file=file)
    for private in ("https://kubo.lab", "unix:/x", "http://localhost:5001", "/ip6/::1/tcp/5001"):
        KuboNode(private, secret_file=file)
