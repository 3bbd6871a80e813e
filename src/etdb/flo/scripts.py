"""The scripts that etdb reads and writes: pay to public key hash, and the pushes that spend it."""

from __future__ import annotations

from etdb.flo.base58 import encode_base58check
from etdb.flo.keys import address_hash
from etdb.flo.networks import Network

__all__ = ["address_script", "hash_script", "parse_pushes", "push", "script_address"]


def hash_script(key_hash: bytes) -> bytes:
    """The P2PKH script of a public key's hash: DUP HASH160 <20 bytes> EQUALVERIFY CHECKSIG."""
    return b"\x76\xa9\x14" + key_hash + b"\x88\xac"


def address_script(address: str, network: Network) -> bytes:
    """The script that pays to an address.

    Raises:
        FormatError: not a P2PKH address of the network.
    """
    return hash_script(address_hash(address, network))


def script_address(script: bytes, network: Network) -> str | None:
    """The address that a script pays to; None when it is not P2PKH."""
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return encode_base58check(bytes([network.p2pkh_prefix]) + script[3:23])
    return None


def push(data: bytes) -> bytes:
    """The operation that puts up to 65,535 bytes on the stack, in its shortest form."""
    size = len(data)
    if size < 76:
        return bytes([size]) + data
    if size < 256:
        return b"\x4c" + bytes([size]) + data
    return b"\x4d" + size.to_bytes(2, "little") + data


def parse_pushes(script: bytes) -> list[bytes] | None:
    """What a script of nothing but pushes puts on the stack; None when it is anything else."""
    items, offset = [], 0
    while offset < len(script):
        operation = script[offset]
        offset += 1
        if operation < 76:
            size = operation
        elif operation in (76, 77, 78):
            width = 1 << (operation - 76)
            size = int.from_bytes(script[offset : offset + width], "little")
            offset += width
        else:
            return None
        if offset + size > len(script):
            return None
        items.append(script[offset : offset + size])
        offset += size
    return items
