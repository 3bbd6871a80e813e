"""What the ledger's evidence proves about a record: signatures, parts, inclusion, work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from etdb.errors import EtdbError, FormatError
from etdb.flo import REGTEST, BlockHeader, Network, Transaction, network, parse_header, parse_transaction
from etdb.oip import Joined, OtherMessage, Part, PartJoiner, PublishMessage, Tomogram, parse_message
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

__all__ = ["FLO_NETWORK_OF", "OF_THE_LEDGER", "LedgerEvidence", "verify_record"]

OF_THE_LEDGER = (
    Claim.ARTIFACT_SIGNATURE,
    Claim.MULTIPART_SIGNATURES,
    Claim.TRANSACTION_SIGNATURE,
    Claim.BLOCK_INCLUSION,
    Claim.HEADER_CHAIN_WORK,
)
"""The claims that a ledger's evidence speaks to."""
MAX_TRANSACTIONS = 1000
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
    """Check what transactions prove of a record.

    Args:
        dataset_id: the id of the record's first transaction.
        tomogram: the record that is to be believed.
        evidence: its transactions, in any order.
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
        message, parts, used = _read_message(dataset_id, parsed)
    except EtdbError as error:
        detail = f"the evidence of the ledger cannot be read: {error.message}"
        return [ClaimResult(claim=c, outcome=Outcome.FAILED, detail=detail) for c in OF_THE_LEDGER]
    by_txid = {transaction.txid: (one, transaction) for one, transaction in zip(evidence, parsed, strict=True)}
    chosen = [by_txid[txid] for txid in used]
    results = [
        check_artifact(message, flo),
        check_parts(parts, message.tomogram.publisher, flo),
        check_transaction_signatures(
            [(one.raw_transaction, transaction.flo_data) for one, transaction in chosen],
            message.tomogram.publisher,
            flo,
        ),
        *_inclusion([one for one, _ in chosen], flo, block_hash_at),
    ]
    if message.tomogram != tomogram:
        detail = "the record here is not the one in the ledger"
        results.append(ClaimResult(claim=Claim.ARTIFACT_SIGNATURE, outcome=Outcome.FAILED, detail=detail))
    return results


def _read_message(
    dataset_id: str, transactions: Sequence[Transaction]
) -> tuple[PublishMessage, list[Part], tuple[str, ...]]:
    """The record in these transactions, its parts, and the ids of those that carry it."""
    first = next((t for t in transactions if t.txid == dataset_id), None)
    if first is None:
        raise FormatError(f"the transaction {dataset_id} is not among them", txid=dataset_id)
    message = parse_message(first.flo_data)
    if isinstance(message, PublishMessage):
        return message, [], (dataset_id,)
    if not isinstance(message, Part):
        raise FormatError(f"the transaction {dataset_id} holds no record", txid=dataset_id)
    joiner = PartJoiner(dataset_id, message.address, message.count)
    parts: dict[str, Part] = {}
    for transaction in transactions:
        part = parse_message(transaction.flo_data)
        if not isinstance(part, Part):
            continue
        parts[transaction.txid] = part
        for event in joiner.feed(transaction.txid, part):
            if isinstance(event, Joined):
                whole = parse_message(event.data)
                if isinstance(whole, PublishMessage):
                    return whole, [parts[txid] for txid in event.txids], event.txids
                raise FormatError(f"joined, the parts are no record{_kind(whole)}", txid=dataset_id)
    raise FormatError(f"{len(joiner.missing)} of {message.count} parts are missing", txid=dataset_id)


def _kind(message: object) -> str:
    return f" but {message.kind}" if isinstance(message, OtherMessage) else ""


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
