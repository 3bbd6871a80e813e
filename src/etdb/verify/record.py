"""What the ledger's evidence proves about a record: signatures, parts, inclusion, work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from etdb.errors import EtdbError, FormatError
from etdb.flo import Network, Transaction, network, parse_header, parse_transaction
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

__all__ = ["OF_THE_LEDGER", "LedgerEvidence", "verify_record"]

OF_THE_LEDGER = (
    Claim.ARTIFACT_SIGNATURE,
    Claim.MULTIPART_SIGNATURES,
    Claim.TRANSACTION_SIGNATURE,
    Claim.BLOCK_INCLUSION,
    Claim.HEADER_CHAIN_WORK,
)
"""The claims that a ledger's evidence speaks to."""
MAX_TRANSACTIONS = 1000
# A chain of one's own is made with the constants of FLO's regtest.
FLO_NETWORK_OF = {"local": "regtest"}


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
        block_hash_at: the reader's own chain, to compare blocks with; without it a block is what the evidence says.
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
    results = []
    for one in evidence:
        try:
            own_hash = parse_header(one.header).block_hash
        except EtdbError as error:
            return [ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.FAILED, detail=error.message)]
        wanted = block_hash_at(one.height) if block_hash_at is not None and one.height is not None else own_hash
        if wanted is None:
            detail = f"there is no block at height {one.height} of the chain here"
            results.append(ClaimResult(claim=Claim.BLOCK_INCLUSION, outcome=Outcome.FAILED, detail=detail))
            continue
        found = check_inclusion(one.raw_transaction, one.header, one.position, one.branch, wanted)
        if found.outcome is Outcome.HELD and block_hash_at is None:
            detail = f"in the block {own_hash}, which was not compared with the chain"
            found = ClaimResult(claim=found.claim, outcome=found.outcome, detail=detail)
        results += [found, check_work(one.header, flo, has_work=one.has_work, checked_blocks=one.checked_work_blocks)]
    return results
