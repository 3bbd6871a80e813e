"""OIP 0.5: signed protobuf messages, ``p64:`` (base64) and ``gp64:`` (base64 of gzip).

No template for tomograms was ever published under 0.5, so its records are named and kept. Its multipart messages are
read in full: what they join to may be of any kind.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Final

from etdb.errors import FormatError
from etdb.oip.named import MAX_SHOWN, OtherMessage
from etdb.oip.parts import MAX_PARTS, Part, check_part_size
from etdb.oip.protobuf import bytes_field, int_field, parse_fields

__all__ = ["MAX_MESSAGE_BYTES", "parse_gp64", "parse_p64"]

MAX_MESSAGE_BYTES: Final = 4_000_000
"""More than a block can carry; also the most that a compressed message may unfold to."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_FLO: Final = 1
_OIP5, _HISTORIAN, _MULTIPART = 1, 2, 3
_ACTIONS: Final = {1: "template", 2: "record", 3: "normalize", 7: "transfer", 8: "deactivate", 9: "edit"}
_TEMPLATE: Final = re.compile(r"type\.googleapis\.com/oipProto\.templates\.(tmpl_[0-9A-F]{8})\Z")
_PUBLISHER: Final = "tmpl_433C2783"
"""The template by which a publisher registers; its first field is a name."""
_REFERENCE_BYTES: Final = 8
_MAX_TEMPLATES: Final = 8


def parse_p64(data: bytes) -> OtherMessage | Part:
    """Read what follows ``p64:``.

    Raises:
        FormatError: not base64, or not a signed message.
    """
    return _signed_message(_base64(data))


def parse_gp64(data: bytes) -> OtherMessage | Part:
    """Read what follows ``gp64:``.

    Raises:
        FormatError: not base64, not one gzip member, more than ``MAX_MESSAGE_BYTES`` unfolded, or not a signed message.
    """
    unfolding = zlib.decompressobj(_GZIP)
    try:
        message = unfolding.decompress(_base64(data), MAX_MESSAGE_BYTES + 1)
    except zlib.error as error:
        raise FormatError(f"not a gp64 message: {error}") from error
    if len(message) > MAX_MESSAGE_BYTES:
        raise FormatError(f"not a gp64 message: it unfolds to more than {MAX_MESSAGE_BYTES} bytes")
    if not unfolding.eof or unfolding.unused_data:
        raise FormatError("not a gp64 message: its gzip data has no end, or something behind it")
    return _signed_message(message)


def _base64(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise FormatError(f"not a protobuf message: {len(data)} letters of base64")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise FormatError(f"not a protobuf message: not base64 ({error})") from error


def _signed_message(data: bytes) -> OtherMessage | Part:
    """SignedMessage: 1 the message, 2 its type, 3 the signature's type, 4 the address, 5 the signature."""
    fields = parse_fields(data)
    body = bytes_field(fields, 1)
    address = bytes_field(fields, 4).decode("ascii", "replace")[:MAX_SHOWN]
    signature = base64.b64encode(bytes_field(fields, 5)).decode()
    signed_text = base64.b64encode(body).decode()
    message_type, signature_type = int_field(fields, 2), int_field(fields, 3)
    title = ""
    if message_type == _OIP5:
        kind, title = _oip5(body)
    elif message_type == _HISTORIAN:
        kind = "historian data point"
    elif message_type == _MULTIPART and signature_type == _FLO:
        return _part(body, address, signature, signed_text)
    else:
        raise FormatError(f"not a signed message: type {message_type} with a signature of type {signature_type}")
    return OtherMessage(
        protocol="oip5",
        kind=kind,
        title=title,
        publisher=address,
        signature=signature,
        preimages=(signed_text,) if signature_type == _FLO else (),
    )


def _part(body: bytes, address: str, signature: str, signed_text: str) -> Part:
    """MultiPart: 1 the part's number, 2 how many there are, 3 the data, 4 the first 8 bytes of part 0's id."""
    fields = parse_fields(body)
    number, count, data = int_field(fields, 1), int_field(fields, 2), bytes_field(fields, 3)
    if not 1 < count <= MAX_PARTS or number >= count:
        raise FormatError(f"not a multipart message: part {number} of {count} parts")
    check_part_size(data)
    reference = bytes_field(parse_fields(bytes_field(fields, 4)), 1)
    if len(reference) != (_REFERENCE_BYTES if number else 0):
        raise FormatError(f"not a multipart message: part {number} with a reference of {len(reference)} bytes")
    return Part(
        number=number,
        last=count - 1,
        address=address,
        reference=reference.hex(),
        signature=signature,
        data=data,
        preimages=(signed_text.encode(),),
    )


def _oip5(body: bytes) -> tuple[str, str]:
    """The kind and title of an OipFive: one field says what it does."""
    fields = parse_fields(body)
    number = next((one for one in fields if one in _ACTIONS), None)
    if number is None:
        raise FormatError("not a message of OIP 0.5: it says nothing")
    action, inner = _ACTIONS[number], bytes_field(fields, number)
    if action == "template":
        return action, bytes_field(parse_fields(inner), 1).decode("utf-8", "replace")[:MAX_SHOWN]
    if action != "record":
        return action, ""
    # RecordProto: 7 details; these: 1 google.protobuf.Any (1 a template's name, 2 its fields), any number of them.
    templates, title = [], ""
    for entry in parse_fields(bytes_field(parse_fields(inner), 7)).get(1, [])[:_MAX_TEMPLATES]:
        if not isinstance(entry, bytes):
            raise FormatError("not a record of OIP 0.5: its details are a number")
        detail = parse_fields(entry)
        match = _TEMPLATE.match(bytes_field(detail, 1).decode("utf-8", "replace"))
        if match:
            templates.append(match[1])
            if match[1] == _PUBLISHER:
                title = bytes_field(parse_fields(bytes_field(detail, 2)), 1).decode("utf-8", "replace")[:MAX_SHOWN]
    return ("register/pub" if title else "/".join([action, *templates])), title
