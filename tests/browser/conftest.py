"""Debian's Chromium, driven by Playwright. Skips with one line where one of them is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="left out: the pages in a real browser, because playwright is not installed"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("left out: the pages in a real browser, because chromium is not on this machine")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()
