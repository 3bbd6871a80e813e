"""Where a coin can go: the hash of a key, of a script or of a witness, as an address and as a script.

FLO Core 0.15 knows witness version 0. It has no prefix of its own for addresses of it; those here are the ones that
wallets and explorers of FLO use (flo, tflo, rflo).
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from etdb.errors import FormatError, InputError
from etdb.flo.base58 import decode_base58check, encode_base58check
from etdb.flo.bech32 import decode_witness_address, encode_witness_address, is_witness_program
from etdb.flo.hashes import hash160
from etdb.flo.keys import PublicKey
from etdb.flo.networks import Network

__all__ = [
    "Destination",
    "DestinationKind",
    "address_script",
    "is_address",
    "nested_destination",
    "owns_address",
    "parse_address",
    "script_address",
    "script_destination",
]

_MAX_SHOWN: Final = 100


class DestinationKind(enum.StrEnum):
    """What must be shown to spend: a key, a script, or either of them as a witness (BIP 16, BIP 141)."""

    P2PKH = "p2pkh"
    P2SH = "p2sh"
    P2WPKH = "p2wpkh"
    P2WSH = "p2wsh"
    LATER_WITNESS = "later witness"
    """A witness version above 0: FLO has no rules for it, so anyone could spend what is paid to it."""


_HASH_BYTES: Final = {
    DestinationKind.P2PKH: 20,
    DestinationKind.P2SH: 20,
    DestinationKind.P2WPKH: 20,
    DestinationKind.P2WSH: 32,
}


class Destination(msgspec.Struct, frozen=True):
    """One place where coins can go. ``hash`` is a witness's program; ``witness_version`` is 0 for all but later ones.

    Raises:
        FormatError: a length or version that the kind cannot have.
    """

    kind: DestinationKind
    hash: bytes
    witness_version: int = 0

    def __post_init__(self) -> None:
        later = self.kind is DestinationKind.LATER_WITNESS
        if later != (self.witness_version > 0) or (
            not is_witness_program(self.witness_version, self.hash)
            if later
            else len(self.hash) != _HASH_BYTES[self.kind]
        ):
            raise FormatError(
                f"not a destination: {self.kind} of version {self.witness_version} with {len(self.hash)} bytes"
            )

    @property
    def script(self) -> bytes:
        """The script that pays to it."""
        if self.kind is DestinationKind.P2PKH:
            return b"\x76\xa9\x14" + self.hash + b"\x88\xac"
        if self.kind is DestinationKind.P2SH:
            return b"\xa9\x14" + self.hash + b"\x87"
        version = 0x50 + self.witness_version if self.witness_version else 0
        return bytes([version, len(self.hash)]) + self.hash

    def address(self, network: Network) -> str:
        """How people write it."""
        if self.kind is DestinationKind.P2PKH:
            return encode_base58check(bytes([network.p2pkh_prefix]) + self.hash)
        if self.kind is DestinationKind.P2SH:
            return encode_base58check(bytes([network.p2sh_prefixes[0]]) + self.hash)
        return encode_witness_address(network.bech32_prefix, self.witness_version, self.hash)


def parse_address(text: str, network: Network) -> Destination:
    """Read an address of any kind.

    Raises:
        FormatError: not an address of this network.
    """
    if text[: len(network.bech32_prefix) + 1].lower() == network.bech32_prefix + "1":
        return _witness(*decode_witness_address(text, network.bech32_prefix))
    payload = decode_base58check(text)
    if len(payload) == 21:
        if payload[0] == network.p2pkh_prefix:
            return Destination(DestinationKind.P2PKH, payload[1:])
        if payload[0] in network.p2sh_prefixes:
            return Destination(DestinationKind.P2SH, payload[1:])
    raise FormatError(f"{text[:_MAX_SHOWN]!r} is not an address of {network.name}")


def is_address(text: str, network: Network) -> bool:
    """Whether this is an address of the network, of any kind."""
    try:
        parse_address(text, network)
    except FormatError:
        return False
    return True


def script_destination(script: bytes) -> Destination | None:
    """Where a script pays to; None for one that names a key itself, several keys, or anything else."""
    size = len(script)
    if size == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return Destination(DestinationKind.P2PKH, script[3:23])
    if size == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return Destination(DestinationKind.P2SH, script[2:22])
    if 4 <= size <= 42 and script[1] == size - 2 and (script[0] == 0 or 0x51 <= script[0] <= 0x60):
        version = script[0] and script[0] - 0x50
        if is_witness_program(version, script[2:]):
            return _witness(version, script[2:])
    return None


def address_script(address: str, network: Network) -> bytes:
    """The script that pays to an address.

    Raises:
        FormatError: not an address of the network.
        InputError: a witness version without rules on FLO; anyone could take what is paid to it.
    """
    destination = parse_address(address, network)
    if destination.kind is DestinationKind.LATER_WITNESS:
        raise InputError(
            f"{address} is of witness version {destination.witness_version}, which FLO has no rules for",
            hint="anyone could take what is paid to it; ask for an address of another kind",
        )
    return destination.script


def script_address(script: bytes, network: Network) -> str | None:
    """The address that a script pays to; None when it has none that could be paid to safely."""
    destination = script_destination(script)
    if destination is None or destination.kind is DestinationKind.LATER_WITNESS:
        return None
    return destination.address(network)


def nested_destination(witness: Destination) -> Destination:
    """The P2SH destination whose script is a witness program: for payers who know no witness addresses."""
    return Destination(DestinationKind.P2SH, hash160(witness.script))


def owns_address(key: PublicKey, address: str, network: Network) -> bool:
    """Whether coins of an address are this key's alone: as its hash, its witness program, or that nested in P2SH."""
    try:
        wanted = parse_address(address, network)
    except FormatError:
        return False
    program = Destination(DestinationKind.P2WPKH, key.hash)
    return wanted in (Destination(DestinationKind.P2PKH, key.hash), program, nested_destination(program))


def _witness(version: int, program: bytes) -> Destination:
    if version:
        return Destination(DestinationKind.LATER_WITNESS, program, version)
    return Destination(DestinationKind.P2WPKH if len(program) == 20 else DestinationKind.P2WSH, program)
