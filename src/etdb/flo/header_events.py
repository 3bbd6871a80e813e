"""What happens when headers come in: the chain grows, goes back, or a header is refused."""

from __future__ import annotations

import enum

import msgspec

__all__ = ["Extend", "HeaderEvent", "Refusal", "Refused", "Rollback"]


class Refusal(enum.StrEnum):
    """Why a header is not taken. Some of them may be right later: those that come too early, or before their parent."""

    ORPHAN = "it follows no header that is kept"
    TOO_DEEP = "it leaves the chain deeper than a rollback may go"
    CHECKPOINT = "another block is known to be there"
    BITS = "its target is not the one that the rules give"
    TOO_OLD = "its time is not later than the median of the eleven before it"
    TOO_NEW = "its time is too far in the future"
    VERSION = "its version is too low for its height"
    NO_WORK = "its hash does not meet its target"
    CROWDED = "too many headers wait beside the chain, and this one has less work behind it"


class Extend(msgspec.Struct, frozen=True, gc=False):
    """The best chain grew by a block."""

    height: int
    block_hash: str


class Rollback(msgspec.Struct, frozen=True, gc=False):
    """The blocks above this height are no longer of the best chain."""

    height: int


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A header was not taken, and nothing changed."""

    block_hash: str
    reason: Refusal


HeaderEvent = Extend | Rollback | Refused
