"""JSON is refused with FormatError, or what it says encodes and loads to the same again."""

from __future__ import annotations

import json

from tests.fuzz import material

from etdb import oip
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    return [
        material.record_bytes().removeprefix(b"json:"),
        b'{"a":1,"a":2}',
        b"[" * 200 + b"]" * 200,
        b"[1e999, -0, 123456789012345678901234567890, 1.5e-7]",
        b'{"\\ud800":"\\u202e\\u0000"}',
        b"NaN",
    ]


def check(data: bytes) -> None:
    try:
        value = oip.load_json(data)
    except FormatError:
        return
    assert oip.load_json(json.dumps(value).encode()) == value
