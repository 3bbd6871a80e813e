"""The beginning of a text, the page count of a PDF."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Note"]


class Note(Struct, frozen=True, kw_only=True):
    """A text's first lines, or a PDF's version and number of pages (None where it takes more than a look)."""

    form: Literal["text", "pdf"]
    first_lines: tuple[str, ...] = ()
    pages: int | None = None
    pdf_version: str = ""
