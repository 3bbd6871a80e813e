"""Any protobuf message, packed or not, is a message of OIP 0.5 or refused with FormatError; both forms say the same."""

from __future__ import annotations

import base64
import gzip

from tests.fuzz import material

from etdb import oip
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    known = [one for one in material.strings_of(material.vectors("oip_messages.json")) if one.startswith("p64:")]
    part = b"\x08\x01\x10\x03\x1a\x05hello\x22\x0a\x0a\x08abcdefgh"
    signed = b"\x0a" + bytes([len(part)]) + part + b"\x10\x03\x18\x01\x22\x03oXy\x2a\x02ss"
    return [signed, *(base64.b64decode(one[4:]) for one in known), b"\x0a\x02\x12\x00\x10\x01\x18\x01"]


def _message(data: bytes) -> object:
    try:
        return oip.parse_message(data)
    except FormatError as error:
        return error.message


def check(data: bytes) -> None:
    plain = _message(b"p64:" + base64.b64encode(data))
    assert _message(b"gp64:" + base64.b64encode(gzip.compress(data, 1, mtime=0))) == plain
    _message(b"p64:" + data)
    _message(b"gp64:" + base64.b64encode(data))
