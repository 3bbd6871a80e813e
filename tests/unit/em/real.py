"""The real files that lie beside the checkout."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    return path
