"""From messages to records: what one message adds to the fold. The same messages always give the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from etdb.catalogue import CONFLICTING_PART, Batch, PartRow, StoredMessage
from etdb.errors import FormatError
from etdb.flo import REGTEST, Network
from etdb.index.revising import Revising, sent_by
from etdb.oip import (
    ActionMessage,
    Joined,
    OtherMessage,
    Part,
    PartJoiner,
    PublishMessage,
    RegisterMessage,
    parse_message,
)
from etdb.trust import (
    Claim,
    ClaimResult,
    Outcome,
    check_artifact,
    check_transaction_signatures,
    is_part_signed,
    is_registration,
)

__all__ = ["FOLD_VERSION", "Fold"]

FOLD_VERSION: Final = 4
"""Raised when the same messages would give other rows: the catalogue is then folded anew."""

_SHORT_REFERENCE: Final = 10
_NO_WORK: Final = ClaimResult(
    claim=Claim.HEADER_CHAIN_WORK,
    outcome=Outcome.NOT_POSSIBLE,
    detail="blocks of a local chain cost nothing, so they protect nothing",
)
_NO_PARTS: Final = ClaimResult(
    claim=Claim.MULTIPART_SIGNATURES, outcome=Outcome.NOT_POSSIBLE, detail="the record is in one transaction"
)
_SIGNED: Final = ClaimResult(claim=Claim.ARTIFACT_SIGNATURE, outcome=Outcome.HELD)
_PARTS_HELD: Final = ClaimResult(claim=Claim.MULTIPART_SIGNATURES, outcome=Outcome.HELD)


class Fold:
    """The rule by which messages become rows.

    Args:
        network: whose addresses and signatures count.
        publishers: accept records of these addresses only; None accepts all.
        raw_transaction: given a transaction's id, its bytes; then each record's transactions are checked as well.
        given: what is said of each record's claims whatever it holds, by a ledger that cannot prove more.
    """

    def __init__(
        self,
        network: Network,
        *,
        publishers: frozenset[str] | None = None,
        raw_transaction: Callable[[str], bytes] | None = None,
        given: Iterable[ClaimResult] = (),
    ) -> None:
        self._network = network
        self._publishers = publishers
        self._raw = raw_transaction
        self._given = tuple(given)
        self._revising = Revising(network, raw_transaction, self._claims)

    @property
    def rule(self) -> str:
        """What the rows depend on beside the messages: another rule means to fold anew."""
        listed = None if self._publishers is None else sorted(self._publishers)
        rule = [FOLD_VERSION, self._network.name, listed, self._raw is not None]
        return msgspec.json.encode([*rule, self._given] if self._given else rule).decode()

    def add(self, batch: Batch, message: StoredMessage) -> bool:
        """Fold one message; whether it completed a record."""
        try:
            parsed = parse_message(message.data)
        except FormatError as error:
            batch.add_aside(message.message_id, "damaged", error.message)
            return False
        if parsed is None:
            batch.add_aside(message.message_id, "not of the protocol")
        elif isinstance(parsed, OtherMessage):
            self._add_other(batch, parsed, [message], "")
        elif isinstance(parsed, PublishMessage):
            return self._add_record(batch, parsed, message, [message])
        elif not is_part_signed(parsed, self._network):
            batch.add_aside(message.message_id, "part not signed", f"its address {parsed.address} did not sign it")
        else:
            return self._add_part(batch, parsed, message)
        return False

    def refold(self, batch: Batch, dataset_id: str) -> None:
        """Fold what was said about a record anew: some of it, or the record, has gone."""
        self._revising.refold(batch, dataset_id)

    def _add_other(self, batch: Batch, parsed: OtherMessage, parts: Sequence[StoredMessage], signed_by: str) -> None:
        if isinstance(parsed, ActionMessage):
            self._revising.add(batch, parsed, parts, signed_by)
            return
        number = max(one.message_id for one in parts)
        if isinstance(parsed, RegisterMessage) and is_registration(parsed, sent_by(parts, signed_by), self._network):
            batch.add_name(number, parsed.publisher, parsed.title, parsed.timestamp)
        else:
            batch.add_other(number, parsed.protocol, parsed.kind, parsed.title, parsed.publisher)

    def _add_part(self, batch: Batch, part: Part, message: StoredMessage) -> bool:
        row = PartRow(
            message_id=message.message_id,
            address=part.address,
            last=part.last,
            number=part.number,
            first_txid=_first_txid(part, message),
        )
        earlier = batch.part_before(row)
        if earlier is not None and not _says_the_same(earlier, message, part):
            # Who signs both may mean either; the one that every reader has seen first counts, and this one is named.
            detail = f"part {part.number} of {row.first_txid} came first with other data, in {earlier.txid}"
            batch.add_aside(message.message_id, CONFLICTING_PART, detail)
        if not batch.add_part(row):
            return False
        group = batch.group(row)
        completed = False
        # Two first parts may share the ten digits that old writers refer by; each is tried on its own.
        for first in [one for number, one in group if number == 0]:
            if not batch.has_record(first.txid):
                joined = _join(first, part.address, part.count, group)
                if joined is not None:
                    by_txid = {one.txid: one for _, one in group}
                    parts = [by_txid[txid] for txid in joined.txids]
                    completed |= self._add_joined(batch, joined.data, part.address, message, parts)
        return completed

    def _add_joined(
        self, batch: Batch, data: bytes, address: str, completed_by: StoredMessage, parts: Sequence[StoredMessage]
    ) -> bool:
        try:
            parsed = parse_message(data)
        except FormatError as error:
            batch.add_aside(completed_by.message_id, "damaged", f"{parts[0].txid}, joined: {error.message}")
            return False
        if isinstance(parsed, OtherMessage):
            self._add_other(batch, parsed, parts, address)
        elif not isinstance(parsed, PublishMessage):
            batch.add_aside(completed_by.message_id, "not of the protocol", f"{parts[0].txid}, joined")
        elif parsed.tomogram.publisher != address:
            detail = f"{parts[0].txid}: parts of {address}, record of {parsed.tomogram.publisher}"
            batch.add_aside(completed_by.message_id, "parts of another publisher", detail)
        else:
            return self._add_record(batch, parsed, completed_by, parts)
        return False

    def _add_record(
        self, batch: Batch, record: PublishMessage, completed_by: StoredMessage, parts: Sequence[StoredMessage]
    ) -> bool:
        publisher = record.tomogram.publisher
        if self._publishers is not None and publisher not in self._publishers:
            batch.add_aside(completed_by.message_id, "publisher not selected", publisher)
            return False
        artifact = check_artifact(record, self._network)
        if artifact.outcome is not Outcome.HELD:
            batch.add_aside(completed_by.message_id, "record not signed", artifact.detail)
            return False
        try:
            document = msgspec.json.encode(record.tomogram)
        except (UnicodeEncodeError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            batch.add_aside(completed_by.message_id, "cannot be kept", str(error))
            return False
        if batch.has_record(parts[0].txid):
            batch.add_aside(completed_by.message_id, "its id is taken", parts[0].txid)
            return False
        batch.add_record(
            dataset_id=parts[0].txid,
            tomogram=record.tomogram,
            document=document,
            completed_by=completed_by,
            part_ids=[one.message_id for one in parts],
            signature=record.signature,
            claims=self._claims(parts, publisher),
        )
        self._revising.refold(batch, parts[0].txid)
        return True

    def _claims(self, parts: Sequence[StoredMessage], publisher: str) -> list[ClaimResult]:
        """What the texts prove of a record whose own signature holds; ``publisher`` is who sent it."""
        claims = [_SIGNED, _PARTS_HELD if len(parts) > 1 else _NO_PARTS, *self._given]
        if self._network is REGTEST:
            claims.append(_NO_WORK)
        if self._raw is not None:
            raws = ((self._raw(one.txid), one.data) for one in parts)
            claims.append(check_transaction_signatures(raws, publisher, self._network))
        return claims


def _first_txid(part: Part, message: StoredMessage) -> str:
    """The message that a part belongs to: its first transaction's id, or the ten digits that all short forms share."""
    reference = part.reference or message.txid
    return reference if len(reference) == len(message.txid) else reference[:_SHORT_REFERENCE]


def _says_the_same(earlier: StoredMessage, message: StoredMessage, part: Part) -> bool:
    if earlier.data == message.data:
        return True
    known = parse_message(earlier.data)
    return isinstance(known, Part) and known.data == part.data


def _join(first: StoredMessage, address: str, count: int, group: Sequence[tuple[int, StoredMessage]]) -> Joined | None:
    """Feed everything stored of a group to a fresh joiner: nothing is remembered between messages or runs."""
    joiner = PartJoiner(first.txid, address, count)
    for _, message in group:
        part = parse_message(message.data)
        if isinstance(part, Part):
            for event in joiner.feed(message.txid, part):
                if isinstance(event, Joined):
                    return event
    return None
