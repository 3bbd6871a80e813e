"""Records, edits, registrations and parts that npm js-oip made and signed, and protobuf messages of npm protons."""

from __future__ import annotations

import pytest

from etdb import flo, oip
from etdb.trust import is_part_signed


@pytest.fixture(scope="module")
def vectors(own_vectors):
    return own_vectors("oip_jsoip.json")


def test_nothing_in_the_file_is_left_out(vectors):
    read_here = {"records", "others", "edits", "multiparts", "templates"}
    assert set(vectors) == read_here | {"about", "versions", "secret", "address"}
    assert all(vectors[name] for name in read_here)
    key = flo.PrivateKey(bytes.fromhex(vectors["secret"]))
    assert key.address(flo.MAIN) == vectors["address"]


def test_its_records(vectors):
    for case in vectors["records"]:
        message = oip.parse_message(case["text"].encode())
        assert isinstance(message, oip.PublishMessage)
        assert (message.preimage, message.signature) == (case["preimage"], case["signature"])
        flo.verify_message(vectors["address"], message.preimage, message.signature, flo.MAIN)
        t = message.tomogram
        assert (t.title, t.description, t.publisher) == (case["title"], "Made by js-oip", vectors["address"])
        assert t.timestamp_s in (case["timestamp"], case["timestamp"] // 1000)
        assert t.timestamp_s < 2_000_000_000
        assert t.tags == ("etdb", "electron.tomography")
        assert t.acquired_on.isoformat() == "2014-01-14"
        assert (t.species, t.strain, t.ncbi_taxon_id) == ("Caulobacter crescentus", "NA1000", 155892)
        assert (t.tilt_max_deg, t.tilt_step_deg, t.tilt_axes, t.tilt_constant_increment) == (60.5, 1, 1, True)
        assert (t.defocus_um, t.dose_e_per_a2, t.magnification) == (-10, 180, 22500)
        assert [(entry.path, entry.size_bytes, entry.role, entry.notes, entry.software) for entry in t.files] == [
            (f"3dimage_{number}/file {number}.mrc", 1000 + number, "reconstruction", f"note {number}", "RAPTOR")
            for number in range(case["files"])
        ]
        assert t.unknown == {"/payment": {}}


def test_its_other_messages(vectors):
    for case in vectors["others"]:
        message = oip.parse_message(case["text"].encode())
        assert (message.protocol, message.kind, message.title) == ("oip042", case["kind"], case["title"])
        assert message.publisher == vectors["address"]
        assert (message.preimages, message.signature) == ((case["preimage"],), case["signature"])
        flo.verify_message(vectors["address"], case["preimage"], message.signature, flo.MAIN)


def test_its_edits(vectors):
    for case in vectors["edits"]:
        message = oip.parse_message(case["text"].encode())
        assert isinstance(message, oip.EditMessage)
        assert (message.dataset_id, message.timestamp) == (case["dataset_id"], case["timestamp"])
        assert [(one.op, one.path, one.value) for one in message.patch] == [
            (one["op"], one["path"], one["value"]) for one in case["patch"]
        ]
        assert message.preimage(vectors["address"]) == case["preimage"]
        flo.verify_message(vectors["address"], case["preimage"], message.signature, flo.MAIN)


def test_its_parts_are_signed_and_joined(vectors):
    for case in vectors["multiparts"]:
        first = case["parts"][0]["txid"]
        read = [(one["txid"], oip.parse_message(one["text"].encode())) for one in case["parts"]]
        for number, (_, part) in enumerate(read):
            assert (part.number, part.count, part.address) == (number, len(read), vectors["address"])
            assert part.reference == (first[: case["digits"]] if number else "")
            assert is_part_signed(part, flo.MAIN) is case["parts"][number]["is_signed"], case["name"]
        joiner = oip.PartJoiner(first, vectors["address"], len(read))
        events = [event for txid, part in reversed(read) for event in joiner.feed(txid, part)]
        joined = events[-1]
        assert isinstance(joined, oip.Joined)
        assert joined.data.decode() == case["text"]
        assert joined.txids == tuple(txid for txid, _ in read)


def test_protobuf_messages_plain_and_zipped_are_the_same(vectors):
    plain, zipped = (oip.parse_message(text.encode()) for text in vectors["templates"])
    assert plain == zipped
    assert (plain.protocol, plain.kind, plain.title) == ("oip5", "template", "A template ✓")
    flo.verify_message(vectors["address"], plain.preimages[0], plain.signature, flo.MAIN)
