"""Makes tests/vectors/oip_messages.json: one message of each kind and form, and what a reader has to make of it.

    python tests/vectors/make/oip_messages.py > tests/vectors/oip_messages.json

The texts and what is expected of them are written here by hand, from the protocol's own sources (the OIP daemon's
routing, media-protocol's structures); only signatures and base64 are computed. The key is public: never use it.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
from importlib.metadata import version
from typing import Any

from etdb import flo

KEY = flo.PrivateKey(bytes.fromhex("5c" * 32))
ADDRESS = KEY.address(flo.MAIN)
OTHER = flo.PrivateKey(bytes.fromhex("5d" * 32)).address(flo.MAIN)
TXID = "9a14e771ee69bb372105c1e87d0bfa1ad983b824447c6211599fc52abfbb94a5"
TIME = 1_525_211_559
rows: list[dict[str, Any]] = []


def sign(preimage: str | bytes) -> str:
    return flo.sign_message(KEY, preimage)


def add(name: str, text: str | bytes, **expected: Any) -> None:
    shown = text if isinstance(text, str) else text.decode()
    rows.append({"name": name, "text": shown, "expect": expected})


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def o42(body: Any) -> str:
    return "json:" + compact({"oip042": body})


def tomogram(**changes: Any) -> dict[str, Any]:
    artifact: dict[str, Any] = {
        "floAddress": ADDRESS,
        "timestamp": TIME,
        "type": "research",
        "subtype": "tomogram",
        "info": {"title": "A tomogram", "description": "Auto imported from etdb"},
        "details": {"date": 1389657600, "speciesName": "Caulobacter crescentus"},
        "storage": {"network": "ipfs", "location": "QmRoot", "files": [{"fname": "a.mrc", "fsize": 5}]},
    }
    artifact.update(changes)
    artifact["signature"] = sign(f"QmRoot-{artifact['floAddress']}-{artifact['timestamp']}")
    return artifact


def a_record(name: str, artifact: dict[str, Any], **more: Any) -> None:
    add(
        name,
        o42({"publish": {"artifact": artifact}}),
        **{
            "record": "A tomogram",
            "publisher": ADDRESS,
            "signature": artifact["signature"],
            "preimages": [f"QmRoot-{ADDRESS}-{artifact['timestamp']}"],
            **more,
        },
    )


def named(name: str, text: str, protocol: str, kind: str, title: str = "", *, publisher: str = "", **more: Any) -> None:
    add(name, text, protocol=protocol, kind=kind, title=title, publisher=publisher, **more)


def signed(name: str, text: str, what: tuple[str, str, str], preimages: list[str], signature: str) -> None:
    protocol, kind, title = what
    named(name, text, protocol, kind, title, publisher=ADDRESS, preimages=preimages, signature=signature)


# Records of tomograms, in each dress that they were published in.
a_record("a record", tomogram())
a_record("a record with its time in milliseconds", tomogram(timestamp=TIME * 1000))
a_record("a record whose words begin with capitals", tomogram(type="Research", subtype="Tomogram"))
old = tomogram(details={"date": 1389657600, "speciesName": "Caulobacter crescentus", "NBCItaxID": 155892})
a_record("a record with the misspelt taxon of before May 2018", old, ncbi_taxon_id=155892)
a_record("a record behind a wallet's prefix", tomogram())
rows[-1]["text"] = "text:" + rows[-1]["text"]
bare = compact({"oip042": {"publish": {"artifact": tomogram()}}})
a_record("a record without its prefix", tomogram())
rows[-1]["text"] = bare
o41 = {
    "publisher": ADDRESS,
    "timestamp": TIME,
    "type": "Research-Tomogram",
    "info": {"title": "A tomogram", "extraInfo": {"speciesName": "Caulobacter crescentus"}},
    "storage": {"network": "IPFS", "location": "QmRoot", "files": []},
}
preimage = f"QmRoot-{ADDRESS}-{TIME}"
add(
    "a record of 0.41",
    compact({"oip-041": {"artifact": o41, "signature": sign(preimage)}}),
    record="A tomogram",
    publisher=ADDRESS,
    preimages=[preimage],
    signature=sign(preimage),
)

# What is done to records and publishers.
edit = {"txid": TXID, "timestamp": TIME, "patch": [{"op": "replace", "path": "/info/title", "value": "New"}]}
for name, patch in (("", edit["patch"]), (", its patch a text", compact(edit["patch"]))):
    signature = sign(f"{TXID}-{TIME}")
    body = {"edit": {"artifact": {**edit, "patch": patch}, "signature": signature}}
    named(
        "an edit" + name, o42(body), "oip042", "edit/artifact", TXID, owner_signs=f"{TXID}-{TIME}", signature=signature
    )
preimage = f"{TXID}-{ADDRESS}-{TIME}"
squashed = {
    "artifactID": TXID,
    "timestamp": TIME,
    "patch": {"remove": ["/details/a"], "add": [{"path": "/b", "value": 1}]},
}
body = {"edit": {"artifact": squashed, "signature": sign(preimage)}}
named("an edit of 2018", o42(body), "oip042", "edit/artifact", TXID, owner_signs=preimage, signature=sign(preimage))
body = {"deactivate": {"artifact": {"artifactID": TXID, "timestamp": TIME, "signature": sign(preimage)}}}
named("a withdrawal", o42(body), "oip042", "deactivate/artifact", TXID, owner_signs=preimage, signature=sign(preimage))
body041 = {"deactivateArtifact": {"txid": TXID, "timestamp": TIME}, "signature": sign(preimage)}
text = compact({"oip-041": body041})
named(
    "a withdrawal of 0.41", text, "oip041", "deactivate/artifact", TXID, owner_signs=preimage, signature=sign(preimage)
)
orders = [f"{TXID}-{ADDRESS}-{OTHER}-{TIME}", f"{TXID}-{OTHER}-{ADDRESS}-{TIME}"]
given_away = {"artifactID": TXID, "fromFloAddress": ADDRESS, "toFloAddress": OTHER, "timestamp": TIME}
body = {"transfer": {"artifact": given_away, "signature": sign(orders[0])}}
signed("a transfer", o42(body), ("oip042", "transfer/artifact", TXID), orders, sign(orders[0]))
preimage = f"A lab-{ADDRESS}-{TIME}"
pub = {"alias": "A lab", "floAddress": ADDRESS, "timestamp": TIME, "signature": sign(preimage)}
signed("a publisher", o42({"register": {"pub": pub}}), ("oip042", "register/pub", "A lab"), [preimage], sign(preimage))
preimage = f"deactivate-{ADDRESS}-{TIME}"
gone = {"address": ADDRESS, "timestamp": TIME, "signature": sign(preimage)}
signed("no publisher", o42({"deactivate": {"pub": gone}}), ("oip042", "deactivate/pub", ""), [preimage], sign(preimage))

# Others of the family.
for noun in ("platform", "influencer", "pool", "autominer", "autominerPool"):
    named(
        f"a {noun}", o42({"register": {noun: {"floAddress": ADDRESS}}}), "oip042", f"register/{noun}", publisher=ADDRESS
    )
image = {"floAddress": ADDRESS, "type": "Image", "subtype": "Basic", "info": {"title": "An image"}}
named("an image", o42({"publish": {"artifact": image}}), "oip042", "publish/image/basic", "An image", publisher=ADDRESS)
for kind in ("media", "publisher", "deactivation", "autominer", "autominer-pool", "retailer", "promoter"):
    text = compact({f"alexandria-{kind}": {"name": "A name", "address": ADDRESS}, "signature": "c2ln"})
    named(f"alexandria-{kind}", text, "alexandria", kind, "A name", publisher=ADDRESS)
for first in ("alexandria-historian-v001:pool.example.org", f"oip-historian-3:{ADDRESS}"):
    point = first + ":0.1:1:2"
    form, _, who = first.partition("-historian-")[2].partition(":")
    title, address = (who, "") if "." in who else ("", who)
    named(
        f"a data point, {form}",
        f"{point}:{sign(point)}",
        "historian",
        f"data point {form}",
        title,
        publisher=address,
        preimages=[point],
        signature=sign(point),
    )
named("another JSON document", 'json:{"hello":"world"}', "json", "unknown")


# Protobuf.
def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    length = len(value)
    return bytes([number << 3 | 2, *([length] if length < 128 else [length & 127 | 128, length >> 7])]) + value


def signed_message(kind: int, body: bytes) -> tuple[bytes, str, str]:
    preimage = base64.b64encode(body).decode()
    signature = sign(preimage)
    fields = ((1, body), (2, kind), (3, 1), (4, ADDRESS.encode()), (5, base64.b64decode(signature)))
    return b"".join(field(number, value) for number, value in fields), preimage, signature


publisher = field(1, b"type.googleapis.com/oipProto.templates.tmpl_433C2783") + field(2, field(1, b"A lab"))
for name, kind, body, what, title in (
    ("a template", 1, field(1, field(1, b"A name")), "template", "A name"),
    ("a publisher of 0.5", 1, field(2, field(7, field(1, publisher))), "register/pub", "A lab"),
    ("an edit of 0.5", 1, field(9, b""), "edit", ""),
    ("a data point of 0.5", 2, field(1, 1), "historian data point", ""),
):
    message, preimage, signature = signed_message(kind, body)
    for prefix, data in (("p64:", message), ("gp64:", gzip.compress(message, mtime=0))):
        text = prefix + base64.b64encode(data).decode()
        signed(f"{name}, {prefix}", text, ("oip5", what, title), [preimage], signature)

# Parts.
ZEROS = "0" * 64
for name, head, prefixes in (
    ("5 fields", "0,2,{a},,{s}", ("oip-mp",)),
    ("4 fields", "0,2,{a},{s}", ("oip-mp",)),
    ("6 fields", "0,2,{a},,{s},", ("oip-mp", "alexandria-media-multipart")),
    ("64 zeros", "0,2,{a}," + ZEROS + ",{s}", ("oip-mp", "alexandria-media-multipart")),
):
    reference = ZEROS if name == "64 zeros" else ""
    signature = sign(f"0-2-{ADDRESS}-{reference}-json:a):b")
    for prefix in prefixes:
        text = f"{prefix}({head.format(a=ADDRESS, s=signature)}):json:a):b"
        add(f"part 0, {name}, {prefix}", text, part=[0, 2, "", "json:a):b"], publisher=ADDRESS, is_signed=True)
signature = sign(f"0-2-{ADDRESS}-{ZEROS}-data")
text = f"oip-mp(0,2,{ADDRESS},,{signature}):data"
add(
    "part 0 that signs 64 zeros and does not print them",
    text,
    part=[0, 2, "", "data"],
    publisher=ADDRESS,
    is_signed=True,
)
for digits in (10, 64):
    signature = sign(f"1-2-{ADDRESS}-{TXID[:digits]}-data")
    for prefix, comma in (("oip-mp", ""), ("oip-mp", ","), ("alexandria-media-multipart", "")):
        text = f"{prefix}(1,2,{ADDRESS},{TXID[:digits]},{signature}{comma}):data"
        name = f"part 1, {digits} digits, {prefix}{', a comma too many' if comma else ''}"
        add(name, text, part=[1, 2, TXID[:digits], "data"], publisher=ADDRESS, is_signed=True)
text = f"oip-mp(1,2,{ADDRESS},{TXID},{sign('something else')}):data"
add("a part that its address did not sign", text, part=[1, 2, TXID, "data"], publisher=ADDRESS, is_signed=False)

# What begins as a message and is none.
for name, text in {
    "a part without an end of its head": "oip-mp(0,1,F",
    "a part without data": "oip-mp(0,1,F,,s):",
    "part 2 of 0 to 1": f"oip-mp(2,1,F,{TXID},s):x",
    "a single part": "oip-mp(0,0,F,,s):x",
    "a part's number that is none": "oip-mp(,3,F,,s):x",
    "a reference of 9 digits": f"oip-mp(1,2,F,{TXID[:9]},s):x",
    "a reference that is a word": "oip-mp(1,2,F,undefined,undefined,):x",
    "part 0 with a reference": f"oip-mp(0,2,F,{TXID},s):x",
    "a record that is not signed": o42({"publish": {"artifact": {**tomogram(), "signature": ""}}}),
    "a record without a title": o42({"publish": {"artifact": tomogram(info={})}}),
    "a record on another network": o42(
        {"publish": {"artifact": tomogram(storage={"network": "http", "location": "x"})}}
    ),
    "a message that says nothing": o42({}),
    "an edit of nothing": o42({"edit": {"artifact": {"txid": TXID, "timestamp": TIME, "patch": []}}}),
    "a withdrawal of ten digits": o42({"deactivate": {"artifact": {"txid": TXID[:10], "timestamp": TIME}}}),
    "JSON with a key twice": 'json:{"oip042":{},"oip042":{}}',
    "JSON that is cut off": 'json:{"oip042":',
    "p64 that is not base64": "p64:????",
    "p64 of nothing": "p64:",
    "gp64 that is not gzip": "gp64:AAAA",
    "gp64 of a bomb": "gp64:" + base64.b64encode(gzip.compress(bytes(4_000_001), mtime=0)).decode(),
}.items():
    add(name, text, refused=True)

# What is not of the protocol.
for text in ("hello", "", "text:hello", '{"hello":"world"}', '{"a":1,"oip-041":{}}', "oip-mp", "json", "NaN,3,F,,s):x"):
    add(f"a text: {text!r}", text, nothing=True)

assert len({row["name"] for row in rows}) == len(rows)
print(
    json.dumps(
        {
            "about": "Texts of transactions, and what a reader has to make of them",
            "versions": {"coincurve": version("coincurve"), "python": sys.version.split()[0]},
            "address": ADDRESS,
            "messages": rows,
        },
        indent=1,
        ensure_ascii=False,
    )
)
