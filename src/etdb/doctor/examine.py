"""The table of checks; looking with all of them, and mending what they find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from etdb.doctor.chain import check_chain, check_journal_against_chain
from etdb.doctor.content import check_content, check_roots
from etdb.doctor.files import check_catalogue_fold, check_lab_files
from etdb.doctor.finding import Finding, Found, Mended, NotChecked, Patient, Services
from etdb.doctor.folder import check_disk, check_keys, check_left_over
from etdb.doctor.lab import check_gateways, check_kubo, check_node
from etdb.doctor.stores import check_stores
from etdb.errors import EtdbError
from etdb.workspace import Workspace

__all__ = ["CHECKS", "Examination", "examine", "repair"]

Check = Callable[[Patient], Found]

CHECKS: Final[dict[str, tuple[str, Check]]] = {
    "disk": ("there is room on the disk", check_disk),
    "left-over": ("no half-written files are left", check_left_over),
    "keys": ("keys can be read, and by nobody else", check_keys),
    "stores": ("every database is whole and of this version", check_stores),
    "chain": ("the ledger can be read; block files and their index agree", check_chain),
    "journal": ("the ledger has what the journal sent", check_journal_against_chain),
    "content": ("manifests and previews are what their names say", check_content),
    "roots": ("every published dataset can be served whole", check_roots),
    "files": ("the lab's files are as they were published", check_lab_files),
    "catalogue": ("the catalogue is what the ledger gives", check_catalogue_fold),
    "node": ("the FLO node is in step, and the keys have coins", check_node),
    "kubo": ("the Kubo is there and refers to files in place", check_kubo),
    "gateways": ("the gateways answer", check_gateways),
}
"""In the order in which they are made: what later ones need is mended before."""


class Examination(Struct, frozen=True, kw_only=True):
    """What was looked at, and what was found.

    Attributes:
        checked: the checks that looked at all that they are about.
        not_checked: the others, each with the reason.
        findings: of all of them.
    """

    checked: tuple[str, ...]
    not_checked: tuple[NotChecked, ...]
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Nothing but notes."""
        return all(one.severity == "note" for one in self.findings)


def examine(
    workspace: Workspace,
    *,
    deep: bool = False,
    services: Services | None = None,
    progress: Callable[[str, int, int], None] = lambda _check, _done, _total: None,
) -> Examination:
    """Look at a workspace; nothing is changed.

    Args:
        workspace: it may be damaged in any way but in its settings.
        deep: read every published file again, and fold the whole ledger again.
        services: what is outside of it; not looked at by default.
        progress: told (check, done, total).
    """
    patient = Patient(workspace, deep=deep, services=services, progress=progress)
    findings: list[Finding] = []
    not_checked: list[NotChecked] = []
    for name in CHECKS:
        for one in _look(name, patient):
            if isinstance(one, NotChecked):
                not_checked.append(one)
            else:
                findings.append(one[0])
    passed_over = {one.check for one in not_checked}
    return Examination(
        checked=tuple(name for name in CHECKS if name not in passed_over),
        not_checked=tuple(not_checked),
        findings=tuple(findings),
    )


def repair(
    workspace: Workspace,
    *,
    deep: bool = False,
    services: Services | None = None,
    progress: Callable[[str, int, int], None] = lambda _check, _done, _total: None,
) -> list[Mended]:
    """Mend what can be mended, in the order of the checks. The caller holds the workspace's locks.

    What is replaced keeps a name of its own beside; the lab's folders are never written to.
    """
    patient = Patient(workspace, deep=deep, services=services, progress=progress)
    mended = []
    for name in CHECKS:
        for one in list(_look(name, patient)):
            if isinstance(one, NotChecked):
                continue
            finding, mend = one
            if mend is None:
                continue
            try:
                mended.append(Mended(finding=finding, done=mend()))
            except (EtdbError, OSError) as error:
                said = error.message if isinstance(error, EtdbError) else str(error)
                mended.append(Mended(finding=finding, done="", error=said))
    return mended


def _look(name: str, patient: Patient) -> Found:
    """One check; what it could not look at is a finding as well."""
    _, check = CHECKS[name]
    try:
        yield from check(patient)
    except (EtdbError, OSError) as error:
        said = error.message if isinstance(error, EtdbError) else str(error)
        advice = error.hint if isinstance(error, EtdbError) else ""
        where = str(patient.workspace.root)
        yield Finding(check=name, severity="error", where=where, what=f"not checked: {said}", advice=advice), None
        yield NotChecked(name, said)
