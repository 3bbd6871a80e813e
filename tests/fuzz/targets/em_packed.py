"""Packed bytes unpack to what gzip and bz2 say, within the limit, or are refused with FormatError; no bomb goes off."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib

from etdb.em import PackedFile
from etdb.errors import FormatError

LIMIT = 1 << 16


def seeds() -> list[bytes]:
    text = bytes(range(256))
    return [
        gzip.compress(text),
        gzip.compress(text) + gzip.compress(b"more"),
        gzip.compress(bytes(1 << 20)),
        bz2.compress(text) + bz2.compress(b"more"),
        bz2.compress(bytes(1 << 20)),
    ]


def check(data: bytes) -> None:
    found = None
    packing = "bzip2" if data[:1] == b"B" else "gzip"
    try:
        found = PackedFile(io.BytesIO(data), packing, LIMIT).read(LIMIT)
    except FormatError:
        return
    assert len(found) <= LIMIT
    try:
        judge = (bz2 if packing == "bzip2" else gzip).open(io.BytesIO(data)).read(LIMIT)
    except (OSError, EOFError, ValueError, zlib.error):
        return  # Python's own readers also refuse what stands behind the last member
    assert found == judge
