"""What an input's signature signs, with floData and without.

Florincoin signed its text, 0.10.4 to 0.15.1 did not, and since 0.15.2 FLO signs it again: a verifier accepts both, a
wallet signs with it. Bit 0x40 of the hash type is not signed; it only says which form was meant, so a stranger can
change it (FLO Core, script/interpreter.cpp).
"""

from __future__ import annotations

from typing import Final

from etdb.errors import InputError
from etdb.flo.cursor import encode_varint
from etdb.flo.hashes import internal_bytes, sha256d
from etdb.flo.networks import MAX_MONEY_SAT
from etdb.flo.transactions import Transaction, TxOutput

__all__ = [
    "SIGHASH_ALL",
    "SIGHASH_ANYONECANPAY",
    "SIGHASH_NONE",
    "SIGHASH_OMIT_FLO_DATA",
    "SIGHASH_SINGLE",
    "signature_hash",
    "witness_signature_hash",
]

SIGHASH_ALL: Final = 1
SIGHASH_NONE: Final = 2
SIGHASH_SINGLE: Final = 3
SIGHASH_OMIT_FLO_DATA: Final = 0x40
SIGHASH_ANYONECANPAY: Final = 0x80

_CODE_SEPARATOR: Final = 0xAB
_ONE: Final = (1).to_bytes(32, "little")


def signature_hash(
    transaction: Transaction, index: int, script_code: bytes, hash_type: int, *, with_flo_data: bool = True
) -> bytes:
    """The digest of 32 bytes that input ``index`` signs (legacy form).

    Args:
        transaction: what is signed.
        index: which input.
        script_code: the script of the coin that it spends.
        hash_type: what is covered; the 0x40 bit and ``with_flo_data=False`` both leave floData out.
        with_flo_data: whether the text is covered.
    """
    base = hash_type & 0x1F
    if index >= len(transaction.inputs) or (base == SIGHASH_SINGLE and index >= len(transaction.outputs)):
        return _ONE  # Bitcoin signs the number one here, and so does everyone after it
    code = _without_code_separators(script_code)
    pieces = [transaction.version.to_bytes(4, "little", signed=True)]
    alone = bool(hash_type & SIGHASH_ANYONECANPAY)
    chosen = [index] if alone else range(len(transaction.inputs))
    pieces.append(encode_varint(len(chosen)))
    for number in chosen:
        one = transaction.inputs[number]
        script = code if number == index else b""
        loose = number != index and base in (SIGHASH_NONE, SIGHASH_SINGLE)
        pieces += (
            internal_bytes(one.txid),
            one.vout.to_bytes(4, "little"),
            encode_varint(len(script)),
            script,
            (0 if loose else one.sequence).to_bytes(4, "little"),
        )
    pieces += _outputs(transaction, index, base)
    pieces.append(transaction.lock_time.to_bytes(4, "little"))
    if transaction.has_flo_data and with_flo_data and not hash_type & SIGHASH_OMIT_FLO_DATA:
        pieces += (encode_varint(len(transaction.flo_data)), transaction.flo_data)
    pieces.append((hash_type & ~SIGHASH_OMIT_FLO_DATA & 0xFFFFFFFF).to_bytes(4, "little"))
    return sha256d(b"".join(pieces))


def witness_signature_hash(
    transaction: Transaction,
    index: int,
    script_code: bytes,
    value_sat: int,
    hash_type: int,
    *,
    with_flo_data: bool = True,
) -> bytes:
    """The digest of 32 bytes that the witness of input ``index`` signs (BIP 143, with floData behind the lock time).

    FLO Core always covers floData here, and hashes the 0x40 bit like any other: the bit leaves nothing out.

    Args:
        transaction: what is signed.
        index: which input.
        script_code: what the witness fulfils; for a key's hash, the P2PKH script of it.
        value_sat: of the coin that the input spends; it is signed.
        hash_type: what is covered.
        with_flo_data: False for the form that fcoin takes besides; no node of FLO Core does.

    Raises:
        InputError: there is no such input, or an amount that no coin has.
    """
    if not 0 <= index < len(transaction.inputs):
        raise InputError(f"transaction {transaction.txid} has no input {index}")
    if not 0 <= value_sat <= MAX_MONEY_SAT:
        raise InputError(f"no coin holds {value_sat} satoshi")
    base = hash_type & 0x1F
    alone = bool(hash_type & SIGHASH_ANYONECANPAY)
    loose = base in (SIGHASH_NONE, SIGHASH_SINGLE)
    one = transaction.inputs[index]
    outpoints = [internal_bytes(coin.txid) + coin.vout.to_bytes(4, "little") for coin in transaction.inputs]
    sequences = [coin.sequence.to_bytes(4, "little") for coin in transaction.inputs]
    outputs = [_output(coin) for coin in transaction.outputs]
    if loose:
        outputs = outputs[index : index + 1] if base == SIGHASH_SINGLE else []
    pieces = [
        transaction.version.to_bytes(4, "little", signed=True),
        bytes(32) if alone else sha256d(b"".join(outpoints)),
        bytes(32) if alone or loose else sha256d(b"".join(sequences)),
        outpoints[index],
        encode_varint(len(script_code)),
        script_code,
        value_sat.to_bytes(8, "little"),
        one.sequence.to_bytes(4, "little"),
        sha256d(b"".join(outputs)) if outputs or not loose else bytes(32),
        transaction.lock_time.to_bytes(4, "little"),
    ]
    if transaction.has_flo_data and with_flo_data:
        pieces += (encode_varint(len(transaction.flo_data)), transaction.flo_data)
    pieces.append((hash_type & 0xFFFFFFFF).to_bytes(4, "little"))
    return sha256d(b"".join(pieces))


def _output(coin: TxOutput) -> bytes:
    return coin.value_sat.to_bytes(8, "little", signed=True) + encode_varint(len(coin.script)) + coin.script


def _outputs(transaction: Transaction, index: int, base: int) -> list[bytes]:
    if base == SIGHASH_NONE:
        return [b"\0"]
    if base == SIGHASH_SINGLE:
        pieces = [encode_varint(index + 1), (b"\xff" * 8 + b"\0") * index]  # outputs before ours are blank
        shown = transaction.outputs[index : index + 1]
    else:
        pieces = [encode_varint(len(transaction.outputs))]
        shown = transaction.outputs
    return [*pieces, *map(_output, shown)]


def _without_code_separators(script: bytes) -> bytes:
    if _CODE_SEPARATOR not in script:
        return script
    kept, offset = bytearray(), 0
    while offset < len(script):
        operation = script[offset]
        end = offset + 1
        if operation < 76:
            end += operation
        elif operation <= 78:
            width = 1 << (operation - 76)
            end += width + int.from_bytes(script[end : end + width], "little")
        if end > len(script):
            kept += script[offset:]  # a push that runs off the end: the rest is data
            break
        if operation != _CODE_SEPARATOR:
            kept += script[offset:end]
        offset = end
    return bytes(kept)
