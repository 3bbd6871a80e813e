"""The page shows what the command prints."""

import re
import shutil
import subprocess
import sys

import pytest
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "how-to" / "describe-your-data.md"
DATA = ROOT.parent / "shared" / "data" / "tiltseries"


def test_the_page_shows_what_the_command_prints(tmp_path):
    if not DATA.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    (tmp_path / "HAADF").mkdir()
    for name in ("HAADF.txt", "HAADF_every2nd.rawtlt", "HAADF_every2nd_fei1.mrc.gz"):
        shutil.copy(DATA / name, tmp_path / "HAADF")
    printed = subprocess.run(
        [sys.executable, "-m", "etdb", "describe", "HAADF"],
        cwd=tmp_path,
        env={"COLUMNS": "100", "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout
    shown = re.search(r"```text\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert [line.rstrip() for line in printed.splitlines()] == shown[1].splitlines()
