"""A verified download over the loopback, beside `curl` of the same files and `openssl dgst` of what came.

`curl` fetches all files of a set in one process over one kept connection, and one `openssl` hashes them: the fastest
way to use them. For small files also one after the other, as one would by hand, which is what ours must beat. Ours is
measured in its own process without the start of Python.
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.files import write_noise
from benchmarks.measure import GIB, KIB, MIB, Figure, Settings, by_turns
from benchmarks.servers import gateway, plain_server, plain_server_name
from etdb.blocks import FilesInPlace
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import FileEntry, Tomogram

_SETS = ((2000, KIB), (200, MIB), (10, 30 * MIB), (1, GIB))
_JOBS = 4
_LIMIT_MIB = 150
_ONE_BY_ONE = 100


def run(settings: Settings) -> list[Figure]:
    figures = []
    for count, size in _SETS:
        folder = settings.folder / f"set-{size}"
        lab = folder / "lab"
        lab.mkdir(parents=True)
        paths = [write_noise(lab / f"file-{number:04d}.mrc", size, number) for number in range(count)]
        figures += _measure(settings, folder, paths, size)
        shutil.rmtree(folder)
    return figures


def _measure(settings: Settings, folder: Path, paths: Sequence[Path], size: int) -> list[Figure]:
    tomogram = _publish(paths, folder)
    wanted = folder / "tomogram.json"
    wanted.write_bytes(msgspec.json.encode(tomogram))
    target, copies, peaks = folder / "received", folder / "copies", []
    names = [copies / path.name for path in paths]
    amount = size * len(paths) / 1e9 if size > KIB else float(len(paths))

    with gateway(folder / "digests.sqlite", folder / "content") as (url, served), plain_server(folder / "lab") as plain:

        def ours() -> float:
            command = [sys.executable, "-m", "benchmarks.download_process", url, str(wanted), str(target), str(_JOBS)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            seconds, peak_kib = map(float, done.stdout.split())
            peaks.append(peak_kib / KIB)
            return amount / seconds

        def curl_and_hash(base: str) -> float:
            listing = copies / "curl.conf"
            listing.write_text("".join(f'url = "{base}/{one.name}"\noutput = "{one}"\n' for one in names))
            started = time.perf_counter()
            subprocess.run(["curl", "--silent", "--fail", "--config", listing], check=True)
            subprocess.run(["openssl", "dgst", "-sha256", *names], check=True, stdout=subprocess.DEVNULL)
            return amount / (time.perf_counter() - started)

        def one_by_one(base: str) -> float:
            some = names[:_ONE_BY_ONE]
            started = time.perf_counter()
            for one in some:
                subprocess.run(["curl", "--silent", "--fail", "-o", one, f"{base}/{one.name}"], check=True)
                subprocess.run(["openssl", "dgst", "-sha256", one], check=True, stdout=subprocess.DEVNULL)
            return amount * len(some) / len(names) / (time.perf_counter() - started)

        def fresh(work: Callable[[], float]) -> float:
            # All sides write into memory that the system must hand out first.
            shutil.rmtree(target, ignore_errors=True)
            shutil.rmtree(copies, ignore_errors=True)
            copies.mkdir()
            return work()

        sides = (
            lambda: fresh(ours),
            lambda: fresh(lambda: curl_and_hash(plain)),
            lambda: fresh(lambda: curl_and_hash(f"{url}/ipfs/{tomogram.location}")),
            *([lambda: fresh(lambda: one_by_one(plain))] if len(paths) > _ONE_BY_ONE else ()),
        )
        by_turns(1, *sides)  # memory that a virtual machine has never touched is slow: touch it first
        mine, from_plain, from_ours, *singly = by_turns(settings.turns, *sides)
        served.look()
    what = f"{len(paths):,} files of {_size(size)}" if len(paths) > 1 else f"a file of {_size(size)}"
    # As a sampling profiler saw it: of small files, the disk's word takes two fifths, and opening and renaming them.
    bound = "what is synced and opened for each file" if size == KIB else "SHA-256 and the way through the loopback"
    note = (
        f"{_JOBS} jobs; both ends share the machine; client {max(peaks):.0f} MiB, gateway {served.mib:.0f} MiB; "
        f"bound by {bound}"
    )
    batched = "all in one process each" if len(paths) > 1 else "then openssl dgst -sha256"
    sides_found = [
        (from_plain, f"curl from {plain_server_name()} and openssl dgst -sha256, {batched}", ""),
        (from_ours, f"curl from it and openssl dgst -sha256, {batched}", ", both from `etdb serve`"),
        *((one, f"curl from {plain_server_name()}, then openssl, for each file", ", one by one") for one in singly),
    ]
    return [
        Figure(
            name=f"verified download, {what}{which}",
            unit="GB/s" if size > KIB else "files/s",
            ours=mine,
            reference=reference,
            reference_name=name,
            aim=1.0 if which or not singly else None,
            note="" if which else note,
            peak_mib=max(*peaks, served.mib),
            limit_mib=_LIMIT_MIB,
        )
        for reference, name, which in sides_found
    ]


def _size(size: int) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size // KIB} KiB"


def _publish(paths: Sequence[Path], folder: Path) -> Tomogram:
    media_type = "application/x-mrc"
    entries = tuple(
        FileEntry(path=path.name, size_bytes=path.stat().st_size, role="reconstruction", media_type=media_type)
        for path in paths
    )
    tomogram = Tomogram(publisher="o" + "x" * 33, timestamp_s=1, title="Noise", files=entries)
    store = FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")
    try:
        added = {path.name: store.add_file(path, sha256=False) for path in paths}
        listed = [
            ManifestFile(
                path=name,
                size_bytes=one.size_bytes,
                media_type=media_type,
                cid=str(one.cid),
                sha256=None,
                role="reconstruction",
            )
            for name, one in added.items()
        ]
        manifest = store.add_bytes(encode_manifest(tomogram, listed, prepared_on=dt.date(2020, 1, 1)))
        root = store.add_directory({**added, MANIFEST_NAME: manifest})
    finally:
        store.close()
    return msgspec.structs.replace(tomogram, location=str(root))
