"""A dataset on somebody else's page: the line of HTML that puts its movie, or its slice viewer, into a frame there."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

from etdb.catalogue import DatasetView
from etdb.web.api.volumes import is_volume
from etdb.web.shown import safe

__all__ = ["MOVIE_SIZE", "VIEWER_SIZE", "embed_html", "has_volumes", "view_of"]

MOVIE_SIZE: Final = (640, 520)
VIEWER_SIZE: Final = (800, 680)
"""Pixels across and down, where nobody asks for others."""
_VIEW: Final = re.compile(r"view:[A-Za-z0-9=,.+-]{0,300}")


def has_volumes(view: DatasetView) -> bool:
    """Whether a dataset has any file that the slice viewer may open."""
    return view.withdrawn is None and any(is_volume(one.path) for one in view.tomogram.files)


def view_of(fragment: str) -> str:
    """The view that an address of the viewer ends with, "view:..."; "" for whatever else stands there."""
    text = unquote(fragment)
    return text if _VIEW.fullmatch(text) else ""


def embed_html(base: str, view: DatasetView, size: tuple[int, int], *, viewer: bool = False, at: str = "") -> str:
    """The line of HTML.

    Args:
        base: where others reach this site, without a slash at its end.
        view: the dataset.
        size: of the frame, in pixels across and down.
        viewer: its slice viewer instead of its movie or picture.
        at: where the viewer looks, from ``view_of``.
    """
    address = f"{base}/datasets/{view.dataset_id}/embed" + ("/viewer" if viewer else "") + (f"#{at}" if at else "")
    allowed = "fullscreen; clipboard-write" if viewer else "fullscreen"
    title = quoteattr(safe(view.tomogram.title, 300))
    return (
        f'<iframe src={quoteattr(address)} width="{size[0]}" height="{size[1]}" title={title} allow="{allowed}" '
        'loading="lazy"></iframe>'
    )
