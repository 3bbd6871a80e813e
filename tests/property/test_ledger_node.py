"""Whatever a node answers: an answer of ours or an error of ours, and nothing of it is believed unchecked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etdb.errors import EtdbError
from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import LocalChain, Outpoint
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient

ADDRESS = PrivateKey(bytes(range(1, 33))).address(REGTEST)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
# Names that are looked for, so that what stands behind them is looked at.
NAMES = st.sampled_from(["height", "blocks", "headers", "bestblockhash", "pruned", "pruneheight", "subversion", "id"])
ANSWERS = (
    JSON | st.dictionaries(NAMES, JSON, max_size=4) | st.lists(st.dictionaries(NAMES, JSON, max_size=2), max_size=3)
)
HEX = st.binary(max_size=200).map(bytes.hex) | st.sampled_from(["00" * 32, "ff" * 80, "zz", "ab" * 31, "0" * 63])
METHODS = [
    "getnetworkinfo",
    "getblockchaininfo",
    "getblockhash",
    "getblockcount",
    "getblockheader",
    "getblock",
    "getrawmempool",
    "getrawtransaction",
    "getaddressdeltas",
    "sendrawtransaction",
]


def said_by(ask: Callable[[], object]) -> str:
    """The message of the error of ours that this raises; nothing when there is none. Others go on."""
    try:
        ask()
    except EtdbError as error:
        return error.message
    return ""


class Scripted(RpcClient):
    """A client whose node answers some methods as it is told, the others truly."""

    def __init__(self, chain: LocalChain, answers: dict[str, object]) -> None:
        super().__init__("http://127.0.0.1:1", sleep=lambda _: None)
        self.chain, self.answers = chain, answers

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        if body is None:
            return 404, b""
        calls = json.loads(body)
        if isinstance(calls, list):
            return 200, json.dumps([self._answer(call) for call in calls]).encode()
        return 200, json.dumps(self._answer(calls)).encode()

    def _answer(self, call: dict) -> dict:
        name, params = call["method"], call["params"]
        result = self.answers[name] if name in self.answers else self._true(name, params)
        error = {"code": -5, "message": "not here"} if result is None else None
        return {"id": call["id"], "result": result, "error": error}

    def _true(self, name: str, params: list) -> object:
        tip = self.chain.tip()
        if name == "getblockchaininfo":
            return {"blocks": tip.height, "headers": tip.height, "bestblockhash": tip.block_hash}
        if name == "getblockcount":
            return tip.height
        if name == "getblockhash":
            ref = self.chain.block_ref(params[0])
            return ref.block_hash if ref else None
        if name in {"getblock", "getblockheader"}:
            for height in range(tip.height + 1):
                if self.chain.block_ref(height).block_hash == params[0]:
                    return self.chain.raw_block(height)[: 80 if name == "getblockheader" else None].hex()
            return None
        return {"getnetworkinfo": {"subversion": "/FLOCore:0.15.2/"}, "getrawmempool": []}.get(name)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    with closing(LocalChain(tmp_path_factory.mktemp("node") / "chain", writable=True)) as chain:
        chain.mine(4, ADDRESS)
        yield chain


@settings(max_examples=120)
@given(st.dictionaries(st.sampled_from(METHODS), ANSWERS | HEX | st.lists(HEX, max_size=3), min_size=1, max_size=3))
@example({"getaddressdeltas": [{"height": []}, {"height": 2**70}, {"height": -1}, 5]})
@example({"getblockchaininfo": {"blocks": 2**70, "headers": 2**70, "bestblockhash": "00" * 32}})
def test_whatever_a_node_answers(chain, answers):
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(FloNode(Scripted(chain, answers), REGTEST, Path(folder, "node.sqlite"), fresh_s=0)) as ledger,
    ):
        true = [chain.block_ref(height) for height in range(5)]
        for ask in (
            ledger.tip,
            ledger.report,
            lambda: list(ledger.blocks(0)),
            lambda: ledger.coins(ADDRESS),
            lambda: ledger.status("ab" * 32),
            lambda: ledger.status("no id"),
            lambda: ledger.spender(Outpoint("ab" * 32, 0)),
            lambda: ledger.raw("ab" * 32),
            lambda: ledger.evidence("ab" * 32),
        ):
            assert said_by(ask).isprintable()
        known = ledger.known_tip()
        assert known is None or known in true


@settings(max_examples=100)
@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from([200, 404, 500]))
def test_whatever_bytes_come(body, status):
    client = RpcClient("http://127.0.0.1:1", sleep=lambda _: None)
    client._request = lambda *_: (status, body)
    for ask in (lambda: client.call("x"), lambda: client.batch([("x", []), ("y", [])]), lambda: client.get_json("/")):
        assert said_by(ask).isprintable()
