"""What the ledger's evidence proves about a record: signatures, parts, inclusion, work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from etdb.errors import EtdbError, FormatError
from etdb.flo import REGTEST, BlockHeader, Network, network, parse_header, parse_transaction
from etdb.oip import Tomogram
from etdb.trust import (
    Claim,
    ClaimResult,
    Outcome,
    check_artifact,
    check_inclusion,
    check_parts,
    check_transaction_signatures,
    check_work,
)
from etdb.verify.revisions import read_revisions

__all__ = ["FLO_NETWORK_OF", "OF_THE_LEDGER", "LedgerEvidence", "verify_record"]

OF_THE_LEDGER = (
    Claim.ARTIFACT_SIGNATURE,
    Claim.MULTIPART_SIGNATURES,
    Claim.TRANSACTION_SIGNATURE,
    Claim.BLOCK_INCLUSION,
    Claim.HEADER_CHAIN_WORK,
)
"""The claims that a ledger's evidence speaks to."""
MAX_TRANSACTIONS = 10_000
MAX_HEIGHT = 1 << 31
FLO_NETWORK_OF = {"local": "regtest"}
"""A chain of one's own is made with the constants of FLO's regtest."""
_STRENGTHS = (Outcome.FAILED, Outcome.NOT_CHECKED, Outcome.NOT_POSSIBLE, Outcome.HELD)


class LedgerEvidence(Protocol):
    """Evidence of one transaction, from a ledger or from a folder; an empty header means that there is none."""

    @property
    def raw_transaction(self) -> bytes: ...  # noqa: D102
    @property
    def header(self) -> bytes: ...  # noqa: D102
    @property
    def position(self) -> int: ...  # noqa: D102
    @property
    def branch(self) -> tuple[bytes, ...]: ...  # noqa: D102
    @property
    def height(self) -> int | None: ...  # noqa: D102
    @property
    def network(self) -> str: ...  # noqa: D102
    @property
    def has_work(self) -> bool: ...  # noqa: D102
    @property
    def checked_work_blocks(self) -> int: ...  # noqa: D102


def verify_record(
    dataset_id: str,
    tomogram: Tomogram,
    evidence: Sequence[LedgerEvidence],
    *,
    block_hash_at: Callable[[int], str | None] | None = None,
) -> list[ClaimResult]:
    """Check what transactions prove of a record as the messages among them left it.

    Args:
        dataset_id: the id of the record's first transaction.
        tomogram: the record that is to be believed.
        evidence: its transactions, in any order, with those of the edits and transfers that made it what it is.
        block_hash_at: the reader's own chain, of the evidence's network; without it no block is known to be in one.
    """
    if not evidence:
        detail = "there is no evidence of the ledger here"
        return [ClaimResult(claim=c, outcome=Outcome.NOT_CHECKED, detail=detail) for c in OF_THE_LEDGER]
    name = evidence[0].network
    try:
        if len(evidence) > MAX_TRANSACTIONS or any(one.network != name for one in evidence):
            raise FormatError("the evidence is of too many transactions, or of several networks")
        flo = network(FLO_NETWORK_OF.get(name, name))
        parsed = [parse_transaction(one.raw_transaction) for one in evidence]
        # What is in no block comes last.
        order = [(MAX_HEIGHT if one.height is None else one.height, one.position) for one in evidence]
        said = read_revisions(dataset_id, parsed, order, flo)
    except EtdbError as error:
        detail = f"the evidence of the ledger cannot be read: {error.message}"
        return [ClaimResult(claim=c, outcome=Outcome.FAILED, detail=detail) for c in OF_THE_LEDGER]
    message = said[-1].record
    signed = [
        check_transaction_signatures(
            [(evidence[place].raw_transaction, parsed[place].flo_data) for place in one.places], one.owner, flo
        )
        for one in said
    ]
    in_parts = [check_parts(one.parts, one.owner, flo) for one in said if one.parts]
    results = [
        check_artifact(message, flo),
        _weakest(in_parts or [check_parts((), "", flo)]),
        _weakest(signed),
        *_inclusion([evidence[place] for one in said for place in one.places], flo, block_hash_at),
    ]
    if message.tomogram != tomogram:
        detail = "the record here is not the one in the ledger"
        results.append(ClaimResult(claim=Claim.ARTIFACT_SIGNATURE, outcome=Outcome.FAILED, detail=detail))
    return results


def _inclusion(
    evidence: Sequence[LedgerEvidence], flo: Network, block_hash_at: Callable[[int], str | None] | None
) -> list[ClaimResult]:
    if any(not one.header for one in evidence):
        detail = "a transaction is not in a block yet, as far as is known here"
        return [
            ClaimResult(claim=c, outcome=Outcome.NOT_CHECKED, detail=detail)
            for c in (Claim.BLOCK_INCLUSION, Claim.HEADER_CHAIN_WORK)
        ]
    try:
        headers = [parse_header(one.header) for one in evidence]
    except EtdbError as error:
        return [ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.FAILED, detail=error.message)]
    chain = _Chain(flo, block_hash_at, evidence, headers)
    inclusion = []
    for one, header in zip(evidence, headers, strict=True):
        found = check_inclusion(one.raw_transaction, one.header, one.position, one.branch, header.block_hash)
        inclusion.append(found if found.outcome is Outcome.FAILED else chain.place(header.block_hash, one.height))
    work = [
        check_work(one.header, flo, has_work=one.has_work, checked_blocks=one.checked_work_blocks) for one in evidence
    ]
    return [_weakest(inclusion), _weakest(work)]


def _weakest(results: Sequence[ClaimResult]) -> ClaimResult:
    """What can be said of all transactions: not more than of each."""
    return min(results, key=lambda result: _STRENGTHS.index(result.outcome))


class _Chain:
    """The reader's own chain, as far as blocks of the evidence can be looked for in it."""

    def __init__(
        self,
        flo: Network,
        block_hash_at: Callable[[int], str | None] | None,
        evidence: Sequence[LedgerEvidence],
        headers: Sequence[BlockHeader],
    ) -> None:
        self._block_hash_at = block_hash_at
        # Everybody can have a chain by the rules of regtest, and all of them begin with the same block.
        self._is_theirs = flo is not REGTEST or any(
            self._hash_at(one.height) == header.block_hash
            or (one.height is not None and self._hash_at(one.height - 1) == header.prev_hash)
            for one, header in zip(evidence, headers, strict=True)
        )

    def _hash_at(self, height: int | None) -> str | None:
        """The hash above the first block; None where there is none, or no chain at all."""
        if self._block_hash_at is None or height is None or not 0 < height <= MAX_HEIGHT:
            return None
        return self._block_hash_at(height)

    def place(self, block_hash: str, height: int | None) -> ClaimResult:
        """Whether a block is in the chain, at its height."""
        found = self._hash_at(height)
        if found == block_hash:
            return ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.HELD)
        if found is not None and self._is_theirs:
            detail = f"the header is of block {block_hash}, the chain has {found} at height {height}"
            return ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.FAILED, detail=detail)
        if self._block_hash_at is None:
            why = "was not compared with a chain"
        elif found is None:
            why = f"cannot be compared: the chain here has no block at height {height}"
        else:
            why = "cannot be compared: the chain here is another one, and has no block in common with the evidence"
        detail = f"a branch leads to the block {block_hash}, which {why}"
        return ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.NOT_CHECKED, detail=detail)
