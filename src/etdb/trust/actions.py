"""Whether what a message does to a record counts: who may, who signed, and what the record becomes.

The rules are in docs/adr/0027. Only the owner's key counts, twice: it signs the message's own text, and it sends it (it
signs the one transaction, or every part). The text alone is not enough: an edit's signature does not cover its patch,
so who has seen one could put another patch under it; and an edit of 2018 signs what a deactivation signs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from etdb.errors import EtdbError, FormatError
from etdb.flo import Network, is_address, verify_message
from etdb.oip import (
    ActionMessage,
    DeactivateMessage,
    EditMessage,
    PublishMessage,
    RegisterMessage,
    TransferMessage,
    apply_patch,
    encode_go_json,
    parse_message,
)
from etdb.trust.checks import check_artifact
from etdb.trust.claims import Outcome

__all__ = ["MAX_REVISIONS", "RecordState", "Refusal", "is_registration", "judge_action"]

MAX_REVISIONS = 1_000
"""Messages about one record that count; who reads the chain carries out each."""


class RecordState(msgspec.Struct, frozen=True, kw_only=True):
    """A record at one moment.

    Attributes:
        dataset_id: its first transaction.
        owner: the address whose key counts; after a transfer not the one that published it.
        artifact: as it is written, with all edits.
        revision: how many messages counted, the first included.
        is_withdrawn: whether it was deactivated; then nothing counts any more.
        edited: the record as the last message made it, when that was an edit.
    """

    dataset_id: str
    owner: str
    artifact: dict[str, Any]
    revision: int = 1
    is_withdrawn: bool = False
    edited: PublishMessage | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message does not count."""

    reason: str
    detail: str = ""


def judge_action(
    state: RecordState, message: ActionMessage, sent_by: Collection[str], network: Network
) -> RecordState | Refusal:
    """What a record becomes by a message about it, or why the message does not count. Nothing is raised.

    Args:
        state: the record before it.
        message: names the record.
        sent_by: the addresses that signed its transaction, or every part of it.
        network: whose address form that is.
    """
    if state.is_withdrawn:
        return Refusal(reason="withdrawn before", detail="nothing counts after a deactivation")
    if state.owner not in sent_by:
        return Refusal(reason="not sent by the owner", detail=f"{state.owner} owns it and did not send this")
    if state.revision >= MAX_REVISIONS:
        return Refusal(reason="too many revisions", detail=f"{MAX_REVISIONS} counted before")
    if not _is_signed(message.signature, state.owner, _preimages(message, state.owner), network):
        return Refusal(reason="not signed by the owner", detail=f"{state.owner} owns it and did not sign this")
    following = msgspec.structs.replace(state, revision=state.revision + 1, edited=None)
    if isinstance(message, DeactivateMessage):
        return msgspec.structs.replace(following, is_withdrawn=True)
    if isinstance(message, TransferMessage):
        if message.publisher != state.owner:
            return Refusal(reason="not signed by the owner", detail=f"it says to be from {message.publisher}")
        if not is_address(message.to_address, network) or message.to_address == state.owner:
            return Refusal(reason="not a transfer", detail=f"to {message.to_address}")
        return msgspec.structs.replace(following, owner=message.to_address)
    if isinstance(message, EditMessage):
        return _edit(state, following, message, network)
    return Refusal(reason="unknown action", detail=message.kind)


def is_registration(message: RegisterMessage, sent_by: Collection[str], network: Network) -> bool:
    """Whether a publisher's name comes from the key of its address."""
    address = message.publisher
    return address in sent_by and _is_signed(message.signature, address, message.preimages, network)


def _edit(before: RecordState, following: RecordState, message: EditMessage, network: Network) -> RecordState | Refusal:
    try:
        artifact = apply_patch(before.artifact, message.patch)
        record = _parse(artifact)
    except (FormatError, ValueError, RecursionError) as error:
        return Refusal(reason="the edit fails", detail=str(error))
    if record.tomogram.publisher != before.owner:
        return Refusal(reason="the edit fails", detail=f"it names {record.tomogram.publisher} as the publisher")
    signed = check_artifact(record, network)
    if signed.outcome is not Outcome.HELD:
        return Refusal(reason="the edited record is not signed", detail=signed.detail)
    if _unsigned(artifact) == _unsigned(before.artifact):
        return Refusal(reason="the edit fails", detail="it changes nothing but time and signature")
    return msgspec.structs.replace(following, artifact=artifact, edited=record)


def _parse(artifact: Any) -> PublishMessage:
    """The patched artifact, read as strictly as if it had been published so."""
    record = parse_message(b"json:" + encode_go_json({"oip042": {"publish": {"artifact": artifact}}}))
    if not isinstance(record, PublishMessage):
        raise FormatError("not a tomogram's record any more")
    return record


def _unsigned(artifact: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in artifact.items() if key not in ("timestamp", "signature")}


def _preimages(message: ActionMessage, owner: str) -> tuple[str, ...]:
    """Every form that was ever in use, the message's own first."""
    if isinstance(message, EditMessage):
        plain, named = (f"{message.dataset_id}-{who}{message.timestamp}" for who in ("", f"{owner}-"))
        return (named, plain) if message.names_owner else (plain, named)
    return (message.preimage(owner),) if isinstance(message, DeactivateMessage) else message.preimages


def _is_signed(signature: str, address: str, preimages: Iterable[str], network: Network) -> bool:
    for preimage in preimages:
        try:
            verify_message(address, preimage, signature, network)
        except EtdbError:
            continue
        return True
    return False
