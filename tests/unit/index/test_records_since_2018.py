"""What others wrote on the chain since 2018, exported as texts, through index and catalogue: each record comes out
with its publisher, title and files and with what is signed of it; what is no record is listed with its reason."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from etdb.catalogue import Catalogue, Query
from etdb.flo import MAIN, TESTNET
from etdb.index import follow
from etdb.ledger.legacy import read_legacy_lines
from etdb.ledger.legacy_store import UNPROVED, LegacyLedger
from etdb.trust import Claim, Outcome

SHARED_DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "etdb"
NETWORKS = {"main": MAIN, "testnet": TESTNET}
REAL = "8a07e957cce6473887e8f9d042b0a3b95fc7dd2b9110b4a37890887de6528f10"
JENSEN_LAB = "FTSTq8xx8yWUKJA5E3bgXLzZqqG9V6dvnr"


def id_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def text_of(case):
    """A record as it stood in a transaction, or in the parts of one."""
    if "floData" in case:
        return case["floData"]
    if "record" in case:
        return "json:" + json.dumps(case["record"])
    if case["kind"] == "oip041":
        return json.dumps({"oip-041": {"artifact": case["artifact"], "signature": case.get("signature", "not served")}})
    return "json:" + json.dumps({"oip042": {"publish": {"artifact": case["artifact"]}}})


def line(txid, text, block=2_000_000, time_s=1_523_000_000):
    return {"txid": txid, "block": block, "time": time_s, "floData": text}


def named(entry, *names):
    """A value under the first of the names that writers gave it."""
    return next((entry[name] for name in names if name in entry), None)


def network_of(case):
    return "testnet" if "test" in case.get("network", "") or case.get("address", "F")[:1] == "o" else "main"


class Chain:
    """One network's texts in a catalogue."""

    def __init__(self, folder, name, lines):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
        with closing(LegacyLedger(folder / f"{name}.sqlite", name, writable=True)) as ledger:
            taken = ledger.add(one for _, one in read_legacy_lines(path))
            assert not taken.bad
            self.catalogue = Catalogue(folder / f"{name}-catalogue.sqlite", writable=True)
            follow(ledger, self.catalogue, network=NETWORKS[name], given=UNPROVED)

    def views(self):
        return {one.dataset_id: one for one in self.catalogue.search(Query(limit=1_000)).results}

    def listed(self, kind):
        return self.catalogue.listed(kind, limit=1_000).items


@pytest.fixture
def records(shared_vectors, tmp_path):
    """All records of the vectors: their cases, by network and id, and the catalogues that they came into."""
    cases = {"main": {}, "testnet": {}}
    for case in shared_vectors("oip042_records.json")["records"]:
        text = text_of(case)
        cases[network_of(case)][case.get("meta", {}).get("txid", id_of(text))] = (case, text)
    lines = {
        name: [line(txid, text, 2_000_000 + place) for place, (txid, (_, text)) in enumerate(found.items())]
        for name, found in cases.items()
    }
    chains = {name: Chain(tmp_path, name, of_network) for name, of_network in lines.items()}
    yield cases, chains
    for chain in chains.values():
        chain.catalogue.close()


def test_every_signed_tomogram_comes_out_with_publisher_title_and_files(records):
    cases, chains = records
    seen = 0
    for name, chain in chains.items():
        views = chain.views()
        others = {one.txid for one in chain.listed("other")}
        asides = {one.txid for one in chain.listed("aside")}
        for txid, (case, _) in cases[name].items():
            # Each is one of the three, and a tomogram is a record exactly when its signature is right.
            assert (txid in views) + (txid in others) + (txid in asides) == 1, case["name"]
            if txid not in views:
                continue
            seen += 1
            assert case["signature_valid"]
            artifact, tomogram = case["artifact"], views[txid].tomogram
            assert tomogram.publisher == case["address"]
            assert tomogram.title == artifact["info"]["title"]
            assert tomogram.location == artifact["storage"]["location"]
            files = artifact["storage"].get("files", [])
            assert [one.path for one in tomogram.files] == [named(one, "fname", "fName") for one in files]
            assert [one.size_bytes for one in tomogram.files] == [named(one, "fsize", "fSize") for one in files]
            claims = views[txid].claims
            assert claims[Claim.ARTIFACT_SIGNATURE].outcome is Outcome.HELD
            assert claims[Claim.MULTIPART_SIGNATURES].outcome is Outcome.NOT_POSSIBLE
            for result in UNPROVED:
                assert claims[result.claim] == result
            # Found by its words, and by its publisher.
            for query in (Query(text=f'"{tomogram.title}"'), Query(terms={"publisher": (tomogram.publisher,)})):
                assert txid in {one.dataset_id for one in chain.catalogue.search(query).results}
    assert seen == 5
    reasons = Counter(one.reason for chain in chains.values() for one in chain.listed("aside"))
    assert not reasons


def test_the_jensen_labs_record_is_the_one_that_the_daemon_served(records):
    """The same record as the data beside the vectors have it, with the block that it names."""
    path = SHARED_DATA / "oip042_onchain_record_rr2014-01-14-5.json"
    if not path.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    served = json.loads(path.read_text(encoding="utf-8"))
    view = records[1]["main"].catalogue.get(REAL[:6])
    assert view.dataset_id == served["meta"]["txid"] == REAL
    assert view.signature == served["artifact"]["signature"]
    tomogram = view.tomogram
    assert (tomogram.publisher, tomogram.sid, tomogram.timestamp_s) == (JENSEN_LAB, "rr2014-01-14-5", 1528156632)
    assert tomogram.species == served["artifact"]["details"]["speciesName"]
    assert tomogram.size_bytes == sum(one["fsize"] for one in served["artifact"]["storage"]["files"])
    assert {one.role for one in tomogram.files} == {
        *("snapshot", "reconstruction", "tilt_series", "thumbnail", "key_image", "key_movie")
    }


def test_one_letter_of_what_is_signed_makes_it_no_record(shared_vectors, tmp_path):
    """And of what is not signed, title and files, it makes another record of the same signature: so it is said."""
    artifact = shared_vectors("oip042_records.json")["records"][0]["artifact"]

    def changed(name, edit):
        copy = json.loads(json.dumps(artifact))
        edit(copy)
        text = text_of({"kind": "oip042", "artifact": copy})
        return name, line(id_of(name), text, 2_783_156 + len(name))

    edits = dict(
        (
            changed(
                "location", lambda a: a["storage"].update(location="Qmat8i2pn4WnnMiPQcKsKJZahr1scUbuUyXjgSuCPBcsYZ")
            ),
            changed("timestamp", lambda a: a.update(timestamp=a["timestamp"] + 1)),
            changed("address", lambda a: a.update(floAddress="FEj2PunT8h5AkLuMn2f1PVU7mGgmRLbXy8")),
            changed("signature", lambda a: a.update(signature="H" + a["signature"][1:])),
            changed("title", lambda a: a["info"].update(title="Another title")),
            changed("files", lambda a: a["storage"]["files"].pop()),
        )
    )
    chain = Chain(tmp_path, "main", edits.values())
    with closing(chain.catalogue):
        assert {one.txid for one in chain.listed("aside")} == {
            id_of(name) for name in ("location", "timestamp", "address", "signature")
        }
        assert {one.reason for one in chain.listed("aside")} == {"record not signed"}
        assert set(chain.views()) == {id_of("title"), id_of("files")}
        for view in chain.views().values():
            assert "not title, species and files" in view.claims[Claim.TRANSACTION_SIGNATURE].detail


def test_details_without_a_signature_are_no_record(tmp_path):
    path = SHARED_DATA / "complex-filter_objects.json"
    if not path.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for details in found:
        artifact = {
            "floAddress": JENSEN_LAB,
            "timestamp": 1528156632,
            "type": "research",
            "subtype": "tomogram",
            "info": {"title": details["sid"], "description": "Auto imported from etdb"},
            "details": details,
            "storage": {"network": "ipfs", "location": "Qm", "files": []},
            "signature": "c2ln",
        }
        text = text_of({"kind": "oip042", "artifact": artifact})
        lines.append(line(id_of(text), text))
    chain = Chain(tmp_path, "main", {one["txid"]: one for one in lines}.values())
    with closing(chain.catalogue):
        assert chain.views() == {}
        assert {one.reason for one in chain.listed("aside")} == {"record not signed"}


# -- parts


def part_lines(case, block):
    """The texts of a set of parts with ids; what a later part refers to is the first one's."""
    texts = [shown["floData"] for shown in case["parts"]]
    ids = case.get("txids") or [case.get("first_txid") or case.get("txid")]
    reference = next((one["check"].get("reference") for one in case["parts"] if one["check"].get("part")), "") or ""
    first = ids[0] or (reference + id_of(texts[0])[len(reference) :])
    known = [first, *ids[1:]]
    return [
        line(known[place] if place < len(known) else id_of(text), text, block + place)
        for place, text in enumerate(texts)
    ]


@pytest.fixture
def sets(shared_vectors, tmp_path):
    lines = {"main": {}, "testnet": {}}
    by_name = {}
    for number, case in enumerate(shared_vectors("multipart.json")["sets"]):
        address = next((one["check"].get("address", "") for one in case["parts"]), "") or ""
        name = "testnet" if address[:1] == "o" else "main"
        if not case["parts"]:
            continue  # of these only what was signed is known
        made = part_lines(case, 2_000_000 + 100 * number)
        by_name[case["name"]] = (case, [one["txid"] for one in made], name)
        lines[name].update({one["txid"]: one for one in made})
    chains = {name: Chain(tmp_path, name, found.values()) for name, found in lines.items()}
    yield by_name, chains
    for chain in chains.values():
        chain.catalogue.close()


def test_every_part_is_joined_listed_or_set_aside(sets):
    by_name, chains = sets
    for name, (case, txids, network) in by_name.items():
        chain = chains[network]
        joined = {txid for view in chain.views().values() for txid in view.part_txids}
        waiting = {txid for group in chain.listed("orphans") for txid in group.txids}
        listed = {one.txid for kind in ("aside", "other") for one in chain.listed(kind)}
        whole = {one.txid for one in chain.listed("other")}
        for txid, shown in zip(txids, case["parts"], strict=True):
            signed = shown["check"]["signature_valid"]
            if signed:
                # A part of a message that is whole and no tomogram counts with the part that made it whole.
                assert txid in joined | waiting or whole & set(txids), name
            else:
                assert txid in listed, name


def test_the_records_in_parts_have_every_part_signed(sets):
    by_name, chains = sets
    complete = [(case, txids) for name, (case, txids, _) in by_name.items() if name.startswith(("GuoxiW testnet run",))]
    views = chains["testnet"].views()
    assert len(complete) == len(views) == 2
    for case, txids in complete:
        view = views[txids[0]]
        artifact = json.loads(case["assembled"].removeprefix("json:"))["oip042"]["publish"]["artifact"]
        assert view.part_txids == tuple(txids)
        assert view.tomogram.title == artifact["info"]["title"]
        assert view.tomogram.publisher == case["assembled_check"]["address"]
        assert [one.path for one in view.tomogram.files] == [one["fname"] for one in artifact["storage"]["files"]]
        # What is in signed parts is signed, title and files too.
        assert view.claims[Claim.MULTIPART_SIGNATURES].outcome is Outcome.HELD


def test_the_jensen_labs_parts_wait_for_those_that_nobody_has(sets):
    by_name, chains = sets
    first = {name: txids[0] for name, (_, txids, _) in by_name.items() if "REAL ETDB tomogram" in name}
    assert len(first) == 2
    orphans = {txid: group for group in chains["main"].listed("orphans") for txid in group.txids}
    assert sorted(orphans[txid].count for txid in first.values()) == [2, 52]


def test_every_protobuf_message_is_listed_by_kind(shared_vectors, tmp_path):
    cases = shared_vectors("proto_p64.json")["messages"]
    chain = Chain(tmp_path, "main", [line(id_of(case["text"]), case["text"]) for case in cases])
    with closing(chain.catalogue):
        listed = {one.txid: one for one in chain.listed("other")}
        for case in cases:
            assert listed[id_of(case["text"])].publisher == case["decoded"]["pub_key"]
        assert not chain.listed("aside")
