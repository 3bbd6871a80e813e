"""Bech32 and Bech32m: how addresses of witness programs are written (BIP 173, BIP 350)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from etdb.errors import FormatError

__all__ = ["decode_witness_address", "encode_witness_address", "is_witness_program"]

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LETTERS: Final = 6
_MAX_LETTERS: Final = 90
_BECH32: Final = 1
_BECH32M: Final = 0x2BC830A3


def is_witness_program(version: int, program: bytes) -> bool:
    """Whether a program of this version can have this length; version 0 has two (BIP 141)."""
    return 0 <= version <= 16 and (len(program) in (20, 32) if version == 0 else 2 <= len(program) <= 40)


def encode_witness_address(prefix: str, version: int, program: bytes) -> str:
    """Write a witness program: Bech32 for version 0, Bech32m for those above it."""
    data = [version, *_regroup(program, 8, 5, pad=True)]
    wanted = _BECH32 if version == 0 else _BECH32M
    polymod = _polymod([*_spread(prefix), *data, *[0] * _CHECKSUM_LETTERS]) ^ wanted
    data += [polymod >> 5 * (5 - place) & 31 for place in range(_CHECKSUM_LETTERS)]
    return prefix + "1" + "".join(_ALPHABET[value] for value in data)


def decode_witness_address(text: str, prefix: str) -> tuple[int, bytes]:
    """The version and program behind an address with this prefix.

    Raises:
        FormatError: another prefix, mixed case, a letter outside the alphabet, the checksum (or that of the other
            form) is not right, padding that is not zero, a length that the version cannot have.
    """
    if len(text) > _MAX_LETTERS:
        raise FormatError(f"not a witness address: {len(text)} letters")
    if not text.isascii() or (text.lower() != text and text.upper() != text):
        raise FormatError(f"not a witness address: {text!r} is not all of one case")
    head, _, tail = text.lower().rpartition("1")
    if head != prefix or len(tail) <= _CHECKSUM_LETTERS:
        raise FormatError(f"not a witness address that begins with {prefix}1: {text!r}")
    try:
        data = [_VALUES[letter] for letter in tail]
    except KeyError as error:
        raise FormatError(f"not a witness address: {error.args[0]!r} is not of its alphabet") from None
    if _polymod([*_spread(head), *data]) != (_BECH32 if data[0] == 0 else _BECH32M):
        raise FormatError("not a witness address: the checksum is not right (a letter is wrong or missing)")
    program = bytes(_regroup(data[1:-_CHECKSUM_LETTERS], 5, 8, pad=False))
    if not is_witness_program(data[0], program):
        raise FormatError(f"not a witness address: {len(program)} bytes in version {data[0]}")
    return data[0], program


def _spread(prefix: str) -> list[int]:
    """The prefix as the checksum sees it."""
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _polymod(values: Iterable[int]) -> int:
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            if top >> place & 1:
                state ^= generator
    return state


def _regroup(values: Iterable[int], size: int, wanted: int, *, pad: bool) -> list[int]:
    """Bits in groups of another size. Without padding, what is left over must be short and zero."""
    bits, count, groups = 0, 0, []
    for value in values:
        bits = bits << size | value
        count += size
        while count >= wanted:
            count -= wanted
            groups.append(bits >> count & (1 << wanted) - 1)
        bits &= (1 << count) - 1
    if pad:
        return [*groups, bits << wanted - count] if count else groups
    if count >= size or bits:
        raise FormatError("not a witness address: its padding is not zero")
    return groups
