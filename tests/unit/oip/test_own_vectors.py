"""One message of each kind and form, with what a reader has to make of it (tests/vectors/oip_messages.json)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from etdb import flo, oip
from etdb.errors import FormatError
from etdb.trust import is_part_signed

MAKER = Path(__file__).resolve().parents[2] / "vectors" / "make" / "oip_messages.py"


@pytest.fixture(scope="module")
def vectors(own_vectors):
    return own_vectors("oip_messages.json")


def check(case: dict, publisher: str) -> str:
    """Compare what is read with what is expected; which sort of message it was."""
    expected = dict(case["expect"])
    text = case["text"].encode()
    if expected.pop("refused", False):
        with pytest.raises(FormatError):
            oip.parse_message(text)
        return "refused"
    message = oip.parse_message(text)
    if expected.pop("nothing", False):
        assert message is None
        return "nothing"
    if isinstance(message, oip.PublishMessage):
        assert message.tomogram.title == expected.pop("record")
        assert message.tomogram.publisher == expected.pop("publisher")
        assert [message.preimage] == expected.pop("preimages")
        assert message.signature == expected.pop("signature")
        if "ncbi_taxon_id" in expected:
            assert message.tomogram.ncbi_taxon_id == expected.pop("ncbi_taxon_id")
        flo.verify_message(publisher, message.preimage, message.signature, flo.MAIN)
        assert not expected
        return "record"
    if isinstance(message, oip.Part):
        assert [message.number, message.last, message.reference, message.data.decode()] == expected.pop("part")
        assert message.address == expected.pop("publisher")
        assert is_part_signed(message, flo.MAIN) is expected.pop("is_signed")
        assert not expected
        return "part"
    preimages = list(message.preimages)
    if "owner_signs" in expected:
        preimages = [message.preimage(publisher)]
        assert preimages == [expected.pop("owner_signs")]
    elif "preimages" in expected:
        assert preimages == expected.pop("preimages")
    if "signature" in expected:
        assert message.signature == expected.pop("signature")
        flo.verify_message(publisher, preimages[0], message.signature, flo.MAIN)
    assert {name: getattr(message, name) for name in expected} == expected
    assert {"protocol", "kind", "title", "publisher"} == set(expected)
    return message.kind


def test_every_message_is_read_as_it_has_to_be(vectors):
    seen = {check(case, vectors["address"]) for case in vectors["messages"]}
    assert seen >= {"refused", "nothing", "record", "part", "edit/artifact", "deactivate/artifact", "transfer/artifact"}
    assert seen >= {"register/pub", "deactivate/pub", "template", "historian data point", "data point v001"}


def test_the_maker_still_makes_them(vectors):
    made = json.loads(subprocess.run([sys.executable, str(MAKER)], check=True, capture_output=True).stdout)
    for file in (made, vectors):
        for case in file["messages"]:
            # What gzip makes depends on the machine's zlib; what it unfolds to is compared by reading.
            if case["text"].startswith("gp64:"):
                case["text"] = "gp64"
    assert made["messages"] == vectors["messages"]
