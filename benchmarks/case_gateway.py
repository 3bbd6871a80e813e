"""What the gateway serves by each of its routes, beside nginx and a Kubo's gateway for the same files and clients."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.case_serve import fetch, write_listing
from benchmarks.files import write_noise
from benchmarks.measure import MIB, Figure, Settings, by_turns, rate
from benchmarks.servers import gateway, plain_server, plain_server_name
from etdb.blocks import DagReader, FilesInPlace
from etdb.ipfs import RAW, Cid
from etdb.testing.kubo_daemon import ISOLATED, KuboDaemon

_FILES = 4
_FILE_MIB = 64
_CLIENTS = 2
_ROUNDS = 4
_LIMIT_MIB = 150
_INTEROP = Path(__file__).resolve().parent.parent / "tests" / "interop"


def run(settings: Settings) -> list[Figure]:
    lab = settings.folder / "lab"
    lab.mkdir()
    paths = [write_noise(lab / f"file-{number}", _FILE_MIB * MIB, number) for number in range(_FILES)]
    store = FilesInPlace(settings.folder / "digests.sqlite", content_folder=settings.folder / "content")
    try:
        cids = [store.add_file(path, sha256=False).cid for path in paths]
        leaves = _write_leaves(DagReader(store), cids, settings.folder / "leaves")
    finally:
        store.close()
    files = [f"/lab/{path.name}" for path in paths]
    # What is asked of a gateway, and of a plain server for the same bytes in as many answers.
    routes = {
        "leaves (`?format=raw`)": ([f"/ipfs/{cid}?format=raw" for cid in leaves], [f"/leaves/{cid}" for cid in leaves]),
        "files (`/ipfs/CID`)": ([f"/ipfs/{cid}" for cid in cids], files),
        "CARs of files (`?format=car`)": ([f"/ipfs/{cid}?format=car" for cid in cids], files),
    }
    at = settings.folder / "digests.sqlite", settings.folder / "content"
    figures: list[Figure] = []
    with (
        plain_server(settings.folder) as plain,
        gateway(*at) as (checking, checking_peak),
        gateway(*at, check=False) as (sending, sending_peak),
        _kubo(settings.folder / "kubo", lab) as kubo,
    ):
        for route, (asked, asked_plainly) in routes.items():
            urls = {
                "plain": [plain + one for one in asked_plainly],
                "checking": [checking + one for one in asked],
                "sending": [sending + one for one in asked],
                **({"kubo": [kubo + one for one in asked]} if kubo else {}),
            }
            rates = dict(zip(urls, _measure(settings, urls), strict=True))
            checking_peak.look()
            sending_peak.look()
            peaks = {"checking": checking_peak.mib, "sending": sending_peak.mib}
            figures += _figures(route, rates, peaks)
    return figures


def _write_leaves(reader: DagReader, roots: list[Cid], folder: Path) -> list[Cid]:
    """The leaves of these files, each as a file of its own."""
    folder.mkdir()
    found = []
    for root in roots:
        for cid, block in reader.blocks(root):
            if cid.codec == RAW:
                (folder / str(cid)).write_bytes(block)
                found.append(cid)
    return found


def _measure(settings: Settings, urls: dict[str, list[str]]) -> list[float]:
    gigabytes = _FILES * _FILE_MIB * MIB * _ROUNDS / 1e9
    lists = [
        write_listing(settings.folder / f"{name}.conf", some * (_ROUNDS // _CLIENTS)) for name, some in urls.items()
    ]
    sides = [lambda one=one: rate(gigabytes, lambda: fetch(one, _CLIENTS)) for one in lists]
    by_turns(1, *sides)
    return by_turns(settings.turns, *sides)


def _figures(route: str, rates: dict[str, float], peaks: dict[str, float]) -> Iterator[Figure]:
    note = f"{_FILES} files of {_FILE_MIB} MiB, {_ROUNDS} times over, to {_CLIENTS} curl processes on the same cores"
    for ours, how, aim, bound in (
        ("checking", "each leaf hashed once more", 0.4, "SHA-256, and by the clients"),
        ("sending", "without hashing", 0.8, "the clients, as the kernel sends"),
    ):
        for theirs, name in (("plain", plain_server_name()), ("kubo", "a gateway of Kubo, which does not hash")):
            if theirs in rates:
                yield Figure(
                    name=f"{route}, {how}, beside {'Kubo' if theirs == 'kubo' else 'files as they are'}",
                    unit="GB/s",
                    ours=rates[ours],
                    reference=rates[theirs],
                    reference_name=name,
                    aim=aim if theirs == "plain" else 1,
                    note=f"{note}; bound by {bound}" if theirs == "plain" else "",
                    peak_mib=peaks[ours],
                    limit_mib=_LIMIT_MIB,
                )


@contextmanager
def _kubo(folder: Path, lab: Path) -> Iterator[str]:
    """A Kubo that holds the files as blocks of its own; its gateway's URL, or nothing where Kubo is not installed."""
    sys.path.insert(0, str(_INTEROP))
    from kubo_node import LEFT_OUT, kubo_path

    if not kubo_path().is_file():
        print(f"  Kubo's gateway {LEFT_OUT}")
        yield ""
        return
    daemon = KuboDaemon(folder, executable=kubo_path(), settings={**ISOLATED, "Gateway.NoFetch": True})
    with daemon:
        daemon.run("add", "-r", "-Q", "--cid-version=1", "--raw-leaves", "--chunker=size-1048576", str(lab))
        yield daemon.gateway
