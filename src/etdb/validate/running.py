"""Running the checks: over one dataset, and over all that a source has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from msgspec import Struct

from etdb.describe import Draft, describe
from etdb.errors import InputError
from etdb.oip import Tomogram
from etdb.sources import DATASET_TOML, FolderSource, Problem, SourceDataset
from etdb.validate.duplicates import KnownDigest, Place, find_duplicates, places_of
from etdb.validate.finding import CHECKS, SEVERITIES, Finding, Severity, Told, is_at_least
from etdb.validate.subject import Subject
from etdb.vocabulary import Taxonomy, taxonomy
from etdb.workspace import Settings

__all__ = ["Duplicates", "Terms", "Validated", "validate_dataset", "validate_source"]

MAX_FINDINGS_OF_A_CHECK: Final = 1000


class Terms(Struct, frozen=True, kw_only=True):
    """How datasets are looked at.

    Attributes:
        today: the date, for dates in the future.
        full: every plane rather than a sample.
        ignore: ids of checks that are left out.
        least: findings below this severity are left out.
        settings: the workspace's, with what every record of the lab says.
        title: of a dataset that is a single file.
        taxa: who knows species; None for what is installed.
    """

    today: dt.date
    full: bool = False
    ignore: Collection[str] = ()
    least: Severity = "info"
    settings: Settings = Settings()
    title: str | None = None
    taxa: Taxonomy | None = None


class Validated(Struct, frozen=True, kw_only=True):
    """One dataset that was looked at; its findings, the worst first."""

    dataset: str
    root: str
    files: int
    size_bytes: int
    findings: tuple[Finding, ...]


def validate_dataset(
    dataset: SourceDataset,
    terms: Terms,
    *,
    draft: Draft | None = None,
    problems: tuple[Problem, ...] = (),
) -> list[Finding]:
    """Check one dataset: headers, texts, record, and some of its planes (all with `terms.full`).

    Args:
        dataset: what a source found.
        terms: how to look.
        draft: of its record; None to describe it here.
        problems: what the source refused.

    Returns:
        The findings, the worst first. What lies in files never raises; a file that cannot be read is a finding.
    """
    faults: list[Told] = []
    if draft is None:
        draft, faults = _described(dataset, terms)
    subject = Subject(
        dataset,
        draft=draft,
        problems=problems,
        today=terms.today,
        taxa=terms.taxa or taxonomy(),
        full=terms.full,
    )
    root = str(dataset.root)
    found = [CHECKS["metadata-invalid"].found(dataset.name, root, told) for told in faults]
    for check in CHECKS.values():
        if check.run is not None and _wants(check.id, terms):
            found += [check.found(dataset.name, root, told) for told in _bounded(check.run(subject))]
    return _sorted([finding for finding in found if _wants(finding.id, terms)])


def validate_source(source: FolderSource, terms: Terms, *, places: list[Place] | None = None) -> Iterator[Validated]:
    """Check every dataset of a source, one after the other.

    Args:
        source: where they are.
        terms: how to look.
        places: gets the files that :func:`find_duplicates` compares afterwards.

    Raises:
        InputError: there is no dataset, or the folder cannot be listed.
    """
    for root in source.roots():
        dataset, problems = source.survey(root)
        if places is not None:
            places += places_of(dataset)
        yield Validated(
            dataset=dataset.name,
            root=str(dataset.root),
            files=len(dataset.files),
            size_bytes=dataset.size_bytes,
            findings=tuple(validate_dataset(dataset, terms, problems=problems)),
        )


class Duplicates:
    """The comparison of all datasets' contents, when they have been looked at.

    Args:
        terms: what is wanted.
        known: SHA-256 that need not be made again.
    """

    def __init__(self, terms: Terms, *, known: KnownDigest = lambda _path: None) -> None:
        self.places: list[Place] = []
        self._terms = terms
        self._known = known

    def find(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> list[Finding]:
        """The findings over all `places`; nothing is read when nobody wants to know."""
        wanted = [ident for ident in ("duplicate-content", "duplicate-within") if _wants(ident, self._terms)]
        if not wanted:
            return []
        found = find_duplicates(self.places, known=self._known, progress=progress)
        return [finding for finding in found if finding.id in wanted]


def _bounded(told: Iterable[Told]) -> Iterator[Told]:
    """No more than can be of use; a hostile file can have a fault in each of many thousand places."""
    for count, one in enumerate(told):
        if count == MAX_FINDINGS_OF_A_CHECK:
            yield Told("", f"there are more than {MAX_FINDINGS_OF_A_CHECK}: the rest is not told")
            return
        yield one


def _described(dataset: SourceDataset, terms: Terms) -> tuple[Draft, list[Told]]:
    """The draft of the record, and what of its metadata is not right."""
    try:
        return describe(dataset, terms.settings, title=terms.title, needs_title=False), []
    except InputError as error:
        draft = Draft(tomogram=Tomogram(title=dataset.name), origins={})
        return draft, [Told(DATASET_TOML, error.message)]


def _wants(ident: str, terms: Terms) -> bool:
    return ident not in terms.ignore and is_at_least(CHECKS[ident].severity, terms.least)


def _sorted(found: list[Finding]) -> list[Finding]:
    order = {ident: at for at, ident in enumerate(CHECKS)}
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), order[one.id], one.file))
