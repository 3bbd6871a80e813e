"""The examples of the page on the API run as they stand, against a small portal."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from etdb.testing.portal import sample_portal
from etdb.web.application import portal_app
from etdb.web.serving import serving
from etdb.workspace import PortalSettings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "use-the-api.md"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def portal_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("howto")
    with sample_portal(folder, settings=PortalSettings()) as portal, serving(portal_app(portal)) as url:
        yield url


@pytest.fixture
def run(portal_url, tmp_path):
    def one(kind: str, text: str) -> str:
        text = text.replace("http://127.0.0.1:8080", portal_url)
        if kind == "sh":
            if shutil.which("curl") is None:
                pytest.skip("left out: curl is not on this machine")
            text = text.replace("curl -s", "curl -sS --fail").replace("python3", sys.executable)
            command = ["sh", "-eu", "-c", text]
        else:
            command = [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return one


def test_every_block_is_of_a_kind_that_runs():
    assert len(BLOCKS) == PAGE.read_text(encoding="utf-8").count("```") // 2 == 7


def test_the_page_says_what_happens(run, tmp_path):
    found, walked, one, fetched, sliced, exported, again = [run(*block) for block in BLOCKS]
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(found)
    second, _ = decoder.raw_decode(found[end:].lstrip())
    assert first["total"] == second["total"] == 1
    assert second["facets"]["species"] == [{"value": "Bdellovibrio bacteriovorus", "count": 1}]
    assert walked.splitlines() == ["0303030303 Caulobacter stalk", "0101010101 Bdellovibrio, attack phase"]
    assert '"title":"Bdellovibrio attack phase cell"' in one  # the first revision
    assert "oip-mp(0,1," in one
    assert fetched == "rec.mrc 8 columns\n"
    assert (sliced, (tmp_path / "slice.jpg").read_bytes()[:3]) == ("", b"\xff\xd8\xff")
    assert exported == ""
    assert len((tmp_path / "datasets.jsonl").read_text().splitlines()) == 2
    assert len((tmp_path / "datasets.csv").read_text().splitlines()) == 2
    assert (tmp_path / "datasets.parquet").read_bytes()[:4] == b"PAR1"
    db = sqlite3.connect(tmp_path / "catalogue.sqlite")
    assert db.execute("SELECT count(*) FROM records").fetchone() == (3,)
    db.close()
    assert again == "304\n"
