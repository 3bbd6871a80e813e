"""A second workspace begins with the catalogue of a portal, and its server writes down what is asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from urllib.request import urlopen

from etdb.catalogue import Catalogue


def test_a_workspace_begins_with_a_portals_catalogue(desk, tmp_path):
    assert desk.run("publish", desk.short, "--yes", "--passphrase-file", desk.secret).status == 0
    assert desk.run("index").status == 0
    given = tmp_path / "catalogue.sqlite"
    with Catalogue(desk.workspace.catalogue_path) as catalogue:
        catalogue.snapshot(given)
        folded = catalogue.dump()
    second = tmp_path / "second"
    said = desk.run_bare("init", second, "--ledger", desk.workspace.chain_folder, "--catalogue", given)
    assert said.status == 0, said.err
    report = desk.run_bare("-w", second, "index", "--json")
    assert (report.status, report.document["blocks"]) == (0, 0)
    with Catalogue(second / "cache" / "catalogue.sqlite") as catalogue:
        assert catalogue.dump() == folded

    log = tmp_path / "access.jsonl"
    command = [sys.executable, "-m", "etdb", "-w", str(second), "serve", "--port", "0", "--access-log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            url = re.search(r"http://\S+", server.stdout.readline())[0]
            with urlopen(f"{url}/api/v1/statistics", timeout=30) as answer:
                assert json.load(answer)["datasets"] == 1
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0
    assert log.stat().st_mode & 0o777 == 0o600
    (line,) = log.read_bytes().splitlines()
    assert {name: json.loads(line)[name] for name in ("method", "path", "status")} == {
        "method": "GET",
        "path": "/api/v1/statistics",
        "status": 200,
    }
    assert b"127.0.0.1" not in line


def test_what_is_no_catalogue_is_said_and_the_workspace_stands(desk, tmp_path):
    given = tmp_path / "given"
    given.write_bytes(os.urandom(5000))
    said = desk.run_bare("init", tmp_path / "second", "--ledger", desk.workspace.chain_folder, "--catalogue", given)
    assert said.status == 3
    assert "is no catalogue" in said.err
    assert desk.run_bare("-w", tmp_path / "second", "index").status == 0
    assert desk.run_bare("init", tmp_path / "third", "--catalogue", tmp_path / "nothing").status == 2
