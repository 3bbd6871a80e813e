"""What can be asked of the catalogue, as data: one row a field, for filters, facets, the command line's help, the API.

A field of kind ``term`` is compared whole, after folding case, accents and spaces (``text.fold_term``). The other
kinds take ranges with both ends included. A record without the value is in no range of it.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Final, Literal

import msgspec

from etdb.oip import Tomogram

__all__ = ["FACETS", "FIELDS", "FIELDS_BY_NAME", "RANGES", "SORTS", "SORTS_BY_NAME", "Field", "Sort"]

Kind = Literal["term", "integer", "number", "date"]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to filter by.

    ``column`` is the column of ``records`` that holds it for ranges, or "" where only whole values are kept.
    ``terms`` says that whole values are kept, so that it can be a facet. ``attribute`` is its name in ``Tomogram``,
    or "" where it is made from something else. ``is_made`` says that its whole values are made when they are asked
    for (``etdb.catalogue.made``). ``unit`` is for people.
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""
    column: str = ""
    terms: bool = False
    attribute: str = ""
    is_made: bool = False


def _term(name: str, help_: str, *, attribute: str | None = None) -> Field:
    return Field(name=name, kind="term", help=help_, terms=True, attribute=name if attribute is None else attribute)


def _range(name: str, kind: Kind, help_: str, unit: str = "", *, terms: bool = False, own: bool = True) -> Field:
    return Field(name=name, kind=kind, help=help_, unit=unit, column=name, terms=terms, attribute=name if own else "")


FIELDS: Final[tuple[Field, ...]] = (
    _term("species", "the organism's name"),
    _term("strain", "the strain"),
    _term("microscope", "the microscope's name"),
    _term("detector", "the camera"),
    _term("microscopist", "who took the data"),
    _term("authors", "an author"),
    _term("institution", "where it was taken"),
    _term("lab", "whose it is"),
    _term("publisher", "the publisher's address"),
    _term("sid", "the lab's own id"),
    _term("emdb_id", "an entry in EMDB"),
    Field(name="in_emdb", kind="term", help="yes or no: EMDB has an entry of it", terms=True, is_made=True),
    Field(
        name="verified",
        kind="term",
        help="a claim that held, such as artifact_signature or file_bytes; or: something failed",
        terms=True,
        is_made=True,
    ),
    _term("publications", "a publication's DOI"),
    _term("tags", "a tag"),
    _term("keywords", "a keyword"),
    _term("acquisition_software", "software that took the data"),
    _term("reconstruction_software", "software that reconstructed it"),
    _term("licence", "the licence, as an SPDX id"),
    _term("location", "the root CID"),
    _term("file_role", "has a file of this role (tilt_series, reconstruction, key_movie, ...)", attribute=""),
    _term("media_type", "has a file of this media type", attribute=""),
    _term("tilt_scheme", "the order of the tilts: dose-symmetric, bidirectional, unidirectional"),
    _term("tilt_constant_increment", "yes or no: the tilt step is constant"),
    _term("nsfw", "yes or no"),
    _range("tilt_axes", "integer", "1 for a single-axis series, 2 for a dual one", terms=True),
    _range("ncbi_taxon_id", "integer", "the organism in the NCBI taxonomy", terms=True),
    _range("year", "integer", "the year that the record gives", terms=True),
    _range("acquired_on", "date", "when the data were taken", "YYYY-MM-DD"),
    _range("published_on", "date", "when the block of the record was made", "YYYY-MM-DD", own=False),
    _range("defocus_um", "number", "defocus; negative is under focus", "micrometre"),
    _range("dose_e_per_a2", "number", "total dose", "electrons per square angstrom"),
    _range("dose_per_tilt_e_per_a2", "number", "dose of one tilt", "electrons per square angstrom"),
    _range("tilt_count", "integer", "projections of one axis"),
    _range("tilt_min_deg", "number", "the lowest tilt", "degree"),
    _range("tilt_max_deg", "number", "the highest tilt", "degree"),
    _range("tilt_step_deg", "number", "the tilt step", "degree"),
    _range("magnification", "number", "magnification"),
    _range("voxel_spacing_angstrom", "number", "voxel size of the reconstruction", "angstrom"),
    _range("pixel_spacing_angstrom", "number", "pixel size of the tilt series", "angstrom"),
    Field(
        name="voltage_kv",
        kind="number",
        help="acceleration voltage",
        unit="kilovolt",
        column="voltage_kv",
        terms=True,
        attribute="voltage_kv",
        is_made=True,
    ),
    _range("size_bytes", "integer", "all files together, as the record says", "byte", own=False),
    _range("file_count", "integer", "how many files it has", own=False),
    _range("timestamp_s", "integer", "the record's own time", "Unix second"),
    _range("height", "integer", "the block that completed the record", own=False),
)
"""Every filter there is."""

FIELDS_BY_NAME: Final = {field.name: field for field in FIELDS}
FACETS: Final = tuple(field.name for field in FIELDS if field.terms)
"""Fields that are kept as whole values: exact filters, and facets with counts."""
RANGES: Final = tuple(field.name for field in FIELDS if field.column)
"""Fields that take a range."""


class Sort(msgspec.Struct, frozen=True, kw_only=True):
    """One order of results: an SQL expression over ``records`` that is never NULL, then the order on the ledger."""

    name: str
    help: str
    key: str
    descending: bool


SORTS: Final[tuple[Sort, ...]] = (
    Sort(name="newest", help="newest on the ledger first", key="r.id", descending=True),
    Sort(name="oldest", help="oldest on the ledger first", key="r.id", descending=False),
    Sort(name="title", help="by title, A to Z", key="r.title_key", descending=False),
    Sort(name="species", help="by species, A to Z", key="r.species_key", descending=False),
    Sort(name="microscopist", help="by who took the data, A to Z", key="r.microscopist_key", descending=False),
    Sort(name="date", help="latest acquisition first", key="ifnull(r.acquired_on, '')", descending=True),
    Sort(name="date-oldest", help="earliest acquisition first", key="ifnull(r.acquired_on, '~')", descending=False),
    Sort(name="size", help="largest first", key="r.size_bytes", descending=True),
    Sort(name="size-smallest", help="smallest first", key="r.size_bytes", descending=False),
    Sort(
        name="relevance",
        help="where the words stand: title, then names, then any text, then beginnings of words; newest first within",
        key="",
        descending=True,
    ),
)
"""Every order there is. Ties go by the order on the ledger, so each order is total."""

SORTS_BY_NAME: Final = {sort.name: sort for sort in SORTS}

_MAX_INTEGER: Final = 2**63 - 1


def _number(value: Any) -> int | float | str | None:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return int(value)
    return None


def range_values(tomogram: Tomogram) -> dict[str, int | float | str | None]:
    """The values of a record's columns, those apart that come from its block."""
    values = {
        field.column: _number(getattr(tomogram, field.attribute))
        for field in FIELDS
        if field.column and field.attribute
    }
    values["size_bytes"] = _number(tomogram.size_bytes) or 0
    values["file_count"] = len(tomogram.files)
    return values


def _texts(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, tuple):
        return [item for item in value if item]
    return [str(value)]


def term_values(tomogram: Tomogram) -> list[tuple[str, str]]:
    """The whole values that a record is filtered by: pairs of field and value, as written, each once."""
    found: dict[tuple[str, str], None] = {}
    for field in FIELDS:
        if field.terms and field.attribute and not field.is_made:
            found.update(((field.name, text), None) for text in _texts(getattr(tomogram, field.attribute)))
    for entry in tomogram.files:
        found[("file_role", entry.role)] = None
        if entry.media_type:
            found[("media_type", entry.media_type)] = None
    return list(found)
