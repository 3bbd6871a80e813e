"""Private and public keys, their wallet import format and their addresses."""

from __future__ import annotations

import functools
from typing import Final

import coincurve
from coincurve.ecdsa import cdata_to_der, der_to_cdata, signature_normalize

from etdb.errors import FormatError, InputError
from etdb.flo.base58 import decode_base58check, encode_base58check
from etdb.flo.hashes import hash160
from etdb.flo.networks import Network

__all__ = ["PrivateKey", "PublicKey"]

_KNOWN_KEYS: Final = 4_096
"""Most of a chain's transactions are of few keys, and to find a key's point on the curve costs 30 microseconds."""
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@functools.lru_cache(maxsize=_KNOWN_KEYS)
def _find_point(encoded: bytes) -> coincurve.PublicKey:
    return coincurve.PublicKey(encoded)


@functools.lru_cache(maxsize=_KNOWN_KEYS)
def _p2pkh_address(prefix: int, encoded: bytes) -> str:
    return encode_base58check(bytes([prefix]) + hash160(encoded))


class PublicKey:
    """A point of secp256k1, written compressed (33 bytes) or not (65)."""

    __slots__ = ("_point", "encoded")

    def __init__(self, encoded: bytes) -> None:
        lengths = {2: 33, 3: 33, 4: 65}
        if not encoded or lengths.get(encoded[0]) != len(encoded):
            raise FormatError(f"not a public key: {len(encoded)} bytes")
        try:
            self._point = _find_point(encoded)
        except ValueError as error:
            raise FormatError("not a public key: not a point of the curve") from error
        self.encoded = encoded

    @property
    def hash(self) -> bytes:
        """The 20 bytes that an address holds."""
        return hash160(self.encoded)

    def address(self, network: Network) -> str:
        """The P2PKH address."""
        return _p2pkh_address(network.p2pkh_prefix, self.encoded)

    def is_signed(self, digest: bytes, der: bytes) -> bool:
        """Whether a strict DER signature over a digest of 32 bytes is this key's.

        A high s is taken, as the rules of consensus do; nodes only do not relay it. The library takes a low s alone.
        """
        try:
            _, signature = signature_normalize(der_to_cdata(der))
            return self._point.verify(cdata_to_der(signature), digest, hasher=None)
        except ValueError:
            return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.encoded == self.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __repr__(self) -> str:
        return f"PublicKey({self.encoded.hex()})"


class PrivateKey:
    """A secret number; shown nowhere but by ``to_wif``.

    Args:
        secret: 32 bytes, from 1 to the curve's order less 1.
        compressed: how its public key is written, which decides its address.
    """

    __slots__ = ("_key", "compressed", "public_key")

    def __init__(self, secret: bytes, *, compressed: bool = True) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise FormatError("not a private key: not 32 bytes in the curve's range")
        self._key = coincurve.PrivateKey(secret)
        self.compressed = compressed
        self.public_key = PublicKey(self._key.public_key.format(compressed=compressed))

    @classmethod
    def generate(cls, entropy: bytes) -> PrivateKey:
        """A key from 32 random bytes that the caller draws.

        Raises:
            FormatError: not in the curve's range (once in 2**128): draw again.
        """
        return cls(entropy)

    @classmethod
    def from_wif(cls, wif: str, network: Network) -> PrivateKey:
        """Read the wallet import format.

        Raises:
            FormatError: not WIF. The text is not quoted.
            InputError: a key of another network.
        """
        payload = decode_base58check(wif)
        if len(payload) not in (33, 34) or (len(payload) == 34 and payload[33] != 1):
            raise FormatError("not a private key in wallet import format")
        if payload[0] not in network.wif_prefixes:
            raise InputError(f"this private key belongs to another network than {network.name}")
        return cls(payload[1:33], compressed=len(payload) == 34)

    def to_wif(self, network: Network) -> str:
        """The wallet import format: whoever reads it owns the key."""
        flag = b"\x01" if self.compressed else b""
        return encode_base58check(bytes([network.wif_prefixes[0]]) + self._key.secret + flag)

    def address(self, network: Network) -> str:
        """The P2PKH address of its public key."""
        return self.public_key.address(network)

    def sign(self, digest: bytes) -> bytes:
        """A DER signature over a digest of 32 bytes: deterministic (RFC 6979), low s."""
        return self._key.sign(digest, hasher=None)

    def sign_recoverable(self, digest: bytes) -> bytes:
        """A signature of 65 bytes, r, s and the recovery number last."""
        return self._key.sign_recoverable(digest, hasher=None)

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public_key!r})"
