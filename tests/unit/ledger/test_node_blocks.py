"""Many headers and blocks from a node: several requests at once give what one after the other gives."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from etdb.errors import NotFoundError
from etdb.flo import HEADER_BYTES, parse_header
from etdb.ledger import LocalChain
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.node_errors import NodeAnswerError
from etdb.ledger.rpc import RpcClient
from etdb.testing.fake_node import FakeNode, answer

HEIGHT = 620


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    with closing(LocalChain(tmp_path_factory.mktemp("blocks") / "chain", writable=True)) as chain:
        chain.mine(HEIGHT)
        yield chain


@pytest.fixture(params=[False, True], ids=["JSON", "REST"])
def node(chain, request):
    with FakeNode(chain, rest=request.param) as node:
        yield node


@pytest.fixture
def source(node):
    with closing(RpcBlocks(RpcClient(node.url, sleep=lambda _: None))) as source:
        yield source


@pytest.fixture
def hashes(source):
    return [parse_header(raw).block_hash for raw in source.headers(0, 2000)]


def hash_of(raw: bytes) -> str:
    return parse_header(raw[:HEADER_BYTES]).block_hash


def test_all_come_in_their_order(chain, source, hashes):
    assert hashes == [block.ref.block_hash for block in chain.blocks(0)]
    raws = list(source.blocks(hashes))
    assert [hash_of(raw) for raw in raws] == hashes
    assert raws == [raw for one in hashes for raw in source.blocks([one])]


def test_several_requests_are_under_way_at_once(node, source, hashes):
    together = threading.Barrier(4)

    def meet(handler):
        together.wait(60)  # raises unless four come
        answer(503, b"")(handler)

    node.weather = [meet] * 4
    assert [hash_of(raw) for raw in source.blocks(hashes)] == hashes


def test_one_that_is_missing_is_named_and_those_before_it_came(source, hashes):
    absent, came = "ab" * 32, []
    with pytest.raises(NotFoundError, match=absent):
        came.extend(source.blocks([*hashes[:200], absent, *hashes[200:400]]))
    assert [hash_of(raw) for raw in came] == hashes[: len(came)]
    assert len(came) >= 100
    assert len(list(source.blocks(hashes[:50]))) == 50


def test_whoever_stops_in_the_middle_can_go_on_later(source, hashes):
    for taken in (1, 17, 130):
        pieces = source.blocks(hashes)
        assert [hash_of(next(pieces)) for _ in range(taken)] == hashes[:taken]
        pieces.close()
    assert [hash_of(raw) for raw in source.blocks(hashes)] == hashes


@pytest.mark.parametrize("node", [False], indirect=True)
def test_nonsense_in_one_of_them_is_raised_where_they_are_wanted(node, source, hashes):
    node.weather = [answer(200, b"<html>busy</html>")]
    with pytest.raises(NodeAnswerError, match="HTML"):
        list(source.blocks(hashes))


def test_the_end_does_not_wait_for_a_node_that_is_silent(node, source, hashes):
    speak, silent, over = threading.Event(), threading.Event(), threading.Event()

    def wait(handler):
        silent.set()
        speak.wait(60)
        over.set()
        answer(503, b"")(handler)

    came = []
    node.weather = [wait]
    reader = threading.Thread(target=lambda: came.extend(source.blocks(hashes)))
    reader.start()
    assert silent.wait(60)
    source.close()
    assert not over.is_set()
    speak.set()
    reader.join()
    assert [hash_of(raw) for raw in came] == hashes
