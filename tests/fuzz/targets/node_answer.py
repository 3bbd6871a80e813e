"""Whatever a node answers, to any of our questions, is a value of the right kind or one of our errors, fit to print."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from etdb import flo
from etdb.errors import EtdbError
from etdb.ledger.node_address import fetch_address_heights
from etdb.ledger.node_checks import ChainInfo, check_network, parse_chain_info, software
from etdb.ledger.refusals import parse_reason
from etdb.ledger.rpc import RpcClient


class _Node(RpcClient):
    """Answers as it is told: with these bytes, or with them as the result of each call."""

    def __init__(self, data: bytes, *, is_result: bool) -> None:
        super().__init__("http://127.0.0.1:1", sleep=lambda _: None)
        self._data, self._is_result = data, is_result

    def _request(self, _method: str, _path: str, body: bytes | None) -> tuple[int, bytes]:
        if not self._is_result or body is None:
            return 200, self._data
        calls = json.loads(body)
        is_batch = isinstance(calls, list)
        answers = [b'{"id":%d,"result":%b}' % (one["id"], self._data) for one in (calls if is_batch else [calls])]
        return 200, b"[" + b",".join(answers) + b"]" if is_batch else answers[0]


def seeds() -> list[bytes]:
    return [
        b'{"id":1,"result":7,"error":null}',
        b'[{"id":1,"result":7},{"id":2,"error":{"code":-5,"message":"no"}}]',
        b'{"blocks":7,"headers":9,"bestblockhash":"00","pruned":true,"pruneheight":3,"subversion":"/FLOCore:0.15.2/"}',
        b'[{"height":5},{"height":[]},{"height":-1,"hash":"ab"}]',
        b'{"indexes":{"addr":{"enabled":true,"height":5}},"chain":{"height":5}}',
        b'"' + flo.REGTEST.genesis_hash.encode() + b'"',
        b'"64: dust (code=nonstandard score=0)"',
        b"<html>",
        b"[" * 300,
    ]


def check(data: bytes) -> None:
    for is_result in (False, True):
        node = _Node(data, is_result=is_result)
        answers = _ask(node.try_batch, [("x", []), ("y", [])])
        assert answers is None or len(answers) == 2
        name = _ask(software, node)
        assert name is None or name[0].isprintable()
        _ask(check_network, node, flo.REGTEST)
        info = _ask(parse_chain_info, _ask(node.call, "x"), node.url)
        assert info is None or isinstance(info, ChainInfo)
        for from_address in (_from_deltas, _from_fcoin):
            heights = _ask(from_address, node)
            assert heights is None or all(isinstance(one, int) and one >= 0 for one in heights)
    assert parse_reason(data.decode("utf-8", "replace")).isprintable()


def _from_deltas(node: RpcClient) -> list[int] | None:
    return fetch_address_heights(node, "a", is_fcoin=False)


def _from_fcoin(node: RpcClient) -> list[int] | None:
    return fetch_address_heights(node, "a", is_fcoin=True)


def _ask(question: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except EtdbError as error:
        words = error.message
    assert words.isprintable()
    return None
