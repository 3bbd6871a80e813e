"""MurmurHash3, x64, 128 bits, seed 0; of which UnixFS takes the first 64: where a name stands in a sharded directory.

Source: the multicodec table calls it ``murmur3-x64-64`` (0x22); the algorithm is Austin Appleby's, in the public
domain. It is no cryptographic hash: anybody can find names that collide.
"""

from __future__ import annotations

__all__ = ["murmur3_x64_64"]

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_C1, _C2 = 0x87C3_7B91_1142_53D5, 0x4CF5_AD43_2745_937F


def murmur3_x64_64(data: bytes) -> int:
    """The first 64 bits of the hash."""
    low = high = 0
    whole = len(data) & ~15
    for at in range(0, whole, 16):
        low ^= _mix_low(int.from_bytes(data[at : at + 8], "little"))
        low = ((_rotate(low, 27) + high) * 5 + 0x52DC_E729) & _MASK
        high ^= _mix_high(int.from_bytes(data[at + 8 : at + 16], "little"))
        high = ((_rotate(high, 31) + low) * 5 + 0x3849_5AB5) & _MASK
    # The rest is read as if zeros followed it; zeros mix to zero.
    high ^= _mix_high(int.from_bytes(data[whole + 8 :], "little"))
    low ^= _mix_low(int.from_bytes(data[whole : whole + 8], "little"))
    low ^= len(data)
    high ^= len(data)
    low = (low + high) & _MASK
    high = (high + low) & _MASK
    return (_finish(low) + _finish(high)) & _MASK


def _mix_low(word: int) -> int:
    return _rotate(word * _C1 & _MASK, 31) * _C2 & _MASK


def _mix_high(word: int) -> int:
    return _rotate(word * _C2 & _MASK, 33) * _C1 & _MASK


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK


def _finish(word: int) -> int:
    word ^= word >> 33
    word = word * 0xFF51_AFD7_ED55_8CCD & _MASK
    word ^= word >> 33
    word = word * 0xC4CE_B9FE_1A85_EC53 & _MASK
    return word ^ word >> 33
