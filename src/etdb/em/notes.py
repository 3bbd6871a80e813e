"""The beginning of a text, the number of pages of a PDF."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from etdb.errors import FormatError

__all__ = ["MAX_NOTE_BYTES", "Note", "read_note"]

MAX_NOTE_BYTES = 1 << 20
MAX_LINES = 12
MAX_LINE_CHARACTERS = 200
PDF = re.compile(rb"%PDF-(\d\.\d)")
PAGES = re.compile(
    rb"/Type\s*/Pages\b[^>]{0,400}?/Count\s+(\d{1,6})\b|/Count\s+(\d{1,6})\b[^>]{0,400}?/Type\s*/Pages\b"
)


class Note(Struct, frozen=True, kw_only=True):
    """A text's first lines, or a PDF's version and number of pages (None where it takes more than a look)."""

    form: Literal["text", "pdf"]
    first_lines: tuple[str, ...] = ()
    pages: int | None = None
    pdf_version: str = ""


def read_note(data: bytes) -> Note:
    """Look at a text or a PDF.

    Args:
        data: its first `MAX_NOTE_BYTES`. A PDF's page tree may lie behind them, or be packed: then pages is None.

    Raises:
        FormatError: neither text nor PDF.
    """
    data = data[:MAX_NOTE_BYTES]
    if found := PDF.search(data[:1024]):
        counts = [int(one or other) for one, other in PAGES.findall(data)]
        return Note(form="pdf", pages=max(counts, default=None), pdf_version=found[1].decode())
    beginning = data[:65536]
    if beginning[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        text = beginning.decode("utf-16", "replace")
    elif beginning.count(0) or sum(b < 9 or 13 < b < 32 for b in beginning) > len(beginning) // 50:
        raise FormatError("this is not a text")
    else:
        try:
            text = beginning[: 4 * MAX_LINES * MAX_LINE_CHARACTERS].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            is_cut = error.reason == "unexpected end of data"
            text = beginning.decode("utf-8-sig" if is_cut else "latin-1", "ignore")
    lines = ("".join(c for c in line if c.isprintable()).strip() for line in text.splitlines())
    told = [line[:MAX_LINE_CHARACTERS] for line in lines if line]
    return Note(form="text", first_lines=tuple(told[:MAX_LINES]))
