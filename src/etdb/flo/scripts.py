"""The scripts that etdb reads and writes: those that name keys, and the pushes that spend them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etdb.errors import InputError
from etdb.flo.keys import PublicKey

__all__ = ["encode_key_script", "encode_multisig_script", "hash_script", "parse_keys", "parse_pushes", "push"]

_CHECKSIG: Final = 0xAC
_CHECKMULTISIG: Final = 0xAE
_MAX_KEYS: Final = 16
"""More than one operation can count; the chain's own limit is 20 and needs a longer form."""


def hash_script(key_hash: bytes) -> bytes:
    """The P2PKH script of a public key's hash: DUP HASH160 <20 bytes> EQUALVERIFY CHECKSIG."""
    return b"\x76\xa9\x14" + key_hash + b"\x88\xac"


def encode_key_script(key: PublicKey) -> bytes:
    """The P2PK script of a key: <key> CHECKSIG."""
    return push(key.encoded) + bytes([_CHECKSIG])


def encode_multisig_script(needed: int, keys: Sequence[PublicKey]) -> bytes:
    """The script that asks for ``needed`` signatures of these keys.

    Raises:
        InputError: more than 16 keys, or fewer than are needed.
    """
    if not 1 <= needed <= len(keys) <= _MAX_KEYS:
        raise InputError(f"a script cannot ask for {needed} of {len(keys)} keys", hint=f"at most {_MAX_KEYS} keys")
    pushes = b"".join(push(key.encoded) for key in keys)
    return bytes([0x50 + needed]) + pushes + bytes([0x50 + len(keys), _CHECKMULTISIG])


def parse_keys(script: bytes) -> tuple[int, tuple[bytes, ...]] | None:
    """How many signatures of which keys a P2PK or multisig script asks for; None for any other script.

    The keys are as the script has them: in an old script, some may be no points of the curve.
    """
    if len(script) in (35, 67) and script[-1] == _CHECKSIG:
        keys = parse_pushes(script[:-1])
        return (1, tuple(keys)) if keys is not None and len(keys) == 1 and len(keys[0]) in (33, 65) else None
    if len(script) < 3 or script[-1] != _CHECKMULTISIG:
        return None
    needed, count = script[0] - 0x50, script[-2] - 0x50
    keys = parse_pushes(script[1:-2])
    if keys is None or len(keys) != count or not 1 <= needed <= count <= _MAX_KEYS:
        return None
    return (needed, tuple(keys)) if all(len(key) in (33, 65) for key in keys) else None


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
