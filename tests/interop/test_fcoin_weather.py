"""A real node that is killed and started again while it is read and given transactions."""

from __future__ import annotations

from contextlib import closing

import pytest
from fcoin_node import FcoinNode, wait_until
from test_fcoin_ledger import KEY, open_node, rpc_of

from etdb.errors import RefusedError
from etdb.flo import MAIN, REGTEST
from etdb.ledger import Limits, Wallet
from etdb.ledger.node import FloNode
from etdb.ledger.node_errors import NodeBehindError, NodeChainError, NodeLoginError, NodeUnreachableError
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin

pytestmark = pytest.mark.node

ADDRESS = KEY.address(REGTEST)


def everything(ledger):
    """All its blocks, and our coins."""
    return list(ledger.blocks(0)), ledger.coins(ADDRESS)


@pytest.fixture
def ripe_node(npm_judges, tmp_path):
    """A node with ripe coins, and one with nothing."""
    with FcoinNode(tmp_path / "old") as old, FcoinNode(tmp_path / "new") as new:
        old.mine(103, ADDRESS)
        yield old, new


def test_killed_while_its_blocks_are_read(fcoin_node: FcoinNode, tmp_path, monkeypatch):
    monkeypatch.setattr("etdb.ledger.node_following.BATCH_BLOCKS", 20)
    fcoin_node.mine(105, ADDRESS)
    fcoin_node.stop()  # what it has is on its disk now
    fcoin_node.start()
    kills = []

    def kill_sometimes(_step, height, _total):
        if height > 30 * (len(kills) + 1):
            kills.append(height)
            fcoin_node.kill()

    path = tmp_path / "node.sqlite"
    for _ in range(3):
        with closing(open_node(fcoin_node, path, watch=[ADDRESS], progress=kill_sometimes)) as ledger:
            while True:
                try:
                    found = everything(ledger)
                    break
                except NodeUnreachableError:
                    fcoin_node.start()
    assert kills
    with closing(open_node(fcoin_node, tmp_path / "anew.sqlite", watch=[ADDRESS])) as anew:
        assert everything(anew) == found


def test_killed_with_transactions_that_wait(fcoin_node: FcoinNode, tmp_path):
    fcoin_node.mine(103, ADDRESS)
    with closing(open_node(fcoin_node, tmp_path / "node.sqlite", watch=[ADDRESS])) as ledger:
        wallet = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS))
        signed = [wallet.sign(b"text:%d" % number) for number in range(12)]
        for one in signed[:8]:
            ledger.submit(one.raw)
        fcoin_node.kill()
        with pytest.raises(NodeUnreachableError):
            ledger.submit(signed[8].raw)
        fcoin_node.start()
        assert {ledger.status(one.txid).state for one in signed} == {"unknown"}
        # Children before their parents are refused, and leave nothing behind; in the order of signing all go.
        hanging = next(one for one in signed[1:] if one.spends[0].outpoint.txid in {other.txid for other in signed})
        with pytest.raises(RefusedError) as refused:
            ledger.submit(hanging.raw)
        assert refused.value.fields["reason"] == "missing-inputs"
        for one in signed:
            assert ledger.submit(one.raw) == one.txid
        fcoin_node.mine(1)
        assert [ledger.status(one.txid).confirmations for one in signed] == [1] * 12
        messages = [message.txid for block in ledger.blocks(104) for message in block.messages]
        assert sorted(messages) == sorted(one.txid for one in signed)


def test_it_stands_still_and_goes_on(fcoin_node: FcoinNode, tmp_path):
    """Its system takes connections, and no answer comes: that has an end, names the node, and loses nothing."""
    fcoin_node.mine(103, ADDRESS)
    with (
        closing(rpc_of(fcoin_node, timeout_s=1)) as rpc,
        closing(FloNode(rpc, REGTEST, tmp_path / "node.sqlite", watch=[ADDRESS], fresh_s=0)) as ledger,
    ):
        found = everything(ledger)
        signed = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS)).sign(b"text:later")
        with fcoin_node.frozen():
            for ask in (ledger.tip, lambda: ledger.submit(signed.raw)):
                with pytest.raises(NodeUnreachableError, match=fcoin_node.url):
                    ask()
        assert everything(ledger) == found
        assert ledger.submit(signed.raw) == signed.txid
        fcoin_node.mine(1)
        assert ledger.status(signed.txid).confirmations == 1


def test_a_password_that_is_not_its_own(fcoin_node: FcoinNode, tmp_path):
    """It answers 401; the message says which settings to check, and never the password."""
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("not-the-password\n")
    login = RpcLogin(user="etdb", password_file=wrong)
    with (
        closing(RpcClient(fcoin_node.url, login)) as rpc,
        pytest.raises(NodeLoginError) as refused,
        closing(FloNode(rpc, REGTEST, tmp_path / "node.sqlite")) as ledger,
    ):
        ledger.tip()
    said = f"{refused.value.message} {refused.value.hint}"
    assert fcoin_node.url in said
    assert "password_file" in said
    assert "not-the-password" not in said


def test_a_node_of_another_network(fcoin_node: FcoinNode, tmp_path):
    with (
        closing(rpc_of(fcoin_node)) as rpc,
        closing(FloNode(rpc, MAIN, tmp_path / "node.sqlite")) as ledger,
        pytest.raises(NodeChainError, match="is on regtest") as refused,
    ):
        ledger.tip()
    assert fcoin_node.url in refused.value.message
    assert refused.value.hint


def test_what_fcoin_refuses(fcoin_node: FcoinNode, tmp_path):
    """Its words, in ours; and 1,041 bytes of text, which it would take."""
    fcoin_node.mine(102, ADDRESS)
    with closing(open_node(fcoin_node, tmp_path / "node.sqlite", watch=[ADDRESS])) as ledger:
        coins = ledger.coins(ADDRESS)

        def refused(limits: Limits, data: bytes = b"text:x") -> str:
            with pytest.raises(RefusedError) as caught:
                ledger.submit(Wallet(KEY, REGTEST, limits, coins).sign(data).raw)
            assert caught.value.hint
            return caught.value.fields["reason"]

        assert refused(Limits(fee_rate_sat_per_kb=100_000_000, max_fee_sat=10**12)) == "absurdly-high-fee"
        assert refused(Limits(data_limit_bytes=2000), bytes(1041)) == "flo-data-too-large"
        assert fcoin_node.rpc("getrawmempool") == []


def test_a_node_that_begins_again_from_nothing(ripe_node, tmp_path):
    """Its disk was changed, say. What was read stays readable; nothing is sent until it has caught up."""
    old, new = ripe_node
    with closing(open_node(old, tmp_path / "node.sqlite", watch=[ADDRESS])) as ledger:
        found = everything(ledger)
        signed = Wallet(KEY, REGTEST, Limits(), ledger.coins(ADDRESS)).sign(b"text:later")
    with closing(open_node(new, tmp_path / "node.sqlite", watch=[ADDRESS])) as ledger:
        assert everything(ledger) == found
        assert any("0 blocks of 103" in problem for problem in ledger.report().problems)
        with pytest.raises(NodeBehindError, match="0 blocks of 103"):
            ledger.submit(signed.raw)
        new.join(old)
        new.wait_for_tip(old.tip_hash)
        assert ledger.report().problems == ()
        assert ledger.submit(signed.raw) == signed.txid
        wait_until(lambda: signed.txid in old.rpc("getrawmempool"), "the peer does not hear of it", old)
        old.mine(1)
        new.wait_for_tip(old.tip_hash)
        assert ledger.status(signed.txid).confirmations == 1
