"""The three hashes of the chain."""

from __future__ import annotations

import hashlib

from etdb.errors import FormatError

__all__ = ["display_hex", "hash160", "internal_bytes", "sha256d"]


def sha256d(data: bytes) -> bytes:
    """SHA-256 of SHA-256: ids of transactions and blocks."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256: what an address holds of a public key."""
    return hashlib.new("ripemd160", hashlib.sha256(data).digest()).digest()


def display_hex(digest: bytes) -> str:
    """A digest as people write it: hexadecimal, the last byte first."""
    return digest[::-1].hex()


def internal_bytes(shown: str) -> bytes:
    """The digest behind what ``display_hex`` shows.

    Raises:
        FormatError: not 64 hexadecimal digits.
    """
    try:
        digest = bytes.fromhex(shown)
    except ValueError:
        digest = b""
    if len(digest) != 32 or len(shown) != 64:
        raise FormatError(f"not 64 hexadecimal digits: {shown[:80]!r}")
    return digest[::-1]
