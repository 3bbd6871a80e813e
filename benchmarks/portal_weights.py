"""What a browser loads, in bytes over the line with the heads of the answers: a full home page, the first pictures."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measure import Figure
from etdb.testing.wall import full_portal
from etdb.web.application import portal_app
from etdb.web.serving import serving

__all__ = ["first_pictures", "home_page"]

_THUMBNAILS = [25_000 + 1_000 * (number % 16) for number in range(18)]
_HOME_AIM = 300_000
_PICTURES_AIM = 40_000
_COARSE_EDGE = 256  # of static/viewer/slices.js


def home_page(folder: Path) -> Figure:
    """The home page of a portal whose thumbnails weigh 25 to 40 kB each, with all that it loads."""
    folder.mkdir()
    with full_portal(folder, _THUMBNAILS) as portal, serving(portal_app(portal)) as url:
        page = _answer(url, "/")
        parts = dict.fromkeys(re.findall(rb'(?:src|href)="(/(?:static|ipfs)/[^"]+)"', page))
        found = len(page) + _weight(url, [one.decode() for one in parts])
    pictures = sum(one.startswith(b"/ipfs/") for one in parts)
    note = f"{pictures} pictures of {len(_THUMBNAILS)} datasets with thumbnails of 25 to 40 kB, style, icon"
    return _at_most("home page with all that it loads", found, _HOME_AIM, note)


def first_pictures(app: Any, cid: str, shape: Sequence[int]) -> Figure:
    """The coarse pictures of three planes that the viewer begins with, of a volume of shape (z, y, x)."""
    binning = 1
    while max(shape) / binning > _COARSE_EDGE:
        binning *= 2
    middles = zip("zyx", (extent // 2 for extent in shape), strict=True)
    with serving(app) as url:
        found = _weight(
            url,
            [
                f"/api/v1/volumes/{cid}/slice?axis={axis}&index={index}&binning={binning}&format=webp"
                for axis, index in middles
            ],
        )
    size = " x ".join(f"{one:,}" for one in reversed(shape))
    note = f"all three planes, {binning} times coarser, WebP; their content is noise, partly smoothed"
    return _at_most(f"first viewer pictures of {size}", found, _PICTURES_AIM, note)


def _at_most(name: str, found: int, aim: int, note: str) -> Figure:
    return Figure(
        name=name,
        unit="kB",
        ours=found / 1_000,
        reference=aim / 1_000,
        reference_name="the aim: at most",
        aim=1.0,
        less_is_better=True,
        note=f"{note}; the ratio is the aim over what was found",
    )


def _weight(url: str, paths: Iterable[str]) -> int:
    return sum(len(_answer(url, path)) for path in paths)


def _answer(url: str, path: str) -> bytes:
    """All that comes for a request: its head and its body."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: portal.test\r\nConnection: close\r\n\r\n".encode())
        pieces = []
        while piece := connection.recv(65_536):
            pieces.append(piece)
    answer = b"".join(pieces)
    assert answer.startswith(b"HTTP/1.1 200"), (path, answer[:200])
    return answer
