"""What is featured: sections of a text, each with the datasets that it names by the laboratory's ids."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from etdb.catalogue import DatasetView, Query
from etdb.errors import NotFoundError
from etdb.web.pages.texts import read_text, rendered
from etdb.web.portal import Portal

__all__ = ["Section", "SectionShown", "find_section", "load_featured", "shown_sections"]

MAX_SECTIONS: Final = 100
MAX_SIDS: Final = 100
_AT_ONCE: Final = 200
_LINE: Final = re.compile(r"(section|sids|search):\s*(.*)")
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


class Section(Struct, frozen=True, kw_only=True):
    """One section: its heading, its name in addresses, its text as HTML, its datasets' sids, words to find more."""

    title: str
    name: str
    html: str
    sids: tuple[str, ...]
    search: str


class SectionShown(Struct, frozen=True, kw_only=True):
    """A section with the datasets that this portal has of it."""

    section: Section
    views: tuple[DatasetView, ...]


def load_featured(folder: str = "") -> tuple[str, str, tuple[Section, ...]]:
    """The title, the introduction as HTML, and the sections of ``featured.md``, the site's own or the one that ships.

    A section begins with ``## Heading``; lines ``section:``, ``sids:`` and ``search:`` follow, then Markdown.

    Raises:
        StorageError: it cannot be read.
    """
    head, *parts = re.split(r"^## ", read_text("featured", folder), flags=re.MULTILINE)
    first, _, introduction = head.partition("\n")
    sections = tuple(_section(part) for part in parts[:MAX_SECTIONS])
    return first.removeprefix("#").strip(), rendered(introduction), tuple(one for one in sections if one is not None)


def _section(text: str) -> Section | None:
    heading, _, rest = text.partition("\n")
    said: dict[str, str] = {}
    lines = rest.lstrip("\n").split("\n")
    while lines and (found := _LINE.fullmatch(lines[0].strip())):
        said[found[1]] = found[2].strip()
        lines.pop(0)
    name = said.get("section") or re.sub(r"\W+", "-", heading.strip().lower()).strip("-")
    if not _NAME.fullmatch(name):
        return None
    sids = tuple(sid.strip() for sid in said.get("sids", "").split(",") if sid.strip())
    return Section(
        title=heading.strip(),
        name=name,
        html=rendered("\n".join(lines)),
        sids=sids[:MAX_SIDS],
        search=said.get("search", ""),
    )


def shown_sections(portal: Portal, sections: tuple[Section, ...]) -> list[SectionShown]:
    """The sections of which this portal has anything, each with its datasets in the order of the text."""
    sids = {sid for section in sections for sid in section.sids}
    if not sids:
        return []
    found: dict[str, list[DatasetView]] = {}
    ordered = sorted(sids)
    for start in range(0, len(ordered), _AT_ONCE):
        asked = Query(terms={"sid": tuple(ordered[start : start + _AT_ONCE])}, limit=1_000)
        for view in portal.search(asked).results:
            found.setdefault(view.tomogram.sid, []).append(view)
    shown = [
        SectionShown(section=one, views=tuple(view for sid in one.sids for view in found.get(sid, ())))
        for one in sections
    ]
    return [one for one in shown if one.views]


def find_section(portal: Portal, sections: tuple[Section, ...], name: str) -> SectionShown:
    """One section by its name.

    Raises:
        NotFoundError: there is none, or none that this portal has data of.
    """
    for one in shown_sections(portal, tuple(section for section in sections if section.name == name)):
        return one
    raise NotFoundError(f"nothing is featured here as {name[:64]!r}")
