"""The page of files and roles says what the code does."""

import re
from pathlib import Path

from etdb.oip.wire import FILE_KINDS
from etdb.sources import forms

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")


def test_each_role_with_its_names_on_the_wire():
    rows = re.findall(r"^\| `(\w+)` \| (\w+), (\w+) \|", TEXT, re.MULTILINE)
    assert {role: (kind, subtype) for role, kind, subtype in rows} == FILE_KINDS


def test_each_suffix_that_is_read():
    told = set(re.findall(r"\.[a-z0-9]+", TEXT[: TEXT.index("may be packed")]))
    read = forms.MRC_SUFFIXES | forms.TILT_SUFFIXES | forms.TRANSFORM_SUFFIXES | forms.MODEL_SUFFIXES
    read |= forms.FRAME_SUFFIXES | forms.NOTE_SUFFIXES | set(forms.IMAGES) | {".mdoc"}
    assert read <= told
