"""The job: look at the sources, decide, publish. Run again after any end, it does what is left and nothing twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from etdb.errors import EtdbError, SourceFileError
from etdb.publish import (
    Journal,
    Known,
    Progress,
    PublishedDataset,
    Publisher,
    PublishPlan,
    PublishReport,
    Recorded,
    Submission,
    find_known,
)
from etdb.sources import Listing, Source
from etdb.sync.preparing import Check, Reader, Ready
from etdb.sync.report import Change, SourceOutcome, SyncReport
from etdb.sync.state import SyncState
from etdb.sync.withdrawals import Withdrawals, plan_withdrawals
from etdb.workspace import Settings

__all__ = ["Prepared", "Sync", "SyncPlan"]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A source that was looked at: its datasets to publish, to leave and to withdraw.

    ``unsent`` were begun and never sent, and are not released any more; ``waiting`` are to be withdrawn when their
    former message is final; of ``otherwise`` another message was begun, never sent, and is not meant any more. Of
    ``going`` a message was signed or sent and is not final yet, though nothing new is to be said: a withdrawal, or what
    is not released any more.
    """

    outcome: SourceOutcome
    ready: tuple[Ready, ...] = ()
    withdrawals: Withdrawals = Withdrawals()
    waiting: dict[str, str] = {}
    unsent: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    going: tuple[str, ...] = ()


class _Looked(NamedTuple):
    name: str
    source: Source
    listing: Listing
    elsewhere: frozenset[str]
    unseen: tuple[str, ...]


class SyncPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at all sources gave."""

    sources: tuple[Prepared, ...]

    @property
    def submissions(self) -> list[Submission]:
        """What is new or not as it was."""
        return [one.submission for source in self.sources for one in source.ready]

    @property
    def withdrawals(self) -> dict[str, str]:
        """What is to be deactivated: sid and reason."""
        believed = (source.withdrawals for source in self.sources if not source.withdrawals.doubt)
        return {sid: reason for one in believed for sid, reason in one.reasons.items()}

    @property
    def unsent(self) -> list[str]:
        """What was begun, is not released any more, and must not be sent."""
        return [sid for source in self.sources for sid in source.unsent]

    @property
    def otherwise(self) -> list[str]:
        """Of these another message was begun than is meant now."""
        return [sid for source in self.sources for sid in source.otherwise]

    @property
    def going(self) -> list[str]:
        """Of these a message is on its way that a run before this one signed."""
        return [sid for source in self.sources for sid in source.going]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.submissions or self.withdrawals or self.unsent or self.going)


class Sync:
    """One run.

    Args:
        settings: the workspace's.
        publisher: the address that signs.
        sources: by their names in the settings.
        state: of the workspace.
        journal: of the workspace, if it has one yet.
        recorded: what the catalogue says of records; see ``Publisher``.
        unseen: the names of sources that are not looked at this time.
        check: says why a dataset must not be published; see :data:`~etdb.sync.preparing.Check`.
        progress: told ("read", done, total).
    """

    def __init__(
        self,
        settings: Settings,
        publisher: str,
        sources: Mapping[str, Source],
        *,
        state: SyncState,
        journal: Journal | None,
        recorded: Recorded = lambda _owner, _name: None,
        unseen: Sequence[str] = (),
        check: Check = lambda _dataset, _draft: (),
        progress: Progress = lambda _step, _done, _total: None,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._sources = sources
        self._state = state
        self._journal = journal
        self._recorded = recorded
        self._unseen = tuple(unseen)
        self._progress = progress
        self._reader = Reader(settings, publisher, check=check, refuse=self._refuse, is_settled=self._is_settled)
        self._started = dt.datetime.now(dt.UTC)

    def prepare(self, *, allow_withdrawals: bool = False) -> SyncPlan:
        """Look at every source; what is wrong with one of them, or with a dataset, stops no other.

        Raises:
            StorageError: the state or the journal cannot be read.
        """
        listings: dict[str, Listing] = {}
        errors: dict[str, str] = {}
        for name, source in self._sources.items():
            try:
                listings[name] = source.listing()
            except EtdbError as error:
                errors[name] = error.message
        prepared = []
        for name, source in self._sources.items():
            if name in errors:
                outcome = SourceOutcome(name=name, shown=source.name, error=errors[name])
                prepared.append(Prepared(outcome=outcome))
                continue
            others = [listing.released for other, listing in listings.items() if other != name]
            looked = _Looked(
                name=name,
                source=source,
                listing=listings[name],
                elsewhere=frozenset(sid for released in others for sid in released),
                unseen=(*self._unseen, *errors),
            )
            prepared.append(self._prepare(looked, allow_withdrawals=allow_withdrawals))
        return SyncPlan(sources=tuple(prepared))

    def drop_begun(self, plan: SyncPlan, journal: Journal) -> None:
        """Drop what a run that was cut off began, was never sent, and is not meant any more: nobody may send it.

        Must come before the costs are planned: a dataset has one message on its way.
        """
        for sid in (*plan.unsent, *plan.otherwise):
            known = find_known(journal, self._recorded, self._publisher, sid)
            if known is not None and known.begun is not None:
                journal.drop(known.begun.id)

    def run(
        self,
        plan: SyncPlan,
        publisher: Publisher,
        *,
        complete: Callable[[Sequence[Submission]], Sequence[Submission]] = lambda submissions: submissions,
    ) -> SyncReport:
        """Withdraw, publish and edit.

        Args:
            plan: of :meth:`prepare`.
            publisher: of the same address.
            complete: adds to the submissions what is made of them: previews.

        Raises:
            InputError, LedgerError, StorageError: what is done so far stays done; the next run goes on from there.
        """
        for source in plan.sources:
            sids = [one.submission.tomogram.sid for one in source.ready]
            self._state.note(self._publisher, source.outcome.name, sids)
        reports: list[PublishReport] = []
        if plan.going:  # a withdrawal whose run was cut off may be among them
            reports.append(publisher.resume(plan.going))
        if plan.withdrawals:  # what must not be shown any longer comes first
            reports.append(publisher.deactivate(plan.withdrawals))
        held: dict[str, str] = {}
        submissions = plan.submissions
        while submissions:
            try:
                reports.append(publisher.run(complete(submissions), revise=True))
                break
            except SourceFileError as error:
                # A file changed under our hands, or went away: its dataset waits for another night.
                sid = _dataset_of(submissions, str(error.fields.get("path", "")))
                if sid is None:
                    raise
                held[sid] = error.message
                submissions = [one for one in submissions if one.tomogram.sid != sid]
        done = {one.sid: one for report in reports for one in report.datasets}
        self._settle(plan, done)
        changes = {sid: _change(one) for sid, one in done.items()}
        return SyncReport(
            started=self._started,
            publisher=self._publisher,
            ledger=reports[0].ledger if reports else "",
            is_dry=False,
            sources=tuple(_outcome(source, changes, held) for source in plan.sources),
            transactions_sent=sum(report.transactions_sent for report in reports),
            fee_sat=sum(report.fee_sat for report in reports),
            unfinished=sum(report.unfinished for report in reports),
            seconds=sum(report.seconds for report in reports),
        )

    def nothing_done(self, plan: SyncPlan, costs: PublishPlan) -> SyncReport:
        """The report of a run that only looked: what it would do, by the plan of publishing."""
        planned = {sid: Change(sid=sid, what="unchanged") for sid in plan.going}
        planned |= {
            one.sid: Change(
                sid=one.sid,
                what=one.what,
                title=one.title,
                fields=one.fields,
                reason=one.reason,
                revision=one.revision,
                state=one.status,
            )
            for one in costs.datasets
        }
        for sid in plan.otherwise:
            what = "deactivated" if sid in plan.withdrawals else "edited"
            planned[sid] = Change(sid=sid, what=what, reason=plan.withdrawals.get(sid, ""))
        return SyncReport(
            started=self._started,
            publisher=self._publisher,
            ledger=costs.ledger,
            is_dry=True,
            sources=tuple(_outcome(source, planned, {}) for source in plan.sources),
            fee_sat=costs.fee_sat,
        )

    def _prepare(self, looked: _Looked, *, allow_withdrawals: bool) -> Prepared:
        name, source, listing = looked.name, looked.source, looked.listing
        settings = self._settings.source[name]
        ready, settled, held = self._reader.read(
            name, source, listing, progress=lambda done, total: self._progress("read", done, total)
        )
        mine = [sid for sid, from_source in self._state.source_of(self._publisher).items() if from_source == name]
        known = {sid: found for sid in mine if (found := self._known(sid)) and found.owner == self._publisher}
        withdrawals = plan_withdrawals(
            listing,
            [sid for sid, found in known.items() if found.revision and not found.is_withdrawn],
            max_withdrawals=settings.max_withdrawals,
            elsewhere=looked.elsewhere,
            unseen=looked.unseen,
            allowed=allow_withdrawals,
        )
        waiting = {sid: reason for sid, reason in withdrawals.reasons.items() if not known[sid].is_settled}
        now = {sid: reason for sid, reason in withdrawals.reasons.items() if sid not in waiting}
        outcome = SourceOutcome(
            name=name,
            shown=source.name,
            released=len(listing.released),
            unchanged=len(settled),
            held_back=held,
            withheld=len(listing.withheld),
            refused=listing.refused,
            not_withdrawn=withdrawals.reasons if withdrawals.doubt else {},
            doubt=withdrawals.doubt,
        )
        unsent = [sid for sid, found in known.items() if not found.revision and found.begun]
        sids = [one.submission.tomogram.sid for one in ready]
        otherwise = [sid for sid in sids if self._is_otherwise(sid, withdrawing=False)]
        if not withdrawals.doubt:
            otherwise += [sid for sid in now if self._is_otherwise(sid, withdrawing=True)]
        going = [sid for sid, found in known.items() if not found.is_settled and sid not in sids]
        return Prepared(
            outcome=outcome,
            ready=tuple(ready),
            withdrawals=msgspec.structs.replace(withdrawals, reasons=now),
            waiting={} if withdrawals.doubt else waiting,
            unsent=tuple(sid for sid in unsent if sid not in listing.released and sid not in looked.elsewhere),
            otherwise=tuple(otherwise),
            going=tuple(going),
        )

    def _known(self, sid: str) -> Known | None:
        return find_known(self._journal, self._recorded, self._publisher, sid)

    def _refuse(self, sid: str) -> str:
        known = self._known(sid)
        if known is None:
            return ""
        if known.owner != self._publisher:
            return f"it was transferred to {known.owner}, whose key alone counts for it"
        return "it was withdrawn, and nothing counts after that: give it a sid of its own" if known.is_withdrawn else ""

    def _is_settled(self, sid: str, fingerprint: bytes) -> bool:
        if self._state.fingerprint(self._publisher, sid) != fingerprint:
            return False
        known = self._known(sid)
        return known is not None and known.revision > 0 and known.is_settled and known.begun is None

    def _is_otherwise(self, sid: str, *, withdrawing: bool) -> bool:
        """Whether another message than the one that is meant now was begun by a run that was cut off."""
        known = self._known(sid)
        return known is not None and known.begun is not None and known.begun.has_content == withdrawing

    def _settle(self, plan: SyncPlan, done: Mapping[str, PublishedDataset]) -> None:
        settled = []
        for source in plan.sources:
            for one in source.ready:
                sid = one.submission.tomogram.sid
                if sid in done and done[sid].state == "final" and done[sid].what not in {"waiting", "withdrawn"}:
                    settled.append((sid, one.fingerprint))
        self._state.settle(self._publisher, settled)


def _outcome(source: Prepared, changes: Mapping[str, Change], held: Mapping[str, str]) -> SourceOutcome:
    mine = [one.submission.tomogram.sid for one in source.ready]
    of_source = [changes[sid] for sid in mine if sid in changes]
    done = [one for one in of_source if one.what != "unchanged"]
    done += [changes[sid] for sid in source.withdrawals.reasons if sid in changes and not source.withdrawals.doubt]
    done += [changes[sid] for sid in source.going if sid in changes and sid not in source.waiting]
    done += [Change(sid=sid, what="waiting", reason=reason) for sid, reason in source.waiting.items()]
    return msgspec.structs.replace(
        source.outcome,
        unchanged=source.outcome.unchanged + len(of_source) - sum(one.what != "unchanged" for one in of_source),
        changes=tuple(done),
        held_back={**source.outcome.held_back, **{sid: held[sid] for sid in mine if sid in held}},
    )


def _change(one: PublishedDataset) -> Change:
    return Change(
        sid=one.sid,
        what=one.what,
        title=one.title,
        fields=one.fields,
        reason=one.reason,
        dataset_id=one.dataset_id,
        revision=one.revision,
        state=one.state,
    )


def _dataset_of(submissions: list[Submission], path: str) -> str | None:
    if not path:
        return None
    for one in submissions:
        if Path(path) in one.paths.values():
            return one.tomogram.sid
    return None
