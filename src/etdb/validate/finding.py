"""What a check finds, and what a check is: values, and the table of all checks."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from etdb.errors import InputError

if TYPE_CHECKING:
    from etdb.validate.subject import Subject

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Check",
    "Finding",
    "Severity",
    "Told",
    "check",
    "is_at_least",
    "some",
    "verify_ids",
    "worst",
]

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""The worst first."""


class Told(Struct, frozen=True):
    """What a check tells: the file (relative to the dataset; "" for the whole of it), a sentence, and the numbers."""

    file: str
    message: str
    evidence: Mapping[str, Any] = {}


class Finding(Struct, frozen=True, kw_only=True):
    """Something about a dataset that is not as it should be.

    Attributes:
        id: the check's name; it stays the same from version to version.
        severity: ``error`` makes a bad record, ``warning`` asks for a look, ``info`` is only told.
        dataset: the dataset's name.
        file: relative to the dataset's folder with '/'; "" for the dataset as a whole.
        message: what was found there, with its numbers.
        evidence: the numbers, for programs.
        hint: what to do about it.
        root: the dataset's folder.
    """

    id: str
    severity: Severity
    dataset: str
    file: str
    message: str
    evidence: Mapping[str, Any]
    hint: str
    root: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """One check: everything about an id.

    Attributes:
        id, severity, hint: of its findings.
        title: what is wrong, in a sentence that fits all of its findings.
        room: the module that it stands in.
        curators: what the CryoET Data Portal's curators check for the same, "" when nothing.
        better: what this one does beyond theirs.
        run: the findings of one dataset; None when it looks at several datasets together.
    """

    id: str
    severity: Severity
    title: str
    hint: str
    room: str
    curators: str = ""
    better: str = ""
    run: Callable[[Subject], Iterable[Told]] | None = None

    def found(self, dataset: str, root: str, told: Told) -> Finding:
        """The finding that this check makes of what it tells."""
        return Finding(
            id=self.id,
            severity=self.severity,
            dataset=dataset,
            file=told.file,
            message=told.message,
            evidence=told.evidence,
            hint=self.hint,
            root=root,
        )


CHECKS: Final[dict[str, Check]] = {}
"""All checks by their id, in the order in which they run; filled when ``etdb.validate`` is imported."""


def check(
    ident: str, severity: Severity, title: str, *, hint: str, curators: str = "", better: str = ""
) -> Callable[[Callable[[Subject], Iterator[Told]]], Callable[[Subject], Iterator[Told]]]:
    """Enter a function into the table of checks; the arguments are those of :class:`Check`."""

    def enter(function: Callable[[Subject], Iterator[Told]]) -> Callable[[Subject], Iterator[Told]]:
        assert ident not in CHECKS, ident
        room = function.__module__.rpartition(".")[2]
        CHECKS[ident] = Check(
            id=ident,
            severity=severity,
            title=title,
            hint=hint,
            room=room,
            curators=curators,
            better=better,
            run=function,
        )
        return function

    return enter


def some(values: Sequence[object], form: str = "", *, most: int = 5) -> str:
    """The first of several, each in this form, and how many more there are."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(format(value, form) for value in values[:most]) + more


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Whether a severity is as bad as another, or worse."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(least)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity of all; None of nothing."""
    return min((finding.severity for finding in findings), key=SEVERITIES.index, default=None)


def verify_ids(idents: Iterable[str]) -> None:
    """Whether all of these are checks.

    Raises:
        InputError: one is not; the hint names the nearest.
    """
    for ident in idents:
        if ident not in CHECKS:
            near = difflib.get_close_matches(ident, CHECKS, n=1)
            raise InputError(
                f"there is no check with the id {ident}",
                hint=f"did you mean {near[0]}?" if near else "etdb validate --checks lists them",
                id=ident,
            )
