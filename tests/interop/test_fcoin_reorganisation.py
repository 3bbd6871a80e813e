"""Reorganisations on two real nodes: records come back or go, and nothing is there twice."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from fcoin_node import FcoinNode
from test_fcoin_ledger import open_node

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST, parse_transaction
from etdb.index import follow
from etdb.ledger import Limits, Wallet
from etdb.ledger.node import FloNode
from etdb.testing.records import RecordSigner

pytestmark = pytest.mark.node

PUBLISHER = RecordSigner()
LIMITS = Limits()


@pytest.fixture(scope="module")
def ripe(npm_judges, tmp_path_factory) -> Path:
    """A node's folder with 103 blocks, the coins of three of them ripe."""
    folder = tmp_path_factory.mktemp("ripe") / "node"
    with FcoinNode(folder) as node:
        node.mine(103, PUBLISHER.address)
    return folder


@pytest.fixture
def nodes(ripe, tmp_path):
    """Two nodes with the same blocks that do not know each other."""
    with FcoinNode(tmp_path / "here") as here, FcoinNode(tmp_path / "there") as there, FcoinNode(ripe) as first:
        here.take_blocks(first)
        there.take_blocks(first)
        yield here, there


def index(ledger: FloNode, catalogue: Catalogue):
    return follow(ledger, catalogue, network=REGTEST, check_transactions=True)


def rows(catalogue: Catalogue):
    """What the catalogue has of records, waiting parts and messages."""
    records = [
        (one.dataset_id, one.part_txids, one.height, one.block_hash) for one in catalogue.search(Query()).results
    ]
    return records, catalogue.counts()


def sent_parts(ledger: FloNode, count: int) -> list[bytes]:
    """A record in parts, signed and not yet sent."""
    wallet = Wallet(PUBLISHER.key, REGTEST, LIMITS, ledger.coins(PUBLISHER.address))
    split = PUBLISHER.split(PUBLISHER.message(description="x" * 600 * (count - 1)))
    first = wallet.sign(split.first())
    return [first.raw, *(wallet.sign(data).raw for data in split.rest(first.txid))]


@pytest.mark.parametrize("depth", [1, 6, 9])
def test_a_record_whose_parts_lie_on_both_sides(nodes, tmp_path, depth):
    here, there = nodes
    with (
        closing(open_node(here, tmp_path / "node.sqlite", watch=[PUBLISHER.address])) as ledger,
        closing(Catalogue(tmp_path / "catalogue.sqlite", writable=True)) as catalogue,
    ):
        parts = sent_parts(ledger, 3)
        assert len(parts) >= 3
        txids = [ledger.submit(parts[0])]
        here.mine(1)
        there.take_blocks(here)  # the first part is in the common chain
        index(ledger, catalogue)
        fork = here.height

        # Here the rest comes into blocks; there, nothing does, and the chain is longer.
        txids += [ledger.submit(raw) for raw in parts[1:]]
        here.mine(depth)
        assert index(ledger, catalogue).records_new == 1
        complete = rows(catalogue)
        there.mine(depth + 1, transactions=[])
        here.join(there)
        here.wait_for_tip(there.tip_hash)

        report = index(ledger, catalogue)
        assert (report.blocks_removed, report.records_removed, report.blocks) == (depth, 1, depth + 1)
        assert rows(catalogue)[0] == []
        states = [ledger.status(txid).state for txid in txids]
        assert states[0] == "confirmed"
        assert "confirmed" not in states[1:]
        assert catalogue.block_hash(fork + 1) == there.block_hash(fork + 1)

        # The same bytes again, as the sender does; and then the record is back, once, under the same id.
        for raw, txid in zip(parts, txids, strict=True):
            assert ledger.submit(raw) == txid
        here.mine(1)
        there.wait_for_tip(here.tip_hash)
        assert index(ledger, catalogue).records_new == 1
        back = rows(catalogue)
        assert [one[:2] for one in back[0]] == [one[:2] for one in complete[0]]
        assert [ledger.status(txid).confirmations for txid in txids[1:]] == [1] * len(txids[1:])
        for txid, raw in zip(txids, parts, strict=True):
            assert ledger.evidence(txid).raw_transaction == raw

        # Whoever reads the whole chain now finds the same, from the other node too.
        for node in (here, there):
            with (
                closing(open_node(node, tmp_path / f"{node.http_port}.sqlite")) as other,
                closing(Catalogue(tmp_path / f"{node.http_port}.catalogue", writable=True)) as anew,
            ):
                index(other, anew)
                assert rows(anew) == back


def test_a_record_that_is_on_both_sides_at_other_places(nodes, tmp_path):
    here, there = nodes
    with (
        closing(open_node(here, tmp_path / "node.sqlite", watch=[PUBLISHER.address])) as ledger,
        closing(Catalogue(tmp_path / "catalogue.sqlite", writable=True)) as catalogue,
    ):
        parts = sent_parts(ledger, 3)
        txids = [ledger.submit(raw) for raw in parts]
        here.mine(2)
        index(ledger, catalogue)
        before = rows(catalogue)
        there.mine(2, transactions=[])
        there.mine(1, transactions=parts[:1])
        there.mine(1, transactions=parts[1:])
        here.join(there)
        here.wait_for_tip(there.tip_hash)
        report = index(ledger, catalogue)
        assert (report.blocks_removed, report.blocks) == (2, 4)
        after = rows(catalogue)
        assert [one[:2] for one in after[0]] == [one[:2] for one in before[0]]
        assert [ledger.status(txid).confirmations for txid in txids] == [2] + [1] * (len(parts) - 1)
        spent = {one.txid for raw in parts for one in parse_transaction(raw).inputs}
        coins = [coin.outpoint.txid for coin in ledger.coins(PUBLISHER.address)]
        assert [coins.count(txid) for txid in txids] == [int(txid not in spent) for txid in txids]


def test_a_coin_that_another_transaction_spends_on_the_other_side(nodes, tmp_path):
    """What was confirmed can be impossible afterwards; the ledger says who has the coin."""
    here, there = nodes
    with (
        closing(open_node(here, tmp_path / "node.sqlite", watch=[PUBLISHER.address])) as ledger,
        closing(open_node(there, tmp_path / "there.sqlite")) as other,
    ):
        wallets = [Wallet(PUBLISHER.key, REGTEST, LIMITS, ledger.coins(PUBLISHER.address)) for _ in range(2)]
        ours, rival = wallets[0].sign(b"text:ours"), wallets[1].sign(b"text:rival")
        assert ours.spends == rival.spends
        ledger.submit(ours.raw)
        here.mine(1)
        other.submit(rival.raw)
        there.mine(2)
        assert ledger.spender(ours.spends[0].outpoint) == ours.txid
        here.join(there)
        here.wait_for_tip(there.tip_hash)
        assert ledger.spender(ours.spends[0].outpoint) == rival.txid
        assert ledger.status(ours.txid).state == "unknown"
        assert [coin.outpoint.txid for coin in ledger.coins(PUBLISHER.address)].count(rival.txid) == 1
        assert ours.txid not in {coin.outpoint.txid for coin in ledger.coins(PUBLISHER.address)}
