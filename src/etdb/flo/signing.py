"""Signing inputs, and checking who signed them and whether floData was covered."""

from __future__ import annotations

import msgspec

from etdb.errors import FormatError, VerificationError
from etdb.flo.keys import PrivateKey, PublicKey
from etdb.flo.scripts import hash_script, parse_pushes, push
from etdb.flo.sighash import SIGHASH_ALL, SIGHASH_OMIT_FLO_DATA, signature_hash
from etdb.flo.transactions import Transaction

__all__ = ["InputSignature", "input_key", "sign_all", "sign_input", "verify_input"]


class InputSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A checked signature: whose, over what."""

    public_key: PublicKey
    hash_type: int
    covers_flo_data: bool
    covers_everything: bool


def sign_input(transaction: Transaction, index: int, key: PrivateKey) -> Transaction:
    """The transaction with input ``index``, which spends a P2PKH coin of this key, signed: all of it, floData too."""
    code = hash_script(key.public_key.hash)
    signature = key.sign(signature_hash(transaction, index, code, SIGHASH_ALL)) + bytes([SIGHASH_ALL])
    script = push(signature) + push(key.public_key.encoded)
    inputs = list(transaction.inputs)
    inputs[index] = msgspec.structs.replace(inputs[index], script_sig=script)
    return msgspec.structs.replace(transaction, inputs=tuple(inputs))


def sign_all(transaction: Transaction, key: PrivateKey) -> Transaction:
    """The transaction with every input signed by the same key."""
    code = hash_script(key.public_key.hash)
    inputs = []
    for index, one in enumerate(transaction.inputs):
        signature = key.sign(signature_hash(transaction, index, code, SIGHASH_ALL)) + bytes([SIGHASH_ALL])
        inputs.append(msgspec.structs.replace(one, script_sig=push(signature) + push(key.public_key.encoded)))
    return msgspec.structs.replace(transaction, inputs=tuple(inputs))


def input_key(transaction: Transaction, index: int) -> tuple[bytes, PublicKey] | None:
    """The signature (with its hash type) and key that an input shows, when it spends P2PKH; not checked."""
    items = parse_pushes(transaction.inputs[index].script_sig)
    if items is None or len(items) != 2 or not 9 <= len(items[0]) <= 73:
        return None
    try:
        return items[0], PublicKey(items[1])
    except FormatError:
        return None


def verify_input(transaction: Transaction, index: int, script: bytes) -> InputSignature:
    """Check the signature of an input that spends a coin with this P2PKH script.

    As FLO nodes do: the form that the hash type names is tried first, then the other.

    Raises:
        VerificationError: no signature, another key's, or of something else.
    """
    where = f"input {index} of transaction {transaction.txid}"
    shown = input_key(transaction, index)
    if shown is None:
        raise VerificationError(f"{where} shows no signature and key", txid=transaction.txid, input=index)
    signature, key = shown
    if hash_script(key.hash) != script:
        raise VerificationError(f"{where} shows a key that does not own the coin", txid=transaction.txid, input=index)
    der, hash_type = signature[:-1], signature[-1]
    named = not hash_type & SIGHASH_OMIT_FLO_DATA
    for with_flo_data in (named, not named) if transaction.has_flo_data else (True,):
        kind = hash_type & ~SIGHASH_OMIT_FLO_DATA
        digest = signature_hash(transaction, index, script, kind, with_flo_data=with_flo_data)
        if key.is_signed(digest, der):
            return InputSignature(
                public_key=key,
                hash_type=hash_type,
                covers_flo_data=with_flo_data and transaction.has_flo_data,
                covers_everything=kind == SIGHASH_ALL,
            )
    raise VerificationError(f"{where}: the signature is of something else", txid=transaction.txid, input=index)
