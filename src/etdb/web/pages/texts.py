"""The pages of prose: Markdown files that ship, each replaced by one of the same name in the site's own folder."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

from etdb.errors import NotFoundError, StorageError

__all__ = ["TEXTS", "load_text", "read_text", "rendered"]

TEXTS: Final = ("about", "faq", "terms", "contact", "challenges", "apps")
"""Those that are pages by themselves."""
MAX_TEXT_BYTES: Final = 1 << 20
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")


def read_text(name: str, folder: str = "") -> str:
    """A text as it is written: of the site's own folder, else the one that ships.

    Raises:
        StorageError: it cannot be read.
    """
    own = Path(folder) / f"{name}.md" if folder else None
    try:
        if own is not None and own.is_file():
            with own.open("rb") as file:
                return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise StorageError(f"{own} cannot be read: {error.strerror}", path=str(own)) from error
    return resources.files("etdb.web.texts").joinpath(f"{name}.md").read_text(encoding="utf-8")


def load_text(name: str, folder: str = "", *, source: str = "") -> tuple[str, str]:
    """The title of a text and its HTML, made from Markdown without any HTML of its own.

    ``{source}`` in it becomes the address of this site.

    Raises:
        NotFoundError: there is no such text.
        StorageError: it cannot be read.
    """
    if name not in TEXTS:
        raise NotFoundError(f"there is no page {name!r}")
    first, _, rest = read_text(name, folder).partition("\n")
    return first.removeprefix("#").strip(), rendered(rest.replace("{source}", source))


@functools.lru_cache(maxsize=64)
def rendered(text: str) -> str:
    """Markdown as HTML; code can be scrolled with the keyboard."""
    html: str = _markdown.render(text)
    return html.replace("<pre>", '<pre tabindex="0">')
