"""A Kubo for a while, played by a script: what it is told, and that nothing of it stays behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from etdb.blocks import temporary_kubo
from etdb.blocks.temporary_kubo import KuboChoice, TemporaryKubo, find_kubo
from etdb.errors import ConfigurationError, FormatError, SourceError
from etdb.ipfs import cid_of

LEAF = b"what the network has"
# An `ipfs` that keeps its configuration for the test to see, answers a little, and never ends by itself.
PLAYED = f"""#!{sys.executable}
import http.server, json, os, sys, time
repo = os.environ["IPFS_PATH"]
if sys.argv[1] == "init":
    os.mkdir(repo)
    json.dump({{"Addresses": {{"Swarm": ["/ip4/0.0.0.0/tcp/4001"]}}, "Discovery": 7}}, open(repo + "/config", "w"))
    sys.exit()
here = os.path.dirname(os.path.abspath(__file__))
open(here + "/config", "w").write(open(repo + "/config").read())
open(here + "/pid", "w").write(str(os.getpid()))
if os.path.exists(here + "/fails"):
    print("Error: lock is held")
    sys.exit(1)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(200, b"{LEAF.decode()}", "application/vnd.ipld.raw")
    def do_POST(self):
        open(here + "/asked", "a").write(self.path + "\\n")
        wanted = json.load(open(repo + "/config"))["API"]["Authorizations"]["etdb"]["AuthSecret"].split(":")[1]
        if self.headers["Authorization"] != "Bearer " + wanted:
            self.answer(403, b"", "text/plain")
        else:
            self.answer(200, open(here + "/answer", "rb").read(), "application/json")
    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(repo + "/api", "w").write("/ip4/127.0.0.1/tcp/%d" % server.server_port)
open(repo + "/gateway", "w").write("http://127.0.0.1:%d" % server.server_port)
server.serve_forever()
"""


@pytest.fixture
def played(tmp_path):
    place = tmp_path / "bin"
    place.mkdir()
    (place / "ipfs").write_text(PLAYED)
    (place / "ipfs").chmod(0o755)
    (place / "answer").write_bytes(b"{}")
    return place


def asked(played):
    """What its RPC was asked, in order."""
    return (played / "asked").read_text().splitlines()


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def await_end(pid):
    until = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < until, f"{pid} stays"
        time.sleep(0.02)


def test_it_listens_on_the_loopback_only_and_goes_away(played, tmp_path):
    choice = KuboChoice(binary=str(played / "ipfs"), folder=tmp_path)
    with TemporaryKubo(choice) as kubo:
        store = kubo.store()
        assert store.get(cid_of(LEAF)) == LEAF
        store.close()
        pid = int((played / "pid").read_text())
        assert is_running(pid)
        assert kubo.folder.stat().st_mode & 0o077 == 0
    assert not is_running(pid)
    assert not kubo.folder.exists()
    settings = json.loads((played / "config").read_text())
    assert settings["Addresses"]["Swarm"] == []
    assert settings["Addresses"]["API"] == settings["Addresses"]["Gateway"] == "/ip4/127.0.0.1/tcp/0"
    assert settings["Provide"] == {"Enabled": False}
    assert settings["Discovery"] == {"MDNS": {"Enabled": False}}
    assert "/ip4/127.0.0.0/ipcidr/8" in settings["Swarm"]["AddrFilters"]
    assert "Bootstrap" not in settings, "the user's network is Kubo's own"
    kubo.close()


def test_a_network_of_the_users_own(played, tmp_path):
    peers = ("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWA",)
    choice = KuboChoice(binary=str(played / "ipfs"), folder=tmp_path, peers=peers, allow_private=True)
    with TemporaryKubo(choice) as kubo:
        settings = json.loads((played / "config").read_text())
        assert kubo.connect(peers) == 1, "and is not let go of again"
    assert settings["Bootstrap"] == [], "bitswap is not told of peers that are called before it listens"
    assert settings["Internal"] == {"Bitswap": {"BroadcastControl": {"Enable": False}}}
    peer = quote(peers[0], safe="")
    assert asked(played) == [f"/api/v0/swarm/{word}?arg={peer}" for word in ("disconnect", "connect", "connect")]
    assert settings["AutoConf"] == {"Enabled": False}
    assert settings["Routing"]["DelegatedRouters"] == []
    assert settings["Swarm"]["AddrFilters"] is None


def test_what_the_network_names(played, tmp_path):
    lines = [
        {"Type": 1, "Responses": [{"ID": "other", "Addrs": []}]},
        {"Type": 4, "Responses": [{"ID": "12D3KooWA", "Addrs": ["/ip4/203.0.113.1/tcp/1"]}, {"ID": 7}]},
        {"Type": 4, "Responses": [{"ID": "12D3KooWA", "Addrs": None}]},
        {"Type": 4, "Responses": None},
    ]
    (played / "answer").write_text("\n".join(map(json.dumps, lines)))
    with TemporaryKubo(KuboChoice(binary=str(played / "ipfs"), folder=tmp_path)) as kubo:
        assert kubo.find_providers(cid_of(LEAF)) == [("12D3KooWA", ("/ip4/203.0.113.1/tcp/1",))]
        assert kubo.connect(["/ip4/203.0.113.1/tcp/1/p2p/12D3KooWA"]) == 1
        (played / "answer").write_text("{cut")
        with pytest.raises(FormatError):
            kubo.find_providers(cid_of(LEAF))
        (played / "answer").write_text("[]")
        with pytest.raises(SourceError):
            kubo.find_providers(cid_of(LEAF))


def test_one_that_does_not_start_leaves_nothing(played, tmp_path):
    (played / "fails").touch()
    with pytest.raises(ConfigurationError, match="lock is held"):
        TemporaryKubo(KuboChoice(binary=str(played / "ipfs"), folder=tmp_path))
    with pytest.raises(ConfigurationError, match="no repository"):
        TemporaryKubo(KuboChoice(binary="/bin/true", folder=tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["bin"]


def test_no_kubo_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="not on the PATH"):
        find_kubo()
    with pytest.raises(ConfigurationError, match="/no/where"):
        find_kubo("/no/where")


@pytest.mark.parametrize("victim", ["owner", "guard"])
def test_nothing_stays_after_a_kill(played, tmp_path, victim):
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from etdb.blocks.temporary_kubo import KuboChoice, TemporaryKubo\n"
        "kubo = TemporaryKubo(KuboChoice(binary=sys.argv[1], folder=Path(sys.argv[2])))\n"
        "print(kubo.pid, kubo.folder, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program, str(played / "ipfs"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        guard, folder = owner.stdout.readline().split()
        kubo = int((played / "pid").read_text())
        assert is_running(kubo)
        os.kill(owner.pid if victim == "owner" else int(guard), signal.SIGKILL)
        await_end(kubo)
        if victim == "owner":
            await_end(int(guard))
            assert not Path(folder).exists()
        owner.kill()
    assert Path(temporary_kubo.__file__).with_name("temporary_kubo_guard.py").exists()
