"""Files of the size and nature of tomograms: noise, not sparse, no block like another."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.measure import MIB
from etdb.testing.images import mrc_header

_NOISE = 16 * MIB


def write_noise_image(path: Path, size: int, seed: int) -> Path:
    """As ``write_noise``, with the header of an MRC file."""
    write_noise(path, size, seed)
    with path.open("r+b") as file:
        file.write(mrc_header(size - 1024))
    return path


def write_noise(path: Path, size: int, seed: int) -> Path:
    """A file of noise; each MiB begins with its own number, so that no two leaves are equal."""
    noise = random.Random(seed).randbytes(min(_NOISE, max(size, 16)))
    with path.open("wb") as file:
        for place in range(0, size, MIB):
            start = place % len(noise)
            piece = place.to_bytes(8, "big") + seed.to_bytes(8, "big") + noise[start + 16 : start + MIB]
            file.write(piece[: size - place])
    return path
