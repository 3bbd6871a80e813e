"""The page of checks and the checks say the same."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from etdb.validate import CHECKS

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_page_is_what_the_checks_say():
    made = runpy.run_path(str(DOCS / "reference" / "make_validation_tables.py"))
    text = made["PAGE"].read_text(encoding="utf-8")
    assert text == made["page"](), "run: python docs/reference/make_validation_tables.py"
    for ident in CHECKS:
        assert len(re.findall(rf"^\| `{ident}` \| (error|warning|info) ", text, re.MULTILINE)) == 1
        assert text.count(f"`{ident}`") >= 2, "in its table, and beside what the curators check"
    for ident in re.findall(r"\(`([a-z0-9-]+)`\)", text):
        assert ident in CHECKS or ident in {"warn", "skip"}
