"""A CID in text or bytes is refused with FormatError, or is written as it was read, base58 apart."""

from __future__ import annotations

from tests.fuzz import material

from etdb import ipfs
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    root, blocks = material.dag()
    texts = [one for one in material.strings_of(material.vectors("ipfs_unixfs.json")) if one[:2] in ("Qm", "ba")]
    return [
        str(root).encode(),
        bytes(root),
        b"bafkqaaa",
        b"zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA",
        b"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
        *(bytes(cid) for cid in blocks),
        *(one.encode() for one in texts[:20]),
    ]


def check(data: bytes) -> None:
    try:
        cid = ipfs.parse_cid_bytes(data)
    except FormatError:
        pass
    else:
        assert bytes(cid) == data
        assert ipfs.parse_cid(str(cid)) == cid
    text = data.decode("utf-8", "replace")
    try:
        named = ipfs.parse_cid(text)
    except FormatError:
        return
    assert str(named) == text or (text[0] == "z" and named.version == 1)
    assert ipfs.parse_cid(str(named)) == named
    assert ipfs.parse_cid_bytes(bytes(named)) == named
