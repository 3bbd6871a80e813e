"""Records and parts: what is written is read back; strangers change nothing; nothing but FormatError escapes."""

from __future__ import annotations

import contextlib
import datetime as dt
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb import oip
from etdb.errors import FormatError, InputError

words = st.text(max_size=40)
named = st.text(min_size=1, max_size=40).filter(lambda text: text.strip())
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.none()
commaless = st.text(st.characters(blacklist_characters=",", blacklist_categories=("Cs",)), min_size=1, max_size=20)
tags = st.lists(commaless.map(str.strip).filter(bool), max_size=4).map(tuple)
scalars = st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.booleans()

files = st.builds(
    oip.FileEntry,
    path=named,
    display_name=words,
    size_bytes=st.integers(0, 2**60) | st.none(),
    role=st.sampled_from(oip.FILE_ROLES),
    media_type=words,
    notes=words,
    software=words,
)
tomograms = st.builds(
    oip.Tomogram,
    publisher=named,
    timestamp_s=st.integers(1, 4_000_000_000),
    title=named,
    description=named,
    species=named,
    tags=tags,
    acquired_on=st.dates(dt.date(1950, 1, 1), dt.date(2200, 1, 1)),
    nsfw=st.booleans() | st.none(),
    ncbi_taxon_id=st.integers(0, 2**40) | st.none(),
    notes=words,
    tilt_axes=st.sampled_from([None, 1, 2]),
    tilt_constant_increment=st.booleans() | st.none(),
    tilt_min_deg=numbers,
    defocus_um=numbers,
    voxel_spacing_angstrom=numbers,
    authors=st.lists(words, max_size=3).map(tuple),
    files=st.lists(files, max_size=4).map(tuple),
    extra=st.dictionaries(named, scalars, max_size=3),
    location=named,
)


@given(tomograms)
def test_a_record_is_read_back_as_it_was_written(tomogram):
    message = oip.parse_message(oip.encode_publish(tomogram, "c2ln"))
    assert isinstance(message, oip.PublishMessage)
    assert message.tomogram == tomogram
    assert message.preimage == oip.artifact_preimage(tomogram.location, tomogram.publisher, tomogram.timestamp_s)


@given(tomograms, st.dictionaries(st.sampled_from(["payment", "a/b", "~x"]), scalars, min_size=1))
def test_unknown_fields_are_kept_and_written_again(tomogram, strange):
    document = oip.load_json(oip.encode_publish(tomogram, "c2ln")[5:])
    document["oip042"]["publish"]["artifact"].update(strange)
    document["oip042"]["publish"]["artifact"]["details"]["etc"] = strange
    read = oip.parse_message(b"json:" + oip.encode_go_json(document)).tomogram
    again = oip.load_json(oip.encode_publish(read, "c2ln")[5:])["oip042"]["publish"]["artifact"]
    assert {key: again[key] for key in strange} == strange
    assert again["details"]["etc"] == strange


@given(st.text(min_size=1, max_size=6000), st.randoms(use_true_random=False))
def test_parts_join_to_what_was_split(text, rng: random.Random):
    data = text.encode()
    split = oip.split(data, "F" * 34, sign=lambda _: "s" * 88)
    if not split.needs_parts:
        assert split.first() == data
        return
    first = "ab" * 32
    messages = [split.first(), *split.rest(first)]
    assert all(0 < len(message) <= oip.FLO_DATA_LIMIT and message.decode() for message in messages)
    parts = [(first if n == 0 else f"{n:064x}", oip.parse_message(message)) for n, message in enumerate(messages)]
    shuffled = parts * 2
    rng.shuffle(shuffled)
    joiner = oip.PartJoiner(first, "F" * 34, split.count)
    events = [event for txid, part in shuffled for event in joiner.feed(txid, part)]
    joined = [event for event in events if isinstance(event, oip.Joined)]
    assert [event.data for event in joined] == [data]
    assert joined[0].txids == tuple(txid for txid, _ in parts)


@given(st.permutations(range(6)))
def test_a_stranger_neither_completes_nor_blocks_a_record(order):
    first = "ab" * 32
    split = oip.split(b"x" * 2500, "F" * 34, sign=lambda _: "s" * 88)
    mine = [oip.parse_message(m) for m in [split.first(), *split.rest(first)]]
    foreign = [
        msgspec.structs.replace(mine[1], address="G" * 34, data=b"evil"),
        msgspec.structs.replace(mine[2], last=mine[2].last + 1, data=b"evil"),
        msgspec.structs.replace(mine[2], reference="ab" * 31 + "cd", data=b"evil"),
    ]
    every = [
        (first, mine[0]),
        ("11" * 32, mine[1]),
        ("22" * 32, mine[2]),
        *((f"{n:064x}", f) for n, f in enumerate(foreign)),
    ]
    joiner = oip.PartJoiner(first, "F" * 34, 3)
    events = [event for place in order for event in joiner.feed(*every[place])]
    assert [event.data for event in events if isinstance(event, oip.Joined)] == [b"x" * 2500]
    assert sum(isinstance(event, oip.PartIgnored) for event in events) == 3


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda tail: b"json:" + tail)
    | st.binary(max_size=200).map(lambda tail: b"oip-mp(" + tail)
)
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(FormatError):
        oip.parse_message(data)


@pytest.mark.parametrize(
    "text",
    [
        '{"oip042":{"publish":1}}',
        '{"oip042":{"publish":{}}}',
        '{"oip042":{}}',
        '{"oip042":{"publish":{"artifact":{"type":"research","subtype":"tomogram"}}}}',
        '{"a":1,"a":2}',
        '{"a":1e999}',
        '{"a":NaN}',
        '{"a":' + "9" * 30 + "}",
        "[" * 5000 + "]" * 5000,
        '{"a":"\xff"',
    ],
)
def test_hostile_json_is_refused(text):
    with pytest.raises(FormatError):
        oip.parse_message(b"json:" + text.encode("latin-1"))


def test_what_a_record_lacks_is_named_at_once():
    with pytest.raises(InputError) as caught:
        oip.encode_publish(oip.Tomogram(title=" ", publisher="F"), "")
    for name in ("title", "description", "species", "acquired_on", "location", "timestamp_s"):
        assert name in str(caught.value)


@pytest.mark.parametrize("size", [1, 1039, 1040, 1041, 840, 1630, 5000, 800_000])
def test_sizes_around_the_limit(size):
    split = oip.split(b"y" * size, "F" * 34, sign=lambda _: "s" * 88)
    assert split.needs_parts == (size > 1040)
    assert b"".join(split.pieces) == b"y" * size
    assert all(split.pieces)


def test_too_many_parts_and_nothing_at_all_are_refused():
    with pytest.raises(InputError):
        oip.split(b"y" * 1_000_000, "F" * 34, sign=lambda _: "")
    with pytest.raises(InputError):
        oip.split(b"", "F" * 34, sign=lambda _: "")
