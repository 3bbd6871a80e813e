"""Two labs, each with half of the datasets, and a third machine that knows neither of them, only CIDs.

One lab has a gateway of ours, which is a routing server too; the other a Kubo that speaks bitswap alone. A third Kubo
is the network that both Kubos know, and a routing server for it. Everything is on the loopback.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import kubo_node
import pytest

from etdb.blocks import FilesInPlace
from etdb.ipfs import cid_of
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving
from etdb.workspace import Workspace

pytestmark = pytest.mark.interop


def noise(size: int, seed: int) -> bytes:
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


FILES = [{"tilts.st": noise((3 << 20) + seed, seed), "notes/lab.txt": noise(50, 100 + seed)} for seed in range(4)]


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class World:
    """What the tests see: the roots of the datasets, and a third machine's command line."""

    def __init__(self, roots: list[str], router: str, network_router: str, workspace: Path, folder: Path) -> None:
        self.roots, self.router, self.network_router = roots, router, network_router
        self.workspace, self.folder = workspace, folder

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "etdb", "-w", str(self.workspace), "--json", *words]

    def etdb(self, *words: str) -> tuple[int, dict]:
        done = subprocess.run(
            self.command(*words), cwd=self.folder, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def world(start_kubos, tmp_path):
    # Kubo's own test profile keeps addresses of this machine in the DHT.
    lan = {"Routing__Type": "dhtserver", "Routing__LoopbackAddressesOnLanDHT": True}
    network = start_kubos.start(tmp_path / "network", Gateway__ExposeRoutingAPI=True, **lan)
    lab_b = start_kubos.start(tmp_path / "lab-b", **lan)
    start_kubos.connect(lab_b, network)
    with ExitStack() as stack:
        files = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
        stack.callback(files.close)
        roots = []
        for number in (0, 1):
            folder = write(tmp_path / f"lab-a/{number}", FILES[number])
            added = {name: files.add_file(folder / name) for name in FILES[number]}
            roots.append(str(files.add_directory(added)))
        for number in (2, 3):
            folder = write(tmp_path / f"lab-b-data/{number}", FILES[number])
            words = ("add", "-r", "-Q", "--cid-version=1", "--raw-leaves", str(folder))
            roots.append(lab_b.run(*words).decode().strip())
            lab_b.run("routing", "provide", roots[-1])
        app = gateway_app(files)
        router = stack.enter_context(serving(app))
        app.state.providers.announce(router)
        workspace = Workspace.init(tmp_path / "third", "main").root
        settings = workspace / "etdb.toml"
        peer = start_kubos.node(network).info().addresses[0]
        text = settings.read_text()
        for name, value in {
            "routers": json.dumps([router, network.gateway]),
            "allow_private": "true",
            "kubo_peers": json.dumps([str(peer)]),
            "binary": json.dumps(str(kubo_node.kubo_path())),
        }.items():
            default = {"routers": "[]", "allow_private": "false", "kubo_peers": "[]", "binary": '""'}[name]
            assert f"# {name} = {default}" in text
            text = text.replace(f"# {name} = {default}", f"{name} = {value}")
        settings.write_text(text)
        out = tmp_path / "out"
        out.mkdir()
        yield World(roots, router, network.gateway, workspace, out)


def test_all_datasets_of_both_labs(world):
    for number, root in enumerate(world.roots):
        status, said = world.etdb("fetch", root, "--kubo")
        assert status == 0, said
        assert content(world.folder / root) == FILES[number]
        assert said["sources"] == (["a temporary Kubo"] if number > 1 else said["sources"])
        assert ("a temporary Kubo" in said["sources"]) == (number > 1)


def test_without_kubo_only_the_lab_with_a_gateway(world):
    status, said = world.etdb("fetch", world.roots[0])
    assert status == 0, said
    status, said = world.etdb("fetch", world.roots[2])
    assert (status, said["error"]) == (5, "source")
    assert "no source has it" in said["message"]


def test_who_has_it_and_how_that_was_found(world):
    status, said = world.etdb("providers", world.roots[0])
    assert status == 0
    assert [(one["transport"], one["found_by"], one["answer"]) for one in said["providers"]] == [
        ("http", world.router, "has it")
    ]
    status, said = world.etdb("providers", world.roots[2], "--kubo")
    assert status == 0
    found = {(one["transport"], one["found_by"]) for one in said["providers"]}
    assert found == {("bitswap", world.network_router), ("bitswap", "the IPFS network, by Kubo")}
    assert len({one["name"] for one in said["providers"]}) == 1


def kubos_below(folder: Path) -> list[int]:
    """Processes whose repository is in this folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"IPFS_PATH={folder}".encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def test_a_kill_in_the_middle_leaves_no_kubo(world):
    wanted = str(cid_of(b"nobody has this"))
    cache = world.workspace / "cache"
    with subprocess.Popen(world.command("fetch", wanted, "--kubo"), cwd=world.folder, stdout=subprocess.PIPE) as etdb:
        until = time.monotonic() + 120
        while not any(cache.glob("etdb-kubo-*/repo/gateway")):
            assert etdb.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        assert len(kubos_below(cache)) >= 2, "the guard and Kubo"
        os.kill(etdb.pid, signal.SIGKILL)
    until = time.monotonic() + 120
    while kubos_below(cache) or list(cache.glob("etdb-kubo-*")):
        assert time.monotonic() < until
        time.sleep(0.05)
