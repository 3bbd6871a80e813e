"""From files to CIDs, the way `publish` does it, beside SHA-256 alone on buffers that are in the cache already."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from benchmarks.files import write_noise
from benchmarks.measure import GIB, MIB, Figure, Settings, by_turns, rate
from etdb.blocks import FilesInPlace

_FILES = 4
_THREADS = 2


def run(settings: Settings) -> list[Figure]:
    size = int(settings.gib * GIB / _FILES)
    paths = [write_noise(settings.folder / f"tomogram-{n}.mrc", size, n) for n in range(_FILES)]
    total = size * _FILES
    table = count()

    def add(*, sha256: bool) -> None:
        store = FilesInPlace(settings.folder / f"digests-{next(table)}.sqlite", content_folder=settings.folder / "own")
        try:
            for path in paths:
                store.add_file(path, sha256=sha256)
        finally:
            store.close()

    buffers = [random.Random(n).randbytes(MIB) for n in range(_THREADS)]

    def hash_alone() -> None:
        def work(buffer: bytes) -> None:
            for _ in range(total // MIB // _THREADS):
                hashlib.sha256(buffer).digest()

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, buffers))

    add(sha256=False)  # brings the files into the cache
    gigabytes = total / 1e9
    plain, both, alone = by_turns(
        settings.turns,
        lambda: rate(gigabytes, lambda: add(sha256=False)),
        lambda: rate(gigabytes, lambda: add(sha256=True)),
        lambda: rate(gigabytes, hash_alone),
    )
    name = f"hashlib.sha256, {_THREADS} threads, 1 MiB buffers"
    what = f"{_FILES} files, {total / GIB:g} GiB, page cache"
    return [
        Figure(name="CIDs", unit="GB/s", ours=plain, reference=alone, reference_name=name, aim=0.7, note=what),
        Figure(
            name="CIDs and the SHA-256 of each whole file",
            unit="GB/s",
            ours=both,
            reference=alone,
            reference_name=name,
            note=f"{what}; every byte is hashed twice",
        ),
    ]
