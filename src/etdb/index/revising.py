"""From messages about a record to its revisions. One rule for what is new and for what is folded anew.

A message that follows the others is judged against the record as it is; after a rollback, or when a record becomes
complete after messages about it, the record is taken back to what was published and all of them are judged in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from etdb.catalogue import ActionRow, Batch, StoredMessage, joined_text
from etdb.errors import FormatError
from etdb.flo import Network
from etdb.oip import (
    ActionMessage,
    PublishMessage,
    compare_records,
    encode_go_json,
    load_json,
    parse_artifact,
    parse_message,
)
from etdb.trust import ClaimResult, Outcome, RecordState, Refusal, check_transaction_signatures, judge_action

__all__ = ["Revising", "sent_by"]

ClaimsOf = Callable[[Sequence[StoredMessage], str], list[ClaimResult]]


def sent_by(parts: Sequence[StoredMessage], signed_by: str) -> tuple[str, ...]:
    """Who sent a message: who signed all its parts, or whose coins its one transaction spends."""
    return (signed_by,) if signed_by else parts[0].sender


class Revising:
    """Judges messages about records.

    Args:
        network: whose addresses and signatures count.
        raw_transaction: given a transaction's id, its bytes: then its signature must cover the message too.
        claims_of: what is said of an edited record's claims.
    """

    def __init__(self, network: Network, raw_transaction: Callable[[str], bytes] | None, claims_of: ClaimsOf) -> None:
        self._network = network
        self._raw = raw_transaction
        self._claims_of = claims_of

    def add(self, batch: Batch, message: ActionMessage, parts: Sequence[StoredMessage], signed_by: str) -> None:
        """A new message, which comes after all others. ``signed_by`` signed its parts; "" when it has none."""
        action = ActionRow(
            first_txid=parts[0].txid,
            message_id=max(one.message_id for one in parts),
            dataset_id=message.dataset_id,
            kind=message.kind.partition("/")[0],
            signed_by=signed_by,
            protocol=message.protocol,
            publisher=message.publisher,
        )
        if batch.add_action(action, [one.message_id for one in parts]):
            self._apply(batch, action, message, parts)

    def refold(self, batch: Batch, dataset_id: str) -> None:
        """Judge all messages about a record anew."""
        actions, state = batch.actions_of(dataset_id), batch.state_of(dataset_id)
        if not actions and (state is None or state[1] == 1):
            return  # nothing was ever said about it, which is so of most
        published = batch.record_messages(dataset_id)
        if not published:
            for action in actions:
                batch.settle_action(action.first_txid, "unknown")
            return
        record = parse_message(joined_text(published))
        if not isinstance(record, PublishMessage):
            raise FormatError(f"the record {dataset_id} is none any more", dataset_id=dataset_id)
        batch.reset_record(dataset_id, record.tomogram, msgspec.json.encode(record.tomogram))
        for action in actions:
            parts = batch.action_messages(action.first_txid)
            message = parse_message(joined_text(parts))
            if isinstance(message, ActionMessage):
                self._apply(batch, action, message, parts)

    def _apply(self, batch: Batch, action: ActionRow, message: ActionMessage, parts: Sequence[StoredMessage]) -> None:
        found = batch.state_of(action.dataset_id)
        if found is None:
            return  # its record may be complete later
        owner, revision, is_withdrawn, edited = found
        artifact: dict[str, Any] = (
            load_json(edited) if edited else parse_artifact(joined_text(batch.record_messages(action.dataset_id)))
        )
        before = RecordState(
            dataset_id=action.dataset_id,
            owner=owner,
            artifact=artifact,
            revision=revision,
            is_withdrawn=is_withdrawn,
        )
        after = judge_action(before, message, sent_by(parts, action.signed_by), self._network)
        if isinstance(after, RecordState):
            after = self._check_text(after, owner, parts, action.signed_by)
        document = b""
        if isinstance(after, RecordState) and after.edited is not None:
            try:
                document = msgspec.json.encode(after.edited.tomogram)
            except (UnicodeEncodeError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
                after = Refusal(reason="cannot be kept", detail=str(error))
        if isinstance(after, Refusal):
            batch.settle_action(action.first_txid, "refused", after.reason, after.detail)
            return
        former = batch.tomogram_of(action.dataset_id)
        batch.add_revision(
            action,
            number=after.revision,
            owner=after.owner,
            signed_by=owner,
            timestamp_s=message.timestamp,
            reason=message.reason,
            signature=message.signature if after.edited is None else after.edited.signature,
            is_withdrawn=after.is_withdrawn,
        )
        if after.edited is not None:
            tomogram = after.edited.tomogram
            batch.set_edited(
                action,
                artifact=encode_go_json(after.artifact),
                tomogram=tomogram,
                document=document,
                signature=after.edited.signature,
                claims=self._claims_of(parts, owner),
                changes=compare_records(former, tomogram),
            )
        batch.settle_action(action.first_txid, "counts")

    def _check_text(
        self, after: RecordState, owner: str, parts: Sequence[StoredMessage], signed_by: str
    ) -> RecordState | Refusal:
        """The coins' owner may have signed less than the text; who reads transactions can tell."""
        if self._raw is None or signed_by:
            return after
        raws = [(self._raw(one.txid), one.data) for one in parts]
        signed = check_transaction_signatures(raws, owner, self._network)
        if signed.outcome is Outcome.FAILED:
            return Refusal(reason="not sent by the owner", detail=signed.detail)
        return after
