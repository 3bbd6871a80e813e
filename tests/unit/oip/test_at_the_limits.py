"""Each limit of the protocol's readers: what is just inside is read, what is just outside is refused."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from etdb import oip
from etdb.errors import FormatError, InputError
from etdb.oip.actions import MAX_OPERATIONS
from etdb.oip.artifact import MAX_FILES, parse_tomogram
from etdb.oip.multipart import plan_parts
from etdb.oip.oip5 import MAX_MESSAGE_BYTES
from etdb.oip.parts import MAX_PART_BYTES
from etdb.oip.protobuf import MAX_FIELDS, bytes_field, int_field, parse_fields
from etdb.oip.strict_json import MAX_DEPTH, MAX_JSON_BYTES

ADDRESS = "F" * 34


@pytest.mark.parametrize(
    "around", [b"[%b,[]]", b"[[],[],[],%b]", b'["",%b]', b'["\\"[[",%b]', b'["\\\\",%b]', b'{"a":%b,"b":{}}']
)
@pytest.mark.parametrize("pair", [b"[]", b"{}"])
def test_levels_of_json(around, pair):
    """Brackets in texts are letters; a quotation mark behind a backslash ends no text."""
    opened, closed = (b"[", b"]") if pair == b"[]" else (b'{"k":', b"}")

    def text(levels: int) -> bytes:
        return around.replace(b"%b", opened * (levels - 1) + pair + closed * (levels - 1))

    assert oip.load_json(text(MAX_DEPTH - 1))
    with pytest.raises(FormatError, match="deeper than 32"):
        oip.load_json(text(MAX_DEPTH))


def test_brackets_within_a_text_are_letters():
    for text in ("[" * 100, '"' + "[" * 100, "\\" + "{" * 100, '\\"' + "[" * 100 + '"' + "{" * 50):
        assert oip.load_json(json.dumps([text, [text]]).encode()) == [text, [text]]
    assert oip.load_json(b"[" + b"[]," * 100 + b"[]]") == [[]] * 101


def test_numbers_at_the_end_of_64_bits():
    for number in (2**63 - 1, -(2**63), 0, -1):
        assert oip.load_json(str(number).encode()) == number
    for number in (2**63, -(2**63) - 1, 10**39, 10**40, 10**5000):
        with pytest.raises(FormatError, match="64 bits"):
            oip.load_json(b"1" + b"0" * 5000 if number == 10**5000 else str(number).encode())
    assert oip.load_json(b"0." + b"3" * 158) == pytest.approx(1 / 3)
    for text in (b"0." + b"3" * 159, b"1e309", b"-1e309"):
        with pytest.raises(FormatError, match="64 bits"):
            oip.load_json(text)


def test_the_longest_json():
    assert oip.load_json(b" " * (MAX_JSON_BYTES - 1) + b"1") == 1
    with pytest.raises(FormatError, match="4000001 bytes"):
        oip.load_json(b" " * MAX_JSON_BYTES + b"1")


def test_numbers_as_go_writes_them():
    for value, text in (
        ([1.0, (2.0, 0.5)], b"[1,[2,0.5]]"),
        ({"a": [1e15, -1e14, True]}, b'{"a":[1000000000000000.0,-100000000000000,true]}'),
        ("<&>\u2028", b'"\\u003c\\u0026\\u003e\\u2028"'),
    ):
        assert oip.encode_go_json(value) == text


def test_the_longest_packed_message():
    zeros = bytes(MAX_MESSAGE_BYTES)
    with pytest.raises(FormatError, match="field 0"):
        oip.parse_message(b"gp64:" + base64.b64encode(gzip.compress(zeros)))
    with pytest.raises(FormatError, match="unfolds to more than 4000000"):
        oip.parse_message(b"gp64:" + base64.b64encode(gzip.compress(zeros + b"\0")))
    with pytest.raises(FormatError, match="field 0"):
        oip.parse_message(b"p64:" + b"A" * MAX_MESSAGE_BYTES)
    with pytest.raises(FormatError, match="4000004 letters"):
        oip.parse_message(b"p64:" + b"A" * (MAX_MESSAGE_BYTES + 4))


def test_fields_of_packed_messages():
    assert len(parse_fields(b"\x0a\x00" * MAX_FIELDS)[1]) == 10_000
    with pytest.raises(FormatError, match="more than 10000"):
        parse_fields(b"\x0a\x00" * (MAX_FIELDS + 1))
    assert parse_fields(b"\x08" + b"\xff" * 9 + b"\x01") == {1: [2**64 - 1]}
    assert parse_fields(b"\x08\x7f\x08\x80\x01") == {1: [127, 128]}
    assert parse_fields(b"\xf8\xff\xff\xff\x0f\x05") == {2**29 - 1: [5]}
    for data, why in (
        (b"\x08" + b"\xff" * 9 + b"\x02", "beyond 64 bits"),
        (b"\x08" + b"\x80" * 10 + b"\x00", "without an end"),
        (b"\x0a\x02a", "longer than the message"),
        (b"\x0b", "wire type 3"),
        (b"\x80\x80\x80\x80\x10\x05", "field 536870912"),
        (b"\x00\x05", "field 0"),
    ):
        with pytest.raises(FormatError, match=why):
            parse_fields(data)
    for data, why in ((b"\x08\x01", "field 1 is not bytes"), (b"\x12\x00", "field 2 is not a number")):
        with pytest.raises(FormatError, match=why):
            oip.parse_message(b"p64:" + base64.b64encode(data))


def test_the_longest_part_and_the_most_parts():
    head = f"oip-mp(1,2,{ADDRESS},{'a' * 10},s):".encode()
    assert len(oip.parse_part(head + b"x" * MAX_PART_BYTES).data) == 4160
    for size in (0, MAX_PART_BYTES + 1):
        with pytest.raises(FormatError, match=f"a part of {size} bytes"):
            oip.parse_part(head + b"x" * size)
    assert oip.parse_part(f"oip-mp(999,999,{ADDRESS},{'a' * 64},s):x".encode()).count == 1000
    with pytest.raises(FormatError, match="part 0 of 0 to 1000"):
        oip.parse_part(f"oip-mp(0,1000,{ADDRESS},,s):x".encode())
    room = len(f"oip-mp(999,999,{ADDRESS},{'a' * 64},{'s' * 88}):")
    most = b"x" * (1000 * 10 + 64)
    assert len(plan_parts(most, ADDRESS, limit=room + 10)) == 1000
    with pytest.raises(InputError, match="1001 parts"):
        plan_parts(most + b"x", ADDRESS, limit=room + 10)


def test_the_most_operations_of_an_edit():
    def edit(count: int) -> bytes:
        patch = [{"op": "remove", "path": "/a"}] * count
        message = {"txid": "ab" * 32, "timestamp": 1, "patch": patch}
        return b"json:" + json.dumps({"oip042": {"edit": {"artifact": message}}}).encode()

    assert len(oip.parse_message(edit(MAX_OPERATIONS)).patch) == 10_000
    for count in (0, MAX_OPERATIONS + 1):
        with pytest.raises(FormatError, match=f"{count} operations"):
            oip.parse_message(edit(count))


def artifact(**changed: object) -> dict[str, object]:
    made = {
        "floAddress": ADDRESS,
        "timestamp": 1_500_000_000,
        "type": "research",
        "subtype": "tomogram",
        "info": {"title": "t"},
        "details": {"date": 0},
        "storage": {"network": "ipfs", "location": "Q"},
        "signature": "s",
    }
    return {**made, **changed}


def read(made: dict[str, object]) -> oip.Tomogram:
    message = oip.parse_message(b"json:" + json.dumps({"oip042": {"publish": {"artifact": made}}}).encode())
    assert isinstance(message, oip.PublishMessage)
    return message.tomogram


def test_whole_numbers_of_records_have_63_bits():
    assert read(artifact(details={"date": 0, "NCBItaxID": 2**62 + 1})).ncbi_taxon_id == 2**62 + 1
    for value in (1e19, -1e19, "1e19", 0.5):
        with pytest.raises(FormatError, match="whole number"):
            read(artifact(details={"date": 0, "NCBItaxID": value}))


def test_times_of_records_in_seconds_or_milliseconds():
    assert read(artifact(timestamp=10**11 - 1)).timestamp_s == 10**11 - 1
    assert read(artifact(timestamp=10**11)).timestamp_s == 10**8
    for value in (0, -1, True, "1", 1.5):
        with pytest.raises(FormatError, match="timestamp"):
            read(artifact(timestamp=value))


def test_files_without_a_size_count_as_nothing():
    files = [{"fname": "a", "fsize": 5}, {"fname": "b"}, {"fname": "c", "fsize": 7}]
    made = read(artifact(storage={"network": "ipfs", "location": "Q", "files": files}))
    assert made.size_bytes == 12


def test_the_older_protocol_keeps_its_details_in_another_place():
    old = {
        "publisher": ADDRESS,
        "timestamp": 1_500_000_000,
        "type": "research-tomogram",
        "info": {"title": "t", "extraInfo": {"speciesName": "Vibrio", "tiltMin": -60}},
        "storage": {"network": "ipfs", "location": "Q"},
    }
    message = oip.parse_message(json.dumps({"oip-041": {"artifact": old, "signature": "s"}}).encode())
    assert isinstance(message, oip.PublishMessage)
    assert (message.tomogram.species, message.tomogram.tilt_min_deg) == ("Vibrio", -60)
    assert message.preimage == f"Q-{ADDRESS}-1500000000"


def test_what_a_pool_signs_with_and_without_a_name():
    pool = {"version": 1, "TargetMargin": 2.5, "PoolShare": 10, "WebURL": "http://a"}
    for body, signed in ((pool, "http://a-1-2.5-10"), ({**pool, "PoolName": "p"}, "http://a-1-2.5-10-p")):
        message = oip.parse_message(json.dumps({"alexandria-autominer-pool": body, "signature": "s"}).encode())
        assert message.preimages == (signed,)
    message = oip.parse_message(json.dumps({"alexandria-autominer-pool": {**pool, "PoolShare": "10"}}).encode())
    assert message.preimages == ()


def files(count: int) -> dict[str, object]:
    return artifact(storage={"network": "ipfs", "location": "Q", "files": [{"fname": "a"}] * count})


def test_the_most_files_of_a_record():
    assert len(parse_tomogram(files(MAX_FILES)).files) == 100_000


def test_more_files_than_a_record_can_have():
    with pytest.raises(FormatError, match="not a list that we would read"):
        parse_tomogram(files(MAX_FILES + 1))


def test_how_many_parts_a_message_can_have():
    for count in (2, 1000):
        assert len(oip.PartJoiner("ab" * 32, ADDRESS, count).missing) == count
    for count in (0, 1, 1001):
        with pytest.raises(FormatError, match=f"{count} parts"):
            oip.PartJoiner("ab" * 32, ADDRESS, count)


def test_of_packed_fields_the_last_counts_and_those_of_fixed_length_are_passed_over():
    fields = parse_fields(b"\x08\x01\x08\x02\x12\x01a\x12\x01b\x19" + b"12345678" + b"\x25" + b"1234")
    assert int_field(fields, 1) == 2
    assert bytes_field(fields, 2) == b"b"
    assert (fields[3], fields[4]) == ([b"12345678"], [b"1234"])
    for cut in (b"\x19" + b"1234567", b"\x25" + b"123"):
        with pytest.raises(FormatError, match="longer than the message"):
            parse_fields(cut)


def packed(*fields: tuple[int, bytes | int]) -> bytes:
    made = b""
    for number, value in fields:
        if isinstance(value, int):
            made += bytes([number << 3, value])
        else:
            made += bytes([number << 3 | 2, len(value)]) + value
    return made


def test_a_packed_record_whose_details_are_none():
    details = packed((7, b"\x08\x05"))
    with pytest.raises(FormatError, match="details are a number"):
        oip.parse_message(b"p64:" + base64.b64encode(packed((1, packed((2, details))), (2, 1), (3, 1))))


@pytest.mark.parametrize(("message_type", "signature_type"), [(3, 0), (3, 2), (0, 1), (4, 1)])
def test_packed_messages_of_no_known_kind(message_type, signature_type):
    part = packed((1, 0), (2, 2), (3, b"data"))
    body = packed((1, part), (2, message_type), (3, signature_type))
    with pytest.raises(FormatError, match=f"type {message_type} with a signature of type {signature_type}"):
        oip.parse_message(b"p64:" + base64.b64encode(body))
    assert oip.parse_message(b"p64:" + base64.b64encode(packed((1, part), (2, 3), (3, 1)))).data == b"data"


def test_the_key_that_stands_twice_is_named():
    with pytest.raises(FormatError, match="the key 'b' stands twice"):
        oip.load_json(b'{"a":1,"b":2,"c":3,"b":4}')


def action(verb: str, noun: str, **thing: object) -> oip.Message | None:
    return oip.parse_message(b"json:" + json.dumps({"oip042": {verb: {noun: thing}}}).encode())


def test_what_publishers_sign_and_platforms_do_not():
    assert action("register", "pub", alias="a", floAddress="F", timestamp=5).preimages == ("a-F-5",)
    assert action("register", "pub", alias="a", floAddress="F").preimages == ()
    assert action("register", "platform", alias="a", floAddress="F", timestamp=5).preimages == ()
    assert action("deactivate", "pub", floAddress="F", timestamp=5).preimages == ("deactivate-F-5",)
    assert action("edit", "pub", floAddress="F", timestamp=5).preimages == ()


def test_patches_that_are_none():
    edited = {"txid": "ab" * 32, "timestamp": 1}
    assert len(action("edit", "artifact", **edited, patch={"remove": ["/a"]}).patch) == 1
    for patch, why in (
        ({"remove": ["/a"], "destroy": ["/b"]}, "'destroy' is no list"),
        ({"remove": {"path": "/a"}}, "'remove' is no list"),
        ("\ud800", "not Unicode"),
        (5, "it has no patch"),
        ([{"op": "add", "path": "/a"}], "add without its value"),
        ([{"op": "move", "path": "/a"}], "move without from"),
        ([{"op": "remove", "path": "a"}], "no JSON pointer"),
    ):
        with pytest.raises(FormatError, match=why):
            action("edit", "artifact", **edited, patch=patch)


@pytest.mark.parametrize("count", [2, 10, 11, 100, 101])
def test_each_part_but_the_last_is_as_long_as_it_may(count):
    """The head of a part that has more digits in its number takes more room."""
    room = len(f"oip-mp({count - 1},{count - 1},{ADDRESS},{'a' * 64},{'s' * 88}):")
    parts = oip.split(b"x" * (1000 * count + 64), ADDRESS, sign=lambda _: "s" * 88, limit=room + 1000)
    texts = [parts.first(), *parts.rest("ab" * 32)]
    fewer_digits = len(str(count - 1)) - 1
    assert len(texts) == count
    assert len(texts[-1]) == room + 1000
    assert {len(one) for one in texts} <= {room + 1000 - spare for spare in range(fewer_digits + 1)}


def test_a_head_without_an_end():
    head = f"oip-mp(0,1,{ADDRESS},,c2ln"
    longest = head + "s" * (400 - len(f"{head}):"))
    for text in (head, longest):
        assert oip.parse_part(f"{text}):x".encode()).data == b"x"
    for text in (head, f"{head})", f"{head}:x", f"{longest}s):x"):
        with pytest.raises(FormatError, match="no end"):
            oip.parse_part(text.encode())
