"""Signing inputs: coins of a key, written as its hash, as itself, or as a witness. All of it is signed, floData too."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from etdb.errors import InputError
from etdb.flo.destinations import Destination, DestinationKind, nested_destination
from etdb.flo.keys import PrivateKey
from etdb.flo.scripts import encode_key_script, hash_script, push
from etdb.flo.sighash import SIGHASH_ALL, signature_hash, witness_signature_hash
from etdb.flo.transactions import Transaction, TxInput, TxOutput

__all__ = ["sign_all", "sign_input"]


def sign_input(transaction: Transaction, index: int, key: PrivateKey, coin: TxOutput | None = None) -> Transaction:
    """The transaction with input ``index`` signed by the key that owns its coin.

    Args:
        transaction: what is signed.
        index: which input.
        key: owns the coin.
        coin: what the input spends: P2PKH, P2PK, P2WPKH or P2SH-P2WPKH of this key. A witness signs the amount, so
            it must be right. None for a P2PKH coin, whose amount nobody signs.

    Raises:
        InputError: there is no such input, or the coin is not this key's in a form that this can sign.
    """
    if not 0 <= index < len(transaction.inputs):
        raise InputError(f"transaction {transaction.txid} has no input {index}")
    signed, witness = _signed(transaction, index, key, coin)
    inputs = list(transaction.inputs)
    inputs[index] = signed
    witnesses = list(transaction.witnesses) or [()] * len(inputs)
    witnesses[index] = witness
    return msgspec.structs.replace(
        transaction, inputs=tuple(inputs), witnesses=tuple(witnesses) if any(witnesses) else ()
    )


def sign_all(transaction: Transaction, key: PrivateKey, coins: Sequence[TxOutput] | None = None) -> Transaction:
    """The transaction with every input signed by the same key. ``coins`` are what the inputs spend, in their order.

    Raises:
        InputError: as ``sign_input``, or not one coin an input.
    """
    if coins is not None and len(coins) != len(transaction.inputs):
        raise InputError(f"{len(coins)} coins for {len(transaction.inputs)} inputs of transaction {transaction.txid}")
    pairs = [
        _signed(transaction, index, key, coins[index] if coins else None) for index in range(len(transaction.inputs))
    ]
    witnesses = tuple(witness for _, witness in pairs)
    return msgspec.structs.replace(
        transaction, inputs=tuple(signed for signed, _ in pairs), witnesses=witnesses if any(witnesses) else ()
    )


def _signed(
    transaction: Transaction, index: int, key: PrivateKey, coin: TxOutput | None
) -> tuple[TxInput, tuple[bytes, ...]]:
    """The input with its script, and its witness."""
    one, owner = transaction.inputs[index], key.public_key
    hashed = hash_script(owner.hash)
    script = hashed if coin is None else coin.script
    if script in (hashed, encode_key_script(owner)):
        signature = key.sign(signature_hash(transaction, index, script, SIGHASH_ALL)) + bytes([SIGHASH_ALL])
        unlock = push(signature) + (push(owner.encoded) if script == hashed else b"")
        return msgspec.structs.replace(one, script_sig=unlock), ()
    program = Destination(DestinationKind.P2WPKH, owner.hash)
    if coin is None or script not in (program.script, nested_destination(program).script):
        raise InputError(
            f"input {index} of transaction {transaction.txid} spends a coin that this key cannot sign for",
            hint="it signs for its own P2PKH, P2PK, P2WPKH and P2SH-P2WPKH coins",
        )
    if not key.compressed:
        raise InputError(
            f"input {index} of transaction {transaction.txid}: nodes take witnesses of compressed keys only",
            hint="pay to the P2PKH address of this key instead",
        )
    digest = witness_signature_hash(transaction, index, hashed, coin.value_sat, SIGHASH_ALL)
    unlock = b"" if script == program.script else push(program.script)
    return msgspec.structs.replace(one, script_sig=unlock), (
        key.sign(digest) + bytes([SIGHASH_ALL]),
        owner.encoded,
    )
