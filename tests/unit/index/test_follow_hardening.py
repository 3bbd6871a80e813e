"""Floods of signed parts, and observations that a reorganisation overtakes."""

import pytest

import etdb.index.fold as fold_module
from etdb.catalogue import Catalogue, Observation
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger
from etdb.trust import Claim, Outcome

LAB = RecordSigner("lab")


@pytest.fixture
def catalogue(tmp_path):
    with Catalogue(tmp_path / "catalogue.sqlite", writable=True) as catalogue:
        yield catalogue


@pytest.fixture
def parsed(monkeypatch):
    """How many messages the fold read: the work that a flood makes, without a clock."""
    calls = []
    original = fold_module.parse_message
    monkeypatch.setattr(fold_module, "parse_message", lambda data: calls.append(1) or original(data))
    return calls


def test_parts_that_come_again_make_no_more_work(catalogue, parsed):
    ledger = ScriptedLedger()
    cut = LAB.split(b"json:{broken " + b"x" * 900)
    first = cut.first()
    txid = ledger.txid_of(first)
    (rest,) = cut.rest(txid)
    ledger.add_block([(txid, first), rest, *[rest] * 200])
    follow(ledger, catalogue, network=REGTEST)
    assert catalogue.counts()["parts"] == 202
    assert len(catalogue.listed("aside", limit=500).items) == 1
    assert len(parsed) < 2 * 202


def test_parts_that_point_nowhere_make_no_more_work(catalogue, parsed):
    ledger = ScriptedLedger()
    cut = LAB.split(b"json:{broken " + b"x" * 900)
    first = cut.first()
    txid = ledger.txid_of(first)
    strays = [cut.rest(txid[:10] + f"{number:054x}")[0] for number in range(100)]
    ledger.add_block([(txid, first), cut.rest(txid)[0], *strays])
    follow(ledger, catalogue, network=REGTEST)
    assert len(parsed) < 2 * 102


def test_what_was_seen_in_a_block_goes_with_it(catalogue):
    ledger = ScriptedLedger()
    ledger.add_block()
    (txid,) = ledger.add_block([LAB.message()])
    follow(ledger, catalogue, network=REGTEST)
    for claim in (Claim.BLOCK_INCLUSION, Claim.FILE_BYTES):
        catalogue.observe(
            Observation(dataset_id=txid, claim=claim, outcome=Outcome.HELD, detail="", source="a node", time_s=1)
        )
    assert catalogue.get(txid).claims[Claim.BLOCK_INCLUSION].outcome is Outcome.HELD
    data = ledger.take_back(1)[0].messages[0].data
    ledger.add_block()
    ledger.add_block([(txid, data)])
    follow(ledger, catalogue, network=REGTEST)
    view = catalogue.get(txid)
    assert view.height == 2
    assert view.claims[Claim.BLOCK_INCLUSION].outcome is Outcome.NOT_CHECKED
    assert view.claims[Claim.FILE_BYTES].outcome is Outcome.HELD
