"""What a header must be, given those before it (FLO Core 0.15.2, ContextualCheckBlockHeader)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from etdb.errors import FormatError
from etdb.flo.difficulty import bits_to_target, context_headers, required_bits
from etdb.flo.hashes import internal_bytes
from etdb.flo.header_events import Refusal
from etdb.flo.header_window import header_fields
from etdb.flo.networks import Network

__all__ = ["MAX_FUTURE_S", "MEDIAN_HEADERS", "Ancestors", "HeaderRules"]

MEDIAN_HEADERS: Final = 11
MAX_FUTURE_S: Final = 2 * 60 * 60


class Ancestors(NamedTuple):
    """Times and targets of the headers before one, the last one directly; all of them, or as many as rules need."""

    times: Sequence[int]
    bits: Sequence[int]


class HeaderRules:
    """One network's rules. Proof of work is checked, and counted, when it is asked for."""

    def __init__(self, network: Network, *, check_pow: bool) -> None:
        self.network = network
        self.check_pow = check_pow
        self.pow_checked = 0
        self.checkpoints = {height: internal_bytes(block_hash) for height, block_hash in network.checkpoints}
        self.context = max(context_headers(network), MEDIAN_HEADERS)
        """How many headers before one decide about it, at most."""

    def refusal(
        self, raw: bytes, block_hash: bytes, height: int, before: Ancestors, now_s: int | None
    ) -> Refusal | None:
        """What speaks against a header; None when nothing. Rules whose ancestors are missing are passed over."""
        version, _, _, time_s, bits, _ = header_fields(raw)
        if not self.is_known(height, block_hash):
            return Refusal.CHECKPOINT
        required = required_bits(self.network, height, time_s, before.times, before.bits)
        # Of the hardest targets, the next one may be zero, which is none.
        if (required is not None and bits != required) or not self.is_target(bits):
            return Refusal.BITS
        recent = sorted(before.times[-MEDIAN_HEADERS:])
        knows_median = len(recent) == MEDIAN_HEADERS or len(before.times) == height
        if knows_median and time_s <= recent[len(recent) // 2]:
            return Refusal.TOO_OLD
        if now_s is not None and time_s > now_s + MAX_FUTURE_S:
            return Refusal.TOO_NEW
        if version < self.least_version(height):
            return Refusal.VERSION
        return Refusal.NO_WORK if self.check_pow and not self.has_work(raw, bits) else None

    def least_version(self, height: int) -> int:
        """The lowest version of a block (BIP 34, 66, 65). FLO Core asks for more once segwit is active: not judged."""
        asked = sum(height >= at for at in self.network.version_heights)
        return asked + 1 if asked else -(1 << 31)

    def is_known(self, height: int, block_hash: bytes) -> bool:
        """Whether no other block is known to be at this height."""
        return self.checkpoints.get(height, block_hash) == block_hash

    def is_target(self, bits: int) -> bool:
        """Whether these bits are a target that the network allows."""
        try:
            return bits_to_target(bits) <= self.network.pow_limit
        except FormatError:
            return False

    def has_work(self, raw: bytes, bits: int) -> bool:
        """Whether the header's hash meets the target."""
        self.pow_checked += 1
        digest = hashlib.scrypt(raw, salt=raw, n=1024, r=1, p=1, dklen=32)
        return int.from_bytes(digest, "little") <= bits_to_target(bits)
