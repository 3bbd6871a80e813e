"""Unsigned LEB128 integers as multiformats uses them: at most nine bytes, the shortest form only.

Source: https://github.com/multiformats/unsigned-varint.
"""

from __future__ import annotations

from etdb.errors import FormatError

__all__ = ["MAX_VARINT_BYTES", "encode_varint", "parse_varint"]

MAX_VARINT_BYTES = 9
"""Nine groups of seven bits: integers below 2**63."""


def encode_varint(value: int) -> bytes:
    """Encode ``0 <= value < 2**63``."""
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{value} does not fit an unsigned varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse_varint(data: bytes | bytearray | memoryview, offset: int, *, what: str = "varint") -> tuple[int, int]:
    """Read one integer at ``offset``; gives the value and the offset behind it.

    Raises:
        FormatError: the bytes end too early, the integer is too long, or a shorter form exists.
    """
    value = 0
    for count in range(MAX_VARINT_BYTES):
        position = offset + count
        if position >= len(data):
            raise FormatError(f"{what} at byte {offset} is cut off", offset=offset)
        byte = data[position]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if byte == 0 and count:
                raise FormatError(f"{what} at byte {offset} is not in its shortest form", offset=offset)
            return value, position + 1
    raise FormatError(f"{what} at byte {offset} is longer than {MAX_VARINT_BYTES} bytes", offset=offset)
