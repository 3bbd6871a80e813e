"""JSON, records, manifests and compressed messages that are deep, huge, or say a thing twice."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest
from tests.fuzz import material

from etdb import oip
from etdb.errors import FormatError
from etdb.manifest import parse_manifest
from etdb.oip.oip5 import MAX_MESSAGE_BYTES
from etdb.oip.strict_json import MAX_JSON_BYTES

DEEP = 100_000
ALL = MAX_JSON_BYTES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lists", b"[" * DEEP + b"]" * DEEP),
        ("objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        ("without-an-end", b'[{"a":' * (ALL // 6)),
        ("behind-a-text", b'["' + b"\\\\[" * 1000 + b'",' + b"[" * DEEP + b"]" * DEEP + b"]"),
        ("one-key-twice-a-million", b"{" + b",".join([b'"a":1'] * (ALL // 7)) + b"}"),
        ("digits", b"[" + b"1" * (ALL - 2) + b"]"),
        ("digits-behind-the-point", b"[0." + b"1" * (ALL - 4) + b"]"),
        ("an-exponent-of-a-million", b"[1e" + b"9" * 1_000_000 + b"]"),
        ("beyond-64-bits", b"[9223372036854775808]"),
        ("not-utf-8", b'["' + b"\xff" * (ALL - 4) + b'"]'),
        ("overlong-utf-8", b'["\xc0\xaf\xed\xa0\x80"]'),
        ("longer-than-the-limit", b" " * (ALL + 1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_json_is_refused(spends, name, text):
    cost = spends(lambda: oip.load_json(text), at_most_mib=200 if name.startswith("one-key") else 32)
    assert isinstance(cost.error, FormatError)
    assert len(cost.error.message) < 300


@pytest.mark.crash  # seconds
@pytest.mark.parametrize("item", [b"{}", b'{"":0}', b"[[[[]]]]"])
def test_json_that_unfolds_most(spends, item):
    """The worst that 4 MB can become; what is allowed is read."""
    count = (ALL - 2) // (len(item) + 1)
    text = b"[" + b",".join([item] * count) + b"]"
    cost = spends(lambda: len(oip.load_json(text)), at_most_mib=400)
    assert cost.result == count


def test_a_record_of_as_many_files_as_a_message_can_name(spends):
    """The longest message that parts can carry is read or refused; either way it is one list."""
    file = b'{"fname":"a"}'
    head = b'{"oip042":{"publish":{"artifact":{"floAddress":"o","timestamp":1,"type":"research","subtype":"tomogram",'
    head += b'"info":{"title":"t"},"details":{"date":1},"storage":{"network":"ipfs","location":"Q","files":['
    tail = b']},"signature":"s"}}}}'
    room = (MAX_JSON_BYTES - len(head) - len(tail)) // (len(file) + 1)

    def files(count: int) -> int:
        message = oip.parse_message(b"json:" + head + b",".join([file] * count) + tail)
        assert isinstance(message, oip.PublishMessage)
        return len(message.tomogram.files)

    assert spends(lambda: files(100_000), at_most_mib=250).result == 100_000
    assert isinstance(spends(lambda: files(room), at_most_mib=250).error, FormatError)


@pytest.mark.parametrize("packed", [b"\0" * (1 << 27), b"\x0a\x00" * (1 << 23)], ids=["zeros", "empty-fields"])
def test_a_message_that_unfolds_to_many_times_the_limit(spends, packed):
    compressor = zlib.compressobj(9, wbits=31)
    small = compressor.compress(packed) + compressor.flush()
    text = b"gp64:" + base64.b64encode(small)
    assert len(text) < len(packed) // 200
    del packed
    cost = spends(lambda: oip.parse_message(text), at_most_mib=40)
    assert isinstance(cost.error, FormatError)


def test_a_message_in_a_message_in_a_message(spends):
    """Each level is unfolded only when it is asked for: nothing here asks for a second one."""
    data = b"\0" * MAX_MESSAGE_BYTES
    for _ in range(4):
        data = gzip.compress(data)
    cost = spends(lambda: oip.parse_message(b"gp64:" + base64.b64encode(data)), at_most_mib=8)
    assert isinstance(cost.error, FormatError)


def test_a_protobuf_message_of_nothing_but_fields(spends):
    text = b"p64:" + base64.b64encode(b"\x0a\x00" * (1 << 20))
    cost = spends(lambda: oip.parse_message(text), at_most_mib=32)
    assert isinstance(cost.error, FormatError)


def crate(root, *entities):
    graph = [{"@id": "./", "hasPart": [], **root}, *entities]
    text = json.dumps({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}).encode()
    assert len(text) < MAX_JSON_BYTES
    return text


FILE = {"@id": "a", "contentSize": "1", "identifier": "ipfs://bafkqaaa"}
SOFTWARE = {"@id": "s", "propertyID": "software", "value": "x" * 1_000_000}
TITLE = {"@id": "t", "propertyID": "title", "value": "t"}
TITLED = {"additionalProperty": {"@id": "t"}}


@pytest.mark.parametrize(
    "text",
    [
        crate({"hasPart": [{"@id": "a"}] * 100_000}, {**FILE, "additionalProperty": [{"@id": "s"}] * 50_000}, SOFTWARE),
        crate({"additionalProperty": [{"@id": "s"}] * 100_000}, {**SOFTWARE, "value": "[" + "0," * 400_000 + "0]"}),
        crate({**TITLED, "hasPart": [{"@id": "a"}, {"@id": "%61"}]}, FILE, {**FILE, "@id": "%61"}, TITLE),
        crate({**TITLED, "hasPart": [{"@id": "a"}]}, {**FILE, "contentSize": "9" * 19}, TITLE),
        crate({**TITLED, "hasPart": {"@id": "./"}}, TITLE),
    ],
    ids=["lists-of-lists", "one-value-again-and-again", "one-path-twice", "a-size-beyond-64-bits", "itself"],
)
def test_a_manifest_that_repeats_itself(spends, text):
    cost = spends(lambda: parse_manifest(text), at_most_mib=100)
    assert isinstance(cost.error, FormatError)


def test_a_megabyte_that_all_files_share_is_kept_once(spends):
    files = [{**FILE, "@id": f"f{n}", "additionalProperty": {"@id": "s"}} for n in range(10_000)]
    text = crate({**TITLED, "hasPart": [{"@id": one["@id"]} for one in files]}, *files, SOFTWARE, TITLE)
    cost = spends(lambda: len(parse_manifest(text).files), at_most_mib=100)
    assert cost.result == 10_000


def test_text_that_turns_and_hides_is_kept_as_data():
    """What a terminal or a page must not get is escaped where it is shown, not changed where it is read."""
    strange = "a\u202eb\u0000c\u200b<script>\x1b[2J\u2028"
    body = material.record_bytes().replace(b"Vibrio cholerae, whole cell", json.dumps(strange)[1:-1].encode())
    message = oip.parse_message(body)
    assert isinstance(message, oip.PublishMessage)
    assert message.tomogram.title == strange
