"""Two laboratories and a portal without a byte of its own, on the loopback."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from etdb.blocks import FilesInPlace
from etdb.blocks.cache import BlockCache
from etdb.catalogue import Catalogue
from etdb.ipfs import Cid
from etdb.oip import FileEntry, Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue
from etdb.web.application import portal_app
from etdb.web.fetching import FetchingStore, Providers
from etdb.web.gateway import gateway_app
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.workspace import PortalSettings

VOLUME = np.arange(6 * 700 * 500, dtype=np.int16).reshape(6, 700, 500)
MOVIE = bytes(range(251)) * 12_000


def mrc_bytes(volume: np.ndarray) -> bytes:
    """A little-endian int16 volume as an MRC2014 file."""
    sections, rows, columns = volume.shape
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, columns, rows, sections, 1, 0, 0, 0, columns, rows, sections)
    struct.pack_into("<3f", header, 40, columns * 10.0, rows * 10.0, sections * 10.0)
    struct.pack_into("<3f3i", header, 52, 90, 90, 90, 1, 2, 3)
    header[208:216] = b"MAP \x44\x44\0\0"
    return bytes(header) + volume.astype("<i2").tobytes()


class Lab:
    """A laboratory: files in place, served by a gateway that can go away, come back, and lie."""

    def __init__(self, folder: Path, name: str, files: dict[str, bytes], stack: ExitStack) -> None:
        self.files = FilesInPlace(folder / f"{name}.sqlite", content_folder=folder / f"{name}-content")
        stack.callback(self.files.close)
        added = {}
        for path, data in files.items():
            place = folder / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            added[path] = self.files.add_file(place)
        self.root = self.files.add_directory(added)
        self.cids = {path: one.cid for path, one in added.items()}
        self.is_away = False
        self.lies = False
        self.asked: list[str] = []
        app = gateway_app(self.files)
        app.state.gateway = None  # all goes the general way, through what stands before it
        inner = app.router.app if hasattr(app.router, "app") else app.router

        async def before(scope, receive, send):
            if scope["type"] == "http":
                self.asked.append(scope["path"])
                if self.is_away:
                    await Response(status_code=503)(scope, receive, send)
                    return
                if self.lies:
                    request = Request(scope)
                    kind = (
                        "application/vnd.ipld.raw" if "format=raw" in str(request.url) else "application/octet-stream"
                    )
                    await Response(b"other bytes", media_type=kind)(scope, receive, send)
                    return
            await inner(scope, receive, send)

        self.url = stack.enter_context(serving(before))


def two_labs(folder: Path, stack: ExitStack) -> tuple[Lab, Lab]:
    """One with a movie, one with a volume; each has a picture."""
    movie = {"key.mp4": MOVIE, "key.jpg": b"\xff\xd8picture of a", "ro-crate-metadata.json": b"{}"}
    volume = {"raw/vol.mrc": mrc_bytes(VOLUME), "key.jpg": b"\xff\xd8picture of b"}
    return Lab(folder, "a", movie, stack), Lab(folder, "b", volume, stack)


class World:
    """Labs ``a`` and ``b``, a portal over both, and what it has."""

    def __init__(self, labs: tuple[Lab, Lab], folder: Path, stack: ExitStack, *, cache_bytes: int = 1 << 30) -> None:
        folder.mkdir(exist_ok=True)
        self.a, self.b = labs
        for lab in labs:
            lab.is_away = lab.lies = False
            lab.asked.clear()
        self.catalogue = stack.enter_context(Catalogue(folder / "catalogue.sqlite", writable=True))
        fill_catalogue(self.catalogue, [_record(self.a), _record(self.b)])
        self.own = stack.enter_context(_own(folder))
        self.notes: list[str] = []
        self.providers = Providers([self.a.url, self.b.url], note=self.notes.append)
        self.cache = BlockCache(folder / "cache", cache_bytes)
        self.cache_folder = folder / "cache"

        def is_shown(root: Cid) -> bool:
            return self.portal.is_shown(root)

        self.store = FetchingStore(self.own, self.cache, self.providers, is_shown=is_shown)
        stack.callback(self.store.close)
        self.portal = Portal(self.catalogue, self.store, PortalSettings(), network="local")
        self.url = stack.enter_context(serving(portal_app(self.portal)))

    def page_of(self, lab: Lab) -> str:
        """The address of the page of a lab's dataset."""
        return f"{self.url}/datasets/{dataset_id_of([self.a, self.b].index(lab))}"

    def forgets(self) -> None:
        """As after the seconds that it remembers what nobody has."""
        self.store._refused.clear()


def _record(lab: Lab) -> Tomogram:
    roles = {"key.mp4": "key_movie", "key.jpg": "key_image", "raw/vol.mrc": "reconstruction"}
    files = tuple(FileEntry(path=path, role=roles.get(path, "other"), size_bytes=5) for path in lab.cids)
    return Tomogram(
        title=f"Dataset {lab.root}",
        publisher="oLab1",
        timestamp_s=1_700_000_000,
        acquired_on=dt.date(2014, 1, 14),
        species="Vibrio cholerae",
        location=str(lab.root),
        files=files,
    )


@contextmanager
def _own(folder: Path) -> Iterator[FilesInPlace]:
    files = FilesInPlace(folder / "own.sqlite", content_folder=folder / "own-content")
    try:
        yield files
    finally:
        files.close()


def until(condition: Callable[[], object], tries: int = 200) -> None:
    """Wait until something is so."""
    import time

    for _ in range(tries):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not become so")
