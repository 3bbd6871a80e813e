"""Messages of the protocol: what is written is read back; whatever is done to real ones, only FormatError is raised."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import random
import tracemalloc
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb import oip
from etdb.errors import FormatError
from etdb.oip.oip5 import MAX_MESSAGE_BYTES
from etdb.oip.parts import part_preimage
from etdb.oip.protobuf import MAX_FIELDS, parse_fields
from etdb.oip.strict_json import MAX_DEPTH, MAX_JSON_BYTES

TXID = "ab" * 32
hex_ids = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
times = st.integers(1, 2**53)
addresses = st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=26, max_size=34)
texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
pointers = texts.map(lambda text: "/" + text)
operations = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": pointers, "value": values}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": pointers}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": pointers, "from": pointers}),
)


def written(verb: str, noun: str, thing: dict, signature: str = "c2ln") -> bytes:
    return b"json:" + json.dumps({"oip042": {verb: {noun: thing, "signature": signature}}}).encode()


@given(hex_ids, times, st.lists(operations, min_size=1, max_size=5), addresses, st.booleans())
def test_an_edit_is_read_back_in_each_form_of_its_patch(dataset_id, timestamp, patch, owner, as_text):
    thing = {"txid": dataset_id, "timestamp": timestamp, "patch": json.dumps(patch) if as_text else patch}
    message = oip.parse_message(written("edit", "artifact", thing))
    assert isinstance(message, oip.EditMessage)
    assert (message.dataset_id, message.timestamp, message.signature) == (dataset_id, timestamp, "c2ln")
    assert [(one.op, one.path, one.value, one.source) for one in message.patch] == [
        (one["op"], one["path"], one.get("value"), one.get("from", "")) for one in patch
    ]
    assert message.preimage(owner) == f"{dataset_id}-{timestamp}"
    squashed: dict = {}
    for one in patch:
        entry = {key: value for key, value in one.items() if key != "op"}
        squashed.setdefault(one["op"], []).append(one["path"] if one["op"] == "remove" else entry)
    old = oip.parse_message(
        written("edit", "artifact", {"artifactID": dataset_id, "timestamp": timestamp, "patch": squashed})
    )
    order = ["remove", "add", "replace", "move", "copy", "test"]
    assert [one.op for one in old.patch] == sorted((one.op for one in message.patch), key=order.index)
    assert set(map(msgspec.json.encode, old.patch)) == set(map(msgspec.json.encode, message.patch))
    assert old.preimage(owner) == f"{dataset_id}-{owner}-{timestamp}"


@given(hex_ids, times, addresses, addresses, st.sampled_from(["txid", "artifactID", "reference"]))
def test_withdrawals_and_transfers_are_read_back(dataset_id, timestamp, owner, taker, key):
    thing = {key: dataset_id, "timestamp": timestamp}
    message = oip.parse_message(written("deactivate", "artifact", thing))
    assert isinstance(message, oip.DeactivateMessage)
    assert message.preimage(owner) == f"{dataset_id}-{owner}-{timestamp}"
    for ends in (("from", "to"), ("fromFloAddress", "toFloAddress")):
        given_away = {**thing, ends[0]: owner, ends[1]: taker}
        message = oip.parse_message(written("transfer", "artifact", given_away))
        assert isinstance(message, oip.TransferMessage)
        assert (message.publisher, message.to_address) == (owner, taker)
        assert message.preimages[0] == f"{dataset_id}-{owner}-{taker}-{timestamp}"


@given(texts, addresses, times)
def test_publishers_come_and_go(alias, address, timestamp):
    thing = {"alias": alias, "floAddress": address, "timestamp": timestamp, "signature": "c2ln"}
    message = oip.parse_message(written("register", "pub", thing))
    assert (message.kind, message.title, message.publisher) == ("register/pub", alias, address)
    assert message.preimages == (f"{alias}-{address}-{timestamp}",)
    message = oip.parse_message(written("deactivate", "pub", {"address": address, "timestamp": timestamp}))
    assert (message.kind, message.preimages) == ("deactivate/pub", (f"deactivate-{address}-{timestamp}",))


@pytest.mark.parametrize(
    ("verb", "thing"),
    [
        ("edit", {"txid": TXID, "timestamp": 1}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": []}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": {}}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": "{broken"}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": "\ud800"}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [1]}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [{"op": "eval", "path": "/a"}]}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [{"op": "add", "path": "/a"}]}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [{"op": "move", "path": "/a"}]}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [{"op": "remove", "path": "a"}]}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [{"op": "remove", "path": 1}]}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": {"evil": [{"path": "/a"}]}}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": {"remove": "/a"}}),
        ("edit", {"txid": TXID, "timestamp": 1, "patch": [{"op": "remove", "path": "/a"}] * 10_001}),
        ("edit", {"txid": TXID.upper(), "timestamp": 1, "patch": [{"op": "remove", "path": "/a"}]}),
        ("edit", {"txid": TXID, "timestamp": True, "patch": [{"op": "remove", "path": "/a"}]}),
        ("deactivate", {"txid": TXID[:10], "timestamp": 1}),
        ("deactivate", {"timestamp": 1}),
        ("deactivate", {"txid": TXID, "timestamp": 0}),
        ("transfer", {"txid": TXID, "timestamp": 1, "to": "F"}),
    ],
)
def test_what_lacks_what_makes_it_one_is_refused(verb, thing):
    with pytest.raises(FormatError):
        oip.parse_message(written(verb, "artifact", thing))


# --- Protobuf, plain and compressed -------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def signed_message(kind: int, body: bytes, *, signature_type: int = 1) -> bytes:
    fields = ((1, body), (2, kind), (3, signature_type), (4, b"F" * 34), (5, b"s" * 65))
    return b"".join(field(number, value) for number, value in fields)


def p64(message: bytes) -> bytes:
    return b"p64:" + base64.b64encode(message)


def gp64(message: bytes) -> bytes:
    return b"gp64:" + base64.b64encode(gzip.compress(message))


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1) | st.binary(max_size=300)), max_size=20))
def test_protobuf_fields_are_read_back(fields):
    found = parse_fields(b"".join(field(number, value) for number, value in fields))
    assert sorted(found) == sorted({number for number, _ in fields})
    for number, in_order in found.items():
        assert in_order == [value for other, value in fields if other == number]


@given(st.binary(max_size=400))
def test_any_bytes_are_fields_or_refused(data):
    with contextlib.suppress(FormatError):
        parse_fields(data)
    for text in (p64(data), gp64(data), b"p64:" + data, b"gp64:" + data, p64(signed_message(1, data))):
        with contextlib.suppress(FormatError):
            oip.parse_message(text)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 10 + b"\x01",  # a number without an end
        b"\x08" + b"\xff" * 9 + b"\x02",  # a number of 65 bits
        b"\x00\x01",  # field 0
        b"\x0b",  # the groups of old
        b"\x0a\x05abcd",  # one byte short
        b"\x0a\xff\xff\xff\xff\x0f",  # 4 GiB announced
        b"\x0d\x00\x00\x00",  # a fixed number cut short
        b"\x08",
        b"\x08\x01" * (MAX_FIELDS + 1),
    ],
)
def test_protobuf_that_lies_is_refused(data):
    with pytest.raises(FormatError):
        parse_fields(data)
    with pytest.raises(FormatError):
        oip.parse_message(p64(data))


def test_a_bomb_is_not_unfolded():
    bomb = b"gp64:" + base64.b64encode(gzip.compress(bytes(8 * MAX_MESSAGE_BYTES)))
    assert len(bomb) < MAX_MESSAGE_BYTES // 50
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="unfolds to more than"):
            oip.parse_message(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_MESSAGE_BYTES
    finally:
        tracemalloc.stop()
    just_too_much = gp64(signed_message(1, field(1, bytes(MAX_MESSAGE_BYTES))))
    with pytest.raises(FormatError, match="unfolds to more than"):
        oip.parse_message(just_too_much)


def test_compressed_messages_have_one_form():
    message = signed_message(1, field(1, field(1, b"A name")))
    assert oip.parse_message(gp64(message)).title == "A name"
    folded = gzip.compress(message)
    for wrong in (folded[:-1], folded + b"x", folded + folded, zlib.compress(message), b"", message):
        with pytest.raises(FormatError):
            oip.parse_message(b"gp64:" + base64.b64encode(wrong))


@given(st.binary(min_size=1, max_size=900), st.integers(2, 6), st.randoms(use_true_random=False))
def test_protobuf_parts_join(data, count, rng: random.Random):
    cuts = [len(data) * number // count for number in range(count + 1)]
    parts = []
    for number in range(count):
        body = field(1, number) + field(2, count) + field(3, data[cuts[number] : cuts[number + 1]])
        if number:
            body += field(4, field(1, bytes.fromhex(TXID)[:8]))
        text = p64(signed_message(3, body)) if number % 2 else gp64(signed_message(3, body))
        if cuts[number] == cuts[number + 1]:
            with pytest.raises(FormatError):
                oip.parse_message(text)
            return
        part = oip.parse_message(text)
        assert part.preimages == (base64.b64encode(body),)
        parts.append((TXID if number == 0 else f"{number:064x}", part))
    rng.shuffle(parts)
    joiner = oip.PartJoiner(TXID, "F" * 34, count)
    events = [event for txid, part in parts for event in joiner.feed(txid, part)]
    assert [event.data for event in events if isinstance(event, oip.Joined)] == [data]


@pytest.mark.parametrize(
    "body",
    [
        field(2, 1) + field(3, b"x"),  # one part of one
        field(1, 2) + field(2, 2) + field(3, b"x") + field(4, field(1, bytes(8))),
        field(1, 1) + field(2, 2) + field(3, b"x"),  # no reference
        field(1, 1) + field(2, 2) + field(3, b"x") + field(4, field(1, bytes(7))),
        field(2, 2) + field(3, b"x") + field(4, field(1, bytes(8))),  # part 0 with one
        field(2, 1001) + field(3, b"x"),
        field(2, 2) + field(3, bytes(oip.MAX_PART_BYTES + 1)),
    ],
)
def test_protobuf_parts_that_are_none_are_refused(body):
    with pytest.raises(FormatError):
        oip.parse_message(p64(signed_message(3, body)))


# --- Mutations of real messages -----------------------------------------------------------------------------------

_BYTES = st.binary(min_size=1, max_size=4)


@st.composite
def mutated(draw, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(changed)))
        match draw(st.sampled_from(["replace", "insert", "delete", "double"])):
            case "replace":
                new = draw(_BYTES)
                changed[place : place + len(new)] = new
            case "insert":
                changed[place:place] = draw(_BYTES | st.sampled_from([b'"', b"{", b"[", b",", b"\\", b"1e999", b"NaN"]))
            case "delete":
                del changed[place : place + draw(st.integers(1, 30))]
            case _:
                end = place + draw(st.integers(1, 30))
                changed[place:place] = changed[place:end]
    return bytes(changed)


@given(st.data())
def test_real_messages_that_were_changed_are_read_or_refused(own_vectors, data):
    vectors = own_vectors("oip_jsoip.json")
    cases = [*vectors["records"][:2], *vectors["edits"], *vectors["others"], *vectors["multiparts"][4]["parts"]]
    text = data.draw(st.sampled_from([case["text"] for case in cases] + vectors["templates"])).encode()
    with contextlib.suppress(FormatError):
        message = oip.parse_message(data.draw(mutated(text)))
        if isinstance(message, oip.PublishMessage):
            with contextlib.suppress(UnicodeEncodeError):
                msgspec.json.encode(message.tomogram)


# --- Parts, cut anywhere -------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=200), st.integers(140, 320), st.randoms(use_true_random=False))
def test_no_letter_is_ever_cut(text, limit, rng: random.Random):
    data = (text * (1 + 3000 // len(text.encode("utf-8", "replace")))).encode("utf-8", "replace")
    limit += 110  # what a head of a part takes at least
    pieces = oip.plan_parts(data, "F" * 34, limit=limit)
    assert b"".join(pieces) == data
    for piece in pieces:
        assert piece
        assert piece.decode()
    split = oip.split(data, "F" * 34, sign=lambda _: "s" * 88, limit=limit)
    assert split.needs_parts
    wholes = [split.first(), *split.rest(TXID)]
    assert all(len(one) <= limit for one in wholes)
    parts = [(TXID if number == 0 else f"{number:064x}", oip.parse_message(one)) for number, one in enumerate(wholes)]
    foreign = [
        (f"{number + 5000:064x}", msgspec.structs.replace(part, **change))
        for number, (_, part) in enumerate(parts)
        for change in ({"address": "G" * 34}, {"last": part.last + 1}, {"reference": "cd" * 32}, {"data": b"other"})
    ]
    # The honest part before the one of the same number with other data, all else in any order.
    order = parts[:] + [one for one in foreign if one[1].data != b"other"] + parts
    rng.shuffle(order)
    order += [one for one in foreign if one[1].data == b"other"]
    joiner = oip.PartJoiner(TXID, "F" * 34, split.count)
    events = [event for txid, part in order for event in joiner.feed(txid, part)]
    assert [event.data for event in events if isinstance(event, oip.Joined)] == [data]
    conflicts = [event for event in events if isinstance(event, oip.PartConflict)]
    # Part 0 of the others stands in another transaction, so it begins a message of its own.
    assert [(one.number, one.kept_txid) for one in conflicts] == [(n, f"{n:064x}") for n in range(1, len(parts))]
    assert joiner.missing == ()


def test_the_same_conflict_the_other_way_round_keeps_the_other_data():
    split = oip.split(b"x" * 2500, "F" * 34, sign=lambda _: "s" * 88)
    first, second, third = (oip.parse_message(one) for one in [split.first(), *split.rest(TXID)])
    other = msgspec.structs.replace(second, data=b"other")
    joiner = oip.PartJoiner(TXID, "F" * 34, 3)
    assert joiner.feed("22" * 32, other) == (oip.PartAccepted(txid="22" * 32, missing=2),)
    assert joiner.feed("11" * 32, second) == (oip.PartConflict(txid="11" * 32, number=1, kept_txid="22" * 32),)
    joiner.feed("33" * 32, third)
    assert joiner.feed(TXID, first)[-1].data == first.data + b"other" + third.data


@pytest.mark.parametrize(
    "head",
    [
        "01,2,F,,s",  # a number in a form of its own would have a preimage of its own
        "0,02,F,,s",
        "\u0660,2,F,,s",
        "+0,2,F,,s",
        "-1,2,F,,s",
        "0,1000,F,,s",
        "3,2,F,,s",
        "0,0,F,,s",
        "1,2,F,,s",
        "1,2,F,abcdefabc,s",
        "1,2,F," + "a" * 63 + ",s",
        "1,2,F," + "A" * 64 + ",s",
        "1,2,F,s",
        "0,2,F," + "a" * 64 + ",s",
        "0,2,F,,s,s",
        "0,2,F,,s,,",
        "0,2,F",
        "",
        "x" * 500,
    ],
)
def test_heads_that_are_none_are_refused(head):
    for prefix in ("oip-mp", "alexandria-media-multipart"):
        with pytest.raises(FormatError):
            oip.parse_message(f"{prefix}({head}):data".encode())


@pytest.mark.parametrize("prefix", ["oip-mp", "alexandria-media-multipart"])
def test_forms_of_part_0_and_what_they_may_sign(prefix):
    zeros = "0" * 64
    for head in ("0,2,F,s", "0,2,F,,s", "0,2,F,,s,"):
        part = oip.parse_message(f"{prefix}({head}):a):b".encode())
        assert (part.reference, part.signature, part.data) == ("", "s", b"a):b")
        assert part.preimages == tuple(part_preimage(0, 2, "F", one, b"a):b") for one in ("", zeros))
    part = oip.parse_message(f"{prefix}(0,2,F,{zeros},s,):x".encode())
    assert (part.reference, part.preimages) == ("", (part_preimage(0, 2, "F", zeros, b"x"),))
    for reference in ("ab" * 5, TXID):
        part = oip.parse_message(f"{prefix}(1,2,F,{reference},s,):x".encode())
        assert (part.reference, part.preimages) == (reference, (part_preimage(1, 2, "F", reference, b"x"),))


def test_a_part_beyond_what_is_joined_is_refused():
    oip.parse_message(b"oip-mp(0,1,F,,s):" + bytes(oip.MAX_PART_BYTES))
    for size in (0, oip.MAX_PART_BYTES + 1):
        with pytest.raises(FormatError):
            oip.parse_message(b"oip-mp(0,1,F,,s):" + bytes(size))


# --- Prefixes and JSON ---------------------------------------------------------------------------------------------


@given(st.integers(0, 4), texts)
def test_a_wallets_own_prefix_is_passed_over(count, alias):
    text = written("register", "pub", {"alias": alias, "floAddress": "F", "timestamp": 1})
    assert oip.parse_message(b"text:" * count + text) == oip.parse_message(text)


def test_a_megabyte_of_wallets_prefixes_is_passed_over_at_once():
    assert oip.parse_message(b"text:" * 200_000 + b"nothing") is None


@pytest.mark.parametrize("space", ["", " ", "\n \t"])
def test_bare_json_is_recognised_by_its_first_key(space):
    for key, protocol in (("oip-041", "oip041"), ("oip041", "oip041"), ("alexandria-media", "alexandria")):
        body = {key: {"artifact": {"type": "Image", "info": {"title": "A title"}}, "info": {"title": "A title"}}}
        message = oip.parse_message((space + "{" + space + json.dumps(body)[1:]).encode())
        assert (message.protocol, message.title) == (protocol, "A title")
    assert oip.parse_message(b'{"other":1,"oip-041":{}}') is None
    assert oip.parse_message(b'{"oip-0411":{}}') is None
    assert oip.parse_message(b"oip-historian") is None


@pytest.mark.parametrize(
    "kind",
    ["media", "publisher", "deactivation", "autominer", "autominer-pool", "retailer", "promoter"],
)
def test_each_kind_of_the_first_protocol_is_named(kind):
    body = {"name": "A name", "address": "FAddress", "info": {}}
    message = oip.parse_message(json.dumps({f"alexandria-{kind}": body, "signature": "c2ln"}).encode())
    assert (message.protocol, message.kind, message.title) == ("alexandria", kind, "A name")
    assert (message.publisher, message.signature) == ("FAddress", "c2ln")
    for damaged in (f'{{"alexandria-{kind}":', f'{{"alexandria-{kind}":1,"alexandria-{kind}":2}}'):
        with pytest.raises(FormatError):
            oip.parse_message(damaged.encode())
    assert oip.parse_message(f'{{"alexandria-{kind}":[]}}'.encode()).kind == kind


HOSTILE_JSON = {
    "deep": "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "very deep": "[" * 100_000,
    "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "a key twice": '{"a":{"b":1,"b":2}}',
    "a key twice by its escape": '{"a":1,"\\u0061":2}',
    "65 bits": '{"a":9223372036854775808}',
    "65 bits below": '{"a":-9223372036854775809}',
    "many digits": '{"a":' + "9" * 1_000_000 + "}",
    "an infinite float": '{"a":1e999}',
    "an infinite float below": '{"a":-1e999}',
    "a long float": '{"a":0.' + "1" * 1000 + "}",
    "NaN": '{"a":NaN}',
    "Infinity": '{"a":-Infinity}',
    "a control character": '{"a":"\x01"}',
    "a byte-order mark": "\ufeff{}",
    "a comma too many": '{"a":1,}',
    "something behind": '{"a":1}{}',
    "nothing": "",
}


@pytest.mark.parametrize("name", HOSTILE_JSON)
def test_hostile_json_is_refused(name):
    with pytest.raises(FormatError):
        oip.load_json(HOSTILE_JSON[name].encode())
    with pytest.raises(FormatError):
        oip.parse_message(b"json:" + HOSTILE_JSON[name].encode())


def test_json_as_large_as_it_may_be():
    fits = b'"' + b"x" * (MAX_JSON_BYTES - 2) + b'"'
    assert len(oip.load_json(fits)) == MAX_JSON_BYTES - 2
    with pytest.raises(FormatError):
        oip.load_json(fits + b" ")
    assert oip.load_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert oip.load_json(b'{"a":[' + b'"[[[[",' * 100 + b"1]}")


@given(values)
def test_what_go_would_write_is_read_back(value):
    assert oip.load_json(oip.encode_go_json({"a": value})) == {"a": value}


def test_strange_letters_are_kept_as_data():
    kept = oip.load_json(rb'["\ud800","\u202e\u0000\u001b[31m","\ud834\udd1e"]')
    assert kept == ["\ud800", "\u202e\0\x1b[31m", "\U0001d11e"]
