"""What is known of a record's claims: what the fold found, and what was observed since."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from etdb.catalogue.values import Observation
from etdb.trust import Claim, ClaimResult, Outcome, Verification

__all__ = ["encode_claims", "join_claims"]

_DECODER: Final = msgspec.json.Decoder(tuple[ClaimResult, ...])


def encode_claims(results: Iterable[ClaimResult]) -> str:
    """What the fold found, for its row."""
    return msgspec.json.encode(tuple(results)).decode()


def join_claims(encoded: str, observed: Iterable[Observation]) -> Verification:
    """The fold's claims, with the newest observation of each claim in place of it.

    A failure is not forgotten because another source was asked later: of one claim, the worst of the newest words of
    all sources counts.
    """
    fold = Verification.of(_DECODER.decode(encoded))
    newer = Verification.of(
        ClaimResult(claim=Claim(one.claim), outcome=Outcome(one.outcome), detail=one.detail) for one in observed
    )
    return fold.with_results(result for result in newer.results if result.outcome is not Outcome.NOT_CHECKED)
