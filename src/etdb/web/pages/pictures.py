"""Which small pictures a page shows of datasets, and how many bytes the home page spends on them.

Records come from strangers, and so do the files that they call thumbnails: those can be of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from etdb.catalogue import DatasetView
from etdb.oip import FileEntry
from etdb.web.pages.featured import Section, SectionShown
from etdb.web.portal import MISSING, Portal
from etdb.web.shown import file_url

__all__ = ["PICTURE_BYTES_AT_HOME", "Tile", "home_tiles", "is_picture", "small_picture", "small_picture_url"]

PICTURE_BYTES_AT_HOME: Final = 230_000
"""What all pictures of the home page weigh at most; with its text, style and icon it stays below 300 kB."""
_SECTIONS_SHARE: Final = 3
"""Featured sections, which stand lower, have a third of it, and what the newest datasets leave."""
_LEAST_TILES: Final = 3
_ROLES: Final = ("thumbnail", "key_image", "snapshot")
_ENDINGS: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif")


class Tile(Struct, frozen=True, kw_only=True):
    """A place of a picture wall: a dataset, the section that it stands for if any, and the picture's URL or ""."""

    view: DatasetView
    section: Section | None = None
    picture: str = ""


def is_picture(path: str) -> bool:
    """Whether browsers show a file of this name as a picture."""
    return path.lower().endswith(_ENDINGS)


def small_picture(view: DatasetView) -> FileEntry | None:
    """The picture that stands for a dataset in lists: of its thumbnail's encodings (JPEG, WebP) the smallest."""
    for role in _ROLES:
        pictures = [one for one in view.tomogram.files if one.role == role and is_picture(one.path)]
        if pictures:
            stem = PurePosixPath(pictures[0].path).with_suffix("")
            same = [one for one in pictures if PurePosixPath(one.path).with_suffix("") == stem]
            return min(same, key=lambda one: float("inf") if one.size_bytes is None else one.size_bytes)
    return None


def small_picture_url(view: DatasetView) -> str:
    """The URL of that picture, "" when there is none."""
    found = small_picture(view)
    return file_url(view.tomogram.location, found.path) if found is not None else ""


def home_tiles(
    portal: Portal, newest: Sequence[DatasetView], sections: Sequence[SectionShown]
) -> tuple[list[Tile], list[Tile]]:
    """The tiles of the newest datasets and of the featured sections, whose pictures together fit the home page.

    What is first has its picture first. A picture that does not fit leaves a tile without one; the tiles at the end
    that would be without for that reason are left out, except for a few.
    """
    budget = _Budget(portal)
    reserved = PICTURE_BYTES_AT_HOME // _SECTIONS_SHARE if sections else 0
    wall = budget.spend([Tile(view=one) for one in newest], PICTURE_BYTES_AT_HOME - reserved)
    featured = budget.spend([Tile(view=one.views[0], section=one.section) for one in sections], PICTURE_BYTES_AT_HOME)
    return wall, featured


class _Budget:
    """Bytes that were given away, and the pictures that they were given for: a browser loads each once."""

    def __init__(self, portal: Portal) -> None:
        self._portal, self._spent = portal, 0
        self._chosen: set[str] = set()

    def spend(self, tiles: Sequence[Tile], most: int) -> list[Tile]:
        """The tiles, with pictures as long as all that was ever spent is at most this."""
        made: list[tuple[Tile, bool]] = []
        for tile in tiles:
            entry = small_picture(tile.view)
            url = file_url(tile.view.tomogram.location, entry.path) if entry is not None else ""
            fits = entry is None or url in self._chosen or self._take(tile.view, entry, url, most)
            made.append((Tile(view=tile.view, section=tile.section, picture=url if fits else ""), fits))
        while len(made) > _LEAST_TILES and not made[-1][1]:
            made.pop()
        return [tile for tile, _ in made]

    def _take(self, view: DatasetView, entry: FileEntry, url: str, most: int) -> bool:
        size = self._portal.held_size(view, entry.path)
        if size is None and self._portal.availability(view) not in MISSING:
            size = entry.size_bytes  # all that is known of a file elsewhere
        if size is None or self._spent + size > most:
            return False
        self._spent += size
        self._chosen.add(url)
        return True
