"""Publish: from described files to records on the ledger, each step in the journal before it is done."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence

import msgspec

from etdb.blocks import FilesInPlace
from etdb.errors import InputError, LedgerError
from etdb.flo import Network, PrivateKey
from etdb.ledger import Ledger, Limits
from etdb.oip import Tomogram
from etdb.publish.dispatch import Dispatch
from etdb.publish.journal import DatasetEntry, Journal
from etdb.publish.offering import Note, Offering
from etdb.publish.pace import Pace, TimeIsUpError
from etdb.publish.planning import decode_draft, open_datasets, refuse_twins
from etdb.publish.reconcile import orphaned_parts
from etdb.publish.sender import Sender
from etdb.publish.states import SENT_STATES
from etdb.publish.steps import draft_for, hash_files, sign_record, store_manifest
from etdb.publish.submission import Progress, PublishedDataset, PublishReport, Submission
from etdb.publish.watching import BlockWatch

__all__ = ["Publisher"]

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
    ) -> None:
        self._journal = journal
        self._blocks = blocks
        self._ledger = ledger
        self._key = key
        self._sha256 = sha256
        self._progress = progress
        self._clock = clock
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

    def run(self, submissions: Sequence[Submission]) -> PublishReport:
        """Publish these datasets; what is published already is left as it is.

        Raises:
            InputError: a dataset's files or fields changed after its record was sent.
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

        entries: list[DatasetEntry] = []
        for start in range(0, len(submissions), _CHUNK):
            chunk = [self._add_and_sign(submission, advance) for submission in submissions[start : start + _CHUNK]]
            self._dispatch.add(chunk)
            entries += chunk
        return self._finish(entries, started)

    def resume(self) -> PublishReport:
        """Go on with what the journal holds signed or sent, without looking at the lab's files again."""
        started = self._clock()
        self._dispatch.begin()
        mine = open_datasets(self._journal, self.address)
        self._dispatch.add(mine)
        return self._finish(mine, started)

    def _finish(self, entries: Sequence[DatasetEntry], started: float) -> PublishReport:
        in_time = True
        try:
            self._dispatch.finish()
        except TimeIsUpError:
            in_time = False
        return self._report(entries, started, in_time=in_time)

    def _add_and_sign(self, submission: Submission, advance: Callable[[int], None]) -> DatasetEntry:
        draft = draft_for(submission, self.address)
        entry = self._journal.find(self.address, draft.sid)
        encoded = msgspec.json.encode(draft)
        if entry is None:
            entry = self._journal.plan(self.address, draft.sid, submission.source, encoded)
        hashed = hash_files(self._blocks, submission, draft, advance, sha256=self._sha256)
        changes = _changes(entry, draft, hashed.cids)
        under_way = entry.state in SENT_STATES or bool(self._journal.parts(entry.id))
        if under_way:
            changes = _changes(entry, draft, hashed.cids, submission)
        if under_way and changes:
            raise InputError(
                f"{draft.sid} is published already and has changed since: {', '.join(changes)}",
                hint="a published record stays as it is: give the new data a sid of its own",
                sid=draft.sid,
            )
        if under_way or (entry.state == "signed" and not changes):
            return entry
        if entry.state != "planned" or changes:
            self._journal.restart(entry.id, submission.source, encoded)
        now_s = int(self._clock())
        root_cid = store_manifest(self._blocks, hashed, dt.datetime.fromtimestamp(now_s, dt.UTC).date())
        self._journal.add(entry.id, hashed.cids, root_cid)
        self._journal.sign(entry.id, sign_record(hashed.tomogram, root_cid, now_s, self._key))
        return self._journal.dataset(entry.id)

    def _report(self, entries: Sequence[DatasetEntry], started: float, *, in_time: bool) -> PublishReport:
        published = []
        for former in entries:
            entry = self._journal.dataset(former.id)
            parts = self._journal.parts(entry.id)
            published.append(
                PublishedDataset(
                    sid=entry.sid,
                    title=decode_draft(entry).title,
                    state=entry.state,
                    dataset_id=parts[0].ledger_txid if parts else "",
                    root_cid=entry.root_cid,
                    transactions=len(parts),
                    fee_sat=sum(part.signed.fee_sat for part in parts),
                )
            )
        return PublishReport(
            publisher=self.address,
            ledger=self._ledger.network_name,
            datasets=tuple(published),
            transactions_sent=self._offering.sent,
            fee_sat=sum(dataset.fee_sat for dataset in published),
            orphaned=self._orphaned(),
            unfinished=len(self._journal.unfinished(entry.id for entry in entries)),
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


def _changes(
    entry: DatasetEntry, draft: Tomogram, files: dict[str, str], submission: Submission | None = None
) -> list[str]:
    """What differs between the journal's dataset and what is on disk now, in words.

    With a submission only what somebody stated counts, whatever its spelling.
    """
    derived, respelt = (submission.derived, submission.respelt) if submission is not None else (frozenset[str](), {})
    former = decode_draft(entry)
    names = [name for name in draft.__struct_fields__ if name not in ("files", "extra") and name not in derived]
    changes = []
    for name in names:
        said, now = getattr(former, name), getattr(draft, name)
        if said != now and said != respelt.get(name, now):
            changes.append(name)
    own = [{k: v for k, v in one.extra.items() if f"extra.{k}" not in derived} for one in (former, draft)]
    changes += ["extra"] if own[0] != own[1] else []
    if entry.files:
        changes += [
            f"file {path}"
            for path in sorted(files.keys() | entry.files.keys())
            if files.get(path) != entry.files.get(path)
        ]
    elif former.files != draft.files:
        changes.append("files")
    return changes
