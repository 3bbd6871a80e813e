"""What is known of a dataset before a run: from the journal, and from what the ledger's index says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from etdb.errors import InputError
from etdb.oip import FieldChange, Tomogram, compare_records, load_json, parse_artifact, parse_tomogram
from etdb.publish.journal_reading import DatasetEntry, JournalReading
from etdb.publish.states import UNSENT_STATES

if TYPE_CHECKING:
    from etdb.catalogue.values import CurrentRecord
    from etdb.publish.submission import Recorded, Submission, What

__all__ = ["RESUMED", "Known", "changes_of", "decode_draft", "find_known", "verify_may_act", "what_of"]

_WORKED_OUT: Final = ("].role", "].media_type")
"""What of a file is told by its name and content."""
_draft = msgspec.json.Decoder(Tomogram)
_OF_THE_LEDGER: Final = ("publisher", "timestamp_s", "location", "storage_network")


RESUMED: Final[dict[str, What]] = {
    "publish": "new",
    "edit": "edited",
    "deactivate": "deactivated",
    "transfer": "transferred",
    "register": "registered",
}
"""What going on with a message is called."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that was published before, or is on its way.

    Attributes:
        sid: under which the journal keeps it.
        dataset_id: its id on the ledger; empty while its first message is not signed for it.
        owner: the address whose key counts.
        revision: the newest that the ledger may know.
        tomogram: its content then, without location and time.
        artifact: as it is written then; None while nothing was sent.
        files: path -> CID, or None when the journal cannot tell.
        content: the newest message that says what it is, of those that the ledger may know.
        begun: a message that was begun and of which the ledger knows nothing.
        is_settled: whether all messages that the ledger may know are final.
        is_withdrawn: whether it is, or is on the way to be.
    """

    sid: str
    dataset_id: str
    owner: str
    revision: int
    tomogram: Tomogram
    artifact: dict[str, Any] | None
    files: dict[str, str] | None
    content: DatasetEntry | None
    begun: DatasetEntry | None
    is_settled: bool
    is_withdrawn: bool


def decode_draft(entry: DatasetEntry) -> Tomogram:
    """The record of a dataset as far as it was known before its files were read."""
    return _draft.decode(entry.draft)


def find_known(journal: JournalReading | None, recorded: Recorded, address: str, name: str) -> Known | None:
    """A dataset of a publisher, by its sid or its id on the ledger; None when it was never published.

    The journal knows what was sent and is not indexed; the index knows what others sent with the same key. The
    journal counts unless the index shows a newest message that is not the journal's.

    Raises:
        InputError: the index has several of this sid.
    """
    sid = (journal.sid_of(address, name) if journal else None) or name
    entries = journal.messages_about(address, sid) if journal else []
    sent = [one for one in entries if one.state not in UNSENT_STATES or (journal and journal.parts(one.id))]
    begun = next((one for one in entries if one not in sent), None)
    dataset_id = journal.dataset_id(sent[-1]) if journal and sent else ""
    current = recorded(address, dataset_id or name)
    if current is not None and not (journal and sent and journal.find_transaction(current.revision_id)):
        foreign = current if not sent or current.revision > sent[-1].revision else None
        if foreign is not None:
            return _from_index(foreign, begun, is_settled=all(one.state == "final" for one in sent))
    if not entries:
        return None
    content = next((one for one in reversed(sent) if one.has_content), None)
    shown = content or entries[0]
    return Known(
        sid=sid,
        dataset_id=dataset_id,
        owner=_owner(sent, address),
        revision=sent[-1].revision if sent else 0,
        tomogram=decode_draft(shown),
        artifact=_artifact_of(content) if content else None,
        files=shown.files,
        content=content,
        begun=begun,
        is_settled=all(one.state == "final" for one in sent),
        is_withdrawn=any(one.kind == "deactivate" for one in sent),
    )


def _from_index(current: CurrentRecord, begun: DatasetEntry | None, *, is_settled: bool) -> Known:
    artifact: dict[str, Any] = load_json(current.artifact)
    whole = parse_tomogram(artifact, needs_date=False)
    return Known(
        sid=current.sid or current.dataset_id,
        dataset_id=current.dataset_id,
        owner=current.owner,
        revision=current.revision,
        tomogram=whole,
        artifact=artifact,
        files=None,
        content=None,
        begun=begun,
        is_settled=is_settled,
        is_withdrawn=current.is_withdrawn,
    )


def _owner(sent: list[DatasetEntry], address: str) -> str:
    """Whose it is after all messages of this journal: a transfer's ``source`` says to whom."""
    return next((one.source for one in reversed(sent) if one.kind == "transfer"), address)


def _artifact_of(content: DatasetEntry) -> dict[str, Any]:
    if content.kind == "edit":
        artifact: dict[str, Any] = load_json(content.artifact)
        return artifact
    return parse_artifact(content.record)


def changes_of(known: Known, draft: Tomogram, files: dict[str, str] | None) -> tuple[FieldChange, ...]:
    """What differs between a dataset as it was sent and as it is to be.

    Args:
        known: as it was sent.
        draft: as it is to be.
        files: path -> CID of what is there now; None when it was not read, and sizes must do.
    """
    keep = {name: getattr(draft, name) for name in _OF_THE_LEDGER}
    former = msgspec.structs.replace(known.tomogram, **keep)
    if files is not None and known.files is not None:
        # The sizes of a draft are those that its files had; what they hold now is told by their CIDs.
        sized = {one.path: one.size_bytes for one in draft.files}
        former = msgspec.structs.replace(
            former,
            files=tuple(
                msgspec.structs.replace(one, size_bytes=sized.get(one.path, one.size_bytes))
                if files.get(one.path) == known.files.get(one.path)
                else one
                for one in former.files
            ),
        )
    changes = list(compare_records(former, draft))
    if files is None:
        return tuple(changes)
    if known.files is None:
        return (*changes, FieldChange(field="files", before="not known here, so they count as others"))
    told = {one.field.partition("]")[0] + "]" for one in changes if one.field.startswith("files[")}
    changes += [
        FieldChange(field=f"files[{path}]", before=known.files[path], after=files[path])
        for path in sorted(files.keys() & known.files.keys())
        if files[path] != known.files[path] and f"files[{path}]" not in told
    ]
    return tuple(changes)


def stated_changes(changes: Iterable[FieldChange], submission: Submission) -> list[FieldChange]:
    """Those that somebody meant: not what etdb works out by itself, and not another spelling of the same.

    Another version of etdb may read more out of the same files; that makes no new revision.
    """
    return [
        one
        for one in changes
        if one.field not in submission.derived
        and not one.field.endswith(_WORKED_OUT)
        and (one.field not in submission.respelt or one.before != submission.respelt[one.field])
    ]


def what_of(changes: tuple[FieldChange, ...], known: Known, files: dict[str, str] | None) -> What:
    """What publishing these changes is called."""
    if not changes:
        return "unchanged"
    if files is not None and known.files is not None:
        return "edited" if files == known.files else "files changed"
    return "files changed" if any(one.field.startswith("files") for one in changes) else "edited"


def verify_may_act(known: Known | None, address: str, name: str) -> Known:
    """Whether a key may do something to a dataset now.

    Raises:
        InputError: why not, and what to do.
    """
    if known is None:
        raise InputError(
            f"no dataset {name} of {address} is known here",
            hint="give its id on the ledger; if it was published elsewhere, run first: etdb index",
            dataset=name,
        )
    if known.owner != address:
        raise InputError(
            f"{name} belongs to {known.owner}, and the key here is {address}",
            hint="only its owner's key counts: use that key with --key",
            owner=known.owner,
        )
    if known.is_withdrawn:
        raise InputError(
            f"{name} is withdrawn, and nothing counts after that",
            hint="publish the data again under a sid of its own",
            dataset_id=known.dataset_id,
        )
    if not known.is_settled or not known.dataset_id:
        raise InputError(
            f"{name} is on its way: its former message is not final yet",
            hint="go on with: etdb publish --resume",
            dataset_id=known.dataset_id,
        )
    return known
