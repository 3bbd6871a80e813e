"""What was verified, claim by claim. "Verified" is never one flag."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

__all__ = ["Claim", "ClaimResult", "Outcome", "Verification"]


class Claim(enum.StrEnum):
    """What can be proved of a dataset, in the order in which it is shown."""

    ARTIFACT_SIGNATURE = "artifact_signature"
    MULTIPART_SIGNATURES = "multipart_signatures"
    TRANSACTION_SIGNATURE = "transaction_signature"
    MANIFEST_AGREES = "manifest_agrees"
    BLOCK_INCLUSION = "block_inclusion"
    HEADER_CHAIN_WORK = "header_chain_work"
    FILE_BYTES = "file_bytes"

    @property
    def meaning(self) -> str:
        """The claim as a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Claim.ARTIFACT_SIGNATURE: "the publisher's key signed the dataset's location and time",
    Claim.MULTIPART_SIGNATURES: "the publisher's key signed every part of the record",
    Claim.TRANSACTION_SIGNATURE: "the publisher's key signed the transactions with the record's text",
    Claim.MANIFEST_AGREES: "the manifest, which the signed location commits to, says what the record says",
    Claim.BLOCK_INCLUSION: "the record's transactions are in the blocks that it names",
    Claim.HEADER_CHAIN_WORK: "the blocks are buried under work",
    Claim.FILE_BYTES: "every byte of the files hashes to the signed location",
}


class Outcome(enum.StrEnum):
    """How a claim stands."""

    HELD = "held"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    NOT_POSSIBLE = "not possible"


class ClaimResult(msgspec.Struct, frozen=True, kw_only=True):
    """One claim's outcome; ``detail`` says what differed, or why nothing can be said."""

    claim: Claim
    outcome: Outcome
    detail: str = ""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """All claims about a dataset, each once, in order."""

    results: tuple[ClaimResult, ...]

    @classmethod
    def of(cls, results: Iterable[ClaimResult]) -> Verification:
        """From what was checked; what was not is said to be so. Of two results for a claim the worse one counts."""
        found: dict[Claim, ClaimResult] = {}
        for result in results:
            known = found.get(result.claim)
            if known is None or _BADNESS[result.outcome] > _BADNESS[known.outcome]:
                found[result.claim] = result
        return cls(
            results=tuple(found.get(claim, ClaimResult(claim=claim, outcome=Outcome.NOT_CHECKED)) for claim in Claim)
        )

    def with_results(self, results: Iterable[ClaimResult]) -> Verification:
        """The same with newer results in place of older ones."""
        newer = {result.claim: result for result in results}
        return Verification(results=tuple(newer.get(result.claim, result) for result in self.results))

    def __getitem__(self, claim: Claim) -> ClaimResult:
        return next(result for result in self.results if result.claim is claim)

    @property
    def failed(self) -> tuple[ClaimResult, ...]:
        """The claims that do not hold."""
        return tuple(result for result in self.results if result.outcome is Outcome.FAILED)


_BADNESS = {Outcome.NOT_CHECKED: 0, Outcome.HELD: 1, Outcome.NOT_POSSIBLE: 2, Outcome.FAILED: 3}
