"""The plan: what publishing will do and cost, before anything is read whole or written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, runtime_checkable

import msgspec

from etdb.errors import InputError, InsufficientFundsError
from etdb.ledger import Ledger, Limits, plan_send
from etdb.oip import Tomogram, encode_register, plan_parts
from etdb.publish.journal import Journal
from etdb.publish.journal_reading import DatasetEntry
from etdb.publish.known import RESUMED, changes_of, decode_draft, find_known, verify_may_act
from etdb.publish.states import SENT_STATES, UNSENT_STATES
from etdb.publish.steps import as_draft, draft_for, stand_in_record
from etdb.publish.submission import PlannedDataset, PublishPlan, Recorded, Submission
from etdb.publish.wanted import Wanted, plan_action, plan_edit, plan_one

__all__ = [
    "message_sizes",
    "open_datasets",
    "plan_message",
    "plan_publish",
    "plan_resume",
    "plan_waiting",
    "refuse_twins",
    "verify_fee_rate",
    "verify_means",
    "verify_submission",
]

_PART_HEAD: Final = 210
"""Bytes before a part's data, at the most."""
_OPEN_STATES: Final = ("signed", "prepared", "sent", "confirmed")
_WAITING_STATES: Final = (*UNSENT_STATES, "prepared")
_NOTHING: Final = ("unchanged", "withdrawn", "waiting")


def verify_submission(submission: Submission, publisher: str) -> None:
    """Whether a record can be written of it.

    Raises:
        InputError: what it lacks.
    """
    stand_in_record(draft_for(submission, publisher), int(time.time()))


def plan_publish(
    submissions: Sequence[Submission],
    *,
    publisher: str,
    journal: Journal | None,
    ledger: Ledger,
    limits: Limits,
    final_depth: int = 1,
    block_spacing_s: float = 0,
    revise: bool = False,
    reasons: Mapping[str, str] | None = None,
    withdraw: Mapping[str, str] | None = None,
    recorded: Recorded = lambda _owner, _name: None,
    is_unchanged: Callable[[Path], bool] = lambda _path: True,
) -> PublishPlan:
    """What publishing these datasets will do and cost; needs no key.

    Args:
        submissions: what is to be published.
        revise: plan edits for datasets that have changed; else they are refused.
        reasons: by sid, why a dataset is edited.
        withdraw: by sid or dataset id, why a dataset is to be deactivated.
        recorded: as ``Publisher`` has it.
        is_unchanged: whether a file is as it was when it was hashed (``FilesInPlace.is_unchanged``). Nothing is read
            for a plan: without it, a file of the same name and size is taken for the same.
        publisher: the address that will sign.
        journal: of the workspace, if it has one yet.
        ledger: where it goes.
        limits: of the ledger, and what the user will pay.
        final_depth: blocks on top of and with a record's last transaction that make it final.
        block_spacing_s: how far apart blocks come on average; 0 where they are made on demand.

    Raises:
        InputError: two datasets have the same sid, or a record cannot be written as it is.
    """
    refuse_twins(submissions)
    wanted, reasons = [], reasons or {}
    for submission in submissions:
        draft = draft_for(submission, publisher)
        known = find_known(journal, recorded, publisher, draft.sid)
        wanted.append(
            plan_one(submission, draft, known, revise=revise, reason=reasons.get(draft.sid, ""), is_same=is_unchanged)
        )
    wanted += [
        plan_action(
            find_known(journal, recorded, publisher, name), "deactivate", name, publisher=publisher, reason=reason
        )
        for name, reason in (withdraw or {}).items()
    ]
    plan = _cost(wanted, publisher=publisher, journal=journal, ledger=ledger, limits=limits)
    return msgspec.structs.replace(plan, final_depth=final_depth, block_spacing_s=block_spacing_s)


def plan_message(
    kind: Literal["edit", "transfer", "register"],
    name: str,
    *,
    publisher: str,
    journal: Journal | None,
    ledger: Ledger,
    limits: Limits,
    tomogram: Tomogram | None = None,
    to_address: str = "",
    reason: str = "",
    final_depth: int = 1,
    block_spacing_s: float = 0,
    recorded: Recorded = lambda _owner, _name: None,
) -> PublishPlan:
    """What one message will do and cost: an edit over the same files, a transfer, or a publisher's name.

    ``name`` is the dataset's sid or id, or the name that the publisher takes. ``tomogram`` is of an edit, the record as
    it is to be; ``to_address`` of a transfer, whose it will be. The other arguments are those of ``plan_publish``.

    Raises:
        InputError: it may not be done now, or nothing would change.
    """
    if kind == "register":
        message = encode_register(name, publisher, int(time.time()), sign=lambda _text: "A" * 88)
        draft = Tomogram(title=name, publisher=publisher)
        one = Wanted(draft, "", 0, None, message=message, what="registered")
    elif kind == "transfer":
        known = find_known(journal, recorded, publisher, name)
        one = plan_action(known, "transfer", name, publisher=publisher, reason=reason, to=to_address)
    else:
        known = verify_may_act(find_known(journal, recorded, publisher, name), publisher, name)
        draft = as_draft(tomogram or known.tomogram, publisher)
        changes = changes_of(known, draft, None)
        if not changes:
            raise InputError(f"nothing differs: {name} says all of it already", hint="see: etdb show")
        one = plan_edit(known, draft, changes, reason, what="edited", source=known.sid, size_bytes=0)
    plan = _cost([one], publisher=publisher, journal=journal, ledger=ledger, limits=limits)
    return msgspec.structs.replace(plan, final_depth=final_depth, block_spacing_s=block_spacing_s)


def plan_resume(
    *,
    publisher: str,
    journal: Journal | None,
    ledger: Ledger,
    limits: Limits,
    final_depth: int = 1,
    block_spacing_s: float = 0,
) -> PublishPlan:
    """What going on with all that was signed and is not final yet will do and cost; arguments as ``plan_publish``.

    Raises:
        InputError: there is no journal.
    """
    if journal is None:
        raise InputError("nothing was published from this workspace yet", hint="begin with: etdb publish FOLDER")
    entries = open_datasets(journal, publisher)
    plan = _cost_of(entries, publisher=publisher, journal=journal, ledger=ledger, limits=limits)
    return msgspec.structs.replace(plan, final_depth=final_depth, block_spacing_s=block_spacing_s)


def plan_waiting(*, publisher: str, journal: Journal, ledger: Ledger, limits: Limits) -> PublishPlan:
    """What all that was begun and is not wholly sent will take yet; arguments as ``plan_publish``.

    Transactions that are signed already and not sent count with the fees that stand in them.
    """
    entries = [one for one in journal.datasets(*_WAITING_STATES) if one.publisher == publisher]
    plan = _cost_of(entries, publisher=publisher, journal=journal, ledger=ledger, limits=limits)
    signed = (one.signed for one in journal.transactions(states=("signed",)))
    fee_sat = sum(one.fee_sat for one in signed if any(coin.address == publisher for coin in one.spends))
    return msgspec.structs.replace(plan, fee_sat=plan.fee_sat + fee_sat)


def _cost_of(
    entries: Sequence[DatasetEntry], *, publisher: str, journal: Journal, ledger: Ledger, limits: Limits
) -> PublishPlan:
    wanted = []
    for entry in entries:
        draft = decode_draft(entry)
        size_bytes = sum(file.size_bytes or 0 for file in draft.files)
        wanted.append(Wanted(draft, entry.source, size_bytes, entry, revision=entry.revision, what=RESUMED[entry.kind]))
    return _cost(wanted, publisher=publisher, journal=journal, ledger=ledger, limits=limits)


def open_datasets(journal: Journal, publisher: str) -> list[DatasetEntry]:
    """The datasets of a publisher whose records are signed and not final."""
    return [one for one in journal.datasets(*_OPEN_STATES) if one.publisher == publisher]


def _cost(
    wanted: Sequence[Wanted], *, publisher: str, journal: Journal | None, ledger: Ledger, limits: Limits
) -> PublishPlan:
    datasets, sizes = [], []
    for one in wanted:
        entry, draft = one.entry, one.draft
        record = one.message or (entry.record if entry else b"") or stand_in_record(draft, int(time.time()))
        messages = message_sizes(record, publisher, limits)
        sent = one.what in _NOTHING or (entry is not None and entry.state in SENT_STATES)
        if not sent:
            live = {part.part for part in journal.parts(entry.id)} if journal and entry else set()
            sizes += [size for part, size in enumerate(messages) if part not in live]
        datasets.append(
            PlannedDataset(
                sid=draft.sid,
                title=draft.title,
                source=one.source,
                files=len(draft.files),
                size_bytes=one.size_bytes,
                transactions=len(messages),
                record_bytes=len(record),
                status=_status(entry) if entry or one.what not in _NOTHING else "published",
                what=one.what,
                fields=one.fields,
                revision=one.revision,
                reason=one.reason,
            )
        )
    cost = plan_send(sizes, ledger.coins(publisher), limits)
    return PublishPlan(
        publisher=publisher,
        ledger=ledger.network_name,
        datasets=tuple(datasets),
        transactions=cost.transactions,
        transaction_bytes=cost.bytes,
        fee_sat=cost.fee_sat,
        available_sat=cost.available_sat,
        blocks=cost.blocks,
    )


def verify_means(plan: PublishPlan, limits: Limits) -> None:
    """Before hours of hashing: can it be paid, and may it cost so much?

    Raises:
        InsufficientFundsError: one of them is not so.
    """
    if plan.fee_sat > limits.max_fee_sat:
        raise InsufficientFundsError(
            f"this run would pay {plan.fee_sat} satoshi in fees, more than the {limits.max_fee_sat} that are allowed",
            hint="publish fewer datasets at once, or raise max_fee_sat under [limits] in etdb.toml if that is meant",
        )
    if plan.fee_sat > plan.available_sat:
        raise InsufficientFundsError(
            f"{plan.publisher} holds {plan.available_sat} satoshi; the fees will be about {plan.fee_sat}",
            hint="send coins to that address, and run the same command again when they are confirmed",
            address=plan.publisher,
            have_sat=plan.available_sat,
            need_sat=plan.fee_sat,
        )


@runtime_checkable
class _AsksFee(Protocol):
    """A ledger that says what it asks for."""

    def relay_fee_sat_per_kb(self) -> int:
        """Satoshi for 1,000 bytes, at least; 0 when it is not known."""


def verify_fee_rate(ledger: Ledger, limits: Limits) -> None:
    """Before anything is signed: does the ledger take transactions that pay so much?

    Raises:
        InputError: it asks for more; the hint says what to set.
    """
    least = ledger.relay_fee_sat_per_kb() if isinstance(ledger, _AsksFee) else 0
    if limits.fee_rate_sat_per_kb < least:
        raise InputError(
            f"fees are {limits.fee_rate_sat_per_kb} satoshi for 1,000 bytes; the ledger takes nothing below {least}",
            hint=f"set fee_rate_sat_per_kb = {least} or more under [limits] in etdb.toml",
            least_sat_per_kb=least,
        )


def _status(entry: DatasetEntry | None) -> Literal["new", "unfinished", "pending", "published"]:
    if entry is None:
        return "new"
    if entry.state not in SENT_STATES:
        return "unfinished"
    return "published" if entry.state == "final" else "pending"


def message_sizes(record: bytes, publisher: str, limits: Limits) -> list[int]:
    """Bytes of text of each transaction that a record takes, at the most."""
    pieces = plan_parts(record, publisher)
    head = _PART_HEAD if len(pieces) > 1 else 0
    return [min(limits.data_limit_bytes, len(piece) + head) for piece in pieces]


def refuse_twins(submissions: Sequence[Submission]) -> None:
    """Two datasets of one sid would be one for every reader.

    Raises:
        InputError: naming both.
    """
    sources: dict[str, str] = {}
    for submission in submissions:
        sid = submission.tomogram.sid
        if sid in sources:
            raise InputError(
                f"two datasets have the sid {sid}: {sources[sid]} and {submission.source}",
                hint="give one of them another `sid` in its dataset.toml",
                sid=sid,
            )
        sources[sid] = submission.source
