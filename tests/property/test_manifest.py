"""Manifests: what is written is read back, every difference is found, nothing but FormatError escapes."""

from __future__ import annotations

import contextlib
import datetime as dt
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from etdb.errors import FormatError
from etdb.manifest import ManifestFile, compare, encode_manifest, parse_manifest
from etdb.oip import FILE_ROLES, FileEntry, Tomogram

DAY = dt.date(2026, 11, 23)
words = st.text(st.characters(blacklist_categories=("Cs",)), max_size=30)
named = words.filter(lambda text: text.strip())
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.none()
scalars = named | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.lists(named, max_size=3)
entries = st.lists(
    st.builds(
        FileEntry,
        path=named.filter(lambda text: text not in (".", "..", "./")),
        display_name=words,
        size_bytes=st.integers(0, 2**59),
        role=st.sampled_from(FILE_ROLES),
        media_type=words,
        notes=words,
        software=words,
    ),
    max_size=4,
    unique_by=lambda entry: entry.path,
)
tomograms = st.builds(
    Tomogram,
    title=named,
    description=words,
    publisher=named,
    timestamp_s=st.just(1_700_000_123),
    location=st.just("bafyLOCATION"),
    acquired_on=st.dates() | st.none(),
    tilt_axes=st.sampled_from([None, 1, 2]),
    tilt_min_deg=numbers,
    nsfw=st.booleans() | st.none(),
    authors=st.lists(named, max_size=3).map(tuple),
    licence=words,
    sid=words,
    extra=st.dictionaries(named, scalars, max_size=3),
    files=entries.map(tuple),
)


def files_of(tomogram: Tomogram) -> list[ManifestFile]:
    return [
        ManifestFile(
            path=one.path,
            size_bytes=one.size_bytes,
            cid="bafy",
            media_type=one.media_type,
            role=one.role,
            display_name=one.display_name,
            notes=one.notes,
            software=one.software,
            sha256="ab" * 32,
        )
        for one in tomogram.files
    ]


@given(tomograms)
def test_nothing_is_lost_and_nothing_is_told_too_early(tomogram):
    text = encode_manifest(tomogram, files_of(tomogram), prepared_on=DAY)
    assert text == encode_manifest(tomogram, files_of(tomogram), prepared_on=DAY)
    manifest = parse_manifest(text)
    assert compare(manifest, tomogram) == ()
    assert [one.path for one in manifest.files] == [one.path for one in tomogram.files]
    assert all(one.sha256 == "ab" * 32 for one in manifest.files)
    assert b"bafyLOCATION" not in text
    assert b"1700000123" not in text


CHANGES = {
    "title": "another",
    "species": "another",
    "tilt_min_deg": 17.25,
    "authors": ("another",),
    "extra": {"a": "b"},
}


@given(tomograms, st.sampled_from(sorted(CHANGES)))
def test_a_changed_field_is_the_difference(tomogram, name):
    changed = msgspec.structs.replace(tomogram, **{name: CHANGES[name]})
    manifest = parse_manifest(encode_manifest(tomogram, files_of(tomogram), prepared_on=DAY))
    found = compare(manifest, changed)
    expected = [] if getattr(tomogram, name) == CHANGES[name] else [name]
    assert [one.field for one in found] == expected


def test_changed_missing_and_added_files_are_differences():
    tomogram = Tomogram(title="t", files=(FileEntry(path="a", size_bytes=1), FileEntry(path="b", size_bytes=2)))
    manifest = parse_manifest(encode_manifest(tomogram, files_of(tomogram), prepared_on=DAY))
    other = msgspec.structs.replace(
        tomogram, files=(FileEntry(path="a", size_bytes=9), FileEntry(path="c", size_bytes=2))
    )
    assert [one.field for one in compare(manifest, other)] == ["files[a].size_bytes", "files[b]", "files[c]"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["./", "@id", "hasPart", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@id", "@graph", "hasPart", "additionalProperty", "value", "propertyID"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps({"@graph": value}).encode()))
def test_anything_is_read_or_refused(data):
    with contextlib.suppress(FormatError):
        parse_manifest(data)


@given(tomograms)
def test_the_bytes_are_those_of_the_plain_encoder(tomogram):
    """The fast way of indenting gives what ``json.dumps`` gives, so a dataset keeps its CID."""
    data = encode_manifest(tomogram, files_of(tomogram), prepared_on=DAY)
    assert data.decode() == json.dumps(json.loads(data), ensure_ascii=False, indent=1) + "\n"
