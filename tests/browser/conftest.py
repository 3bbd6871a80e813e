"""A portal with a movie, pictures and a volume, and Debian's Chromium to look at it with. Skips with one line."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import FileEntry
from etdb.testing.portal import fold_messages, sample_messages, sample_volume
from etdb.testing.records import RecordSigner
from etdb.testing.wall import FEATURED_SIDS
from etdb.web.application import portal_app
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.workspace import PortalSettings

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOVIE_ID = "ab" * 32
GONE_ID = "04" * 32
"""A dataset of the sample messages that was withdrawn."""
OTHER_ID = "0a" * 32
"""A message of theirs that is another OIP record, of music."""
FEATURED = "cytoskeletalElements"
"""The featured section that names the movie's ``sid``."""
FLAGS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)


SIGNER = RecordSigner("movies")
PUBLISHER = SIGNER.address


def check_axe(page: Any) -> None:
    """Axe finds nothing on the page."""
    if not AXE.exists():
        pytest.skip("left out: axe, because axe-core is not installed (needs npm; run: make browser)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {{runOnly: {json.dumps(RULES)}}})")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == []


def _movie(path: Path) -> bytes:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="left out: the browser tests need etdb[previews] for a movie")
    command = [ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=12"]
    command += ["-t", "3", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-movflags", "+faststart", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path.read_bytes()


def _picture(width: int, height: int, shade: int) -> bytes:
    from PIL import Image

    made = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).point(lambda value: (value + shade) % 256).save(made, "PNG")
    return made.getvalue()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the portal."""
    folder = tmp_path_factory.mktemp("site")
    contents = {
        "rec.mrc": (sample_volume(), "reconstruction", "application/x-mrc"),
        "keymov.mp4": (_movie(folder / "made.mp4"), "key_movie", "video/mp4"),
        "keyimg.png": (_picture(320, 240, 0), "key_image", "image/png"),
        "keyimg_s.png": (_picture(160, 120, 0), "thumbnail", "image/png"),
        "one.png": (_picture(200, 150, 60), "snapshot", "image/png"),
        "two.png": (_picture(200, 150, 120), "snapshot", "image/png"),
    }
    signer = SIGNER
    entries = tuple(
        FileEntry(path=name, size_bytes=len(data), role=role, media_type=media_type, notes=f"of {name}")
        for name, (data, role, media_type) in contents.items()
    )
    tomogram = signer.tomogram(
        title="Flagellar motor, with a movie",
        species="Escherichia coli",
        strain="K-12",
        lab="Movie lab",
        sid=FEATURED_SIDS[0],
        acquired_on=dt.date(2020, 2, 3),
        tilt_min_deg=-60.0,
        tilt_max_deg=60.0,
        voltage_kv=300.0,
        emdb_id="EMD-1234",
        files=entries,
    )
    settings = PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000)
    with (
        closing(FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")) as store,
        Catalogue(folder / "catalogue.sqlite", writable=True) as catalogue,
    ):
        added = {}
        for name, (data, _, _) in contents.items():
            (folder / name).write_bytes(data)
            added[name] = store.add_file(folder / name)
        listed = tuple(
            ManifestFile(path=one.path, size_bytes=one.size_bytes or 0, cid=str(_cid(added[one.path])), role=one.role)
            for one in entries
        )
        (folder / MANIFEST_NAME).write_bytes(encode_manifest(tomogram, listed, prepared_on=dt.date(2020, 2, 4)))
        added[MANIFEST_NAME] = store.add_file(folder / MANIFEST_NAME)
        root = str(store.add_directory(added))
        tomogram = msgspec.structs.replace(tomogram, location=root)
        messages = sample_messages(root)
        messages.append((MOVIE_ID, signer.address, signer.message(tomogram)))
        fold_messages(catalogue, messages)
        portal = Portal(catalogue, store, settings, network="local")
        with serving(portal_app(portal)) as url:
            yield url.rstrip("/")


def _cid(added: Any) -> Any:
    return getattr(added, "cid", added)


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


@pytest.fixture
def page(browser: Any, site: str) -> Iterator[Any]:
    """A page that fails its test when anything failed on it: a request, or a script with a word in the console."""
    context = browser.new_context(base_url=site, viewport={"width": 1280, "height": 800}, accept_downloads=True)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("console", lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    # Given up on purpose: a slice that nobody waits for any more, and the tab's icon when the page is left at once.
    opened.on(
        "requestfailed",
        lambda asked: (
            None
            if asked.failure == "net::ERR_ABORTED" and ("/slice?" in asked.url or "/static/icon" in asked.url)
            else troubles.append(f"{asked.url} {asked.failure}")
        ),
    )
    opened.on(
        "request", lambda asked: None if asked.url.startswith((site, "data:", "blob:")) else troubles.append(asked.url)
    )
    opened.on("response", lambda came: troubles.append(f"{came.status} {came.url}") if came.status >= 400 else None)
    opened.troubles = troubles
    yield opened
    context.close()
