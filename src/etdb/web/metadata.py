"""What a dataset's page says of its record: groups of named values with units, as data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from etdb.oip import Tomogram
from etdb.web.shown import is_no_species, number, safe, url_part

__all__ = ["Group", "Value", "described"]


class Value(Struct, frozen=True, kw_only=True):
    """One line: what it is called, what it says, where it leads (a page of this site, or elsewhere)."""

    label: str
    text: str
    url: str = ""
    search: tuple[str, str] | None = None


class Group(Struct, frozen=True, kw_only=True):
    """Some lines under one heading."""

    title: str
    values: tuple[Value, ...]


MAX_SHOWN: Final = 200
"""Values of one field: strangers may name ten thousand authors."""
_Row = tuple[str, str, str]
_GROUPS: Final[tuple[tuple[str, tuple[_Row, ...]], ...]] = (
    (
        "Sample",
        (
            ("species", "Species", ""),
            ("ncbi_taxon_id", "NCBI taxonomy", ""),
            ("strain", "Strain", ""),
            ("sample_preparation", "Preparation", ""),
            ("roles", "Roles", ""),
            ("keywords", "Keywords", ""),
            ("tags", "Tags", ""),
        ),
    ),
    (
        "Tilt series",
        (
            ("acquired_on", "Taken on", ""),
            ("microscopist", "Taken by", ""),
            ("microscope", "Microscope", ""),
            ("detector", "Camera", ""),
            ("voltage_kv", "Voltage", "kV"),
            ("magnification", "Magnification", "\N{MULTIPLICATION SIGN}"),
            ("pixel_spacing_angstrom", "Pixel size", "Å"),
            ("defocus_um", "Defocus", "µm"),
            ("dose_e_per_a2", "Total dose", "e⁻/Å²"),
            ("dose_per_tilt_e_per_a2", "Dose a tilt", "e⁻/Å²"),
            ("tilt_scheme", "Tilt scheme", ""),
            ("tilt_axes", "Tilt axes", ""),
            ("tilt_range", "Tilt range", ""),
            ("tilt_step_deg", "Tilt step", "°"),
            ("tilt_count", "Projections", ""),
            ("tilt_constant_increment", "Constant increment", ""),
            ("acquisition_software", "Acquisition software", ""),
        ),
    ),
    (
        "Tomogram",
        (
            ("voxel_spacing_angstrom", "Voxel size", "Å"),
            ("reconstruction_software", "Reconstruction software", ""),
            ("emdb_id", "EMDB", ""),
        ),
    ),
    (
        "Publication",
        (
            ("authors", "Author", ""),
            ("lab", "Laboratory", ""),
            ("institution", "Institution", ""),
            ("publications", "Publication", ""),
            ("year", "Year", ""),
            ("licence", "Licence", ""),
            ("sid", "The laboratory's id", ""),
        ),
    ),
)
_SEARCHED: Final = frozenset(
    (
        *("species", "strain", "microscope", "detector", "microscopist", "authors", "lab", "institution", "licence"),
        *("acquisition_software", "reconstruction_software", "keywords", "tags"),
    )
)
_TAXONOMY: Final = "https://www.ncbi.nlm.nih.gov/taxonomy/?term="
_MOST_LETTERS: Final = 200
"""Of a species' name that is looked up elsewhere."""
_AXES: Final = {1: "single", 2: "dual"}


def described(tomogram: Tomogram) -> tuple[Group, ...]:
    """The groups that have anything to say, each with the lines that do."""
    groups = []
    for title, rows in _GROUPS:
        values = tuple(value for name, label, unit in rows for value in _values(tomogram, name, label, unit))
        if values:
            groups.append(Group(title=title, values=values))
    if tomogram.extra:
        own = tuple(Value(label=safe(name, 80), text=safe(_plain(value), 2_000)) for name, value in _own(tomogram))
        groups.append(Group(title="The laboratory's own fields", values=own))
    return tuple(groups)


def _own(tomogram: Tomogram) -> Iterator[tuple[str, Any]]:
    yield from sorted(tomogram.extra.items())[:MAX_SHOWN]


def _values(tomogram: Tomogram, name: str, label: str, unit: str) -> Iterator[Value]:
    if name == "tilt_range":
        low, high = tomogram.tilt_min_deg, tomogram.tilt_max_deg
        if low is not None or high is not None:
            ends = [number(end) if end is not None else "?" for end in (low, high)]
            yield Value(label=label, text=f"{ends[0]}° to {ends[1]}°")
        return
    value = getattr(tomogram, name, None)
    if name == "ncbi_taxon_id" and value is None and _can_be_looked_up(tomogram.species):
        by_name = _TAXONOMY + url_part(" ".join(safe(tomogram.species).split()))
        yield Value(label=label, text="not given; look it up by name", url=by_name)
    for one in value[:MAX_SHOWN] if isinstance(value, tuple) else (value,):
        if one is not None and one != "":
            search = (name, str(one)) if name in _SEARCHED else None
            yield Value(label=label, text=_text(name, one, unit), url=_url(name, one), search=search)


def _can_be_looked_up(species: str) -> bool:
    return 0 < len(species) <= _MOST_LETTERS and not is_no_species(species)


def _text(name: str, value: Any, unit: str) -> str:
    if name == "tilt_axes":
        return _AXES.get(value, str(value))
    if name == "year":
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return value.isoformat()
    if name == "ncbi_taxon_id":
        return str(value)
    if isinstance(value, (int, float)):
        space = "" if unit in ("°", "\N{MULTIPLICATION SIGN}") else " "
        return f"{number(value)}{space}{unit}".rstrip()
    return safe(value, 2_000)


def _url(name: str, value: Any) -> str:
    if name == "ncbi_taxon_id" and isinstance(value, int) and value > 0:
        return f"https://www.ncbi.nlm.nih.gov/Taxonomy/Browser/wwwtax.cgi?id={value}"
    if name == "emdb_id":
        digits = "".join(filter(str.isdigit, str(value)))[:8]
        return f"https://www.ebi.ac.uk/emdb/EMD-{digits}" if digits else ""
    if name == "publications" and str(value).lower().removeprefix("doi:").startswith("10."):
        return "https://doi.org/" + quote(str(value).lower().removeprefix("doi:").strip(), safe="/")
    return ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
