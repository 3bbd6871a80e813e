"""The table of limits says what the code says."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import etdb.trust
import etdb.verify

TEXT = (Path(__file__).resolve().parents[3] / "SECURITY.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| [^|]+ \| `([a-z0-9_.]+)\.([A-Z_]+)` \| ([\d,]+) \|$", TEXT, re.MULTILINE)


def test_each_limit_is_the_one_in_the_code():
    assert len(ROWS) == TEXT.count("\n| ", TEXT.index("## Limits"), TEXT.index("## How it is tried")) - 2
    for module, name, value in ROWS:
        found = getattr(importlib.import_module(f"etdb.{module}"), name)
        assert f"{found:,}" == value, f"{module}.{name}"


def test_each_claim_is_named_with_the_function_that_checks_it():
    for claim in etdb.trust.Claim:
        assert f"| `{claim.value}` |" in TEXT
    for room, name in re.findall(r"`(trust|verify)\.(\w+)`", TEXT):
        assert callable(getattr(getattr(etdb, room), name))
