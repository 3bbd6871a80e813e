"""Block headers, their work, and whole blocks."""

from __future__ import annotations

import functools
import hashlib
import struct
from typing import Final

import msgspec

from etdb.errors import FormatError, VerificationError
from etdb.flo.cursor import Cursor, encode_varint
from etdb.flo.difficulty import bits_to_target
from etdb.flo.hashes import display_hex, internal_bytes, sha256d
from etdb.flo.merkle import merkle_root
from etdb.flo.networks import Network
from etdb.flo.scripts import push
from etdb.flo.transactions import NO_TXID, Transaction, TxInput, TxOutput, read_transaction

__all__ = [
    "HEADER_BYTES",
    "MAX_BLOCK_BYTES",
    "Block",
    "BlockHeader",
    "build_coinbase",
    "encode_block",
    "encode_height",
    "mine",
    "parse_block",
    "parse_header",
    "verify_link",
    "verify_merkle_root",
    "verify_pow",
]

HEADER_BYTES: Final = 80
_FIELDS: Final = struct.Struct("<i32s32sIII")
MAX_BLOCK_BYTES: Final = 4_000_000
"""No block is longer: its weight is at most 4,000,000, and a byte weighs at least 1."""


class BlockHeader(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The 80 bytes that make a block part of a chain. ``time_s`` is in Unix seconds."""

    version: int
    prev_hash: str
    merkle_root: str
    time_s: int
    bits: int
    nonce: int

    def encode(self) -> bytes:
        """The 80 bytes."""
        return _FIELDS.pack(
            self.version,
            internal_bytes(self.prev_hash),
            internal_bytes(self.merkle_root),
            self.time_s,
            self.bits,
            self.nonce,
        )

    @functools.cached_property
    def block_hash(self) -> str:
        """The block's id: double SHA-256."""
        return display_hex(sha256d(self.encode()))

    @functools.cached_property
    def pow_hash(self) -> int:
        """The hash that must be at most the target: scrypt with N=1024, r=1, p=1, as a number."""
        data = self.encode()
        return int.from_bytes(hashlib.scrypt(data, salt=data, n=1024, r=1, p=1, dklen=32), "little")

    @property
    def work(self) -> int:
        """How many tries such a header takes on average."""
        return (1 << 256) // (bits_to_target(self.bits) + 1)


class Block(msgspec.Struct, frozen=True):
    """A header and its transactions, the coinbase first."""

    header: BlockHeader
    transactions: tuple[Transaction, ...]


def parse_header(data: bytes) -> BlockHeader:
    """Read a header of exactly 80 bytes.

    Raises:
        FormatError: another length.
    """
    cursor = Cursor(data, "block header")
    header = _read_header(cursor)
    cursor.end()
    return header


def parse_block(data: bytes) -> Block:
    """Read a block that fills the bytes. Proof of work, links and roots are checked apart.

    Raises:
        FormatError: cut off, too long, or without a coinbase.
    """
    if len(data) > MAX_BLOCK_BYTES:
        raise FormatError(f"not a block: {len(data)} bytes, more than any block may have")
    cursor = Cursor(data, "block")
    header = _read_header(cursor)
    transactions = tuple(read_transaction(cursor) for _ in range(cursor.count(10)))
    cursor.end()
    if not transactions:
        raise cursor.wrong("it has no transactions")
    return Block(header, transactions)


def encode_block(block: Block) -> bytes:
    """The bytes of a block."""
    pieces = [block.header.encode(), encode_varint(len(block.transactions))]
    pieces += [transaction.encode() for transaction in block.transactions]
    return b"".join(pieces)


def verify_pow(header: BlockHeader, network: Network) -> None:
    """Check that a header's hash meets its target, and the target the network's limit.

    Raises:
        VerificationError: it does not.
    """
    target = bits_to_target(header.bits)
    if target > network.pow_limit:
        raise VerificationError(f"block {header.block_hash} sets itself an easier target than {network.name} allows")
    if header.pow_hash > target:
        raise VerificationError(f"block {header.block_hash} has not the work that it claims")


def verify_link(header: BlockHeader, previous: BlockHeader) -> None:
    """Check that a header follows another.

    Raises:
        VerificationError: it names another one.
    """
    if header.prev_hash != previous.block_hash:
        raise VerificationError(f"block {header.block_hash} follows {header.prev_hash}, not {previous.block_hash}")


def verify_merkle_root(block: Block) -> None:
    """Check that the header commits to these transactions.

    Raises:
        VerificationError: it commits to others.
    """
    if merkle_root([transaction.txid for transaction in block.transactions]) != block.header.merkle_root:
        raise VerificationError(f"block {block.header.block_hash} does not commit to its transactions")


def build_coinbase(height: int, value_sat: int, script: bytes, flo_data: bytes = b"") -> Transaction:
    """The transaction that pays the miner of a block; its input begins with the height (BIP 34)."""
    return Transaction(
        inputs=(TxInput(NO_TXID, 0xFFFFFFFF, encode_height(height) + b"\x00"),),
        outputs=(TxOutput(value_sat, script),),
        flo_data=flo_data,
    )


def encode_height(height: int) -> bytes:
    """A height as a script pushes it: 1 to 16 as an operation, others as a signed number (BIP 34)."""
    if 1 <= height <= 16:
        return bytes([0x50 + height])
    if height == 0:
        return b"\x00"
    return push(height.to_bytes(height.bit_length() // 8 + 1, "little"))


def mine(header: BlockHeader) -> BlockHeader:
    """The header with the first nonce that meets its own target; quick only on regtest.

    Raises:
        FormatError: no nonce does.
    """
    target = bits_to_target(header.bits)
    for nonce in range(1 << 32):
        tried = msgspec.structs.replace(header, nonce=nonce)
        if tried.pow_hash <= target:
            return tried
    raise FormatError("no nonce meets this header's target")


def _read_header(cursor: Cursor) -> BlockHeader:
    version, previous, root, time_s, bits, nonce = _FIELDS.unpack(cursor.take(HEADER_BYTES))
    return BlockHeader(
        version=version,
        prev_hash=previous[::-1].hex(),
        merkle_root=root[::-1].hex(),
        time_s=time_s,
        bits=bits,
        nonce=nonce,
    )
