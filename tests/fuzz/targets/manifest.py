"""A manifest is refused with FormatError, or compares with any record without an error."""

from __future__ import annotations

import datetime as dt

from tests.fuzz import material

from etdb.errors import FormatError
from etdb.manifest import ManifestFile, compare, encode_manifest, parse_manifest


def seeds() -> list[bytes]:
    file = ManifestFile(
        path="a/cell.mrc",
        size_bytes=2048,
        media_type="application/octet-stream",
        cid="bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        sha256=None,
        role="tilt_series",
    )
    made = encode_manifest(material.TOMOGRAM, [file], prepared_on=dt.date(2026, 1, 2))
    return [made, b'{"@context":"https://w3id.org/ro/crate/1.1/context","@graph":[]}']


def check(data: bytes) -> None:
    try:
        manifest = parse_manifest(data)
    except FormatError:
        return
    compare(manifest, material.TOMOGRAM)
