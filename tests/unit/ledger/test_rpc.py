"""The client of a node's JSON-RPC in every weather: each trouble has its own name, says where, and never the secret."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing

import pytest

from etdb.errors import ConfigurationError
from etdb.ledger import LocalChain
from etdb.ledger.node_errors import (
    NodeAnswerError,
    NodeBusyError,
    NodeCallError,
    NodeLoginError,
    NodeUnreachableError,
)
from etdb.ledger.rpc import MAX_BATCH, RpcClient
from etdb.ledger.rpc_login import RpcLogin
from etdb.testing.fake_node import FakeNode, answer

SECRET = "s3cret-of-the-node"


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    with closing(LocalChain(tmp_path_factory.mktemp("rpc") / "chain", writable=True)) as chain:
        chain.mine(3)
        yield chain


@pytest.fixture
def node(chain):
    with FakeNode(chain, password=SECRET) as node:
        yield node


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture
def client(node, password):
    waits = []
    client = RpcClient(
        node.url, RpcLogin(user="lab", password_file=password), timeout_s=5, deadline_s=5, sleep=waits.append
    )
    client.waits = waits
    with closing(client):
        yield client


def json_answer(document, status=200):
    return answer(status, json.dumps(document).encode(), "application/json")


def assert_tells(error, node):
    """Where, what next, and nothing secret."""
    assert node.url in error.message
    assert error.hint
    assert SECRET not in f"{error.message}{error.hint}{error.fields}{error.__cause__!r}"


def test_a_call_and_a_batch(client, chain):
    assert client.call("getblockcount") == 3
    hashes = client.batch([("getblockhash", [height]) for height in (2, 0, 3)])
    assert hashes == [chain.block_ref(height).block_hash for height in (2, 0, 3)]


def test_more_calls_than_one_request_holds(client, node):
    results = client.batch([("getblockhash", [0])] * (MAX_BATCH + 1))
    assert len(results) == MAX_BATCH + 1
    assert len(set(results)) == 1
    assert node.requests == 2


def test_an_error_of_one_call(client, node):
    with pytest.raises(NodeCallError) as caught:
        client.call("getblockhash", 99)
    assert (caught.value.rpc_code, caught.value.rpc_message) == (-8, "Block height out of range")
    good, bad = client.try_batch([("getblockcount", []), ("getblockhash", [99])])
    assert good == 3
    assert isinstance(bad, NodeCallError)
    with pytest.raises(NodeCallError):
        client.batch([("getblockhash", [99])])
    with pytest.raises(NodeCallError) as caught:
        client.call("nosuchmethod")
    assert_tells(caught.value, node)


def test_a_new_cookie_is_read_when_the_old_one_is_refused(node, tmp_path):
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:of yesterday")
    client = RpcClient(node.url, RpcLogin(cookie_file=cookie))
    with closing(client), pytest.raises(NodeLoginError) as caught:
        client.call("getblockcount")
    assert_tells(caught.value, node)

    def restart(_handler):
        cookie.write_text(f"__cookie__:{SECRET}")
        answer(401, b"")(_handler)

    node.weather = [restart]
    with closing(client):
        assert client.call("getblockcount") == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read"), ("no colon", "not a node's cookie"), ("", "one line"), ("a:b\nc:d", "one line")],
)
def test_cookies_that_are_none(node, tmp_path, content, why):
    cookie = tmp_path / ".cookie"
    if content is not None:
        cookie.write_text(content)
    with pytest.raises(NodeLoginError, match=why) as caught:
        RpcClient(node.url, RpcLogin(cookie_file=cookie)).call("getblockcount")
    assert str(cookie) in caught.value.message
    assert caught.value.hint


def test_a_password_that_others_can_read_is_not_used(node, password):
    password.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others can read") as caught:
        RpcClient(node.url, RpcLogin(password_file=password)).call("getblockcount")
    assert "chmod 600" in caught.value.hint


def test_without_a_login_the_hint_says_what_to_set(node):
    with closing(RpcClient(node.url)) as client, pytest.raises(NodeLoginError) as caught:
        client.call("getblockcount")
    assert "cookie_file" in caught.value.hint


def test_a_bearer_token(chain, password):
    seen = []
    with FakeNode(chain) as node:
        node.weather = [lambda handler: (seen.append(handler.headers["Authorization"]), answer(500, b"no")(handler))]
        client = RpcClient(node.url, RpcLogin(password_file=password, is_bearer=True))
        with closing(client), pytest.raises(NodeAnswerError):
            client.call("getblockcount")
    assert seen == [f"Bearer {SECRET}"]


HTML = b"<!DOCTYPE html><title>Router login</title>"
ANSWERS = {
    "HTML instead of JSON": (answer(200, HTML), NodeAnswerError, "HTML"),
    "HTML with 404": (answer(404, HTML), NodeAnswerError, "404"),
    "an error without a body": (answer(500, b""), NodeAnswerError, "500"),
    "forbidden": (answer(403, b""), NodeLoginError, "403"),
    "a redirect": (answer(302, b"", Location="http://127.0.0.1:1/"), NodeAnswerError, "redirects"),
    "a redirect for ever": (answer(308, b"", Location="/"), NodeAnswerError, "redirects"),
    "empty": (answer(200, b""), NodeAnswerError, "JSON"),
    "half a document": (answer(200, b'{"result": [1, 2'), NodeAnswerError, "JSON"),
    "truncated": (answer(200, b'{"result"', Content_Length="900"), NodeUnreachableError, "breaks off"),
    "longer than allowed": (answer(200, b" ", Content_Length="999999999999"), NodeAnswerError, "more than"),
    "deep": (answer(200, b"[" * 200_000), NodeAnswerError, "JSON"),
    "a number": (answer(200, b"7"), NodeAnswerError, "no answer"),
    "null": (answer(200, b"null"), NodeAnswerError, "no answer"),
    "an empty list": (answer(200, b"[]"), NodeAnswerError, "no answer"),
    "neither result nor error": (json_answer({"id": 1}), NodeAnswerError, "no answer"),
    "another id": (json_answer({"result": 5, "error": None, "id": 99}), NodeAnswerError, "another call"),
    "no id": (json_answer({"result": 5, "error": None}), NodeAnswerError, "another call"),
    "no HTTP": (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), NodeUnreachableError, "breaks off"),
    "nothing": (lambda _handler: None, NodeUnreachableError, "breaks off"),
    "headers without end": (
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 1000),
        NodeUnreachableError,
        "breaks off",
    ),
    "a length that is none": (answer(200, b"{}", Content_Length="many"), NodeAnswerError, "no answer"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_none(client, node, name):
    weather, kind, why = ANSWERS[name]
    node.weather = [weather] * 3  # a connection that ends before any answer is tried twice
    with pytest.raises(kind) as caught:
        client.call("getblockcount")
    assert why in caught.value.message
    assert_tells(caught.value, node)
    node.weather = []
    assert client.call("getblockcount") == 3  # the weather is over, nothing is left of it


BATCHES = {
    "one error for all": ({"result": None, "error": {"code": -32700, "message": "Parse error"}, "id": None}, "Parse"),
    "too few": ([{"result": 1, "error": None, "id": 1}], "one answer for each"),
    "one twice": ([{"result": 1, "error": None, "id": 1}] * 2, "other calls"),
    "no objects": ([1, 2], "other calls"),
    "ids that are lists": ([{"id": []}, {"id": {}}], "other calls"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_answers_to_a_batch_that_are_none(client, node, name):
    document, why = BATCHES[name]
    node.weather = [json_answer(document)]
    with pytest.raises((NodeAnswerError, NodeCallError), match=why):
        client.batch([("getblockcount", [])] * 2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_answers_to_a_batch_may_come_in_any_order(client, node, order):
    answers = [{"result": place, "error": None, "id": place + 1} for place in order]
    node.weather = [json_answer(answers)]
    assert client.batch([("a", []), ("b", [])]) == [0, 1]


@pytest.mark.parametrize(
    "busy",
    [
        answer(429, b""),
        answer(503, b""),
        answer(502, b"<html>"),
        answer(500, b"Work queue depth exceeded", "text/plain"),
    ],
)
def test_a_node_with_too_much_to_do_is_asked_again(client, node, busy):
    node.weather = [busy] * 2
    assert client.call("getblockcount") == 3
    assert len(client.waits) == 2
    node.weather = [busy] * 5
    with pytest.raises(NodeBusyError) as caught:
        client.call("getblockcount")
    assert_tells(caught.value, node)


def test_a_node_that_is_starting(client, node):
    error = {"code": -28, "message": "Loading block index..."}
    node.weather = [json_answer({"result": None, "error": error, "id": 1}, 500)]
    with pytest.raises(NodeBusyError, match="Loading block index") as caught:
        client.call("getblockcount")
    assert_tells(caught.value, node)


def test_a_kept_connection_that_the_node_closed_is_opened_anew(client, node):
    assert client.call("getblockcount") == 3
    node.weather = [lambda _handler: None]
    assert client.call("getblockcount") == 3


def test_a_node_that_says_nothing(node, password):
    silent = threading.Event()
    node.weather = [lambda _handler: silent.wait(20)]
    client = RpcClient(node.url, RpcLogin(password_file=password), timeout_s=0.2)
    try:
        with closing(client), pytest.raises(NodeUnreachableError, match="silent") as caught:
            client.call("getblockcount")
    finally:
        silent.set()
    assert_tells(caught.value, node)


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_node_that_sends_a_byte_now_and_then(node, password, head):
    over = threading.Event()

    def drip(handler):
        handler.wfile.write(head)
        while not over.wait(0.02):
            try:
                handler.wfile.write(b"H")
            except OSError:
                return

    node.weather = [drip]
    client = RpcClient(node.url, RpcLogin(password_file=password), timeout_s=5, deadline_s=0.3)
    try:
        with closing(client), pytest.raises(NodeUnreachableError, match="too slow"):
            client.call("getblockcount")
    finally:
        over.set()


def test_an_answer_that_never_ends_is_not_read_for_ever(node, password):
    def pour(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"[" * 65536)
        except OSError:
            return

    node.weather = [pour]
    client = RpcClient(node.url, RpcLogin(password_file=password), max_answer_bytes=1 << 20)
    with closing(client), pytest.raises(NodeAnswerError, match="more than 1048576 bytes"):
        client.call("getblockcount")


def test_a_batch_whose_answer_is_too_long_is_asked_in_halves(node, password):
    client = RpcClient(node.url, RpcLogin(password_file=password), max_answer_bytes=1000)
    with closing(client):
        assert len(client.batch([("getblockhash", [0])] * 40)) == 40
    assert node.requests > 2


def test_nobody_listens():
    with socket.socket() as taken:  # bound, never listening: nobody else can take the port meanwhile
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with closing(RpcClient(url)) as client, pytest.raises(NodeUnreachableError, match="nobody listens") as caught:
            client.call("getblockcount")
    assert url in caught.value.message
    assert "start the node" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["127.0.0.1:7313", "ftp://x", "http://", "http://x:99999", "http://x/?a=b", "http://u:hidden@127.0.0.1:1"]
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigurationError) as caught:
        RpcClient(url)
    assert "hidden" not in caught.value.message + caught.value.hint


def test_the_node_s_words_are_made_fit_to_print(client, node):
    words = "no\x1b[31m\r\nFake line" + "x" * 1000
    node.weather = [json_answer({"result": None, "error": {"code": -1, "message": words}, "id": 1}, 500)]
    with pytest.raises(NodeCallError) as caught:
        client.call("getblockcount")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400
