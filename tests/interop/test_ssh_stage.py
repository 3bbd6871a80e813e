"""Staging over a real sshd: the contract, and what happens when it does not let us in, or ends in the middle."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from etdb.errors import SourceError
from etdb.stage.ssh import SshTarget
from etdb.testing.stage import Inside, StageTargetContract, piece_of

pytestmark = pytest.mark.interop
SSHD = Path("/usr/sbin/sshd")
LEFT_OUT = "left out: staging over a real sshd, because openssh-server is not on this machine (tests/interop/setup.sh)"
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/sshd.pid
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
MaxStartups 100
"""


@pytest.fixture(scope="module")
def sshd():
    """A server on a free port, with a key of its own; gives its port and the folder with the keys."""
    if not SSHD.exists():
        pytest.skip(LEFT_OUT)
    with tempfile.TemporaryDirectory(prefix="etdb-sshd-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for key in ("host", "user", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "config")], stdout=log, stderr=log)
        try:
            end = time.monotonic() + 20
            while not _answers(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.05)
            yield port, folder
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def as_user(sshd, tmp_path, monkeypatch):
    """The system's ssh, with a configuration of the test's own: whose key, and which hosts are known."""
    port, folder = sshd

    def use(key="user", known="host"):
        host_key = (folder / f"{known}.pub").read_text()
        (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
        (tmp_path / "ssh_config").write_text(
            f"IdentityFile {folder / key}\nIdentitiesOnly yes\nUserKnownHostsFile {tmp_path / 'known'}\n"
            "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n"
        )
        (tmp_path / "bin").mkdir(exist_ok=True)
        real = shutil.which("ssh", path="/usr/bin:/usr/local/bin")
        (tmp_path / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {tmp_path / "ssh_config"} "$@"\n')
        (tmp_path / "bin" / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        return f"ssh://{getpass.getuser()}@127.0.0.1:{port}"

    return use


class TestRealSsh(StageTargetContract):
    @pytest.fixture(autouse=True)
    def server(self, as_user):
        self.use = as_user

    @contextmanager
    def target_of(self, tmp_path):
        folder = tmp_path / "out there; with 'odd' $(letters)"

        def read():
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

        def begin(piece, data):
            part = (folder / piece.name).with_name(f".{piece.name.rpartition('/')[2]}.part")
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)

        with closing(SshTarget(self.use() + str(folder).replace(" ", "%20"))) as target:
            yield target, Inside(read, begin)

    def test_a_stranger_and_an_unknown_host_end_it_without_a_question(self, tmp_path):
        for words, says in (({"key": "stranger"}, "Permission denied"), ({"known": "stranger"}, "verification failed")):
            with closing(SshTarget(f"{self.use(**words)}{tmp_path}/x")) as target:
                with pytest.raises(SourceError) as caught:
                    target.present()
                assert says in caught.value.message

    def test_a_push_that_is_cut_off_is_gone_on_with(self, tmp_path):
        with self.target_of(tmp_path) as (target, inside):
            data = os.urandom(64 << 20)
            piece = piece_of(tmp_path / "here", data)

            def stop(count):
                stop.seen += count
                if stop.seen > (16 << 20):
                    raise KeyboardInterrupt

            stop.seen = 0
            with pytest.raises(KeyboardInterrupt):
                target.put(piece, progress=stop)
            assert target.present() == {}
            told = []
            target.put(piece, progress=told.append)
            assert told[0] > (8 << 20)
            assert inside.read() == {piece.name: data}
