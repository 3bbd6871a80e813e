"""Checks of the ledger: a chain of the workspace's own, with what the journal sent to it, or one it was given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from etdb.catalogue import Catalogue
from etdb.counting import counted
from etdb.doctor.finding import Finding, Found, NotChecked, Patient, set_aside
from etdb.errors import EtdbError, StorageError
from etdb.ledger import Ledger, LocalChain
from etdb.ledger.archive import LedgerFile
from etdb.publish import Journal
from etdb.workspace import Workspace

__all__ = ["check_chain", "check_journal_against_chain", "known_blocks"]

_LAST_BLOCKS: Final = 20
_MOST_MISSING: Final = 5
_SENT: Final = ("submitted", "confirmed")
_FROM_BACKUP: Final = "put the whole chain folder back from a backup: the blocks exist nowhere else"


def check_chain(patient: Patient) -> Found:
    """The ledger opens, and its newest blocks, or all of them, are where its index says and hash to what it says."""
    if patient.services.open_ledger is not None:
        yield from _check_given(patient, patient.services.open_ledger)
    elif not patient.has_own_chain:
        yield NotChecked("chain", "the ledger is not in this workspace")
    elif not LocalChain.has_blocks(patient.workspace.chain_folder) and (known := known_blocks(patient.workspace)):
        yield (
            Finding(
                check="chain",
                severity="error",
                where=patient.name(patient.workspace.chain_folder),
                what=f"the chain is gone: {known}",
                advice=_FROM_BACKUP,
                is_loss=True,
            ),
            None,
        )
    else:
        yield from _check_own(patient)


def known_blocks(workspace: Workspace) -> str:
    """What tells that the workspace's own chain had blocks, in words; empty when nothing does."""
    if workspace.journal_path.exists():
        with contextlib.closing(Journal(workspace.journal_path)) as journal:
            sent = len(journal.transactions(states=_SENT))
        if sent:
            return f"the journal knows {counted(sent, 'transaction')} that it took"
    if workspace.catalogue_path.exists():
        with Catalogue(workspace.catalogue_path) as catalogue:
            tip = catalogue.tip()
        if tip is not None and tip.height > 0:  # the block before the first one is the same in every chain
            return f"the catalogue was made from it, up to block {tip.height}"
    return ""


def _check_given(patient: Patient, open_ledger: Callable[[], AbstractContextManager[Ledger]]) -> Found:
    try:
        with open_ledger() as ledger:
            if isinstance(ledger, LocalChain):
                _read_blocks(patient, ledger)
            elif patient.deep and isinstance(ledger, LedgerFile):
                # Not as it is remembered: every byte.
                LedgerFile(ledger.path, progress=lambda _, done, total: patient.progress("chain", done, total)).close()
            elif patient.deep:
                for _ in ledger.blocks(0):
                    pass
    except EtdbError as error:
        where = patient.workspace.settings.ledger or patient.name(patient.workspace.chain_folder)
        advice = error.hint or "put it back from where it came"
        yield Finding(check="chain", severity="error", where=where, what=error.message, advice=advice), None


def _check_own(patient: Patient) -> Found:
    folder = patient.workspace.chain_folder
    index = folder / "index.sqlite"
    if not LocalChain.is_made(folder):
        if not LocalChain.has_blocks(folder) and not index.exists():
            yield NotChecked("chain", "there is none yet")
            return
        yield (
            Finding(
                check="chain",
                severity="warning",
                where=patient.name(folder),
                what="the chain has no index",
                repair="make it again from the block files",
            ),
            lambda: _open_once(patient),
        )
        return
    try:
        chain = LocalChain(folder)
    except StorageError as error:
        yield (
            Finding(
                check="chain",
                severity="error",
                where=patient.name(index),
                what=error.message,
                repair="set the index aside and make it again from the block files",
            ),
            lambda: _remake(patient),
        )
        return
    with contextlib.closing(chain):
        yield from _check_blocks(patient, chain)


def _check_blocks(patient: Patient, chain: LocalChain) -> Found:
    where = patient.name(patient.workspace.chain_folder)
    try:
        _read_blocks(patient, chain)
    except StorageError as error:
        what = error.message
        yield Finding(check="chain", severity="error", where=where, what=what, advice=_FROM_BACKUP, is_loss=True), None
        return
    behind = chain.bytes_behind_tip()
    if behind:
        yield (
            Finding(
                check="chain",
                severity="note",
                where=where,
                what=f"{behind} bytes behind the last block that the index knows",
                repair="take up the blocks that are whole, cut off the rest",
            ),
            lambda: _open_once(patient),
        )


def _read_blocks(patient: Patient, chain: LocalChain) -> None:
    """Read the newest blocks, deep: all of them.

    Raises:
        StorageError: one is not what its index says.
    """
    tip = chain.tip()
    top = tip.height if tip else -1
    first = 0 if patient.deep else max(0, top - _LAST_BLOCKS)
    for height in range(first, top + 1):
        patient.progress("chain", height - first, top + 1 - first)
        chain.raw_block(height)


def _open_once(patient: Patient) -> str:
    """A writer brings block files and index together when it opens them."""
    folder = patient.workspace.chain_folder
    LocalChain.init(folder)
    chain = LocalChain(folder)
    tip = chain.tip()
    chain.close()
    return f"the chain ends with block {tip.height if tip else -1}"


def _remake(patient: Patient) -> str:
    kept = set_aside(patient.workspace.chain_folder / "index.sqlite")
    return f"{_open_once(patient)}; the damaged index is kept as {kept.name}"


def check_journal_against_chain(patient: Patient) -> Found:
    """What the journal calls sent, the ledger should know: what it has lost is sent again by the next publish."""
    workspace = patient.workspace
    if not patient.has_own_chain or not LocalChain.is_made(workspace.chain_folder):
        yield NotChecked("journal", "there is no chain in this workspace")
        return
    if not workspace.journal_path.exists():
        yield from _check_lost_journal(patient)
        return
    chain = LocalChain(workspace.chain_folder)
    journal = Journal(workspace.journal_path)
    try:
        sent = journal.transactions(states=_SENT)
        lost = [one.ledger_txid for one in sent if chain.status(one.ledger_txid).state == "unknown"]
        tip = chain.tip()
    finally:
        journal.close()
        chain.close()
    if lost:
        shown = ", ".join(txid[:12] for txid in lost[:_MOST_MISSING])
        end, top = tip.height if tip else -1, max(one.height or 0 for one in sent)
        # Blocks that are gone took the coins with them that the lost transactions spend: sending is of no use then.
        is_shorter = end < top
        what = f"the chain does not know {len(lost)} of {counted(len(sent), 'transaction')} sent ({shown})"
        yield (
            Finding(
                check="journal",
                severity="error" if is_shorter else "warning",
                where=patient.name(workspace.journal_path),
                what=f"{what}: it ends with block {end}, and had block {top}" if is_shorter else what,
                advice=_FROM_BACKUP
                if is_shorter
                else "run etdb publish again with the same folders: the same bytes are sent again",
                is_loss=is_shorter,
            ),
            None,
        )


def _check_lost_journal(patient: Patient) -> Found:
    """Without a journal nothing was published; unless the chain holds messages of our keys."""
    workspace = patient.workspace
    ours = {key.address for key in workspace.keyring.list()}
    with contextlib.closing(LocalChain(workspace.chain_folder)) as chain:
        sent = sum(bool(ours.intersection(one.sender)) for block in chain.blocks(0) for one in block.messages)
    if sent:
        yield (
            Finding(
                check="journal",
                severity="error",
                where=patient.name(workspace.journal_path),
                what=f"it is missing, and the chain holds {counted(sent, 'message')} of this workspace's keys",
                advice="put it back from a backup before anything is published: without it all would be sent again",
                is_loss=True,
            ),
            None,
        )
