"""Records and parts that others wrote, real ones among them."""

from __future__ import annotations

import contextlib
import json

import pytest

from etdb import flo, oip
from etdb.errors import EtdbError, FormatError


def as_message(artifact: dict) -> bytes:
    return b"json:" + json.dumps({"oip042": {"publish": {"artifact": artifact}}}).encode()


def test_the_real_record_of_the_jensen_lab(shared_vectors):
    case = shared_vectors("oip042_records.json")["records"][0]
    message = oip.parse_message(as_message(case["artifact"]))
    assert isinstance(message, oip.PublishMessage)
    assert message.preimage == case["preimage"]
    flo.verify_message(case["address"], message.preimage, message.signature, flo.MAIN)
    tomogram = message.tomogram
    assert tomogram.title == "Sulfolobus solfac.P2+STIV"
    assert tomogram.acquired_on.isoformat() == "2014-01-14"
    assert (tomogram.tilt_min_deg, tomogram.tilt_max_deg, tomogram.tilt_step_deg) == (-55, 55, 1)
    assert (tomogram.tilt_axes, tomogram.tilt_constant_increment) == (1, True)
    assert tomogram.defocus_um == -10
    assert tomogram.dose_e_per_a2 == 180
    assert tomogram.sid == "rr2014-01-14-5"
    assert len(tomogram.files) == 10
    assert tomogram.size_bytes == sum(entry["fsize"] for entry in case["artifact"]["storage"]["files"])
    assert {entry.role for entry in tomogram.files} >= {"snapshot", "reconstruction"}


def test_every_record_is_read_or_named(shared_vectors):
    kinds = set()
    for case in shared_vectors("oip042_records.json")["records"]:
        if case["kind"] != "oip042" or "artifact" not in case:
            continue
        try:
            message = oip.parse_message(as_message(case["artifact"]))
        except FormatError:
            kinds.add("refused")
            continue
        if isinstance(message, oip.PublishMessage):
            kinds.add("tomogram")
            assert message.preimage == case["preimage"], case["name"]
        else:
            assert isinstance(message, oip.OtherMessage)
            assert message.kind
            kinds.add("other")
    assert kinds >= {"tomogram", "other"}


def read_parts(case: dict) -> list[oip.Part]:
    parts = []
    for shown in case["parts"]:
        with contextlib.suppress(FormatError):
            part = oip.parse_message(shown["floData"].encode())
            if isinstance(part, oip.Part):
                parts.append(part)
    return parts


def is_signed(part: oip.Part) -> bool:
    try:
        net = flo.TESTNET if part.address[0] == "o" else flo.MAIN
        flo.verify_message(part.address, part.preimage, part.signature, net)
    except EtdbError:
        return False
    return True


def test_parts_are_signed_or_refused(shared_vectors):
    sets = shared_vectors("multipart.json")["sets"]
    signed = [part for case in sets for part in read_parts(case) if is_signed(part)]
    assert len(signed) == 22
    assert len(signed) < sum(len(case["parts"]) for case in sets)


def test_complete_sets_are_joined(shared_vectors):
    titles = []
    for case in shared_vectors("multipart.json")["sets"]:
        parts = [part for part in read_parts(case) if is_signed(part)]
        referring = [part for part in parts if part.number]
        if not referring:
            continue
        first_txid = referring[0].reference.ljust(64, "0")
        joiner = oip.PartJoiner(first_txid, parts[0].address, parts[0].count)
        for place, part in enumerate(reversed(parts)):
            for event in joiner.feed(f"{place:064x}" if part.number else first_txid, part):
                if isinstance(event, oip.Joined):
                    message = oip.parse_message(event.data)
                    titles.append(message.tomogram.title if isinstance(message, oip.PublishMessage) else message.title)
    assert len(titles) == 4
    assert all(titles)


@pytest.mark.parametrize("index", range(8))
def test_protobuf_messages_are_named(shared_vectors, index):
    text = shared_vectors("proto_p64.json")["messages"][index]["text"]
    message = oip.parse_message(text.encode())
    assert isinstance(message, oip.OtherMessage)
    assert message.protocol == "oip5"
