"""Starting and ending a Kubo, with a program that only plays one; tests/interop has the real one."""

from __future__ import annotations

import json
import os

import pytest

from etdb.blocks.kubo_errors import KuboError, KuboSetupError
from etdb.errors import DiskFullError, LockedError
from etdb.testing.kubo_daemon import ISOLATED, KuboDaemon

READY = "echo 'RPC API server listening on {api}'; echo 'Daemon is ready'; exec sleep 600"


def program(tmp_path, daemon, init="mkdir -p $IPFS_PATH; echo '{}' > $IPFS_PATH/config"):
    path = tmp_path / "ipfs"
    path.write_text(f'#!/bin/sh\ncase "$1" in\ninit) {init};;\ndaemon) {daemon};;\nesac\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("api", "url"),
    [("/ip4/127.0.0.1/tcp/5007", "http://127.0.0.1:5007"), ("/unix/run/x.sock", "unix:/run/x.sock")],
)
def test_it_is_started_once_it_says_so_and_ended_by_its_id(tmp_path, api, url):
    with KuboDaemon(tmp_path / "kubo", executable=program(tmp_path, READY.format(api=api))) as daemon:
        assert (daemon.api, daemon.gateway) == (url, "")
        pid = daemon.pid
        assert pid is not None
        os.kill(pid, 0)
    assert daemon.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    daemon.stop()


def test_its_settings_let_nobody_in(tmp_path):
    daemon = KuboDaemon(
        tmp_path / "kubo",
        executable=program(tmp_path, READY.format(api="")),
        settings={**ISOLATED, "Some.New.Table": 1},
    )
    with daemon:
        settings = json.loads((daemon.repository / "config").read_text())
        rights = (daemon.repository / "config").stat().st_mode
    assert settings["Bootstrap"] == []
    assert settings["Addresses"]["Swarm"] == ["/ip4/127.0.0.1/tcp/0"]
    assert settings["Discovery"]["MDNS"]["Enabled"] is False
    assert settings["Routing"]["Type"] == "none"
    assert settings["Some"]["New"]["Table"] == 1
    assert rights & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Error: lock /x/repo.lock: someone else has the lock", LockedError),
        ("Error: write /x/blocks: no space left on device", DiskFullError),
        ("Error: ipfs repo needs migration, please run migration tool.", KuboSetupError),
        ("panic: something else", KuboError),
    ],
)
def test_what_it_says_when_it_does_not_start(tmp_path, words, kind):
    daemon = KuboDaemon(tmp_path / "kubo", executable=program(tmp_path, f"echo '{words}'; exit 1"))
    with pytest.raises(kind) as caught:
        daemon.start()
    assert str(daemon.repository) in caught.value.message
    assert daemon.pid is None


def test_a_repository_that_cannot_be_made(tmp_path):
    refused = program(tmp_path, "", init="echo 'Error: mkdir /x: no space left on device' >&2; exit 1")
    with pytest.raises(DiskFullError):
        KuboDaemon(tmp_path / "kubo", executable=refused).start()
