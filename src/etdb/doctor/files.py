"""Checks of the lab's files, and of the catalogue against the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue, Tip
from etdb.doctor.finding import Finding, Found, NotChecked, Patient, set_aside
from etdb.durable import scratch_folder
from etdb.errors import EtdbError, SourceFileError, VerificationError
from etdb.flo import network
from etdb.index import follow
from etdb.ledger import Ledger, LocalChain
from etdb.ledger.legacy_store import UNPROVED, LegacyLedger

__all__ = ["check_catalogue_fold", "check_lab_files"]

_MOST_NAMED: Final = 20


def check_lab_files(patient: Patient) -> Found:
    """Every file that was added is there with its size and times (deep: with its bytes)."""
    workspace = patient.workspace
    if not workspace.digests_path.exists():
        yield NotChecked("files", "no file was added")
        return
    with contextlib.closing(FilesInPlace(workspace.digests_path, content_folder=workspace.content_folder)) as files:
        known = files.files()
        elsewhere = {str(one.cid) for one in known if one.path.exists()}
        named = 0
        for number, one in enumerate(known):
            patient.progress("files", number, len(known))
            if one.path.parent == workspace.content_folder:
                continue  # these are called by their content, and looked at by their own check
            if not one.path.exists():
                if str(one.cid) not in elsewhere and named < _MOST_NAMED:
                    named += 1
                    yield _gone(one.path), None
            elif patient.deep:
                try:
                    files.verify_file(one.path)
                except (VerificationError, SourceFileError) as error:
                    yield _other(one.path, error), None
            elif not files.is_unchanged(one.path):
                yield _touched(patient, one.path)


def _gone(path: Path) -> Finding:
    return Finding(
        check="files",
        severity="warning",
        where=str(path),
        what="it was published from here and is not here any more, so it cannot be served",
        advice="put it back, or publish its dataset from where it is now: nothing is sent twice",
    )


def _other(path: Path, error: EtdbError) -> Finding:
    return Finding(
        check="files", severity="error", where=str(path), what=error.message, advice=error.hint, is_loss=True
    )


def _touched(patient: Patient, path: Path) -> tuple[Finding, Callable[[], str]]:
    return (
        Finding(
            check="files",
            severity="note",
            where=str(path),
            what="its size, time or inode is another than when it was published (a restore, a move or a change)",
            repair="read it again; the same bytes are taken over with their new times",
        ),
        lambda: _look_again(patient, path),
    )


def _look_again(patient: Patient, path: Path) -> str:
    workspace = patient.workspace
    with contextlib.closing(FilesInPlace(workspace.digests_path, content_folder=workspace.content_folder)) as files:
        files.verify_file(path)
    return "the same bytes"


def check_catalogue_fold(patient: Patient) -> Found:
    """The catalogue's newest block is on the ledger; deep: folding it again up to there gives the same."""
    workspace = patient.workspace
    if not workspace.catalogue_path.exists():
        yield NotChecked("catalogue", "nothing is indexed")
        return
    opened = _open_ledger(patient)
    if opened is None:
        yield NotChecked("catalogue", "there is no ledger here to fold again")
        return
    with opened as ledger, Catalogue(workspace.catalogue_path) as kept:
        tip = kept.tip()
        on_ledger = None if tip is None else ledger.block_ref(tip.height)
        if tip is not None and (on_ledger is None or on_ledger.block_hash != tip.block_hash):
            yield _astray(patient, tip), None
            return
        if not patient.deep:
            yield NotChecked("catalogue", "its rows only with --deep")
            return
        differing = _differing(patient, ledger, kept, -1 if tip is None else tip.height)
    if differing:
        yield (
            Finding(
                check="catalogue",
                severity="error",
                where=patient.name(workspace.catalogue_path),
                what=f"it holds something else than the ledger gives, in {', '.join(differing)}",
                repair="set it aside; etdb index makes it again",
            ),
            lambda: f"kept as {set_aside(workspace.catalogue_path).name}; run: etdb index",
        )


def _differing(patient: Patient, ledger: Ledger, kept: Catalogue, height: int) -> list[str]:
    """The tables in which a catalogue that is made now is another, up to a height."""
    flo_network = network(patient.workspace.flo_network_name)
    # As etdb index folds it: exported texts come without their transactions.
    given = UNPROVED if isinstance(ledger, LegacyLedger) else ()
    with (
        scratch_folder("etdb-doctor-") as scratch,
        Catalogue(scratch / "catalogue.sqlite", writable=True) as fresh,
    ):
        follow(ledger, fresh, network=flo_network, check_transactions=not given, given=given)
        with fresh.batch() as batch:
            batch.rollback(height)  # what is new since then is no difference
        held = kept.dump()
        return [name for name, rows in fresh.dump().items() if held[name] != rows]


def _open_ledger(patient: Patient) -> AbstractContextManager[Ledger] | None:
    """The ledger, where folding it takes no node; None when it is a node's, or is not there."""
    if patient.services.open_ledger is not None:
        return patient.services.open_ledger()
    folder = patient.workspace.chain_folder
    if patient.has_own_chain and LocalChain.is_made(folder):
        return contextlib.closing(LocalChain(folder))
    return None


def _astray(patient: Patient, tip: Tip) -> Finding:
    return Finding(
        check="catalogue",
        severity="warning",
        where=patient.name(patient.workspace.catalogue_path),
        what=f"its newest block, {tip.height}, is not on the ledger",
        advice="is it the right ledger, and whole? If so: etdb index",
    )
