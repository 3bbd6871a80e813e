"""Publish: from described files to records on the ledger, each step in the journal before it is done."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from etdb import oip
from etdb.blocks import AddedFile, FilesInPlace
from etdb.errors import InputError, LedgerError
from etdb.flo import Network, PrivateKey
from etdb.ledger import Ledger, Limits
from etdb.oip import Tomogram
from etdb.publish.acting import Acting
from etdb.publish.dispatch import Dispatch
from etdb.publish.journal import DatasetEntry, Journal
from etdb.publish.known import RESUMED, Known, changes_of, decode_draft, stated_changes, verify_may_act, what_of
from etdb.publish.offering import Note, Offering
from etdb.publish.pace import Pace, TimeIsUpError
from etdb.publish.planning import open_datasets, refuse_twins
from etdb.publish.reconcile import orphaned_parts
from etdb.publish.sender import Sender
from etdb.publish.steps import HashedFiles, as_draft, draft_for, hash_files, sign_record, store_manifest
from etdb.publish.submission import Progress, PublishedDataset, PublishReport, Recorded, Submission, What
from etdb.publish.wanted import refuse_changes
from etdb.publish.watching import BlockWatch

__all__ = ["Publisher"]


class _Done(NamedTuple):
    """What a run does with a dataset: the message that is to be final, if it is this journal's, and what it means."""

    entry: DatasetEntry | None
    known: Known | None
    what: What
    fields: tuple[str, ...] = ()


_CHUNK = 256  # datasets that are hashed and signed before their transactions go out


class Publisher:
    """Publishes datasets of one key. ``run`` may be cut off anywhere and called again with the same datasets.

    Args:
        journal, blocks, ledger: the workspace's stores; the caller holds the publishing lock.
        key: the publisher's key.
        network: whose address form it has.
        limits: of the ledger, and what the user is ready to pay.
        final_depth: blocks on top of and with a record's last transaction that make it final.
        sha256: also keep the SHA-256 of whole files in the manifest, from the same read.
        progress: called with what is done of each step.
        note: called with a sentence about the work that somebody should know.
        clock: Unix seconds.
        fund: called once, when files are hashed and transactions are about to be signed, so that a ledger of one's
            own can make the coins; not when nothing is to be sent.
        pace: how to wait for blocks until all is final; None to end when only another block can help.
        recorded: what the ledger's index says of datasets that this journal does not know, or not the newest of.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        blocks: FilesInPlace,
        ledger: Ledger,
        key: PrivateKey,
        network: Network,
        limits: Limits,
        final_depth: int = 1,
        sha256: bool = True,
        progress: Progress = lambda _step, _done, _total: None,
        note: Note = lambda _text: None,
        clock: Callable[[], float] = time.time,
        fund: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
        recorded: Recorded = lambda _owner, _name: None,
    ) -> None:
        self._journal = journal
        self._blocks = blocks
        self._ledger = ledger
        self._key = key
        self._sha256 = sha256
        self._progress = progress
        self._clock = clock
        self._acting = Acting(journal, key, network, recorded, clock)
        self.address = key.address(network)
        told: set[str] = set()

        def note_once(text: str) -> None:
            if text not in told:
                told.add(text)
                note(text)

        self._offering = Offering(journal, ledger, limits, self.address, progress=progress, note=note_once, clock=clock)
        watch = BlockWatch(journal, ledger, self.address)
        self._dispatch = Dispatch(
            journal,
            ledger,
            Sender(journal, ledger, key, network, self._offering, watch=watch, final_depth=final_depth),
            self._offering,
            watch,
            final_depth=final_depth,
            pace=pace,
            progress=progress,
            note=note_once,
            fund=fund,
        )

    def run(
        self, submissions: Sequence[Submission], *, revise: bool = False, reasons: Mapping[str, str] | None = None
    ) -> PublishReport:
        """Publish these datasets; what is published already and has not changed is left as it is.

        Args:
            submissions: the datasets, each with all its files.
            revise: publish what has changed as an edit of its record, with a new manifest and location; files that
                have not changed are not read again and keep their CIDs. An edit that was begun is gone on with. A
                dataset whose former message is not final yet is left for the next run ("waiting"), a withdrawn one
                alone ("withdrawn").
            reasons: by sid, why a dataset is edited; part of the edit.

        Raises:
            InputError: a dataset's files or fields changed after its record was sent, and ``revise`` is not meant.
            SourceFileError, InsufficientFundsError, LedgerError, StorageError: what is done so far stays
                done, and the same call goes on from there.
        """
        started = self._clock()
        refuse_twins(submissions)
        self._dispatch.begin()
        total = sum(submission.size_bytes for submission in submissions)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._progress("add", done, total)

        done_with: list[_Done] = []
        for start in range(0, len(submissions), _CHUNK):
            chunk = [
                self._add_and_sign(one, advance, revise=revise, reason=(reasons or {}).get(one.tomogram.sid, ""))
                for one in submissions[start : start + _CHUNK]
            ]
            self._dispatch.add(_entries(chunk))
            done_with += chunk
        return self._finish(done_with, started)

    def edit(
        self, name: str, tomogram: Tomogram, *, contents: Mapping[str, AddedFile] | None = None, reason: str = ""
    ) -> PublishReport:
        """Correct a dataset's record, over the same files.

        Args:
            name: its sid, or its id on the ledger.
            tomogram: the record as it is to be; location, time and publisher are not used.
            contents: its files by path, which go into the new directory beside the new manifest; None for a record
                that has no manifest, whose location then stays.
            reason: why; part of the edit.

        Raises:
            InputError: nothing differs, or it may not be edited now: not this key's, withdrawn, on its way.
        """
        started = self._clock()
        self._dispatch.begin()
        known = verify_may_act(self._acting.find(name), self.address, name)
        draft = as_draft(tomogram, self.address)
        changes = changes_of(known, draft, None)
        if not changes:
            raise InputError(f"nothing differs: {name} says all of it already", hint="see: etdb show")
        if known.begun is not None and known.begun.state == "signed":
            raise InputError(
                f"a message about {name} is signed and not sent yet ({known.begun.kind})",
                hint="go on with it first: etdb publish --resume",
            )
        entry = self._acting.begin(known, "edit", known.content.source if known.content else "", draft, reason)
        location = tomogram.location
        if contents is not None:
            location = store_manifest(self._blocks, HashedFiles(added=dict(contents), tomogram=draft), self._today())
        self._journal.add(entry.id, {path: str(one.cid) for path, one in (contents or {}).items()}, location)
        entry = self._acting.sign_edit(self._journal.dataset(entry.id), known, draft, location)
        self._dispatch.add([entry])
        return self._finish([_Done(entry, known, "edited", tuple(one.field for one in changes))], started)

    def deactivate(self, reasons: Mapping[str, str]) -> PublishReport:
        """Withdraw datasets of this key: by sid or dataset id, why.

        Each is withdrawn once, however often this is called. Datasets that this journal does not know are looked for
        with ``recorded``.

        Raises:
            InputError: a dataset is unknown, belongs to another key, or its former message is not final yet.
        """
        started = self._clock()
        self._dispatch.begin()
        for name in reasons:
            known = self._acting.find(name)
            if known is None or not known.is_withdrawn:
                verify_may_act(known, self.address, name)  # before anything is signed, for all of them
        done_with = []
        for name, reason in reasons.items():
            entry, known = self._acting.withdraw(name, reason)
            done_with.append(_Done(entry, known, "withdrawn" if known.is_withdrawn else "deactivated"))
        self._dispatch.add(_entries(done_with))
        return self._finish(done_with, started)

    def transfer(self, name: str, to_address: str, *, reason: str = "") -> PublishReport:
        """Give a dataset to another address, whose key alone counts from then on. Errors as ``deactivate``."""
        started = self._clock()
        self._dispatch.begin()
        entry, known = self._acting.transfer(name, to_address, reason)
        self._dispatch.add([entry])
        return self._finish([_Done(entry, known, "transferred")], started)

    def register(self, name: str) -> PublishReport:
        """Say what this publisher is called; a name that was said last is not said again."""
        started = self._clock()
        self._dispatch.begin()
        entry = self._acting.register(name)
        self._dispatch.add([entry])
        return self._finish([_Done(entry, None, "registered")], started)

    def resume(self, sids: Collection[str] | None = None) -> PublishReport:
        """Go on with what the journal holds signed or sent, without looking at the lab's files again.

        Args:
            sids: only of these datasets; of all otherwise.
        """
        started = self._clock()
        before = open_datasets(self._journal, self.address)
        self._dispatch.begin()  # it may bring some of them to their end
        ids = dict.fromkeys(one.id for one in (*before, *open_datasets(self._journal, self.address)))
        mine = [one for one in map(self._journal.dataset, ids) if sids is None or one.sid in sids]
        self._dispatch.add(mine)
        return self._finish([_Done(one, None, RESUMED[one.kind]) for one in mine], started)

    def _finish(self, entries: Sequence[_Done], started: float) -> PublishReport:
        in_time = True
        try:
            self._dispatch.finish()
        except TimeIsUpError:
            in_time = False
        return self._report(entries, started, in_time=in_time)

    def _add_and_sign(
        self, submission: Submission, advance: Callable[[int], None], *, revise: bool, reason: str
    ) -> _Done:
        draft = draft_for(submission, self.address)
        known = self._acting.find(draft.sid)
        if known is not None and known.revision:
            return self._revise(submission, draft, known, advance, revise=revise, reason=reason)
        encoded = msgspec.json.encode(draft)
        # What a sync dropped before it was sent may be released again.
        entry = known.begun if known else self._journal.dropped(self.address, draft.sid, 1)
        if entry is None:
            entry = self._journal.plan(self.address, draft.sid, submission.source, encoded)
        hashed = hash_files(self._blocks, submission, draft, advance, sha256=self._sha256)
        has_changed = known is not None and _has_changed(known, entry, draft, hashed.cids)
        if entry.state == "signed" and not has_changed:
            return _Done(entry, known, "new")
        if entry.state != "planned" or has_changed:
            self._journal.restart(entry.id, submission.source, encoded)
        root_cid = store_manifest(self._blocks, hashed, self._today())
        self._journal.add(entry.id, hashed.cids, root_cid)
        self._journal.sign(entry.id, sign_record(hashed.tomogram, root_cid, int(self._clock()), self._key))
        return _Done(self._journal.dataset(entry.id), known, "new")

    def _revise(
        self,
        submission: Submission,
        draft: Tomogram,
        known: Known,
        advance: Callable[[int], None],
        *,
        revise: bool,
        reason: str,
    ) -> _Done:
        """What is to be done with a dataset that the ledger may know already."""
        newest = self._journal.find(self.address, known.sid)
        if known.is_withdrawn:
            return _Done(newest, known, "withdrawn")
        hashed = hash_files(self._blocks, submission, draft, advance, sha256=self._sha256)
        if known.files is None and self._holds(known, hashed):
            known = msgspec.structs.replace(known, files=hashed.cids)
        changes = changes_of(known, draft, hashed.cids)
        what, fields = what_of(changes, known, hashed.cids), tuple(one.field for one in changes)
        stated = stated_changes(changes, submission)
        if not stated:
            if known.begun is not None and known.begun.kind == "edit" and revise:
                self._journal.drop(known.begun.id)
            return _Done(known.content, known, "unchanged")
        if not revise:
            refuse_changes(draft.sid, [one.field for one in stated])
            return _Done(known.content, known, "unchanged")
        if not known.is_settled:
            return _Done(newest, known, "waiting", fields)
        verify_may_act(known, self.address, draft.sid)
        begun = known.begun
        is_begun = begun is not None and begun.state == "signed" and begun.files == hashed.cids
        if is_begun and begun is not None and begun.draft == msgspec.json.encode(draft):
            return _Done(begun, known, what, fields)
        entry = self._acting.begin(known, "edit", submission.source, draft, reason)
        root_cid = store_manifest(self._blocks, hashed, self._today())
        self._journal.add(entry.id, hashed.cids, root_cid)
        entry = self._acting.sign_edit(self._journal.dataset(entry.id), known, hashed.tomogram, root_cid)
        return _Done(entry, known, what, fields)

    def _holds(self, known: Known, hashed: HashedFiles) -> bool:
        """Whether these files under the former metadata, on the day of the record, make its very location."""
        published = oip.parse_tomogram(known.artifact or {}, needs_date=False)
        if {one.path for one in published.files} != hashed.added.keys():
            return False
        former = HashedFiles(added=hashed.added, tomogram=published)
        day = dt.datetime.fromtimestamp(published.timestamp_s, dt.UTC).date()
        return store_manifest(self._blocks, former, day) == published.location

    def _today(self) -> dt.date:
        return dt.datetime.fromtimestamp(int(self._clock()), dt.UTC).date()

    def _report(self, entries: Sequence[_Done], started: float, *, in_time: bool) -> PublishReport:
        published = []
        for former in entries:
            if former.entry is None:
                published += [_elsewhere(former.known, former.what)] if former.known else []
                continue
            entry = self._journal.dataset(former.entry.id)
            parts = self._journal.parts(entry.id)
            published.append(
                PublishedDataset(
                    sid=entry.sid,
                    title=decode_draft(entry).title,
                    state=entry.state,
                    dataset_id=self._journal.dataset_id(entry),
                    root_cid=entry.root_cid,
                    transactions=len(parts),
                    fee_sat=sum(part.signed.fee_sat for part in parts),
                    what=former.what,
                    fields=former.fields,
                    revision=entry.revision,
                    revision_id=self._journal.revision_id(entry),
                    reason=entry.reason,
                )
            )
        return PublishReport(
            publisher=self.address,
            ledger=self._ledger.network_name,
            datasets=tuple(published),
            transactions_sent=self._offering.sent,
            fee_sat=sum(dataset.fee_sat for dataset in published),
            orphaned=self._orphaned(),
            unfinished=len(self._journal.unfinished(one.id for one in _entries(entries))),
            waiting_transactions=len(self._journal.waiting()),
            unsent_transactions=len(self._journal.transactions(states=("signed",))),
            in_time=in_time,
            seconds=self._clock() - started,
        )

    def _orphaned(self) -> tuple[str, ...]:
        try:
            return tuple(orphaned_parts(self._journal, self._ledger))
        except LedgerError:
            return ()  # it went away at the end: they are listed by the next run


def _entries(done: Sequence[_Done]) -> list[DatasetEntry]:
    return [one.entry for one in done if one.entry is not None]


def _elsewhere(known: Known, what: What) -> PublishedDataset:
    """A dataset about which this journal has nothing to send: the ledger's index knows it."""
    return PublishedDataset(
        sid=known.sid,
        title=known.tomogram.title,
        state="final",
        dataset_id=known.dataset_id,
        root_cid=known.tomogram.location,
        transactions=0,
        fee_sat=0,
        what=what,
        revision=known.revision,
    )


def _has_changed(known: Known, entry: DatasetEntry, draft: Tomogram, files: dict[str, str]) -> bool:
    """Whether what is on disk now is not what was begun."""
    if entry.files:
        return bool(changes_of(known, draft, files))
    return known.tomogram != draft
