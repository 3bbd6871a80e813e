"""A verified download over the loopback, beside `curl` of the same file and `openssl dgst` of what came."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.files import write_noise
from benchmarks.measure import GIB, Figure, Settings, by_turns, rate
from etdb.blocks import FilesInPlace
from etdb.blocks.gateway import GatewayStore
from etdb.download import download, plan_download
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import FileEntry, Tomogram

_LARGEST_GIB = 1.0
_FILE = "tomogram.mrc"
_JOBS = 4


def run(settings: Settings) -> list[Figure]:
    size = int(min(settings.gib, _LARGEST_GIB) * GIB)
    folder = settings.folder
    tomogram = _publish(write_noise(folder / _FILE, size, 1), folder)
    plan = plan_download([("ab" * 32, tomogram)])
    target, copy = folder / "received", folder / "curl.mrc"
    gigabytes = size / 1e9

    with (
        _server("gateway_process", folder / "digests.sqlite", folder / "content") as url,
        _server("plain_server", folder / _FILE) as plain_url,
    ):

        def ours() -> None:
            store = GatewayStore(url)
            report = download(plan, [store], target, jobs=_JOBS)
            store.close()
            assert report.is_complete
            assert report.fetched_bytes >= size

        def curl(address: str) -> None:
            subprocess.run(["curl", "--silent", "--fail", "--output", copy, address], check=True)

        def curl_and_hash(address: str) -> None:
            curl(address)
            subprocess.run(["openssl", "dgst", "-sha256", copy], check=True, stdout=subprocess.DEVNULL)

        def fresh(work: Callable[[], None]) -> float:
            # All sides write into memory that the system must hand out first.
            shutil.rmtree(target, ignore_errors=True)
            copy.unlink(missing_ok=True)
            return rate(gigabytes, work)

        same = f"{url.rstrip('/')}/ipfs/{tomogram.location}/{_FILE}"
        sides = (
            lambda: fresh(ours),
            lambda: fresh(lambda: curl_and_hash(plain_url)),
            lambda: fresh(lambda: curl_and_hash(same)),
        )
        by_turns(1, *sides)  # memory that a virtual machine has never touched is slow: touch it first
        mine, plain, same_server = by_turns(settings.turns, *sides)
    note = f"{size / GIB:g} GiB over the loopback, {_JOBS} jobs; both ends share the machine"
    return [
        Figure(
            name="verified download from `etdb serve`",
            unit="GB/s",
            ours=mine,
            reference=plain,
            reference_name="curl from a plain file server (sendfile), then openssl dgst -sha256",
            note=note,
        ),
        Figure(
            name="verified download, both from `etdb serve`",
            unit="GB/s",
            ours=mine,
            reference=same_server,
            reference_name="curl of the path, then openssl dgst -sha256",
            note=note,
        ),
    ]


def _publish(path: Path, folder: Path) -> Tomogram:
    entry = FileEntry(path=_FILE, size_bytes=path.stat().st_size, role="reconstruction", media_type="application/x-mrc")
    tomogram = Tomogram(publisher="o" + "x" * 33, timestamp_s=1, title="Noise", files=(entry,))
    store = FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")
    try:
        added = store.add_file(path, sha256=False)
        listed = ManifestFile(
            path=_FILE,
            size_bytes=added.size_bytes,
            media_type="application/x-mrc",
            cid=str(added.cid),
            sha256=None,
            role="reconstruction",
        )
        manifest = store.add_bytes(encode_manifest(tomogram, [listed], prepared_on=dt.date(2020, 1, 1)), MANIFEST_NAME)
        root = store.add_directory({_FILE: added, MANIFEST_NAME: manifest})
    finally:
        store.close()
    return Tomogram(publisher=tomogram.publisher, timestamp_s=1, title="Noise", files=(entry,), location=str(root))


@contextmanager
def _server(module: str, *arguments: Path) -> Iterator[str]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
