"""A ledger that a workspace was given as a file, in place of a chain or a node: a ledger file, or exported texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from etdb.counting import counted
from etdb.errors import ConfigurationError, InputError
from etdb.ledger import LocalChain

if TYPE_CHECKING:
    from etdb.ledger import Ledger
    from etdb.ledger.archive import LedgerFile
    from etdb.ledger.legacy_store import LegacyLedger
    from etdb.workspace import Workspace

__all__ = [
    "TEXTS_SUFFIX",
    "exported_path",
    "fold_options",
    "has_evidence",
    "imported_path",
    "kept_ledger_path",
    "memory_path",
    "open_kept",
    "refuse_other_ledgers",
    "refuse_other_network",
    "refuse_texts_beside_proofs",
]

TEXTS_SUFFIX: Final = ".sqlite"


def imported_path(workspace: Workspace) -> Path:
    """Where an imported ledger file is kept."""
    return workspace.chain_folder / "imported.etdb-ledger"


def memory_path(workspace: Workspace) -> Path:
    """Where it is kept that the workspace's ledger file was verified."""
    return workspace.cache_folder / "ledger-file.checked"


def exported_path(workspace: Workspace) -> Path:
    """Where imported texts are kept."""
    return workspace.chain_folder / f"exported{TEXTS_SUFFIX}"


def kept_ledger_path(workspace: Workspace) -> Path | None:
    """The file that is this workspace's ledger: the one that its settings name, else what was imported; or none."""
    named = workspace.settings.ledger
    if named:
        path = (workspace.root / named).resolve()
        return path if path.is_file() else None
    return next((path for path in (imported_path(workspace), exported_path(workspace)) if path.exists()), None)


def open_kept(workspace: Workspace, path: Path) -> LedgerFile | LegacyLedger:
    """Open such a file.

    Raises:
        ConfigurationError: it is of another network than the workspace.
    """
    if path.suffix == TEXTS_SUFFIX:
        from etdb.ledger.legacy_store import LegacyLedger

        return LegacyLedger(path, workspace.network)
    from etdb.ledger.archive import LedgerFile

    ledger = LedgerFile(path, memory=memory_path(workspace))
    try:
        refuse_other_network(workspace, ledger)
    except ConfigurationError:
        ledger.close()
        raise
    return ledger


def refuse_other_network(workspace: Workspace, ledger: LedgerFile) -> None:
    """Raise ConfigurationError when a ledger file is of another network than the workspace."""
    if ledger.network_name != workspace.flo_network_name:
        raise ConfigurationError(
            f"{ledger.path} is of the network {ledger.network_name}, this workspace of {workspace.network}",
            hint="make a workspace of its own for it: etdb init FOLDER --network NETWORK",
        )


def refuse_other_ledgers(workspace: Workspace) -> None:
    """See that nothing is hidden by a ledger that comes into the workspace.

    Raises:
        ConfigurationError: its settings name one or a node, or it has a chain of its own with blocks.
    """
    if workspace.settings.ledger:
        raise ConfigurationError(
            f"this workspace reads the ledger {workspace.settings.ledger}",
            hint="take `ledger` out of etdb.toml, or make a workspace of its own: etdb init FOLDER",
        )
    if workspace.settings.node.url:
        raise ConfigurationError(
            f"this workspace follows the node at {workspace.settings.node.url}",
            hint="take `url` out of [node] in etdb.toml, or make a workspace of its own: etdb init FOLDER",
        )
    if workspace.network == "local" and LocalChain.is_made(workspace.chain_folder):
        chain = LocalChain(workspace.chain_folder)
        try:
            tip = chain.tip()
        finally:
            chain.close()
        if tip is not None and tip.height:
            raise ConfigurationError(
                f"this workspace has a chain of its own, with {counted(tip.height, 'block')}",
                hint="make a workspace of its own: etdb init FOLDER",
            )


def refuse_texts_beside_proofs(workspace: Workspace) -> None:
    """Raise InputError when texts would come to a workspace whose ledger file proves more."""
    if imported_path(workspace).exists():
        raise InputError(
            "this workspace reads a ledger file, which proves more than exported texts do",
            hint="make a workspace of its own for them: etdb init FOLDER",
        )


def has_evidence(ledger: Ledger) -> bool:
    """Whether the ledger has transactions and their proofs, not their texts alone."""
    from etdb.ledger.legacy_store import LegacyLedger

    return not isinstance(ledger, LegacyLedger)


def fold_options(ledger: Ledger) -> dict[str, Any]:
    """How records of this ledger are folded: what it cannot prove is said of each."""
    if has_evidence(ledger):
        return {"check_transactions": True}
    from etdb.ledger.legacy_store import UNPROVED

    return {"check_transactions": False, "given": UNPROVED}
