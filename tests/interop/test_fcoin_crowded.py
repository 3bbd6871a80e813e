"""Publishing into a real node that is not ours alone: its mempool is full, and others use our key."""

from __future__ import annotations

from contextlib import closing

import pytest
from fcoin_node import FcoinNode
from test_fcoin_publish import LAB, Press, miner, node  # noqa: F401 - a fixture
from test_fcoin_reorganisation import LIMITS

from etdb.errors import RefusedError
from etdb.flo import REGTEST
from etdb.ledger import Wallet
from etdb.publish import Journal, RivalPublisherError

pytestmark = pytest.mark.node


def test_a_full_mempool(npm_judges, tmp_path):
    """Of a thousand transactions a mebibyte of mempool takes half, and throws out what others hang on."""
    with FcoinNode(tmp_path / "fcoin", mempool_mb=1, log_level="error") as small:
        small.mine(2, LAB.address)
        small.mine(100)
        press = Press(tmp_path, small, 260)
        press.run(wait=False)
        small.mine(1)  # coins for all of them
        with pytest.raises(RefusedError) as refused:
            press.run(wait=False)
        assert refused.value.fields["reason"] == "mempool full"
        assert "later" in refused.value.hint
        with miner(small, 0.5):
            report = press.run()
        assert report.in_time, press.notes
        press.verify_each_is_there_once()


def test_another_machine_with_the_same_key(node, tmp_path):  # noqa: F811
    """Two workspaces that know nothing of each other: the second says who is there, waits, and both come to an end."""
    folders = [tmp_path / name for name in ("here", "there")]
    for folder in folders:
        folder.mkdir()
    machines = here, there = [Press(folder, node, 2, first=2 * at) for at, folder in enumerate(folders)]
    here.run(wait=False)
    sent = node.rpc("getrawmempool")
    with pytest.raises(RivalPublisherError) as rival:
        there.run(wait=False)
    assert rival.value.fields["txid"] in sent
    assert "only one workspace" in rival.value.hint
    assert sorted(node.rpc("getrawmempool")) == sorted(sent)
    with miner(node, 0.5):
        reports = [press.run() for press in machines]
    assert all(report.in_time for report in reports)
    assert sorted(there.on_chain()) == sorted(here.parts() + there.parts())


def test_a_coin_that_another_wallet_spends_between_choice_and_sending(node, tmp_path):  # noqa: F811
    """One record is signed anew, the other keeps what was sent; what lies in blocks for nothing is told."""
    node.mine(7, LAB.address)
    node.mine(100)
    press = Press(tmp_path, node, 2)
    with press.ledger() as ledger:
        rival = Wallet(LAB.key, REGTEST, LIMITS, ledger.coins(LAB.address)).sign(b"text:of another wallet")
    came = []

    def spends(_step: str) -> None:
        if not came and press.signed():
            came.append(node.submit_transaction(rival.raw))

    press.watch = spends
    with miner(node, 0.5):
        report = press.run()
    assert report.in_time
    assert {one.state for one in report.datasets} == {"final"}
    assert any(came[0] in note and "who has the key?" in note for note in press.notes), press.notes
    assert report.transactions_sent == 6 + len(report.orphaned)
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        for_nothing = [one.data for one in journal.transactions() if one.signed.txid in report.orphaned]
    assert sorted(press.on_chain()) == sorted([*press.parts(), *for_nothing, b"text:of another wallet"])
