"""What ``etdb publish`` does about findings: validation as a part of its plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal

from etdb.cli.output import Output, printable
from etdb.cli.validate_shown import tally_text
from etdb.describe import Draft
from etdb.errors import InputError
from etdb.publish import SENT_STATES, Journal
from etdb.sources import SourceDataset
from etdb.validate import CHECKS, SEVERITIES, Finding, Terms, validate_dataset
from etdb.workspace import Workspace

__all__ = ["PlanValidation", "ValidationMode", "sent_already"]

ValidationMode = Literal["require", "warn", "skip"]
_SHOWN = 3


class InvalidDatasetError(InputError):
    """A dataset has errors that make a bad record."""

    code = "invalid-dataset"


class PlanValidation:
    """Validates the datasets of one plan.

    Args:
        mode: ``require`` refuses datasets with errors, ``warn`` tells them, ``skip`` does not look.
        is_sent: whether the ledger has a dataset by its sid: what it says stays, so there is nothing to refuse.

    Attributes:
        findings: of all datasets that were looked at.
    """

    def __init__(self, mode: ValidationMode, is_sent: Callable[[str], bool]) -> None:
        self.findings: list[Finding] = []
        self._mode = mode
        self._is_sent = is_sent
        self._terms = Terms(today=dt.datetime.now(dt.UTC).date())

    def verify(self, dataset: SourceDataset, draft: Draft) -> None:
        """Look at one dataset.

        Raises:
            InvalidDatasetError: it has errors, and none are allowed.
        """
        if self._mode == "skip" or self._is_sent(draft.tomogram.sid):
            return
        found = validate_dataset(dataset, self._terms, draft=draft)
        self.findings += found
        errors = [one for one in found if one.severity == "error"]
        if errors and self._mode == "require":
            first = [f"{one.file or dataset.name}: {CHECKS[one.id].title}: {one.message}" for one in errors[:_SHOWN]]
            more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
            raise InvalidDatasetError(
                "; ".join(first) + more,
                hint="etdb validate shows all; --validation warn publishes it all the same",
                ids=", ".join(sorted({one.id for one in errors})),
                dataset=dataset.name,
            )

    def show(self, out: Output) -> None:
        """Errors and warnings by their kinds, on standard error beside the plan, and how many of each."""
        if not self.findings:
            return
        serious = [one for one in self.findings if one.severity != "info"]
        out.remark(f"validation: {tally_text(self.findings)}" + (" (etdb validate shows all)" if serious else ""))
        for ident in dict.fromkeys(one.id for one in sorted(serious, key=lambda one: SEVERITIES.index(one.severity))):
            ours = [one for one in serious if one.id == ident]
            names = list(dict.fromkeys(one.dataset for one in ours))
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            where = printable(", ".join(names[:_SHOWN])) + more
            out.remark(f"  {CHECKS[ident].severity:8} {ident}: {printable(CHECKS[ident].title)} ({where})")

    def to_dict(self) -> dict[str, Any]:
        """How many of each severity, for the document; {} when nothing was looked at."""
        if self._mode == "skip":
            return {}
        counts = {name: sum(1 for one in self.findings if one.severity == name) for name in SEVERITIES}
        return {"validation": counts}


def sent_already(workspace: Workspace, publisher: str, stack: ExitStack) -> Callable[[str], bool]:
    """What tells by its sid whether a dataset of this publisher was sent."""
    if not workspace.journal_path.exists():
        return lambda _sid: False
    journal = Journal(workspace.journal_path)
    stack.callback(journal.close)

    def is_sent(sid: str) -> bool:
        entry = journal.find(publisher, sid)
        return entry is not None and entry.state in SENT_STATES

    return is_sent
