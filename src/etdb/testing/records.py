"""Signed records for tests: a publisher with a key, and texts as they stand on a ledger."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from etdb.flo import REGTEST, PrivateKey, sign_message
from etdb.oip import (
    Split,
    Tomogram,
    artifact_preimage,
    encode_deactivate,
    encode_edit,
    encode_publish,
    encode_register,
    encode_transfer,
    revise_artifact,
    split,
)

__all__ = ["RecordSigner"]


class RecordSigner:
    """A publisher that signs whatever a test wants, true or not.

    Args:
        name: another name gives another key.
    """

    def __init__(self, name: str = "publisher") -> None:
        self.key = PrivateKey.generate(hashlib.sha256(name.encode()).digest())
        self.address = self.key.address(REGTEST)

    def tomogram(self, **fields: Any) -> Tomogram:
        """A tomogram of this publisher, with what is mandatory filled in."""
        given = {
            "publisher": self.address,
            "timestamp_s": 1_700_000_000,
            "title": "A tomogram",
            "description": "A description",
            "species": "Caulobacter crescentus",
            "acquired_on": dt.date(2014, 1, 14),
            "location": "Qmat8i2pn4WnnMiPQcKsKJZahr1scUbuUyXjgSuCPBcsYY",
            **fields,
        }
        return Tomogram(**given)

    def sign(self, preimage: bytes | str) -> str:
        """A message signature."""
        return sign_message(self.key, preimage)

    def message(self, tomogram: Tomogram | None = None, **fields: Any) -> bytes:
        """A record as it is published, whole."""
        t = tomogram if tomogram is not None else self.tomogram(**fields)
        return encode_publish(t, self.sign(artifact_preimage(t.location, t.publisher, t.timestamp_s)))

    def split(self, data: bytes, *, limit: int = 700) -> Split:
        """A message in parts that this publisher signs."""
        return split(data, self.address, sign=self.sign, limit=limit)

    def edit(self, dataset_id: str, old: Tomogram, new: Tomogram, *, reason: str = "") -> bytes:
        """A correction, signed by this publisher; ``new`` at a time of its own."""
        before, after = (revise_artifact(one, self.sign) for one in (old, new))
        return encode_edit(dataset_id, before, after, new.timestamp_s, sign=self.sign, reason=reason)

    def deactivate(self, dataset_id: str, *, timestamp_s: int = 1_700_000_009, reason: str = "") -> bytes:
        """A withdrawal, signed by this publisher."""
        return encode_deactivate(dataset_id, self.address, timestamp_s, sign=self.sign, reason=reason)

    def transfer(self, dataset_id: str, to: str, *, timestamp_s: int = 1_700_000_009, reason: str = "") -> bytes:
        """A gift, signed by this publisher."""
        return encode_transfer(dataset_id, self.address, to, timestamp_s, sign=self.sign, reason=reason)

    def register(self, name: str, *, timestamp_s: int = 1_700_000_009) -> bytes:
        """A name, signed by this publisher."""
        return encode_register(name, self.address, timestamp_s, sign=self.sign)
