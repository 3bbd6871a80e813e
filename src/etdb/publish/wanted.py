"""What is to be said of each dataset, decided from what is known of it and what it is to be; nothing is read for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from etdb.errors import InputError
from etdb.oip import FieldChange, Tomogram
from etdb.publish.acting import stand_in_edit, stand_in_message
from etdb.publish.journal_reading import DatasetEntry
from etdb.publish.known import Known, changes_of, stated_changes, verify_may_act, what_of
from etdb.publish.submission import Submission, What

__all__ = ["Wanted", "plan_action", "plan_edit", "plan_one", "refuse_changes"]

_NAMED: Final = 12
"""Fields that an error names."""


class Wanted(NamedTuple):
    """One line of a plan: the message as it is or about as it will be, and what it means."""

    draft: Tomogram
    source: str
    size_bytes: int
    entry: DatasetEntry | None
    message: bytes = b""
    what: What = "new"
    fields: tuple[str, ...] = ()
    revision: int = 1
    reason: str = ""


def plan_one(
    submission: Submission,
    draft: Tomogram,
    known: Known | None,
    *,
    revise: bool,
    reason: str,
    is_same: Callable[[Path], bool],
) -> Wanted:
    """One dataset as it is now, beside what is known of it."""
    source, size_bytes = submission.source, submission.size_bytes
    if known is None or not known.revision:
        return Wanted(draft, source, size_bytes, known.begun if known else None)
    if known.is_withdrawn:
        return Wanted(draft, source, size_bytes, known.content, what="withdrawn", revision=known.revision)
    changes = changes_of(known, draft, None)
    changes += tuple(
        FieldChange(field=f"files[{entry.path}] (perhaps)")  # another time or inode: the run reads it and knows
        for entry in draft.files
        if known.files is not None and entry.path in known.files and not is_same(submission.paths[entry.path])
    )
    what, fields = what_of(changes, known, None), tuple(one.field for one in changes)
    stated = stated_changes(changes, submission)
    if not stated:
        return Wanted(draft, source, size_bytes, known.content, what="unchanged", revision=known.revision)
    if not revise:
        refuse_changes(draft.sid, [one.field for one in stated])
        return Wanted(draft, source, size_bytes, known.content, what="unchanged", revision=known.revision)
    if not known.is_settled:
        return Wanted(draft, source, size_bytes, known.content, b"", "waiting", fields, known.revision)
    verify_may_act(known, draft.publisher, draft.sid)
    return plan_edit(known, draft, changes, reason, what=what, source=source, size_bytes=size_bytes)


def plan_edit(
    known: Known,
    draft: Tomogram,
    changes: Sequence[FieldChange],
    reason: str,
    *,
    what: What,
    source: str,
    size_bytes: int,
) -> Wanted:
    """An edit that makes these changes."""
    message = stand_in_edit(known, draft, reason, int(time.time()))
    fields = tuple(one.field for one in changes)
    return Wanted(draft, source, size_bytes, None, message, what, fields, known.revision + 1, reason)


def plan_action(
    known: Known | None,
    kind: Literal["deactivate", "transfer"],
    name: str,
    *,
    publisher: str,
    reason: str,
    to: str = "",
) -> Wanted:
    """A withdrawal or a transfer.

    Raises:
        InputError: why it may not be.
    """
    if known is not None and known.is_withdrawn and kind == "deactivate":
        return Wanted(known.tomogram, name, 0, known.content, what="withdrawn", revision=known.revision)
    known = verify_may_act(known, publisher, name)
    message = stand_in_message(kind, known, publisher, int(time.time()), to=to, reason=reason)
    draft = msgspec.structs.replace(known.tomogram, sid=known.sid, files=())
    what: What = "deactivated" if kind == "deactivate" else "transferred"
    return Wanted(draft, to or name, 0, None, message, what, (), known.revision + 1, reason)


def refuse_changes(sid: str, fields: Sequence[str]) -> None:
    """A published dataset is not to become another by the way.

    What is only noted of its files does not matter here.

    Raises:
        InputError: what changed, and how it is meant.
    """
    fields = [one for one in fields if "]." not in one or one.endswith(".size_bytes")]
    if not fields:
        return
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    raise InputError(
        f"{sid} is published already and has changed since: {', '.join(fields[:_NAMED])}{more}",
        hint="correct its record with: etdb edit; or give new data a sid of its own",
        sid=sid,
    )
