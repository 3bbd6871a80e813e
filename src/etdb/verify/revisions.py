"""What the transactions of a dataset say, edits and transfers applied by the rule of ``trust.judge_action``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from etdb.errors import EtdbError, FormatError
from etdb.flo import Network, Transaction
from etdb.oip import (
    ActionMessage,
    Joined,
    OtherMessage,
    Part,
    PartJoiner,
    PublishMessage,
    parse_artifact,
    parse_message,
)
from etdb.trust import (
    ClaimResult,
    Outcome,
    RecordState,
    Refusal,
    check_parts,
    check_transaction_signatures,
    judge_action,
)

__all__ = ["Said", "read_revisions"]


class Said(Struct, frozen=True, kw_only=True):
    """One message that counts, and the numbers of the transactions that carry it.

    ``record`` is the record as it is then, ``owner`` whose key counted for it.
    """

    record: PublishMessage
    parts: tuple[Part, ...]
    places: tuple[int, ...]
    owner: str


class _Whole(Struct, frozen=True, kw_only=True):
    text: bytes
    parts: tuple[Part, ...]
    places: tuple[int, ...]


def read_revisions(
    dataset_id: str,
    transactions: Sequence[Transaction],
    order: Sequence[tuple[int, int]],
    network: Network,
) -> list[Said]:
    """The record in these transactions, and the messages about it that count, in the order of the chain.

    Args:
        dataset_id: the id of the record's first transaction.
        transactions: in any order.
        order: of each, the height and position on the chain.
        network: whose addresses and signatures count.

    Raises:
        FormatError: the record is not among them, or not whole.
    """
    first = next((number for number, one in enumerate(transactions) if one.txid == dataset_id), None)
    if first is None:
        raise FormatError(f"the transaction {dataset_id} is not among them", txid=dataset_id)
    published = _join(first, transactions)
    record = parse_message(published.text)
    if not isinstance(record, PublishMessage):
        what = f" but {record.kind}" if isinstance(record, OtherMessage) else ""
        raise FormatError(f"the transaction {dataset_id} holds no record{what}", txid=dataset_id)
    owner = record.tomogram.publisher
    said = [Said(record=record, parts=published.parts, places=published.places, owner=owner)]
    state = RecordState(dataset_id=dataset_id, owner=owner, artifact=parse_artifact(published.text))
    actions = _actions(dataset_id, transactions, set(published.places))
    for action, whole in sorted(actions, key=lambda found: max(order[place] for place in found[1].places)):
        sender = _sender(state.owner, [transactions[place] for place in whole.places], whole.parts, network)
        after = judge_action(state, action, sender, network)
        if isinstance(after, Refusal):
            continue
        said.append(
            Said(
                record=after.edited or said[-1].record,
                parts=whole.parts,
                places=whole.places,
                owner=state.owner,
            )
        )
        state = after
    return said


def _actions(
    dataset_id: str, transactions: Sequence[Transaction], used: set[int]
) -> Iterator[tuple[ActionMessage, _Whole]]:
    for number, one in enumerate(transactions):
        if number in used:
            continue
        try:
            part = parse_message(one.flo_data)
            if isinstance(part, Part) and part.number:
                continue
            whole = _join(number, transactions)
            message = parse_message(whole.text)
        except EtdbError:
            continue  # no message, or not whole: it cannot count
        if isinstance(message, ActionMessage) and message.dataset_id == dataset_id:
            yield message, whole


def _join(first: int, transactions: Sequence[Transaction]) -> _Whole:
    """The message that begins in a transaction."""
    begun = transactions[first]
    message = parse_message(begun.flo_data)
    if not isinstance(message, Part):
        return _Whole(text=begun.flo_data, parts=(), places=(first,))
    joiner = PartJoiner(begun.txid, message.address, message.count)
    parts: dict[str, tuple[int, Part]] = {}
    for place, one in enumerate(transactions):
        part = parse_message(one.flo_data)
        if not isinstance(part, Part):
            continue
        parts[one.txid] = (place, part)
        for event in joiner.feed(one.txid, part):
            if isinstance(event, Joined):
                found = [parts[txid] for txid in event.txids]
                return _Whole(
                    text=event.data, parts=tuple(part for _, part in found), places=tuple(at for at, _ in found)
                )
    raise FormatError(f"{len(joiner.missing)} of {message.count} parts are missing", txid=begun.txid)


def _sender(owner: str, transactions: Sequence[Transaction], parts: Sequence[Part], network: Network) -> set[str]:
    """The owner, when these come from its key."""
    result: ClaimResult
    if parts:
        result = check_parts(parts, owner, network)
    else:
        raws = [(one.encode(), one.flo_data) for one in transactions]
        result = check_transaction_signatures(raws, owner, network)
    return set() if result.outcome is Outcome.FAILED else {owner}
