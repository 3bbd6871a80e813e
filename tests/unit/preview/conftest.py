"""Datasets on disk for the previews' tests."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from etdb.oip import Tomogram
from etdb.preview import plan_previews
from etdb.sources import FolderSource

sys.path.insert(0, str(Path(__file__).parent.parent / "media"))
from volumes import noise, write_mrc


class Bench:
    """A folder for datasets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.out = root / "out"
        self.noise = noise

    def mrc(self, name: str, volume: np.ndarray, spacing: float | None = 10.0) -> Path:
        return write_mrc(self.root / "ts" / name, volume, spacing)

    def text(self, name: str, text: str) -> None:
        (self.root / "ts").mkdir(exist_ok=True)
        (self.root / "ts" / name).write_text(text)

    def dataset(self):
        (one,) = FolderSource(self.root / "ts").datasets()
        return one

    def plan(self, *, zarr=False, origins=None, **fields):
        return plan_previews(self.dataset(), Tomogram(title="T", sid="aa-1", **fields), origins, zarr=zarr)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
