"""Who signed an input, and whether floData was covered.

Judged are coins of a key (P2PKH, P2PK), of several (bare multisig), and those behind a script's hash or a witness
program of version 0 (P2SH, P2WPKH, P2WSH, and the latter two nested in P2SH). This is no interpreter of scripts: of
anything else it says that it cannot judge, which is not the same as a signature that is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from etdb.errors import EtdbError, FormatError, VerificationError
from etdb.flo.destinations import Destination, DestinationKind, script_destination
from etdb.flo.hashes import hash160
from etdb.flo.keys import PublicKey
from etdb.flo.scripts import hash_script, parse_keys, parse_pushes, push
from etdb.flo.sighash import SIGHASH_ALL, SIGHASH_OMIT_FLO_DATA, signature_hash, witness_signature_hash
from etdb.flo.transactions import Transaction

__all__ = ["CannotJudgeError", "InputSignature", "input_key", "verify_input"]

_SIGNATURE_BYTES: Final = range(9, 74)
"""A signature in DER with its hash type."""
_HYBRID: Final = (6, 7)
"""How keys of 65 bytes begin in a form that consensus takes, and nodes do not relay."""


class CannotJudgeError(EtdbError):
    """An input may be well signed, but what is at hand does not tell: a rare script, or an amount that is not known."""

    code = "cannot-judge"
    exit_status = 4
    http_status = 422


class InputSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What an input's signatures prove: whose they are, over what.

    Attributes:
        public_keys: whose signatures they are, in the order of the script.
        hash_type: of the first signature.
        covers_flo_data: every signature covers the text.
        covers_everything: every signature covers all inputs and outputs.
    """

    public_keys: tuple[PublicKey, ...]
    hash_type: int
    covers_flo_data: bool
    covers_everything: bool

    @property
    def public_key(self) -> PublicKey:
        """The first key that signed; the only one unless the script asks for several."""
        return self.public_keys[0]


class _Checked(NamedTuple):
    hash_type: int
    covers_flo_data: bool


class _Place(NamedTuple):
    """Which input is judged."""

    transaction: Transaction
    number: int

    def wrong(self, why: str) -> VerificationError:
        return VerificationError(f"{self}: {why}", txid=self.transaction.txid, input=self.number)

    def unjudged(self, why: str) -> CannotJudgeError:
        return CannotJudgeError(f"{self}: {why}", txid=self.transaction.txid, input=self.number)

    def __str__(self) -> str:
        return f"input {self.number} of transaction {self.transaction.txid}"


class _Lock(NamedTuple):
    """What has to be shown, and what was."""

    script: bytes
    items: tuple[bytes, ...]
    is_witness: bool


def input_key(transaction: Transaction, index: int) -> tuple[bytes, PublicKey] | None:
    """The signature (with its hash type) and key that an input shows when it spends a coin of one key's hash.

    Such are P2PKH, P2WPKH and P2SH-P2WPKH. Nothing is checked.
    """
    script_sig = transaction.inputs[index].script_sig
    items: Sequence[bytes] | None = parse_pushes(script_sig)
    if transaction.witnesses and transaction.witnesses[index]:
        items = transaction.witnesses[index]
        if script_sig and len(script_sig) != 23:
            return None
    if items is None or len(items) != 2 or len(items[0]) not in _SIGNATURE_BYTES:
        return None
    try:
        return items[0], PublicKey(items[1])
    except FormatError:
        return None


def verify_input(transaction: Transaction, index: int, script: bytes, value_sat: int | None = None) -> InputSignature:
    """Check the signatures of an input.

    As FLO nodes do: the form that the hash type names is tried first, then the one with its 0x40 bit changed.

    Args:
        transaction: with all its inputs and witnesses.
        index: which input.
        script: of the coin that it spends.
        value_sat: what that coin holds; witnesses sign it. None when it is not known.

    Raises:
        VerificationError: no signature, another key's, or of something else.
        CannotJudgeError: a script of another kind, or a witness whose amount is not known.
    """
    place = _Place(transaction, index)
    lock = _find_lock(place, script)
    needed, keys, signatures = _read_lock(lock, place)
    if lock.is_witness and value_sat is None:
        raise place.unjudged("a witness signs the amount of the coin that it spends, which is not known here")

    # Signatures stand in the order of their keys, as the chain's operation wants them.
    found: list[tuple[bytes, _Checked]] = []
    waiting = list(signatures)
    for key in keys:
        checked = _check(place, lock, key, waiting[0], value_sat) if waiting else None
        if checked is not None:
            found.append((key, checked))
            waiting.pop(0)
    if len(found) < needed:
        if any(len(key) == 65 and key[0] in _HYBRID for key in keys):
            raise place.unjudged("a key is in the hybrid form, whose signatures are not judged here")
        raise place.wrong(
            "the signature is of something else" if needed == 1 else f"not {needed} of its keys signed this"
        )
    return InputSignature(
        public_keys=tuple(PublicKey(key) for key, _ in found),
        hash_type=found[0][1].hash_type,
        covers_flo_data=all(checked.covers_flo_data for _, checked in found),
        covers_everything=all(checked.hash_type & ~SIGHASH_OMIT_FLO_DATA == SIGHASH_ALL for _, checked in found),
    )


def _find_lock(place: _Place, script: bytes) -> _Lock:
    """The script that must be fulfilled, behind a hash or not, and what is shown for it."""
    script_sig = place.transaction.inputs[place.number].script_sig
    witness = place.transaction.witnesses[place.number] if place.transaction.witnesses else ()
    pushed = parse_pushes(script_sig)
    destination = script_destination(script)
    if destination is not None and destination.kind is DestinationKind.P2SH:
        if pushed is None:
            raise place.unjudged("it shows more than plain pushes")
        if not pushed or hash160(pushed[-1]) != destination.hash:
            raise place.wrong("it shows another script than the one that owns the coin")
        script, pushed = pushed[-1], pushed[:-1]
        destination = script_destination(script)
        if destination is not None and destination.kind is DestinationKind.P2SH:
            raise place.unjudged("it spends a script's hash behind a script's hash")
        nested = push(script)
    else:
        nested = b""
    if destination is None or destination.kind is DestinationKind.P2PKH:
        if pushed is None:
            raise place.unjudged("it shows more than plain pushes")
        if witness:
            raise place.wrong("it has a witness, and its coin asks for none")
        return _Lock(script, tuple(pushed), is_witness=False)
    if script_sig != nested:
        raise place.wrong("it shows more than its witness")
    return _witness_lock(destination, witness, place)


def _witness_lock(destination: Destination, witness: tuple[bytes, ...], place: _Place) -> _Lock:
    if destination.kind is DestinationKind.LATER_WITNESS:
        raise place.unjudged(f"witness version {destination.witness_version} has no rules on FLO")
    if destination.kind is DestinationKind.P2WPKH:
        if len(witness) != 2:
            raise place.wrong("its witness is not a signature and a key")
        return _Lock(hash_script(destination.hash), witness, is_witness=True)
    if not witness or hashlib.sha256(witness[-1]).digest() != destination.hash:
        raise place.wrong("it shows another script than the one that owns the coin")
    return _Lock(witness[-1], witness[:-1], is_witness=True)


def _read_lock(lock: _Lock, place: _Place) -> tuple[int, tuple[bytes, ...], tuple[bytes, ...]]:
    """How many signatures are needed, of which keys, and those that are shown."""
    items = lock.items
    owner = script_destination(lock.script)
    if owner is not None and owner.kind is DestinationKind.P2PKH:
        _verify_count(items, 2, place)
        if hash160(items[1]) != owner.hash:
            raise place.wrong("it shows a key that does not own the coin")
        return 1, (items[1],), (items[0],)
    asked = parse_keys(lock.script)
    if asked is None:
        raise place.unjudged("its coin has a script that is not judged here")
    needed, keys = asked
    more = lock.script[-1] == 0xAE  # several keys take one item more, which nobody looks at
    _verify_count(items, needed + more, place)
    if more and items[0]:
        raise place.unjudged("it shows something where nodes of today want nothing (BIP 147)")
    return needed, keys, items[more:]


def _verify_count(items: tuple[bytes, ...], wanted: int, place: _Place) -> None:
    if len(items) < wanted:
        raise place.wrong("it shows too few signatures and keys")
    if len(items) > wanted:
        raise place.unjudged("it shows more than its script looks at")


def _check(place: _Place, lock: _Lock, key: bytes, signature: bytes, value_sat: int | None) -> _Checked | None:
    """What a signature proves when it is this key's."""
    try:
        point = PublicKey(key)
    except FormatError:
        return None
    if signature:
        for digest, covers_flo_data in _digests(place, lock, signature[-1], value_sat):
            if point.is_signed(digest, signature[:-1]):
                return _Checked(signature[-1], covers_flo_data)
    return None


def _digests(place: _Place, lock: _Lock, hash_type: int, value_sat: int | None) -> Iterator[tuple[bytes, bool]]:
    """What a signature of this type may sign, and whether that covers the text."""
    transaction, index = place
    if lock.is_witness and value_sat is not None:
        for kind in (hash_type, hash_type ^ SIGHASH_OMIT_FLO_DATA):
            digest = witness_signature_hash(transaction, index, lock.script, value_sat, kind)
            yield digest, transaction.has_flo_data
        return
    named = not hash_type & SIGHASH_OMIT_FLO_DATA
    kind = hash_type & ~SIGHASH_OMIT_FLO_DATA
    for with_flo_data in (named, not named) if transaction.has_flo_data else (True,):
        digest = signature_hash(transaction, index, lock.script, kind, with_flo_data=with_flo_data)
        yield digest, with_flo_data and transaction.has_flo_data
