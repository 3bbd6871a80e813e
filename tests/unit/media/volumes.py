"""Files of volumes for the tests, written by mrcfile."""

from __future__ import annotations

import warnings
from pathlib import Path

import mrcfile
import numpy as np


def write_mrc(path: Path, volume: np.ndarray, spacing: float | None = 10.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with mrcfile.new(path) as file:
            file.set_data(volume)
            file.set_volume()
            if spacing is not None:
                file.voxel_size = spacing
    return path


def noise(shape: tuple[int, int, int], dtype: type = np.int16, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * 100).astype(dtype)
