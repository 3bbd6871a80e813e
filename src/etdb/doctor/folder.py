"""Checks of the folder itself: room, left-over files, keys."""

from __future__ import annotations

import os
import shutil
import stat
from functools import partial
from pathlib import Path
from typing import Final

from etdb.doctor.finding import Finding, Found, NotChecked, Patient
from etdb.errors import EtdbError

__all__ = ["check_disk", "check_keys", "check_left_over"]

_SCARCE_BYTES: Final = 256 << 20
_TOO_LITTLE_BYTES: Final = 4 << 20
_MIB: Final = 1 << 20


def check_disk(patient: Patient) -> Found:
    """Room for the next commands."""
    root = patient.workspace.root
    free = shutil.disk_usage(root).free
    if free < _SCARCE_BYTES:
        yield (
            Finding(
                check="disk",
                severity="error" if free < _TOO_LITTLE_BYTES else "warning",
                where=str(root),
                what=f"{free // _MIB} MiB are free on its disk",
                advice="make room",
            ),
            None,
        )


def check_left_over(patient: Patient) -> Found:
    """Temporary files of writes that were cut off. The next write of the same file would remove its own."""
    workspace = patient.workspace
    for folder in (workspace.root, workspace.keys_folder, workspace.content_folder, workspace.chain_folder):
        for path in sorted(folder.glob(".*.tmp")) + sorted(folder.glob("*.copy.tmp")):
            yield (
                Finding(
                    check="left-over",
                    severity="note",
                    where=patient.name(path),
                    what="a file that was being written when its process ended",
                    repair="remove it",
                ),
                partial(_remove, path),
            )


def _remove(path: Path) -> str:
    path.unlink(missing_ok=True)
    return "removed"


def check_keys(patient: Patient) -> Found:
    """Every key file: readable by its owner alone, and whole as far as that shows without the passphrase."""
    folder = patient.workspace.keys_folder
    if not folder.is_dir():
        yield (
            Finding(
                check="keys",
                severity="error",
                where=patient.name(folder),
                what="the folder of the keys is missing",
                advice="put it back from a backup: nothing can be published or corrected without its keys",
                is_loss=True,
            ),
            None,
        )
        return
    if not os.access(folder, os.R_OK | os.X_OK):
        yield NotChecked("keys", "their folder is not ours to read")
        return
    for path, wanted in ((folder, 0o700), *((one, 0o600) for one in sorted(folder.glob("*.json")))):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield (
                Finding(
                    check="keys",
                    severity="warning",
                    where=patient.name(path),
                    what=f"others on this machine may open it (mode {mode:o})",
                    repair=f"set its mode to {wanted:o}",
                ),
                partial(_close, path, wanted),
            )
    for path in sorted(folder.glob("*.json")):
        try:
            patient.workspace.keyring.show(path.stem)
        except EtdbError as error:
            yield (
                Finding(
                    check="keys",
                    severity="error",
                    where=patient.name(path),
                    what=error.message,
                    advice="put the key file back from a backup",
                    is_loss=True,
                ),
                None,
            )


def _close(path: Path, mode: int) -> str:
    path.chmod(mode)
    return f"its mode is {mode:o}"
