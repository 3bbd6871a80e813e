"""The chain of a real node in a ledger file: written by one, read without it, and the same as from the blocks."""

from __future__ import annotations

from contextlib import closing

import pytest
from test_fcoin_whole_way import DESCRIPTION, Lab

from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.ledger.archive import LedgerFile
from etdb.ledger.archive_writing import export_ledger
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin

pytestmark = pytest.mark.node

KEY = PrivateKey(bytes(range(1, 33)))
ADDRESS = KEY.address(REGTEST)


def test_a_nodes_chain_and_our_own_give_the_same_bytes(fcoin_node, tmp_path):
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:
        chain.mine(104, ADDRESS)
        for count in (3, 1):
            wallet = Wallet(KEY, REGTEST, Limits(), chain.coins(ADDRESS))
            for number in range(count):
                chain.submit(wallet.sign(b'json:{"of":%d,"number":%d}' % (count, number)).raw)
            chain.settle()
        for height in range(1, chain.tip().height + 1):
            fcoin_node.submit_block(chain.raw_block(height))
        own = export_ledger(chain, tmp_path / "own.etdb-ledger", network_name="regtest")
        expected = list(chain.blocks(0))
    login = RpcLogin(user="etdb", password_file=fcoin_node.password_file())
    client = RpcClient(fcoin_node.url, login)
    with closing(FloNode(client, REGTEST, tmp_path / "node.sqlite", fresh_s=0)) as node:
        theirs = export_ledger(node, tmp_path / "node.etdb-ledger", network_name="regtest")
        assert theirs == own
        assert theirs.messages == 4  # those of the protocol; what the first block says is none
        whole = export_ledger(node, tmp_path / "all.etdb-ledger", network_name="regtest", messages="all")
    fcoin_node.stop()
    with closing(LedgerFile(tmp_path / "all.etdb-ledger", check_work=True)) as kept:
        assert list(kept.blocks(0)) == expected
        assert kept.tip().block_hash == whole.tip_hash


def test_a_portal_lives_on_the_file_when_the_node_is_gone(fcoin_node, tmp_path):
    lab = Lab(tmp_path / "lab", fcoin_node)
    (tmp_path / "data" / "ring").mkdir(parents=True)
    (tmp_path / "data" / "ring" / "dataset.toml").write_text(DESCRIPTION)
    (tmp_path / "data" / "ring" / "a.rawtlt").write_text("0.0\n3.0\n")
    address = lab.run("key", "new", "--passphrase-file", lab.secret)["address"]
    fcoin_node.mine(1, address)
    fcoin_node.mine(100)
    lab.run("publish", tmp_path / "data", "--yes", "--no-wait", "--passphrase-file", lab.secret)
    fcoin_node.mine(2)
    file = tmp_path / "flo.etdb-ledger"
    written = lab.run("ledger", "export", file)
    assert written["tip_hash"] == fcoin_node.tip_hash
    lab.run("index")
    (known,) = lab.run("search")["results"]
    fcoin_node.stop()
    lab.run("init", tmp_path / "portal", "--network", "regtest", bare=True)

    def portal(*words):
        return lab.run("-w", tmp_path / "portal", *words, bare=True)

    held = portal("ledger", "import", file, "--work", "--tip", written["tip_hash"])
    assert held["work_checked"] == written["height"]
    assert portal("index")["records_new"] == 1
    (found,) = portal("search", "ring")["results"]
    assert found == known
    outcomes = {
        one["claim"]: one["outcome"] for one in portal("verify", found["dataset_id"], "--no-content")["results"]
    }
    assert outcomes == {
        "artifact_signature": "held",
        "multipart_signatures": "not possible",  # it is in one transaction
        "transaction_signature": "held",
        "manifest_agrees": "not checked",
        "block_inclusion": "held",
        "header_chain_work": "not possible",
        "file_bytes": "not checked",
    }
