"""From files to CIDs, and the whole of `publish`, beside SHA-256 alone on buffers that are in the cache already."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from benchmarks.files import write_noise_image
from benchmarks.measure import GIB, KIB, MIB, Figure, Settings, by_turns, rate
from etdb.blocks import FilesInPlace
from etdb.demo.commands import Commands

_FILES = 4
_THREADS = 2
_CIDS_LIMIT_MIB = 200
_PUBLISH_LIMIT_MIB = 250
_TOML = """\
title = "Noise, whole, single axis"
species = "Vibrio cholerae"
microscope = "Polara"
microscopist = "Ada Lovelace"
institution = "Bench"
acquired_on = 2014-01-14
tilt_min_deg = -60.0
tilt_max_deg = 60.0
tilt_step_deg = 1.0
sid = "bench0001"
"""


def run(settings: Settings) -> list[Figure]:
    size = int(settings.gib * GIB / _FILES) // KIB * KIB
    dataset = settings.folder / "lab" / "bench0001"
    dataset.mkdir(parents=True)
    (dataset / "dataset.toml").write_text(_TOML, encoding="utf-8")
    earlier = settings.folder / "earlier" / "bench0000"
    earlier.mkdir(parents=True)
    (earlier / "dataset.toml").write_text(_TOML.replace("bench0001", "bench0000"), encoding="utf-8")
    write_noise_image(earlier / "cell_rec.mrc", 2 * KIB, 9)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled once, not at each start
    paths = [write_noise_image(dataset / f"cell{n}_rec.mrc", size, n) for n in range(_FILES)]
    total = size * _FILES
    table = count()

    def add(*, sha256: bool) -> None:
        store = FilesInPlace(settings.folder / f"digests-{next(table)}.sqlite", content_folder=settings.folder / "own")
        try:
            for path in paths:
                store.add_file(path, sha256=sha256)
        finally:
            store.close()

    def publish() -> float:
        # A lab that publishes every night: its workspace has a chain and coins.
        workspace = settings.folder / "workspace"
        shutil.rmtree(workspace, ignore_errors=True)
        workspace.mkdir()
        etdb = Commands(workspace, "bench")
        etdb.run("init", str(workspace))
        etdb.run("key", "new", "bench", passphrase=True)
        etdb.run("publish", str(earlier.parent), "--yes", "--no-previews", passphrase=True)
        report = etdb.run("publish", str(dataset.parent), "--yes", "--no-previews", passphrase=True)
        assert len(report["datasets"]) == 1
        return total / 1e9 / etdb.seconds

    buffers = [random.Random(n).randbytes(MIB) for n in range(_THREADS)]

    def hash_alone() -> None:
        def work(buffer: bytes) -> None:
            for _ in range(total // MIB // _THREADS):
                hashlib.sha256(buffer).digest()

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, buffers))

    add(sha256=False)  # brings the files into the cache
    gigabytes = total / 1e9
    plain, both, whole, alone = by_turns(
        settings.turns,
        lambda: rate(gigabytes, lambda: add(sha256=False)),
        lambda: rate(gigabytes, lambda: add(sha256=True)),
        publish,
        lambda: rate(gigabytes, hash_alone),
    )
    common = {
        "unit": "GB/s",
        "reference": alone,
        "reference_name": f"hashlib.sha256, {_THREADS} threads, 1 MiB buffers",
    }
    what = f"{_FILES} files, {total / GIB:g} GiB, page cache"
    peaks = [resource.getrusage(who).ru_maxrss / KIB for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return [
        Figure(
            name="CIDs",
            ours=plain,
            aim=0.85,
            note=f"{what}; bound by SHA-256, and by memory that it must fetch where the reference has it in the cache",
            peak_mib=max(peaks),
            limit_mib=_CIDS_LIMIT_MIB,
            **common,
        ),
        Figure(
            name="CIDs and the SHA-256 of each whole file",
            ours=both,
            note=f"{what}; every byte is hashed twice, so 0.5 is the most",
            **common,
        ),
        Figure(
            name="`etdb publish` with the SHA-256 of each whole file",
            ours=whole,
            aim=0.42,
            note=f"{what}; the process from start to end: describe, hash, manifest, sign, local chain, confirm; "
            "bound by hashing every byte twice",
            peak_mib=peaks[1],
            limit_mib=_PUBLISH_LIMIT_MIB,
            **common,
        ),
    ]
