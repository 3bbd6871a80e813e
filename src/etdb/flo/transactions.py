"""Transactions with floData: read, written, named.

Version 2 and later carry a string after the lock time, which is part of the id (FLO Core, primitives/transaction.h):
version | [00 01 when there are witnesses] | inputs | outputs | [witnesses] | lock time | floData when version >= 2.
"""

from __future__ import annotations

import functools
import struct
from typing import Final

import msgspec

from etdb.errors import FormatError, InputError
from etdb.flo.cursor import Cursor, encode_varint
from etdb.flo.hashes import display_hex, internal_bytes, sha256d

__all__ = [
    "MAX_TRANSACTION_BYTES",
    "NO_TXID",
    "Transaction",
    "TxInput",
    "TxOutput",
    "parse_transaction",
    "read_transaction",
]

MAX_TRANSACTION_BYTES: Final = 4_000_000
"""No transaction is longer than a block: 4,000,000 units of weight, at least one a byte."""
_LONG: Final = 0xFD
"""The first byte of a compact size of three bytes; what is below is the size itself."""
NO_TXID: Final = "00" * 32
"""What a coinbase's input names as the transaction that it spends."""

_read_head = struct.Struct("<iB").unpack_from
_read_outpoint = struct.Struct("<32sIB").unpack_from
"""The transaction that is spent, which of its coins, the first byte of the script's length."""
_read_value = struct.Struct("<qB").unpack_from
_read_number = struct.Struct("<I").unpack_from


class TxInput(msgspec.Struct, frozen=True):
    """One coin that is spent: the id of its transaction as people write it, and its place there."""

    txid: str
    vout: int
    script_sig: bytes = b""
    sequence: int = 0xFFFFFFFF


class TxOutput(msgspec.Struct, frozen=True):
    """One coin that is made."""

    value_sat: int
    script: bytes


class Transaction(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A transaction. ``witnesses`` has one stack an input, or is empty."""

    version: int = 2
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    lock_time: int = 0
    flo_data: bytes = b""
    witnesses: tuple[tuple[bytes, ...], ...] = ()

    @property
    def is_coinbase(self) -> bool:
        """Whether it makes new coins: one input that spends nothing."""
        return len(self.inputs) == 1 and self.inputs[0].txid == NO_TXID and self.inputs[0].vout == 0xFFFFFFFF

    @property
    def has_flo_data(self) -> bool:
        """Whether its form has a place for floData. Versions are compared with their sign, as nodes do."""
        return self.version >= 2

    def encode(self, *, witnesses: bool = True) -> bytes:
        """The bytes on the wire, or without witnesses those that the id is made of."""
        with_witnesses = witnesses and any(self.witnesses)
        pieces = [self.version.to_bytes(4, "little", signed=True)]
        if with_witnesses:
            pieces.append(b"\x00\x01")
        pieces.append(encode_varint(len(self.inputs)))
        for one in self.inputs:
            pieces += (
                internal_bytes(one.txid),
                one.vout.to_bytes(4, "little"),
                encode_varint(len(one.script_sig)),
                one.script_sig,
                one.sequence.to_bytes(4, "little"),
            )
        pieces.append(encode_varint(len(self.outputs)))
        for coin in self.outputs:
            pieces += (coin.value_sat.to_bytes(8, "little", signed=True), encode_varint(len(coin.script)), coin.script)
        if with_witnesses:
            for stack in self.witnesses:
                pieces.append(encode_varint(len(stack)))
                for item in stack:
                    pieces += (encode_varint(len(item)), item)
        pieces.append(self.lock_time.to_bytes(4, "little"))
        if self.has_flo_data:
            pieces += (encode_varint(len(self.flo_data)), self.flo_data)
        elif self.flo_data:
            raise InputError(f"a transaction of version {self.version} has no place for floData", hint="use version 2")
        return b"".join(pieces)

    @functools.cached_property
    def txid(self) -> str:
        """The id: of all but the witnesses."""
        return display_hex(sha256d(self.encode(witnesses=False)))

    @functools.cached_property
    def wtxid(self) -> str:
        """The id with the witnesses."""
        return display_hex(sha256d(self.encode()))


def parse_transaction(data: bytes) -> Transaction:
    """Read a transaction that fills the bytes.

    Raises:
        FormatError: cut off, too long, or a form that nodes refuse.
    """
    if len(data) > MAX_TRANSACTION_BYTES:
        raise FormatError(f"not a transaction: {len(data)} bytes, more than any block may have")
    cursor = Cursor(data, "transaction")
    transaction = read_transaction(cursor)
    cursor.end()
    return transaction


def read_transaction(cursor: Cursor) -> Transaction:
    """Read the transaction at the cursor, which then stands behind it. Errors as ``parse_transaction``."""
    if (usual := _read_usual(cursor.data, cursor.offset)) is not None:
        transaction, cursor.offset = usual
        return transaction
    return _read_any(cursor)


def _read_usual(data: bytes, start: int) -> tuple[Transaction, int] | None:
    """A transaction of the usual form and the offset behind it, three times as fast as by the cursor.

    It has no witnesses, and its counts and the lengths of its scripts take one byte each. None for all others, and for
    what is cut off: the cursor reads those, and says what is wrong.
    """
    inputs, outputs = [], []
    try:
        version, count = _read_head(data, start)
        if not 0 < count < _LONG:
            return None
        at = start + 5
        for _ in range(count):
            spent, vout, size = _read_outpoint(data, at)
            if size >= _LONG:
                return None
            end = at + 37 + size
            inputs.append(TxInput(spent[::-1].hex(), vout, data[at + 37 : end], *_read_number(data, end)))
            at = end + 4
        if (count := data[at]) >= _LONG:
            return None
        at += 1
        for _ in range(count):
            value_sat, size = _read_value(data, at)
            if size >= _LONG:
                return None
            end = at + 9 + size
            outputs.append(TxOutput(value_sat, data[at + 9 : end]))
            at = end
        (lock_time,) = _read_number(data, at)
        at += 4
        text = b""
        if version >= 2:
            size, at = data[at], at + 1
            if size == _LONG:
                size, at = data[at] | data[at + 1] << 8, at + 2
                if size < _LONG:
                    return None
            elif size > _LONG:
                return None
            text = data[at : at + size]
            at += size
    except (IndexError, struct.error):
        return None
    if at > len(data):
        return None
    transaction = Transaction(
        version=version, inputs=tuple(inputs), outputs=tuple(outputs), lock_time=lock_time, flo_data=text
    )
    return transaction, at


def _read_any(cursor: Cursor) -> Transaction:
    version = cursor.signed(4)
    flag = 0
    inputs = _read_inputs(cursor)
    if not inputs:
        # No inputs where a count should be: the marker of the form with witnesses, which a flag follows.
        flag = cursor.integer(1)
        if flag == 1:
            inputs = _read_inputs(cursor)
            outputs = _read_outputs(cursor)
        elif flag == 0:
            outputs = ()
        else:
            raise cursor.wrong("an unknown flag stands where witnesses are announced")
    else:
        outputs = _read_outputs(cursor)
    witnesses: tuple[tuple[bytes, ...], ...] = ()
    if flag == 1:
        witnesses = tuple(tuple(cursor.text() for _ in range(cursor.count(1))) for _ in inputs)
        if not any(witnesses):
            raise cursor.wrong("witnesses are announced and all are empty")
    lock_time = cursor.integer(4)
    flo_data = cursor.text() if version >= 2 else b""
    return Transaction(
        version=version,
        inputs=inputs,
        outputs=outputs,
        lock_time=lock_time,
        flo_data=flo_data,
        witnesses=witnesses,
    )


def _read_inputs(cursor: Cursor) -> tuple[TxInput, ...]:
    return tuple(
        TxInput(display_hex(cursor.take(32)), cursor.integer(4), cursor.text(), cursor.integer(4))
        for _ in range(cursor.count(41))
    )


def _read_outputs(cursor: Cursor) -> tuple[TxOutput, ...]:
    return tuple(TxOutput(cursor.signed(8), cursor.text()) for _ in range(cursor.count(9)))
