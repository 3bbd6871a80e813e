"""The browse page's question: read from the URL, written into every link of the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct, structs

from etdb.catalogue import FACETS, FIELDS, SORTS, FacetValue, Page, Query, parse_query
from etdb.catalogue.fields import FIELDS_BY_NAME
from etdb.catalogue.text import fold_term
from etdb.errors import InputError
from etdb.web.complexfilter import parse_filter
from etdb.web.pages.wording import condition_words
from etdb.web.portal import Portal
from etdb.web.shown import is_no_species, term_name

__all__ = ["FACET_GROUPS", "RANGES_SHOWN", "Browsing", "Chip", "FacetShown"]

FACET_GROUPS: Final = (
    ("Sample", (("species", "Species"), ("strain", "Strain"))),
    (
        "Data",
        (("file_role", "Has"), ("tilt_axes", "Tilt axes"), ("tilt_scheme", "Tilt scheme"), ("in_emdb", "In EMDB")),
    ),
    ("Instrument", (("microscope", "Microscope"), ("detector", "Camera"), ("voltage_kv", "Voltage"))),
    (
        "Software",
        (
            ("acquisition_software", "Acquisition software"),
            ("reconstruction_software", "Reconstruction software"),
            ("media_type", "File type"),
        ),
    ),
    (
        "People",
        (
            *(("lab", "Laboratory"), ("institution", "Institution"), ("microscopist", "Taken by")),
            *(("publisher", "Publisher"), ("year", "Year")),
        ),
    ),
    ("Trust", (("verified", "What was verified"), ("licence", "Licence"))),
)
"""The facets of the page, in their order, with their headings; those that the catalogue has."""
FACETS_SHOWN: Final = tuple(one for _, group in FACET_GROUPS for one in group if one[0] in FACETS)
_FACET_NAMES: Final = tuple(name for name, _ in FACETS_SHOWN)
RANGES_SHOWN: Final = (
    ("acquired_on", "Taken", "date"),
    ("published_on", "Published", "date"),
    ("voxel_spacing_angstrom", "Voxel size (Å)", "number"),
    ("pixel_spacing_angstrom", "Pixel size (Å)", "number"),
    ("tilt_max_deg", "Highest tilt (°)", "number"),
    ("tilt_step_deg", "Tilt step (°)", "number"),
    ("dose_e_per_a2", "Dose (e⁻/Å²)", "number"),
    ("defocus_um", "Defocus (µm)", "number"),
    ("magnification", "Magnification", "number"),
    ("size_bytes", "Size (bytes)", "number"),
)
PAGE_SIZE: Final = 24
MAX_VALUES_SHOWN: Final = 1_000
_FACET_VALUES: Final = 8
_RARE_COUNTED: Final = 20
_OPEN: Final = frozenset(("species", "file_role", "verified"))
_PLAIN: Final = frozenset({"q", "sort", "view", "cursor", "page", "filter"})
_TITLES: Final = dict(FACETS_SHOWN) | {name: title for name, title, _ in RANGES_SHOWN}
_SORT_NAMES: Final = {sort.name: sort.help for sort in SORTS}


class FacetShown(Struct, frozen=True, kw_only=True):
    """A facet with its values: what is chosen comes first. ``more_url`` leads to all values, when there are more."""

    name: str
    title: str
    values: tuple[tuple[FacetValue, bool], ...]
    is_open: bool
    more_url: str = ""


class Chip(Struct, frozen=True, kw_only=True):
    """A condition that holds, and the URL without it."""

    label: str
    url: str


class Browsing:
    """What is looked for on the browse page.

    Args:
        pairs: of the URL's query.
        facets: what is counted.
        facet_limit: how many values of each.

    Raises:
        InputError: a name that is no field, or a value that does not fit it.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        facets: tuple[str, ...] = _FACET_NAMES,
        facet_limit: int = _FACET_VALUES + 1,
    ) -> None:
        given = [(name, value) for name, value in pairs if value != ""]
        plain = {name: value for name, value in given if name in _PLAIN}
        self.text = plain.get("q", "")[:1_000]
        self.view = "table" if plain.get("view") == "table" else "cards"
        self.sort = plain.get("sort", "")
        self.filter = plain.get("filter", "").strip()
        conditions = _joined_ranges([pair for pair in given if pair[0] not in _PLAIN])
        query = parse_query(
            conditions,
            text=self.text,
            sort=self.sort,
            limit=PAGE_SIZE,
            cursor=plain.get("cursor", ""),
            facets=facets,
        )
        condition = parse_filter(self.filter) if self.filter else None
        self.query: Query = structs.replace(query, condition=condition, facet_limit=facet_limit)
        self._conditions = conditions

    def answer(self, portal: Portal) -> Page:
        """The page of results, with facets; values that are chosen are counted, however rare they are."""
        page = portal.search(self.query)
        facets = {name: (*page.facets[name], *self._rare(portal, page, name)) for name in page.facets}
        return structs.replace(page, facets=facets)

    def _rare(self, portal: Portal, page: Page, name: str) -> list[FacetValue]:
        common = {fold_term(one.value) for one in page.facets[name]}
        asked = [value for value in self.query.terms.get(name, ()) if fold_term(value) not in common][:_RARE_COUNTED]
        alone = structs.replace(self.query, facets=(), cursor="", limit=1)
        return [
            FacetValue(
                value=value,
                count=portal.search(structs.replace(alone, terms=self.query.terms | {name: (value,)})).total,
            )
            for value in asked
        ]

    def url(self, *, base: str = "/datasets", without: tuple[str, str] | None = None, **changed: str) -> str:
        """This page with something changed; from its beginning unless a cursor is given."""
        pairs = [(name, value) for name, value in (self._plain() | changed).items() if value]
        pairs += [pair for pair in self._conditions if pair != without]
        return base + ("?" + urlencode(pairs, errors="replace") if pairs else "")

    def url_with(self, name: str, value: str) -> str:
        """This page with one more value of a facet."""
        address = self.url(without=(name, value))
        return address + ("&" if "?" in address else "?") + urlencode([(name, value)], errors="replace")

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """What another form of the page must send along."""
        kept = [(name, value) for name, value in self._plain().items() if value and name not in without]
        return kept + [pair for pair in self._conditions if pair[0] not in without]

    def command(self, name: str = "search") -> str:
        """The same question on the command line."""
        words = ["etdb", name]
        if self.text:
            words += [self.text] if name == "search" else ["--query", self.text]
        for field, value in self._conditions:
            words += ["--where", f"{field}={value}"]
        if self.filter:
            words += ["--filter", "filter.json"]
        if self.sort and name == "search":
            words += ["--sort", self.sort]
        return shlex.join(words)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.text or self._conditions or self.filter)

    def chips(self) -> list[Chip]:
        """The conditions that hold, each with the way to drop it."""
        chips = [Chip(label=f"“{self.text}”", url=self.url(q=""))] if self.text else []
        if self.query.condition is not None:
            chips.append(Chip(label=condition_words(self.query.condition), url=self.url(filter="")))
        for name, value in self._conditions:
            words = term_name(name, value).replace("..", " to ").strip()
            chips.append(Chip(label=f"{_TITLES.get(name, name)}: {words}", url=self.url(without=(name, value))))
        return chips

    def facets(self, page: Page) -> list[tuple[str, list[FacetShown]]]:
        """The groups of facets that have something to choose."""
        groups = [
            (title, [facet for name, words in group if (facet := self._facet(page, name, words)) is not None])
            for title, group in FACET_GROUPS
        ]
        return [(title, facets) for title, facets in groups if facets]

    def _facet(self, page: Page, name: str, title: str) -> FacetShown | None:
        values = page.facets.get(name, ())
        asked = self.query.terms.get(name, ())
        chosen = {fold_term(value) for value in asked}
        if name == "species":
            values = tuple(one for one in values if fold_term(one.value) in chosen or not is_no_species(one.value))
        if not (len(values) > 1 or chosen or (values and values[0].count < page.total)):
            return None
        shown = [(one, fold_term(one.value) in chosen) for one in values]
        shown = [pair for place, pair in enumerate(shown) if pair[1] or place < _FACET_VALUES]
        shown.sort(key=lambda pair: not pair[1])
        return FacetShown(
            name=name,
            title=title,
            values=tuple(shown),
            is_open=name in _OPEN or bool(chosen),
            more_url=self.url(base=f"/datasets/values/{name}", view="") if len(values) > _FACET_VALUES else "",
        )

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

    def _plain(self) -> dict[str, str]:
        view = self.view if self.view != "cards" else ""
        return {"q": self.text, "sort": self.sort, "view": view, "filter": self.filter}


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
