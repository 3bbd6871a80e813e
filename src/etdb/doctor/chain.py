"""Checks of the local chain, and of what the journal sent to it."""

from __future__ import annotations

import contextlib
from typing import Final

from etdb.doctor.finding import Finding, Found, Patient, set_aside
from etdb.errors import StorageError
from etdb.ledger import LocalChain
from etdb.publish import Journal

__all__ = ["check_chain", "check_journal_against_chain"]

_LAST_BLOCKS: Final = 20
_MOST_MISSING: Final = 5


def check_chain(patient: Patient) -> Found:
    """The newest blocks, or all of them, are where the index says and hash to what it says."""
    workspace = patient.workspace
    if workspace.network != "local" or workspace.settings.ledger:
        return
    folder = workspace.chain_folder
    index = folder / "index.sqlite"
    if not LocalChain.is_made(folder):
        if (folder / "blk00000.dat").exists() or index.exists():
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
    try:
        yield from _check_blocks(patient, chain)
    finally:
        chain.close()


def _check_blocks(patient: Patient, chain: LocalChain) -> Found:
    tip = chain.tip()
    top = tip.height if tip else -1
    first = 0 if patient.deep else max(0, top - _LAST_BLOCKS)
    for height in range(first, top + 1):
        patient.progress("chain", height - first, top + 1 - first)
        try:
            chain.raw_block(height)
        except StorageError as error:
            yield (
                Finding(
                    check="chain",
                    severity="error",
                    where=patient.name(patient.workspace.chain_folder),
                    what=error.message,
                    advice="put the whole chain folder back from a backup: the blocks exist nowhere else",
                    is_loss=True,
                ),
                None,
            )
            return
    behind = chain.bytes_behind_tip()
    if behind:
        yield (
            Finding(
                check="chain",
                severity="note",
                where=patient.name(patient.workspace.chain_folder),
                what=f"{behind} bytes behind the last block that the index knows",
                repair="take up the blocks that are whole, cut off the rest",
            ),
            lambda: _open_once(patient),
        )


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
    own_chain = workspace.network == "local" and not workspace.settings.ledger
    if not own_chain or not LocalChain.is_made(workspace.chain_folder):
        return
    if not workspace.journal_path.exists():
        yield from _check_lost_journal(patient)
        return
    chain = LocalChain(workspace.chain_folder)
    journal = Journal(workspace.journal_path)
    try:
        sent = journal.transactions(states=("submitted", "confirmed"))
        lost = [one.ledger_txid for one in sent if chain.status(one.ledger_txid).state == "unknown"]
    finally:
        journal.close()
        chain.close()
    if lost:
        shown = ", ".join(txid[:12] for txid in lost[:_MOST_MISSING])
        yield (
            Finding(
                check="journal",
                severity="warning",
                where=patient.name(workspace.journal_path),
                what=f"the chain does not know {len(lost)} of {len(sent)} transactions that were sent ({shown})",
                advice="run etdb publish again with the same folders: the same bytes are sent again",
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
                what=f"it is missing, and the chain holds {sent} messages of this workspace's keys",
                advice="put it back from a backup before anything is published: without it all would be sent again",
                is_loss=True,
            ),
            None,
        )
