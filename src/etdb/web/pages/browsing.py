"""The browse page's question: read from the URL, written into every link of the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from etdb.catalogue import FIELDS, SORTS, FacetValue, Page, Query, parse_query
from etdb.catalogue.fields import FIELDS_BY_NAME
from etdb.errors import InputError
from etdb.web.portal import Portal
from etdb.web.shown import term_name

__all__ = ["FACETS_SHOWN", "RANGES_SHOWN", "Browsing", "Chip", "FacetShown"]

FACETS_SHOWN: Final = (
    ("species", "Species"),
    ("file_role", "Has"),
    ("lab", "Laboratory"),
    ("microscope", "Microscope"),
    ("detector", "Camera"),
    ("acquisition_software", "Acquisition software"),
    ("reconstruction_software", "Reconstruction software"),
    ("year", "Year"),
    ("tilt_axes", "Tilt axes"),
    ("licence", "Licence"),
    ("institution", "Institution"),
    ("microscopist", "Taken by"),
    ("publisher", "Publisher"),
)
"""The facets of the page, in their order, with their headings."""
RANGES_SHOWN: Final = (
    ("acquired_on", "Taken", "date"),
    ("voxel_spacing_angstrom", "Voxel size (Å)", "number"),
    ("pixel_spacing_angstrom", "Pixel size (Å)", "number"),
    ("tilt_max_deg", "Highest tilt (°)", "number"),
    ("dose_e_per_a2", "Dose (e⁻/Å²)", "number"),
    ("defocus_um", "Defocus (µm)", "number"),
    ("size_bytes", "Size (bytes)", "number"),
)
PAGE_SIZE: Final = 24
_FACET_VALUES: Final = 12
_PLAIN: Final = frozenset({"q", "sort", "view", "cursor", "page"})
_SORT_NAMES: Final = {sort.name: sort.help for sort in SORTS}


class FacetShown(Struct, frozen=True, kw_only=True):
    """A facet with its values: what is chosen comes first."""

    name: str
    title: str
    values: tuple[tuple[FacetValue, bool], ...]
    is_open: bool


class Chip(Struct, frozen=True, kw_only=True):
    """A condition that holds, and the URL without it."""

    label: str
    url: str


class Browsing:
    """What is looked for on the browse page.

    Args:
        pairs: of the URL's query.

    Raises:
        InputError: a name that is no field, or a value that does not fit it.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        given = [(name, value) for name, value in pairs if value != ""]
        plain = {name: value for name, value in given if name in _PLAIN}
        self.text = plain.get("q", "")[:1_000]
        self.view = "table" if plain.get("view") == "table" else "cards"
        self.sort = plain.get("sort", "")
        conditions = _joined_ranges([pair for pair in given if pair[0] not in _PLAIN])
        self.query: Query = parse_query(
            conditions,
            text=self.text,
            sort=self.sort,
            limit=PAGE_SIZE,
            cursor=plain.get("cursor", ""),
            facets=tuple(name for name, _ in FACETS_SHOWN),
        )
        self._conditions = conditions

    def answer(self, portal: Portal) -> Page:
        """The page of results, with facets."""
        return portal.search(self.query)

    def url(self, *, base: str = "/datasets", without: tuple[str, str] | None = None, **changed: str) -> str:
        """This page with something changed; from its beginning unless a cursor is given."""
        plain = {"q": self.text, "sort": self.sort, "view": self.view if self.view != "cards" else ""} | changed
        pairs = [(name, value) for name, value in plain.items() if value]
        pairs += [pair for pair in self._conditions if pair != without]
        return base + ("?" + urlencode(pairs, errors="replace") if pairs else "")

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """What another form of the page must send along."""
        plain = {"q": self.text, "sort": self.sort, "view": self.view if self.view != "cards" else ""}
        kept = [(name, value) for name, value in plain.items() if value and name not in without]
        return kept + self._conditions

    def command(self) -> str:
        """The same question on the command line."""
        words = ["etdb", "search", *([self.text] if self.text else [])]
        for name, value in self._conditions:
            words += ["--where", f"{name}={value}"]
        if self.sort:
            words += ["--sort", self.sort]
        return shlex.join(words)

    def chips(self) -> list[Chip]:
        """The conditions that hold, each with the way to drop it."""
        chips = [Chip(label=f"“{self.text}”", url=self.url(q=""))] if self.text else []
        for name, value in self._conditions:
            title = dict(FACETS_SHOWN).get(name) or next((t for n, t, _ in RANGES_SHOWN if n == name), name)
            words = term_name(name, value).replace("..", " to ").strip()
            chips.append(Chip(label=f"{title}: {words}", url=self.url(without=(name, value))))
        return chips

    def facets(self, page: Page) -> list[FacetShown]:
        """The facets that have something to choose."""
        found = []
        for number, (name, title) in enumerate(FACETS_SHOWN):
            chosen = {value.casefold() for value in self.query.terms.get(name, ())}
            values = page.facets.get(name, ())
            shown = [(one, one.value.casefold() in chosen) for one in values]
            shown.sort(key=lambda pair: not pair[1])
            if len(values) > 1 or chosen:
                kept = tuple(shown[: max(_FACET_VALUES, len(chosen))])
                found.append(FacetShown(name=name, title=title, values=kept, is_open=number < 3 or bool(chosen)))
        return found

    def bounds(self, name: str) -> tuple[str, str]:
        """Both ends of a range as its fields show them."""
        asked = self.query.ranges.get(name)
        if asked is None:
            return "", ""
        low, high = ("" if end is None else str(end) for end in (asked.low, asked.high))
        return low, high

    @staticmethod
    def sorts() -> dict[str, str]:
        """Every order there is, with what it means."""
        return _SORT_NAMES


def _joined_ranges(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Forms send both ends of a range by themselves, as ``NAME.min`` and ``NAME.max``."""
    ends: dict[str, list[str]] = {}
    rest = []
    for name, value in pairs:
        field, dot, end = name.rpartition(".")
        if dot and end in ("min", "max") and field in FIELDS_BY_NAME:
            ends.setdefault(field, ["", ""])[end == "max"] = value.strip()
        elif name in FIELDS_BY_NAME:
            rest.append((name, value))
        else:
            hint = "fields: " + ", ".join(field.name for field in FIELDS)
            raise InputError(f"there is no field {name[:64]!r}", hint=hint)
    return rest + [(name, f"{low}..{high}") for name, (low, high) in ends.items() if low or high]
