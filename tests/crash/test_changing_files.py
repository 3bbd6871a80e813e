"""Files that change, shrink, grow, are replaced or vanish while they are read: noticed, or of no consequence.

The changes come from a process of its own, with a seed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "disk"))
from disk_shim import compile_shim, load_log
from lab import Lab

from etdb.blocks import FilesInPlace
from etdb.blocks.mapped import MAPPED_FROM_BYTES
from etdb.download import targets_of
from etdb.errors import SourceFileError
from etdb.ipfs import UNIXFS_V1_2025, FileDag, leaf_digest
from etdb.ledger import LocalChain
from etdb.trust import Claim, Outcome
from etdb.verify import verify_folder

pytestmark = pytest.mark.crash

LEAF = 1 << 20
KINDS = ("rewrite", "shrink", "grow", "replace", "vanish")


def change(path: Path, kind: str, dice: random.Random, right: bytes) -> None:
    """One change of a file that should hold ``right``."""
    if kind == "rewrite":
        with path.open("r+b") as file:
            file.seek(dice.randrange(len(right)))
            file.write(dice.randbytes(1))
    elif kind == "shrink":
        os.truncate(path, dice.randrange(len(right)))
    elif kind == "grow":
        with path.open("ab") as file:
            file.write(dice.randbytes(dice.randrange(1, 5000)))
    elif kind == "replace":
        new = path.with_name("new")
        new.write_bytes(right[:-1] + dice.randbytes(1))
        new.replace(path)
    else:
        path.unlink()


def write_on(path: Path, right: bytes, kinds: tuple[str, ...], seed: int, pause_s: float) -> None:
    """Change the file and put it right again, for ever."""
    dice = random.Random(seed)
    while True:
        with suppress(FileNotFoundError):
            change(path, dice.choice(kinds), dice, right)
        time.sleep(dice.uniform(0, pause_s))
        if dice.random() < 0.7:
            with suppress(FileNotFoundError), path.open("r+b") as file:
                file.write(right)
                file.truncate()
        if not path.exists():
            path.write_bytes(right)
        time.sleep(dice.uniform(0, pause_s))


@contextmanager
def writer(
    path: Path, right: bytes, seed: int, *, kinds: tuple[str, ...] = KINDS, pause_s: float = 0.01
) -> Iterator[None]:
    """A process that changes the file, which should hold ``right`` (never empty), meanwhile."""
    pid = os.fork()
    if pid == 0:
        try:
            write_on(path, right, kinds, seed, pause_s)
        finally:
            os._exit(1)
    ended = False
    try:
        yield
        ended = os.waitpid(pid, os.WNOHANG) != (0, 0)
        assert not ended, "the writer ended by itself"
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def cid_of(data: bytes) -> str:
    """The CID of a file with this content."""
    leaves = [data[at : at + LEAF] for at in range(0, len(data), LEAF)] or [b""]
    digests = b"".join(leaf_digest(memoryview(leaf), UNIXFS_V1_2025) for leaf in leaves)
    return str(FileDag(digests, len(data), UNIXFS_V1_2025).root)


@pytest.mark.parametrize("size", [3000, 2 * LEAF + 5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_hashed_is_what_is_there_or_will_be_hashed_again(tmp_path, size, seed):
    """A file that was added while it changed: asked again later, the CID is that of its content."""
    path, right = tmp_path / "f.dat", random.Random(seed).randbytes(size)
    path.write_bytes(right)
    with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")) as store:
        outcomes = {True: 0, False: 0}
        for turn in range(25):
            with writer(path, right, 1000 * seed + turn, pause_s=0.002):
                until = time.monotonic() + 0.02
                while time.monotonic() < until:
                    try:
                        store.add_file(path)
                        outcomes[True] += 1
                    except SourceFileError:
                        outcomes[False] += 1
            if not path.exists():
                path.write_bytes(b"here again")
            assert str(store.add_file(path).cid) == cid_of(path.read_bytes()), f"turn {turn}"
        assert outcomes[True]
        assert outcomes[False]


def test_a_large_file_that_changes_while_processes_map_it(tmp_path):
    """What is cut off under a mapped file ends the process that maps it, not the work: the file is read then."""
    path, seed = tmp_path / "f.dat", 17
    right = random.Random(seed).randbytes(LEAF) * (MAPPED_FROM_BYTES // LEAF + 2)
    with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")) as store:
        for turn in range(6):
            path.write_bytes(right)
            with writer(path, right, seed + turn, kinds=("shrink", "rewrite"), pause_s=0.02), suppress(SourceFileError):
                store.add_file(path)
            assert str(store.add_file(path).cid) == cid_of(path.read_bytes()), f"turn {turn}"


def fields_of(pid: int) -> list[str]:
    """State, parent and more of a process; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def children_of(pid: int) -> list[int]:
    """The processes that it started."""
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [one for one in pids if fields_of(one)[1:2] == [str(pid)]]


def test_no_process_outlives_a_publisher_that_is_killed(tmp_path):
    """The processes that hash for it see that it is gone."""
    path = tmp_path / "f.dat"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    began, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")) as store:
                store.add_file(path, progress=lambda _count: os.write(tell, b"."))
        finally:
            os._exit(1)
    assert os.read(began, 1) == b"."
    children = children_of(pid)
    os.kill(pid, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "it ended before it was killed"
    assert children
    for _ in range(600):
        left = [child for child in children if fields_of(child)[:1] not in ([], ["Z"])]
        if not left:
            break
        time.sleep(0.05)
    assert not left
    os.close(began)
    os.close(tell)


# -- a lab whose file changes at a chosen moment of publish

BEFORE = "before it is read"
MOMENTS = {
    BEFORE: "digests.sqlite",
    "between hashing and the record": "content/",
    "between the record and sending": "chain/blk",
}
LATE = ("grow", "shrink", "replace")
CASES = [(moment, kind) for moment in MOMENTS for kind in (KINDS if moment == BEFORE else LATE)]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    library = compile_shim(tmp_path_factory.mktemp("shim"))
    if library is None:
        pytest.skip("left out: to stop a command in its work needs Linux and a C compiler (cc)")
    return library


@pytest.fixture(scope="module")
def big_lab(tmp_path_factory, pristine_lab) -> Lab:
    lab = pristine_lab.copy(tmp_path_factory.mktemp("changing") / "lab")
    (lab.data / "short" / "big.dat").write_bytes(random.Random(5).randbytes(LEAF + 4321))
    return lab


def words_of(lab: Lab, *rest: object) -> list[str]:
    return [sys.executable, "-m", "etdb", "-w", str(lab.workspace.root), "--json", *map(str, rest)]


def publish_words(lab: Lab) -> list[str]:
    return words_of(lab, "publish", lab.data / "short", "--yes", "--passphrase-file", lab.root / "pass")


def shim(lab: Lab, library: Path, mode: str, at: int = 0) -> dict[str, str]:
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "ETDB_SHIM_MODE": mode,
        "ETDB_SHIM_ROOT": str(lab.workspace.root),
        "ETDB_SHIM_LOG": str(lab.root / "changes"),
        "ETDB_SHIM_AT": str(at),
    }


@pytest.fixture(scope="module")
def moments(big_lab, library, tmp_path_factory) -> dict[str, int]:
    """The number of the change of the disk behind which each moment is."""
    lab = big_lab.copy(tmp_path_factory.mktemp("measured") / "lab")
    subprocess.run(publish_words(lab), env=shim(lab, library, "record"), check=True, capture_output=True)
    paths = [record.path for record in load_log(lab.root / "changes")]
    found = {name: next(n for n, path in enumerate(paths, 1) if part in path) for name, part in MOMENTS.items()}
    assert list(found.values()) == sorted(found.values())
    return found


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_file_that_changes_while_it_is_published(big_lab, tmp_path, library, moments, case):
    """What was published is what is there; or it is what was read, and no byte of the other is given away."""
    moment, kind = case
    lab = big_lab.copy(tmp_path / "lab")
    path = lab.data / "short" / "big.dat"
    right = path.read_bytes()
    pipe = subprocess.PIPE
    environment = shim(lab, library, "stop", moments[moment])
    process = subprocess.Popen(publish_words(lab), env=environment, stdout=pipe, stderr=pipe, text=True)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    change(path, kind, random.Random(f"{moment} {kind}"), right)
    os.kill(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    if process.returncode:
        assert (process.returncode, json.loads(out)["error"]) == (3, "source-file"), err
        assert not lab.found()
        with closing(LocalChain(lab.workspace.chain_folder)) as chain:
            assert chain.tip().height == 0
        path.write_bytes(right)
        subprocess.run(publish_words(lab), check=True, capture_output=True)
    published = lab.found()["short"]
    assert len(published) == 1
    assert not published[0].claims.failed
    subprocess.run(words_of(lab, "index"), check=True, capture_output=True)
    got = tmp_path / "got"
    fetched = subprocess.run(
        words_of(lab, "download", "--query", "short", "-o", got), check=False, capture_output=True, text=True
    )
    copies = list(got.rglob("big.dat"))
    if fetched.returncode == 0:
        # What grew behind its end is still there, up to the size that the record says.
        assert [copy.read_bytes() for copy in copies] == [path.read_bytes() if moment == BEFORE else right]
    else:
        assert fetched.returncode in {4, 5}, fetched.stderr
        assert not copies
        path.write_bytes(right)  # put back, it is what the record says
        subprocess.run(words_of(lab, "download", "--query", "short", "-o", got), check=True, capture_output=True)
        assert [copy.read_bytes() for copy in got.rglob("big.dat")] == [right]


# -- a file that changes while it is served


def test_a_gateway_never_gives_wrong_bytes(big_lab, tmp_path):
    """Whole answers are right; where the file is not, there is an error, or the connection ends before its length."""
    lab = big_lab.copy(tmp_path / "lab")
    report = json.loads(subprocess.run(publish_words(lab), check=True, capture_output=True).stdout)
    path = lab.data / "short" / "big.dat"
    right = path.read_bytes()
    root, leaf = report["datasets"][0]["root_cid"], cid_of(right[LEAF:])
    asked = {
        f"/ipfs/{root}/big.dat": right,
        f"/ipfs/{leaf}?format=raw": right[LEAF:],
        f"/ipfs/{cid_of(right)}": right,
    }
    outcomes = dict.fromkeys(("right", "refused", "cut"), 0)
    server = subprocess.Popen(words_of(lab, "serve", "--port", "0"), stdout=subprocess.PIPE, text=True)
    try:
        url = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")["gateway"]
        place = url.removeprefix("http://")
        with writer(path, right, 7, pause_s=0.01):
            for turn in range(300):
                target, content = list(asked.items())[turn % len(asked)]
                outcomes[asked_once(place, target, content)] += 1
        path.write_bytes(right)
        for target, content in asked.items():
            assert asked_once(place, target, content) == "right"
    finally:
        server.terminate()
        server.communicate()
    assert outcomes["right"], outcomes
    assert outcomes["refused"] + outcomes["cut"], outcomes


def asked_once(place: str, target: str, content: bytes) -> str:
    """One request: right, refused (an error status) or cut (broken off before the length that was told)."""
    connection = http.client.HTTPConnection(place, timeout=30)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.IncompleteRead, ConnectionError, http.client.RemoteDisconnected):
        return "cut"
    finally:
        connection.close()
    if answer.status == 200:
        assert body == content, f"{target}: {len(body)} bytes that are not the file's"
        return "right"
    assert answer.status >= 400
    return "refused"


# -- a downloaded folder that changes while it is verified


def test_a_folder_that_changes_while_it_is_verified(big_lab, tmp_path):
    """What is said to hold was there: with wrong bytes left in the end, a last look says so."""
    lab = big_lab.copy(tmp_path / "lab")
    subprocess.run(publish_words(lab), check=True, capture_output=True)
    subprocess.run(words_of(lab, "index"), check=True, capture_output=True)
    subprocess.run(words_of(lab, "download", "--query", "short", "-o", tmp_path), check=True, capture_output=True)
    (path,) = tmp_path.glob("short-*/big.dat")
    right, outcomes = path.read_bytes(), set()
    with writer(path, right, 11, pause_s=0.01):
        for _ in range(60):
            result = verify_folder(path.parent, targets_of=targets_of)[Claim.FILE_BYTES]
            outcomes.add(result.outcome)
            if result.outcome is Outcome.FAILED:
                assert "big.dat" in result.detail
    assert outcomes == {Outcome.HELD, Outcome.FAILED}
    for kind in KINDS:
        path.write_bytes(right)
        assert verify_folder(path.parent, targets_of=targets_of)[Claim.FILE_BYTES].outcome is Outcome.HELD
        while not path.exists() or path.read_bytes() == right:
            change(path, kind, random.Random(kind), right)
            if not path.exists():
                break
        assert verify_folder(path.parent, targets_of=targets_of)[Claim.FILE_BYTES].outcome is Outcome.FAILED
