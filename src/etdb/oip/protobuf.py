"""The wire form of Protocol Buffers, read: only what the protocol's signed messages need, strict and bounded.

https://protobuf.dev/programming-guides/encoding/ (wire types 0, 1, 2 and 5; the groups of old are refused).
"""

from __future__ import annotations

from typing import Final

from etdb.errors import FormatError

__all__ = ["MAX_FIELDS", "bytes_field", "int_field", "parse_fields"]

MAX_FIELDS: Final = 10_000
_MAX_FIELD_NUMBER: Final = (1 << 29) - 1
_MAX_VARINT_BYTES: Final = 10
_FIXED: Final = {1: 8, 5: 4}

Fields = dict[int, list[int | bytes]]


def parse_fields(data: bytes) -> Fields:
    """A message's fields by number, each with its values in order: numbers for varints, bytes for all others.

    Raises:
        FormatError: it ends within a field, a number is beyond 64 bits, a wire type is none of ours, or there are more
            than ``MAX_FIELDS`` fields.
    """
    found: Fields = {}
    place = count = 0
    while place < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise FormatError(f"not a protobuf message: more than {MAX_FIELDS} fields")
        key, place = _varint(data, place)
        number, wire_type = key >> 3, key & 7
        if not 0 < number <= _MAX_FIELD_NUMBER:
            raise FormatError(f"not a protobuf message: field {number}", offset=place)
        value: int | bytes
        if wire_type == 0:
            value, place = _varint(data, place)
        else:
            if wire_type == 2:
                length, place = _varint(data, place)
            elif wire_type in _FIXED:
                length = _FIXED[wire_type]
            else:
                raise FormatError(f"not a protobuf message: wire type {wire_type}", offset=place)
            if length > len(data) - place:
                raise FormatError(f"not a protobuf message: field {number} is longer than the message", offset=place)
            value = data[place : place + length]
            place += length
        found.setdefault(number, []).append(value)
    return found


def int_field(fields: Fields, number: int) -> int:
    """A number; of several the last counts, as the format has it; 0 when it is absent.

    Raises:
        FormatError: the field holds bytes.
    """
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise FormatError(f"not a protobuf message: field {number} is not a number")
    return value


def bytes_field(fields: Fields, number: int) -> bytes:
    """Bytes; of several the last counts; empty when absent.

    Raises:
        FormatError: the field holds a number.
    """
    value = fields.get(number, [b""])[-1]
    if not isinstance(value, bytes):
        raise FormatError(f"not a protobuf message: field {number} is not bytes")
    return value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[place : place + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >> 64:
                raise FormatError("not a protobuf message: a number beyond 64 bits", offset=place)
            return value, place + index + 1
    raise FormatError("not a protobuf message: a number without an end", offset=place)
