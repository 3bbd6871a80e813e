"""The pages of prose: Markdown files that ship, each replaced by one of the same name in the site's own folder."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

from etdb.errors import NotFoundError, StorageError

__all__ = ["TEXTS", "load_text"]

TEXTS: Final = ("about", "faq", "terms", "contact")
MAX_TEXT_BYTES: Final = 1 << 20
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")


def load_text(name: str, folder: str = "") -> tuple[str, str]:
    """The title of a text and its HTML, made from Markdown without any HTML of its own.

    Raises:
        NotFoundError: there is no such text.
        StorageError: it cannot be read.
    """
    if name not in TEXTS:
        raise NotFoundError(f"there is no page {name!r}")
    own = Path(folder) / f"{name}.md" if folder else None
    try:
        if own is not None and own.is_file():
            return _rendered(own.read_bytes()[:MAX_TEXT_BYTES])
    except OSError as error:
        raise StorageError(f"{own} cannot be read: {error.strerror}", path=str(own)) from error
    return _rendered(resources.files("etdb.web.texts").joinpath(f"{name}.md").read_bytes())


@functools.lru_cache(maxsize=32)
def _rendered(source: bytes) -> tuple[str, str]:
    text = source.decode("utf-8", "replace")
    first, _, rest = text.partition("\n")
    title = first.removeprefix("#").strip()
    return title, _markdown.render(rest)
