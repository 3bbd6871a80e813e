"""Leaves served over the loopback to `curl`, beside nginx for the same bytes to the same clients."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.files import write_noise
from benchmarks.measure import GIB, MIB, Figure, Settings, by_turns, rate
from benchmarks.servers import gateway, plain_server, plain_server_name
from etdb.blocks import FilesInPlace

_LEAVES = 256
_ROUNDS = 4
_CLIENTS = 2
_LIMIT_MIB = 150


def run(settings: Settings) -> list[Figure]:
    lab = settings.folder / "lab"
    lab.mkdir()
    paths = [write_noise(lab / f"leaf-{number:03d}", MIB, number) for number in range(_LEAVES)]
    store = FilesInPlace(settings.folder / "digests.sqlite", content_folder=settings.folder / "content")
    try:
        cids = [store.add_file(path, sha256=False).cid for path in paths]
    finally:
        store.close()
    at = settings.folder / "digests.sqlite", settings.folder / "content"
    gigabytes = _LEAVES * _ROUNDS * MIB / 1e9
    with (
        plain_server(lab) as plain,
        gateway(*at) as (checking, checking_peak),
        gateway(*at, check=False) as (sending, sending_peak),
    ):
        lists = [
            write_listing(settings.folder / f"{name}.conf", urls * (_ROUNDS // _CLIENTS))
            for name, urls in (
                ("plain", [f"{plain}/{path.name}" for path in paths]),
                ("checking", [f"{checking}/ipfs/{cid}?format=raw" for cid in cids]),
                ("sending", [f"{sending}/ipfs/{cid}?format=raw" for cid in cids]),
            )
        ]
        sides = [lambda one=one: rate(gigabytes, lambda: fetch(one, _CLIENTS)) for one in lists]
        by_turns(1, *sides)
        reference, hashed, sent = by_turns(settings.turns, *sides)
        checking_peak.look()
        sending_peak.look()
    name = f"{plain_server_name()}, the same files"
    note = f"{_LEAVES * _ROUNDS * MIB / GIB:g} GiB in leaves of 1 MiB, {_CLIENTS} curl processes with kept connections"
    return [
        Figure(
            name="leaves served, each hashed once more",
            unit="GB/s",
            ours=hashed,
            reference=reference,
            reference_name=name,
            aim=0.4,
            note=f"{note}; bound by SHA-256 and by the clients, which share the cores",
            peak_mib=checking_peak.mib,
            limit_mib=_LIMIT_MIB,
        ),
        Figure(
            name="leaves served without hashing (`serve --no-check`)",
            unit="GB/s",
            ours=sent,
            reference=reference,
            reference_name=name,
            aim=0.8,
            note=f"{note}; the kernel sends (sendfile), bound by the clients",
            peak_mib=sending_peak.mib,
            limit_mib=_LIMIT_MIB,
        ),
    ]


def write_listing(path: Path, urls: list[str]) -> Path:
    """What a curl is to get, for :func:`fetch`."""
    path.write_text("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls))
    return path


def fetch(listing: Path, clients: int) -> None:
    """Get everything on a list with several curl processes at once, each all of it over kept connections."""
    command = ["curl", "--silent", "--fail", "--config", str(listing)]
    running = [subprocess.Popen(command) for _ in range(clients)]
    assert [one.wait() for one in running] == [0] * clients
