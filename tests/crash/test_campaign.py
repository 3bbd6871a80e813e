"""A short campaign of kills; the long one is ``make kills``, its results are in ``results/``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.crash

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = 60


def test_a_short_campaign_breaks_nothing(tmp_path):
    out = tmp_path / "result.json"
    words = [sys.executable, "-m", "tests.crash.campaign", "--kills", str(KILLS), "--seed", "7", "--out", out]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["kills"] >= KILLS
    assert {name.split("-")[0] for name in result["scenarios"]} == {"publish", "index", "download"}
    assert all(counts["kills"] for counts in result["scenarios"].values())
