"""Make docs/images/portal-*.webp, the pictures of the web site in the README, from what the demo left.

    .venv/bin/etdb demo
    .venv/bin/python docs/images/make_portal_pictures.py demo-workspace

Needs Chromium and Playwright (`etdb[interop]`).
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-sync", "--use-angle=swiftshader"]
SIZE = {"width": 1280, "height": 860}


@contextmanager
def portal(workspace: Path) -> Iterator[str]:
    """The site of a workspace; gives its address."""
    command = [sys.executable, "-m", "etdb", "-w", str(workspace), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.terminate()


@contextmanager
def opened(browser: Browser, address: str, scheme: str = "light") -> Iterator[Page]:
    """A page in one of the two colour schemes."""
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    try:
        yield page
    finally:
        context.close()


def keep(page: Page, name: str) -> None:
    """Keep what is seen, as WebP."""
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").resize((1024, 688), Image.Resampling.LANCZOS).save(HERE / f"portal-{name}.webp", quality=82)


def main(workspace: Path) -> None:
    """Make all of them."""
    chromium = shutil.which("chromium")
    with portal(workspace) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        with opened(browser, url + "/") as page:
            keep(page, "home")
            page.goto(url + "/datasets?q=needle")
            needle = page.locator(".card a").first.get_attribute("href")
        with opened(browser, url + "/datasets") as page:
            keep(page, "browse")
        with opened(browser, f"{url}{needle}", "dark") as page:
            page.locator("[data-viewer]").scroll_into_view_if_needed()
            page.wait_for_selector("[data-sharp]")
            page.locator("#inside").scroll_into_view_if_needed()
            page.evaluate("document.querySelector('#inside').scrollIntoView()")
            page.wait_for_timeout(1_000)
            keep(page, "viewer")
        with opened(browser, f"{url}{needle}") as page:
            page.evaluate("document.querySelector('#provenance').scrollIntoView()")
            keep(page, "provenance")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
