"""A FLO full node that nobody here wrote, as a ledger: by the tests of every ledger."""

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager

import msgspec
import pytest
from fcoin_node import FcoinNode

from etdb.errors import RefusedError
from etdb.flo import REGTEST, PrivateKey, parse_pushes, parse_transaction, push
from etdb.ledger import is_same_payment
from etdb.ledger.node import FloNode
from etdb.ledger.node_address import fetch_address_heights
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin
from etdb.testing.ledger import LedgerContract

pytestmark = pytest.mark.node

GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = PrivateKey(bytes(range(1, 33)))


def rpc_of(node: FcoinNode, **options) -> RpcClient:
    """A client that logs in."""
    return RpcClient(node.url, RpcLogin(user="etdb", password_file=node.password_file()), **options)


def open_node(node: FcoinNode, path, rpc_options=None, **options) -> FloNode:
    """The adapter over a node of fcoin, which looks at it whenever it is asked."""
    return FloNode(rpc_of(node, **(rpc_options or {})), REGTEST, path, **{"fresh_s": 0, **options})


class TestFcoin(LedgerContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def mined(cls, npm_judges, tmp_path_factory):
        """A node with 103 blocks, made once; each test gets a copy of its folder."""
        cls.folder = tmp_path_factory.mktemp("fcoin") / "node"
        with FcoinNode(cls.folder) as node:
            node.mine(103, KEY.address(REGTEST))

    @contextmanager
    def ledger_of(self, tmp_path, key):
        shutil.copytree(self.folder, tmp_path / "fcoin")
        with (
            FcoinNode(tmp_path / "fcoin") as self.node,
            closing(open_node(self.node, tmp_path / "node.sqlite")) as ledger,
        ):
            yield ledger

    def confirm(self, ledger):
        self.node.mine(1)

    def test_an_address_that_is_asked_for_later(self, ledger, key, tmp_path):
        """Its blocks are found by fcoin's index of addresses, page by page, and what they hold is what a scan finds."""
        signed = self.sent(ledger, key)
        self.node.mine(1, transactions=[signed.raw])
        address = key.address(REGTEST)
        with closing(open_node(self.node, tmp_path / "later.sqlite")) as later:
            tip = later.tip()
            assert len(list(later.blocks(0))) == tip.height + 1
            with closing(rpc_of(self.node)) as rpc:
                heights = fetch_address_heights(rpc, address, is_fcoin=True)
            assert heights == [*range(1, 104), tip.height]
            assert later.coins(address) == ledger.coins(address)
            assert later.spender(signed.spends[0].outpoint) == signed.txid

    def test_a_foreign_id_on_our_coin_is_seen(self, ledger, key):
        """Fcoin passes no strange signatures on, but takes them in a block."""
        signed = self.wallet(ledger, key).sign(b"text:mine")
        foreign = with_high_s(signed.raw)
        with pytest.raises(RefusedError):
            ledger.submit(foreign)
        ledger.submit(signed.raw)
        self.node.mine(1, transactions=[foreign])
        other = parse_transaction(foreign).txid
        assert ledger.spender(signed.spends[0].outpoint) == other != signed.txid
        assert is_same_payment(signed.raw, foreign)
        assert ledger.status(signed.txid).state == "unknown"
        assert ledger.status(other).state == "confirmed"
        assert ledger.raw(other) == foreign
        with pytest.raises(RefusedError) as refused:
            ledger.submit(signed.raw)
        assert refused.value.fields["reason"] == "txn-mempool-conflict"
        assert refused.value.fields["rival"] == other


def with_high_s(raw: bytes) -> bytes:
    """The same payment with each signature's s turned into its negative: valid in a block, another id."""
    transaction = parse_transaction(raw)
    inputs = []
    for one in transaction.inputs:
        signature, key = parse_pushes(one.script_sig)
        size = signature[3]
        r = signature[4 : 4 + size]
        s = int.from_bytes(signature[6 + size : -1], "big")
        high = b"\0" + (GROUP_ORDER - s).to_bytes(32, "big")
        body = b"\2%c%b\2%c%b" % (len(r), r, len(high), high)
        inputs.append(msgspec.structs.replace(one, script_sig=push(b"0%c%b%c" % (len(body), body, 1)) + push(key)))
    return msgspec.structs.replace(transaction, inputs=tuple(inputs)).encode()
