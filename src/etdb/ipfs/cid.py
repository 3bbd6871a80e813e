"""Content identifiers: which bytes, told by their hash. Canonical forms only.

Sources: https://github.com/multiformats/cid, the multicodec and multihash tables. What etdb's DAGs are made of is
accepted and nothing else: the codecs raw and dag-pb, the hashes sha2-256 and identity, base32 and base58btc.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from typing import Final

from msgspec import Struct

from etdb.errors import FormatError, VerificationError
from etdb.ipfs.varint import encode_varint, parse_varint

__all__ = [
    "DAG_PB",
    "IDENTITY",
    "MAX_BLOCK_BYTES",
    "MAX_IDENTITY_BYTES",
    "RAW",
    "SHA2_256",
    "Cid",
    "cid_of",
    "parse_cid",
    "parse_cid_bytes",
    "read_cid",
    "verify_block",
]

RAW: Final = 0x55
DAG_PB: Final = 0x70
SHA2_256: Final = 0x12
IDENTITY: Final = 0x00

MAX_IDENTITY_BYTES: Final = 128
"""The longest content carried inside a CID: the limit of boxo's verifier."""
MAX_BLOCK_BYTES: Final = 2 * 1024 * 1024
"""The largest IPLD block that is ever read from others: the limit of bitswap and of gateways."""
MAX_CID_TEXT: Final = 512

_CODEC_NAMES = {RAW: "raw", DAG_PB: "dag-pb"}
_USUAL_HEADS = {(0, DAG_PB): b"\x12\x20", (1, RAW): b"\x01\x55\x12\x20", (1, DAG_PB): b"\x01\x70\x12\x20"}
"""What stands before a SHA-256, by version and codec: nearly all CIDs are written, none of them needs arithmetic."""
_is_base32 = re.compile(r"[a-z2-7]*\Z").match
_BASE32_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
"""From the digits of RFC 4648 to those that ``int`` reads, much faster than a loop."""
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUE = {letter: value for value, letter in enumerate(_BASE58)}


class Cid(Struct, frozen=True, kw_only=True, order=True):
    """A content identifier.

    Two CIDs that differ in version or codec alone name the same bytes: stores look up by ``digest``.

    Attributes:
        version: 0 or 1.
        codec: ``RAW`` or ``DAG_PB``.
        hash_code: ``SHA2_256`` or ``IDENTITY``.
        digest: 32 bytes of SHA-256, or the content itself for identity.
    """

    version: int = 1
    codec: int = RAW
    hash_code: int = SHA2_256
    digest: bytes

    def __bytes__(self) -> bytes:
        head = _USUAL_HEADS.get((self.version, self.codec))
        if head and self.hash_code == SHA2_256 and len(self.digest) == 32:
            return head + self.digest
        multihash = encode_varint(self.hash_code) + encode_varint(len(self.digest)) + self.digest
        return multihash if self.version == 0 else b"\x01" + encode_varint(self.codec) + multihash

    def __str__(self) -> str:
        data = bytes(self)
        return _encode_base58(data) if self.version == 0 else "b" + _encode_base32(data)

    @property
    def codec_name(self) -> str:
        """``raw`` or ``dag-pb``."""
        return _CODEC_NAMES[self.codec]

    @property
    def is_identity(self) -> bool:
        """Whether the content stands in the CID itself."""
        return self.hash_code == IDENTITY


def cid_of(block: bytes | bytearray | memoryview, *, codec: int = RAW, version: int = 1) -> Cid:
    """The SHA-256 CID of a block."""
    if version == 0 and codec != DAG_PB:
        raise ValueError("a CID of version 0 is always dag-pb")
    return Cid(version=version, codec=codec, digest=hashlib.sha256(block).digest())


def parse_cid(text: str) -> Cid:
    """Read a CID as people and URLs write it: ``b…`` base32, ``z…`` base58btc, or ``Qm…`` of version 0.

    Raises:
        FormatError: not a CID in canonical form, or a codec or hash that etdb does not use.
    """
    if not text or len(text) > MAX_CID_TEXT:
        raise FormatError(f"a CID has 1 to {MAX_CID_TEXT} characters, not {len(text)}")
    if len(text) == 46 and text.startswith("Qm"):
        data, version = _decode_base58(text), 0
    elif text[0] == "b":
        data, version = _decode_base32(text[1:]), 1
    elif text[0] == "z":
        data, version = _decode_base58(text[1:]), 1
    else:
        raise FormatError(
            f"{text[:60]!r} is not a CID that etdb reads",
            hint="CIDs look like bafy…, bafk… or Qm…; convert others with a CID tool",
        )
    cid = parse_cid_bytes(data)
    if cid.version != version:
        raise FormatError(f"{text[:60]!r} writes a CID of version {cid.version} in the other version's form")
    return cid


def parse_cid_bytes(data: bytes | memoryview) -> Cid:
    """Read a CID from exactly these bytes.

    Raises:
        FormatError: as :func:`read_cid`, or bytes are left over.
    """
    cid, end = read_cid(data, 0)
    if end != len(data):
        raise FormatError(f"{len(data) - end} bytes are left over behind the CID {cid}")
    return cid


def read_cid(data: bytes | bytearray | memoryview, offset: int) -> tuple[Cid, int]:
    """Read a CID that starts at ``offset`` of longer data; gives the CID and the offset behind it.

    Raises:
        FormatError: cut off, not canonical, or a version, codec or hash that etdb does not use.
    """
    if bytes(data[offset : offset + 2]) == b"\x12\x20":
        digest = bytes(data[offset + 2 : offset + 34])
        if len(digest) != 32:
            raise FormatError(f"the CID at byte {offset} is cut off", offset=offset)
        return Cid(version=0, codec=DAG_PB, digest=digest), offset + 34
    version, at = parse_varint(data, offset, what="CID version")
    if version != 1:
        raise FormatError(f"the CID at byte {offset} has version {version}; 0 and 1 are known", offset=offset)
    codec, at = parse_varint(data, at, what="CID codec")
    if codec not in _CODEC_NAMES:
        raise FormatError(f"the CID at byte {offset} has codec {codec:#x}; raw and dag-pb are read", offset=offset)
    hash_code, at = parse_varint(data, at, what="multihash code")
    length, at = parse_varint(data, at, what="multihash length")
    if hash_code == SHA2_256:
        if length != 32:
            raise FormatError(f"the CID at byte {offset} cuts SHA-256 to {length} bytes", offset=offset)
    elif hash_code != IDENTITY:
        raise FormatError(f"the CID at byte {offset} has hash {hash_code:#x}; sha2-256 is read", offset=offset)
    elif length > MAX_IDENTITY_BYTES:
        raise FormatError(f"the identity CID at byte {offset} holds {length} bytes: too many", offset=offset)
    digest = bytes(data[at : at + length])
    if len(digest) != length:
        raise FormatError(f"the CID at byte {offset} is cut off", offset=offset)
    return Cid(version=1, codec=codec, hash_code=hash_code, digest=digest), at + length


def verify_block(cid: Cid, block: bytes | bytearray | memoryview, *, source: str = "") -> None:
    """Check that ``block`` is what ``cid`` names.

    Raises:
        VerificationError: other bytes; fields ``cid`` and ``source``.
    """
    held = bytes(block) == cid.digest if cid.is_identity else hashlib.sha256(block).digest() == cid.digest
    if not held:
        where = f" from {source}" if source else ""
        raise VerificationError(
            f"{len(block)} bytes{where} are not the IPLD block {cid}",
            hint="fetch it from another source",
            cid=str(cid),
            source=source,
        )


@functools.lru_cache(maxsize=4096)  # a CID is written several times where it is asked for once
def _encode_base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _decode_base32(text: str) -> bytes:
    stray = 5 * len(text) % 8
    if stray < 5 and _is_base32(text):
        value = int(text.translate(_BASE32_DIGITS) or "0", 32)
        if not value & ((1 << stray) - 1):
            return (value >> stray).to_bytes(5 * len(text) // 8, "big")
    raise FormatError(f"{text[:60]!r} is not canonical base32: lower case, no padding, no stray bits")


def _encode_base58(data: bytes) -> str:
    value = int.from_bytes(data, "big")
    letters = []
    while value:
        value, digit = divmod(value, 58)
        letters.append(_BASE58[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(letters))


def _decode_base58(text: str) -> bytes:
    value = 0
    for letter in text:
        digit = _BASE58_VALUE.get(letter)
        if digit is None:
            raise FormatError(f"{text[:60]!r} is not base58btc: {letter!r}")
        value = value * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + value.to_bytes((value.bit_length() + 7) // 8, "big")
