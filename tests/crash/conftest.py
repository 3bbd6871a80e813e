"""A lab with a workspace, made once and copied for every test that kills something in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lab import Lab


@pytest.fixture(scope="session")
def pristine_lab(tmp_path_factory) -> Lab:
    return Lab.make(tmp_path_factory.mktemp("lab") / "lab")


@pytest.fixture
def lab(pristine_lab, tmp_path) -> Lab:
    return pristine_lab.copy(tmp_path / "lab")
