"""Checks of the lab's files, and of the catalogue against the ledger."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.doctor.finding import Finding, Found, Patient, set_aside
from etdb.errors import EtdbError, SourceFileError, VerificationError
from etdb.flo import network
from etdb.index import follow
from etdb.ledger import LocalChain

__all__ = ["check_catalogue_fold", "check_lab_files"]

_MOST_NAMED: Final = 20


def check_lab_files(patient: Patient) -> Found:
    """Every file that was added is there with its size and times (deep: with its bytes)."""
    workspace = patient.workspace
    if not workspace.digests_path.exists():
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
    """Deep: a catalogue made from the ledger just now holds the same up to the same block."""
    workspace = patient.workspace
    if not patient.deep or not workspace.catalogue_path.exists() or workspace.network != "local":
        return
    named = workspace.settings.ledger
    folder = (workspace.root / named).resolve() if named else workspace.chain_folder
    if not LocalChain.is_made(folder):
        return
    with (
        tempfile.TemporaryDirectory(prefix="etdb-doctor-") as scratch,
        contextlib.closing(LocalChain(folder)) as chain,
        Catalogue(workspace.catalogue_path) as kept,
        Catalogue(Path(scratch) / "catalogue.sqlite", writable=True) as fresh,
    ):
        follow(chain, fresh, network=network(workspace.flo_network_name), check_transactions=True)
        same_tip = kept.tip() == fresh.tip()
        differing = [name for name, rows in fresh.dump().items() if kept.dump()[name] != rows] if same_tip else []
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
