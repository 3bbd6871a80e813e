"""A portal whose home page is full: newest datasets and featured sections, each with a picture of a given weight."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.oip import FileEntry
from etdb.testing.portal import fold_messages
from etdb.testing.records import RecordSigner
from etdb.web.portal import Portal
from etdb.workspace import PortalSettings

__all__ = ["FEATURED_SIDS", "full_portal", "heavy_picture"]

FEATURED_SIDS = (
    *("qy2015-03-10-17", "js2010-04-01-3", "rr2014-05-10-13", "ab2006-04-05-2", "gm2006-09-13-3"),
    "ab2008-07-17-45",
)
"""Of the first sections of ``featured.md`` a dataset each."""


def heavy_picture(size_bytes: int, seed: int) -> bytes:
    """A JPEG of 320 by 240 pixels with noise behind its end, which browsers pass over: exactly so many bytes."""
    made = io.BytesIO()
    Image.linear_gradient("L").resize((320, 240)).rotate(seed * 20).save(made, "JPEG", quality=60)
    head = made.getvalue()
    return head + hashlib.shake_256(bytes([seed])).digest(size_bytes - len(head))


@contextmanager
def full_portal(
    folder: Path,
    sizes: Sequence[int],
    *,
    settings: PortalSettings | None = None,
    said: int | None = None,
    held: bool = True,
) -> Iterator[Portal]:
    """The portal; its datasets are given from the oldest to the newest, the first ones of the featured sections.

    Args:
        folder: where its files are made.
        sizes: of each dataset's thumbnail, in bytes.
        settings: what it shows.
        said: what the records say that a thumbnail weighs; by default the truth.
        held: whether the files are here.
    """
    signer, messages = RecordSigner("wall"), []
    with (
        closing(FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")) as store,
        closing(FilesInPlace(folder / "empty.sqlite", content_folder=folder / "empty")) as empty,
        Catalogue(folder / "catalogue.sqlite", writable=True) as catalogue,
    ):
        for number, size_bytes in enumerate(sizes):
            path = folder / f"{number}.jpg"
            path.write_bytes(heavy_picture(size_bytes, number))
            root = store.add_directory({"keyimg_s.jpg": store.add_file(path)})
            entry = FileEntry(path="keyimg_s.jpg", size_bytes=said or size_bytes, role="thumbnail")
            sid = FEATURED_SIDS[number] if number < len(FEATURED_SIDS) else f"wall-{number}"
            tomogram = signer.tomogram(title=f"Dataset {number}", sid=sid, location=str(root), files=(entry,))
            messages.append((f"{number + 1:064x}", signer.address, signer.message(tomogram)))
        fold_messages(catalogue, messages)
        shown = settings or PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000)
        yield Portal(catalogue, store if held else empty, shown, network="local")
