"""What a check finds, and where it looks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from msgspec import Struct

from etdb.blocks.kubo import KuboNode
from etdb.durable import sync_folder
from etdb.ledger import Ledger, Limits
from etdb.ledger.node import FloNode
from etdb.workspace import Workspace

__all__ = [
    "Finding",
    "Found",
    "Mended",
    "NotChecked",
    "Patient",
    "Services",
    "Severity",
    "keep_beside",
    "set_aside",
]

Severity = Literal["note", "warning", "error"]


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is not as it should be.

    Attributes:
        check: the check's name.
        severity: ``note`` needs nothing, ``warning`` may come to need something, ``error`` stops a command.
        where: the file, folder or dataset.
        what: what is wrong, with the evidence.
        repair: what ``etdb repair`` does about it; empty when it can do nothing.
        advice: what a person can do.
        is_loss: something is gone that cannot be made again from what is here.
    """

    check: str
    severity: Severity
    where: str
    what: str
    repair: str = ""
    advice: str = ""
    is_loss: bool = False


class Mended(Struct, frozen=True, kw_only=True):
    """What was done about a finding; ``error`` when it did not work."""

    finding: Finding
    done: str
    error: str = ""


class NotChecked(Struct, frozen=True):
    """A check that did not look at all that it is about. That is no finding, but nobody may take it for well."""

    check: str
    because: str


Found = Iterator[tuple[Finding, Callable[[], str] | None] | NotChecked]
"""Findings, each with what mends it (mending says what was done); and what was not looked at."""


class Services(Struct, frozen=True, kw_only=True):
    """How to reach what a workspace leans on; the caller knows the settings.

    Attributes:
        open_ledger: a ledger that the workspace was given: a file, or another's chain. None for a chain of its own
            and for a node.
        open_node: the FLO node; None for a workspace that has none.
        open_kubo: the Kubo; None when it is not to be looked at.
        limits: fees and chains.
        has_gateways: whether the gateways of the settings are looked at.
    """

    open_ledger: Callable[[], AbstractContextManager[Ledger]] | None = None
    open_node: Callable[[], FloNode] | None = None
    open_kubo: Callable[[], KuboNode] | None = None
    limits: Limits = Limits()
    has_gateways: bool = False


class Patient:
    """The workspace that is looked at.

    Args:
        workspace: its settings can be read.
        deep: also read all bytes again.
        services: what is outside of it; nothing by default.
        progress: told (check, done, total).
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        deep: bool,
        services: Services | None = None,
        progress: Callable[[str, int, int], None] = lambda _check, _done, _total: None,
    ) -> None:
        self.workspace = workspace
        self.deep = deep
        self.services = services or Services()
        self.progress = progress

    @property
    def has_own_chain(self) -> bool:
        """Whether the ledger is the local chain in the workspace's own folder."""
        workspace = self.workspace
        return workspace.network == "local" and not workspace.settings.ledger and self.services.open_ledger is None

    def name(self, path: Path) -> str:
        """A path as people see it: from the workspace on, where it is in there."""
        root = self.workspace.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def set_aside(path: Path) -> Path:
    """Give a file another name beside its own, with what SQLite keeps beside it; nothing is deleted."""
    target = keep_beside(path)
    path.unlink()
    sync_folder(path.parent)
    return target


def keep_beside(path: Path) -> Path:
    """Give a file a second name beside its own; what SQLite keeps beside it goes with that name."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 0
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(target.with_name(target.name + suffix))
    os.link(path, target)
    sync_folder(path.parent)
    return target
