"""Whatever stands on the ledger is kept as it came, and is in exactly one of the lists."""

import pytest

from etdb.catalogue import Catalogue, Query
from etdb.flo import MAIN, REGTEST
from etdb.index import follow
from etdb.oip import encode_go_json
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

LAB = RecordSigner("lab")


@pytest.fixture
def catalogue(tmp_path):
    with Catalogue(tmp_path / "catalogue.sqlite", writable=True) as catalogue:
        yield catalogue


def test_every_kind_of_message_is_kept_and_listed_once(own_vectors, catalogue):
    cases = own_vectors("oip_messages.json")["messages"]
    ledger = ScriptedLedger()
    ids = ledger.add_block([case["text"].encode() for case in cases])
    follow(ledger, catalogue, network=MAIN)
    with catalogue.batch() as batch:
        assert [one.data.decode() for one in batch.messages()] == [case["text"] for case in cases]
    records = {hit.dataset_id for hit in catalogue.search(Query(limit=100)).results}
    others = {item.txid: item for item in catalogue.listed("other", limit=500).items}
    asides = {item.txid: item.reason for item in catalogue.listed("aside", limit=500).items}
    for case, txid in zip(cases, ids, strict=True):
        expected = case["expect"]
        assert (txid in records) is ("record" in expected), case["name"]
        assert (txid in others) is ("kind" in expected), case["name"]
        if "kind" in expected:
            item = others[txid]
            assert (item.protocol, item.kind) == (expected["protocol"], expected["kind"])
            assert (item.title, item.publisher) == (expected["title"], expected["publisher"])
        elif "refused" in expected:
            assert asides[txid] == "damaged"
        elif "nothing" in expected:
            assert asides[txid] == "not of the protocol"
        elif "part" in expected:
            assert asides.get(txid, "") in (("", "conflicting part") if expected["is_signed"] else ("part not signed",))


def test_what_is_done_to_no_record_of_here_is_listed(catalogue):
    ledger = ScriptedLedger()
    txid = "ab" * 32
    patch = [{"op": "replace", "path": "/info/title", "value": "Another"}]
    done = [
        {"edit": {"artifact": {"txid": txid, "timestamp": 2, "patch": patch}, "signature": LAB.sign(f"{txid}-2")}},
        {"deactivate": {"artifact": {"txid": txid, "timestamp": 2, "signature": LAB.sign(f"{txid}-{LAB.address}-2")}}},
        {"transfer": {"artifact": {"txid": txid, "timestamp": 2, "from": LAB.address, "to": "o"}, "signature": ""}},
    ]
    ledger.add_block([b"json:" + encode_go_json({"oip042": one}) for one in done])
    follow(ledger, catalogue, network=REGTEST)
    assert [(item.kind, item.title) for item in catalogue.listed("other").items] == [
        (f"{verb}/artifact", txid) for verb in ("edit", "deactivate", "transfer")
    ]
