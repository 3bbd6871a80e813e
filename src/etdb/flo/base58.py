"""Base58check: how addresses and private keys are written."""

from __future__ import annotations

import hmac
from typing import Final

from etdb.errors import FormatError
from etdb.flo.hashes import sha256d

__all__ = ["decode_base58check", "encode_base58check"]

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_MAX_LENGTH: Final = 128


def encode_base58check(payload: bytes) -> str:
    """Write bytes with a checksum of four bytes."""
    data = payload + sha256d(payload)[:4]
    number = int.from_bytes(data, "big")
    letters = []
    while number:
        number, value = divmod(number, 58)
        letters.append(_ALPHABET[value])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(letters))


def decode_base58check(text: str) -> bytes:
    """Read what ``encode_base58check`` writes.

    Raises:
        FormatError: a letter outside the alphabet, too long, or the checksum is not right. The text is not quoted:
            it may be a private key.
    """
    if len(text) > _MAX_LENGTH:
        raise FormatError(f"not base58check: {len(text)} letters")
    number = 0
    for place, letter in enumerate(text):
        value = _VALUES.get(letter)
        if value is None:
            raise FormatError(f"not base58check: letter {place + 1} is not of its alphabet")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(data) < 5 or not hmac.compare_digest(sha256d(data[:-4])[:4], data[-4:]):
        raise FormatError("not base58check: the checksum is not right (a letter is wrong or missing)")
    return data[:-4]
