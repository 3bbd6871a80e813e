"""A secret sealed with a key: ChaCha20-Poly1305 (RFC 8439). Apart, because most commands need no secret."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

__all__ = ["open_sealed", "seal"]


def seal(key: bytes, nonce: bytes, secret: bytes, about: bytes) -> bytes:
    """The sealed secret.

    Args:
        key: 32 bytes.
        nonce: 12 bytes, never twice with one key.
        secret: what is hidden.
        about: what can be read by all, and not be changed.
    """
    return ChaCha20Poly1305(key).encrypt(nonce, secret, about)


def open_sealed(key: bytes, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
    """The secret.

    Raises:
        ValueError: it, or what is known about it, was changed; or the key or the nonce is another.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, about)
    except InvalidTag:
        raise ValueError("changed, or sealed with another key") from None
