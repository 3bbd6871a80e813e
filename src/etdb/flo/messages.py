"""Signed messages, as FLO nodes make and check them (``signmessage``; the magic never became FLO's)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import coincurve

from etdb.errors import FormatError, VerificationError
from etdb.flo.cursor import encode_varint
from etdb.flo.destinations import Destination, DestinationKind, nested_destination, parse_address
from etdb.flo.hashes import sha256d
from etdb.flo.keys import PrivateKey, PublicKey
from etdb.flo.networks import Network

__all__ = ["message_digest", "recover_message_address", "sign_message", "verify_message"]

_MAGIC: Final = b"Florincoin Signed Message:\n"
_MAX_SIGNATURE_LETTERS: Final = 128


def message_digest(message: bytes | str) -> bytes:
    """What is signed: the double SHA-256 of magic and message, each with its length before it.

    Raises:
        FormatError: a text that UTF-8 cannot write.
    """
    try:
        text = message.encode() if isinstance(message, str) else message
    except UnicodeEncodeError as error:
        raise FormatError("not a message: half a surrogate pair is no text") from error
    return sha256d(encode_varint(len(_MAGIC)) + _MAGIC + encode_varint(len(text)) + text)


def sign_message(key: PrivateKey, message: bytes | str) -> str:
    """Sign; base64 of 65 bytes."""
    signature = key.sign_recoverable(message_digest(message))
    head = 27 + signature[64] + (4 if key.compressed else 0)
    return base64.b64encode(bytes([head]) + signature[:64]).decode()


def recover_message_address(message: bytes | str, signature: str, network: Network) -> str:
    """The address whose key made this signature.

    A header of 35 to 38 means the P2SH address of the key's witness program, as FLO's wallets with witnesses sign.

    Raises:
        FormatError: not a signature of this form.
        VerificationError: no key can have made it.
    """
    return _signer(message, signature).address(network)


def verify_message(address: str, message: bytes | str, signature: str, network: Network) -> None:
    """Check that the key of ``address`` signed ``message``. A P2SH address may have either of its two first letters.

    Raises:
        FormatError: not a signature of this form, or not an address.
        VerificationError: another key made it.
    """
    signer = _signer(message, signature)
    if signer != parse_address(address, network):
        shown = signer.address(network)
        raise VerificationError(f"the message is signed by {shown}, not by {address}", signer=shown)


def _signer(message: bytes | str, signature: str) -> Destination:
    key, nested = _recover(message, signature)
    if nested:
        return nested_destination(Destination(DestinationKind.P2WPKH, key.hash))
    return Destination(DestinationKind.P2PKH, key.hash)


def _recover(message: bytes | str, signature: str) -> tuple[PublicKey, bool]:
    """The key, and whether its P2SH address is meant."""
    if len(signature) > _MAX_SIGNATURE_LETTERS:
        raise FormatError(f"not a message signature: {len(signature)} letters")
    try:
        data = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("not a message signature: not base64") from error
    if len(data) != 65 or not 27 <= data[0] <= 38:
        raise FormatError("not a message signature: not 65 bytes with a header of 27 to 38")
    head = data[0] - 27
    digest = message_digest(message)
    try:
        point = coincurve.PublicKey.from_signature_and_message(data[1:] + bytes([head & 3]), digest, hasher=None)
    except Exception as error:  # the binding raises plain Exception when there is no such point
        raise VerificationError("no key can have made this message signature") from error
    return PublicKey(point.format(compressed=head >= 4)), head >= 8
