"""What all tests share: where the vectors are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("etdb", deadline=None)
settings.load_profile("etdb")

ROOT = Path(__file__).resolve().parent.parent
SHARED_VECTORS = ROOT.parent / "shared" / "vectors"
OWN_VECTORS = ROOT / "tests" / "vectors"


@pytest.fixture(scope="session")
def shared_vectors() -> Callable[[str], Any]:
    """Load a file of the vectors beside the checkout; a test that needs them says so when they are absent."""

    def load(name: str) -> Any:
        path = SHARED_VECTORS / name
        if not path.exists():
            pytest.skip("left out: the shared vectors are not beside this checkout")
        return json.loads(path.read_text(encoding="utf-8"))

    return load


@pytest.fixture(scope="session")
def own_vectors() -> Callable[[str], Any]:
    """Load a file of the project's own vectors, made by tests/vectors/make."""
    return lambda name: json.loads((OWN_VECTORS / name).read_text(encoding="utf-8"))
