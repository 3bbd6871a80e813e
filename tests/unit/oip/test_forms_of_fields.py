"""Each field in the forms that others wrote it in, and what is refused; the message names what is wrong."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from etdb import oip
from etdb.errors import FormatError, InputError

ARTIFACT: dict[str, Any] = {
    "floAddress": "F" * 34,
    "timestamp": 1_528_156_632,
    "type": "research",
    "subtype": "tomogram",
    "info": {"title": "A tomogram"},
    "details": {"date": 1389657600},
    "storage": {"network": "ipfs", "location": "QmRoot", "files": [{"fname": "a.mrc"}]},
    "signature": "c2ln",
}


def read(pointer: str, value: Any) -> oip.PublishMessage:
    """The artifact with one value changed; ``...`` removes it."""
    artifact = copy.deepcopy(ARTIFACT)
    *keys, last = pointer.split("/")
    place: Any = artifact
    for key in keys:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    message = oip.parse_message(b"json:" + json.dumps({"oip042": {"publish": {"artifact": artifact}}}).encode())
    assert isinstance(message, oip.PublishMessage)
    return message


@pytest.mark.parametrize(
    ("pointer", "value", "name", "expected"),
    [
        ("details/tiltMin", 0, "tilt_min_deg", 0.0),
        ("details/tiltMin", "-60.5", "tilt_min_deg", -60.5),
        ("details/tiltConstant", 1, "tilt_constant_increment", True),
        ("details/tiltConstant", False, "tilt_constant_increment", False),
        ("details/tiltSingleDual", "2", "tilt_axes", 2),
        ("details/NCBItaxID", 273057.0, "ncbi_taxon_id", 273057),
        ("details/NCBItaxID", str(2**63 - 1024), "ncbi_taxon_id", 2**63 - 1024),
        ("details/NBCItaxID", 273057, "ncbi_taxon_id", 273057),
        ("details/NCBITaxID", 273057, "ncbi_taxon_id", 273057),
        ("details/date", 1389657600000, "acquired_on", "2014-01-14"),
        ("details/date", -86400, "acquired_on", "1969-12-31"),
        ("details/date", 10**11 - 1, "acquired_on", "5138-11-16"),
        ("details/date", 10**11, "acquired_on", "1973-03-03"),
        ("details/scopeName", 0, "microscope", "0"),
        ("details/roles", ["a", "b"], "roles", "a,b"),
        ("details/etdbid", "x", "sid", "x"),
        ("details/swProcess", "IMOD", "reconstruction_software", "IMOD"),
        ("info/tags", "a, b,,c", "tags", "('a', 'b', 'c')"),
        ("info/tags", ["a", "b,c"], "tags", "('a', 'b,c')"),
        ("info/title", None, "title", FormatError),
        ("storage/network", "IPFS", "storage_network", "ipfs"),
        ("details/artNotes", "x" * 100_000, "notes", "x" * 100_000),
        ("timestamp", 1_528_156_632_999, "timestamp_s", 1_528_156_632),
    ],
)
def test_forms_that_are_read(pointer, value, name, expected):
    if expected is FormatError:
        with pytest.raises(FormatError):
            read(pointer, value)
    else:
        assert str(getattr(read(pointer, value).tomogram, name)) == str(expected)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("details/tiltMin", "sixty"),
        ("details/tiltMin", "nan"),
        ("details/tiltMin", "1e999"),
        ("details/tiltMin", "\ud800"),
        ("details/tiltMin", True),
        ("details/tiltMin", [1]),
        ("details/tiltSingleDual", 1.5),
        ("details/NCBItaxID", "1e30"),
        ("details/NCBItaxID", str(2**63)),
        ("details/tiltConstant", "yes"),
        ("details/date", 1e17),
        ("details/date", ...),
        ("details/speciesName", {"a": 1}),
        ("details/speciesName", True),
        ("details/artNotes", "x" * 100_001),
        ("details", []),
        ("info", "title"),
        ("info/tags", {"a": 1}),
        ("info/title", ...),
        ("info/title", ""),
        ("storage", None),
        ("storage/network", "http"),
        ("storage/network", ...),
        ("storage/location", ...),
        ("storage/files", {}),
        ("storage/files", ["a.mrc"]),
        ("storage/files/0/fname", ...),
        ("storage/files/0/fsize", -1),
        ("storage/files/0/fsize", 0.5),
        ("floAddress", ...),
        ("floAddress", 7),
        ("timestamp", ...),
        ("timestamp", -1),
        ("timestamp", 1.5),
        ("timestamp", True),
        ("signature", ...),
        ("signature", 5),
    ],
)
def test_forms_that_are_refused(pointer, value):
    with pytest.raises(FormatError):
        read(pointer, value)


def test_a_date_beyond_the_calendar_is_named():
    with pytest.raises(FormatError, match="'1e\\+17' is not a date"):
        read("details/date", 1e17)


def test_how_a_file_is_written():
    entry = oip.FileEntry(
        path="a", display_name="d", size_bytes=0, role="tilt_series", media_type="m", notes="n", software="s"
    )
    whole = msgspec.structs.replace(read("info/description", "d").tomogram, species="S", files=(entry,))
    written = {"fname": "a", "dname": "d", "fsize": 0, "cType": "m", "fNotes": "n", "software": "s"}
    (made,) = oip.parse_artifact(oip.encode_publish(whole, "c2ln"))["storage"]["files"]
    assert made == {**written, "type": "tomogram", "subtype": "tiltSeries"}


def test_what_has_no_name_here_is_kept():
    artifact = copy.deepcopy(ARTIFACT)
    artifact["payment"] = {"fiat": "USD"}
    artifact["details"]["extraInfo"] = "a text"
    artifact["storage"]["files"][0] |= {"type": "video", "subtype": "strange", "promo": 1}
    text = b"json:" + oip.encode_go_json({"oip042": {"publish": {"artifact": artifact}}})
    tomogram = oip.parse_message(text).tomogram
    assert tomogram.unknown == {"/payment": {"fiat": "USD"}, "/details/extraInfo": "a text"}
    assert tomogram.files[0].role == "other"
    assert tomogram.files[0].extra == {"type": "video", "subtype": "strange", "promo": 1}
    strange = {"type": 5, "subtype": 6}
    assert oip.parse_message(text.replace(b'"video"', b"5")).tomogram.files[0].extra["type"] == strange["type"]


@pytest.mark.parametrize(
    ("kind", "subtype", "role"),
    [
        ("tomogram", "tiltSeries", "tilt_series"),
        ("Image", "THUMBNAIL", "thumbnail"),
        ("video", "keymov", "key_movie"),
        ("book", "tiltSeries", "other"),
        ("tomogram", "strange", "other"),
    ],
)
def test_what_a_file_is_by_both_its_words(kind, subtype, role):
    (file,) = read("storage/files", [{"fname": "a", "type": kind, "subtype": subtype}]).tomogram.files
    assert file.role == role


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('json:{"oip042":{"register":{"signature":"c2ln"}}}', "register/signature"),
        ('json:{"oip042":{"publish":{"artifact":5}}}', "publish/artifact"),
        ('{"oip-041":{"promote":{},"signature":""}}', "promote"),
        ('{"oip-041":{"artifact":5}}', "artifact"),
        ('{"oip-041":{"artifact":{"type":7,"info":5}}}', "publish"),
        ('{"oip041":{"artifact":{"info":{"extraInfo":7,"title":"A"}}}}', "publish"),
        ("json:[1]", "unknown"),
        ("json:7", "unknown"),
        ('{"alexandria-autominer-pool":{"version":"1"}}', "autominer-pool"),
        ("oip-historian-", "data point"),
    ],
)
def test_messages_that_are_only_named(text, kind):
    message = oip.parse_message(text.encode())
    assert (message.kind, message.preimages) == (kind, ())


@pytest.mark.parametrize(
    ("thing", "title"),
    [({"info": {"title": "T"}}, "T"), ({"alias": "A"}, "A"), ({"info": {"title": "T"}, "alias": "A"}, "T"), ({}, "")],
)
def test_what_names_a_message(thing, title):
    body = {"oip042": {"register": {"platform": thing}}}
    assert oip.parse_message(b"json:" + oip.encode_go_json(body)).title == title


@pytest.mark.parametrize("many", [0, 1])
def test_as_much_of_a_title_as_is_shown(many):
    body = {"oip042": {"register": {"platform": {"alias": "a" * (300 + many)}}}}
    assert oip.parse_message(b"json:" + oip.encode_go_json(body)).title == "a" * 300


@pytest.mark.parametrize(
    ("text", "publisher", "title", "preimages"),
    [
        ("oip-historian-1:Faddress:sig", "Faddress", "", ("oip-historian-1:Faddress",)),
        ("oip-historian-1:pool.org:7:sig", "", "pool.org", ("oip-historian-1:pool.org:7",)),
        ("oip-historian-1:sig", "", "", ()),
    ],
)
def test_what_a_historian_signs(text, publisher, title, preimages):
    message = oip.parse_message(text.encode())
    assert (message.publisher, message.title, message.preimages) == (publisher, title, preimages)
    assert message.signature == "sig"


@pytest.mark.parametrize("size_bytes", [0, 1, None])
def test_sizes_of_files(size_bytes):
    entry = {"fname": "a"} if size_bytes is None else {"fname": "a", "fsize": size_bytes}
    (file,) = read("storage/files", [entry]).tomogram.files
    assert file.size_bytes == size_bytes


@pytest.mark.parametrize("body", ["[]", "5", "{}", '"text"', "null"])
def test_envelopes_with_nothing_in_them(body):
    for key in ("oip042", "oip-041"):
        with pytest.raises(FormatError):
            oip.parse_message(f'json:{{"{key}":{body}}}'.encode())
    for verb in ("publish", "register", "edit", "transfer", "deactivate"):
        with pytest.raises(FormatError):
            oip.parse_message(f'json:{{"oip042":{{"{verb}":{body}}}}}'.encode())


@pytest.mark.parametrize("beside", ["c2ln", "", 5, None])
def test_what_an_edit_patches_of_a_record_of_the_older_protocol(beside):
    """Its signature stands beside the artifact, and in 0.42 within."""
    older = {"artifact": {"type": "research-tomogram", "publisher": "F", "timestamp": 7}, "signature": beside}
    artifact = oip.parse_artifact(json.dumps({"oip-041": older}).encode())
    expected = {"type": "research", "subtype": "tomogram", "floAddress": "F", "timestamp": 7}
    assert artifact == expected | ({"signature": beside} if isinstance(beside, str) else {})


def test_what_an_edit_patches_is_the_artifact_as_it_stands():
    artifact = {**ARTIFACT, "type": "research-tomogram", "publisher": "kept", "info": {"extraInfo": {"kept": 1}}}
    text = b"json:" + oip.encode_go_json({"oip042": {"publish": {"artifact": artifact, "signature": "not this"}}})
    assert oip.parse_artifact(text) == artifact


@pytest.mark.parametrize(
    "text", ["[1]", "7", "{}", '{"oip042":7}', '{"oip042":{"edit":{"artifact":{}}}}', '{"oip-041":{"artifact":5}}']
)
def test_what_publishes_no_artifact_has_none_to_patch(text):
    with pytest.raises(FormatError, match="publishes no artifact"):
        oip.parse_artifact(f"json:{text}".encode())


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(InputError, match="not UTF-8"):
        oip.plan_parts(b"\xff")
    whole = read("info/description", "d").tomogram
    for name, value in (("title", "\ud800"), ("tilt_min_deg", float("nan")), ("extra", {"a": {1, 2}})):
        made = msgspec.structs.replace(whole, species="S", **{name: value})
        with pytest.raises(InputError, match="cannot be written"):
            oip.encode_publish(made, "c2ln")
    for sid, named in (("", "A tomogram"), ("rr1", "rr1")):
        made = msgspec.structs.replace(whole, species="S", sid=sid, tilt_min_deg=float("nan"))
        with pytest.raises(InputError, match=f"the record of {named} holds"):
            oip.encode_publish(made, "c2ln")
