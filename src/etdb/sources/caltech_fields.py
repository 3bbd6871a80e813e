"""From a series of the Caltech database to the fields of a record. Pure: rows in, values out."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from etdb.sources.cells import dataset_cells
from etdb.sources.rows import Row

__all__ = ["Series", "record_fields"]

_ANGSTROM: Final = {"nm": 10.0, "angstrom": 1.0}
_STEP: Final = re.compile(r"[0-9]*\.?[0-9]+")
_APART: Final = re.compile(r"[;,\n]+")
_UNCHECKED: Final = frozenset({"0", "no", "n", "false", "off"})


class Series(Struct, frozen=True, kw_only=True):
    """A row of `TiltSeriesData`, what it may refer to (by ``#number`` or name), and the rows that refer to it."""

    sid: str
    row: Row
    users: Mapping[str, Row]
    species: Mapping[str, Row]
    scopes: Mapping[str, Row]
    publications: Mapping[str, Row]
    features: Mapping[str, Row]
    data_files: Sequence[Row]
    volumes: Sequence[Row]
    listed_features: Sequence[Row]


def record_fields(series: Series, length_unit: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """The record's fields, remarks that stop nothing, and problems.

    A zero that no instrument has (dose, magnification, voxel, taxon) stands for an empty cell and is left out, with a
    remark; zeros that mean something (tilt, defocus) stay.
    """
    row = series.row
    notes: list[str] = []
    species = _find(series.species, row["REF|SpeciesData|specie"])
    # A scope is joined by its name; "0" is what the forms wrote when none was chosen.
    scope_text = "" if _text(row["scope"]) == "0" else _text(row["scope"])
    scope = series.scopes.get(scope_text.casefold()) if scope_text else None
    user = _find(series.users, row["REF|UserData|user"])
    cells: dict[str, Any] = {
        "sid": series.sid,
        "title": _text(row["title"]) or _told(species, "name") or series.sid,
        "acquired_on": _day(row["tomo_date"], notes),
        "species": _told(species, "name"),
        "strain": _told(species, "strain"),
        "ncbi_taxon_id": _positive(species["tax_id"]) if species else None,
        "microscope": _told(scope, "name") or scope_text,
        "microscopist": _told(user, "fullname") or _told(user, "name"),
        "roles": _text(row["roles"]),
        "notes": _notes(_told(scope, "TXT_notes"), _told(species, "TXT_notes"), row["TXT_notes"]),
        "tilt_axes": row["single_dual"] if row["single_dual"] in {1, 2} else None,
        "tilt_min_deg": row["tilt_min"],
        "tilt_max_deg": row["tilt_max"],
        "tilt_step_deg": _step(row["tilt_step"], notes),
        "tilt_constant_increment": None if row["tilt_constant"] is None else row["tilt_constant"] == 1,
        "dose_e_per_a2": _positive(row["dosage"]),
        "defocus_um": row["defocus"],
        "magnification": _positive(row["magnification"]),
        "acquisition_software": _text(row["software_acquisition"]),
        "reconstruction_software": _text(row["software_process"]),
        "emdb_id": _text(row["emdb"]),
        "sample_preparation": _prepared(row),
        "publications": _publications(series),
    }
    notes += [
        f"{name} is 0 in the database: taken as not known" for name in ("dosage", "magnification") if row[name] == 0
    ]
    features = _features(series)
    cells["keywords"] = list(dict.fromkeys((*_words(row["keywords"]), *features)))
    if features:
        cells["extra.features"] = features
    cells |= _lengths(series, length_unit, notes)
    values, problems = dataset_cells(cells)
    return values, notes, problems


def _lengths(series: Series, unit: str, notes: list[str]) -> dict[str, Any]:
    """Pixel and voxel sizes: of the files where all of a kind agree, else of the series."""
    voxel = _positive(series.row["voxel"])
    sizes = {
        (str(one["classify"] or ""), str(one["filename"])): size
        for one in series.volumes
        if not one["status"] and (size := _positive(one["pixel_size"])) is not None
    }
    if not unit:
        told: dict[str, Any] = {"extra.voxel": voxel} if voxel else {}
        if sizes:
            told["extra.pixel_size"] = {name: size for (_, name), size in sizes.items()}
        if told:
            notes.append("voxel and pixel_size are kept without a unit: set length_unit of the source")
        return told
    factor = _ANGSTROM[unit]
    found: dict[str, Any] = {}
    for kind, field in (("rawdata", "pixel_spacing_angstrom"), ("reconstruction", "voxel_spacing_angstrom")):
        of_kind = [size for (classify, _), size in sizes.items() if classify == kind]
        if of_kind and all(math.isclose(size, of_kind[0], rel_tol=1e-3) for size in of_kind):
            found[field] = _scaled(of_kind[0], factor)
        elif of_kind:
            named = {name: _scaled(size, factor) for (classify, name), size in sizes.items() if classify == kind}
            found[f"extra.{kind}_pixel_size_angstrom"] = named
    if voxel and "voxel_spacing_angstrom" not in found:
        found["voxel_spacing_angstrom"] = _scaled(voxel, factor)
    elif voxel and not math.isclose(_scaled(voxel, factor), found["voxel_spacing_angstrom"], rel_tol=1e-3):
        notes.append(
            f"voxel of the series is {voxel} {unit}, but that of its reconstruction is another: the latter counts"
        )
    return found


def _find(rows: Mapping[str, Row], reference: Any) -> Row | None:
    text = _text(reference)
    return (rows.get(f"#{int(text)}") if text.isdecimal() else None) or rows.get(text.casefold()) if text else None


def _told(row: Row | None, column: str) -> str:
    return _text(row[column]) if row else ""


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _positive(cell: Any) -> float | None:
    return cell if isinstance(cell, (int, float)) and cell > 0 else None


def _scaled(size: float, factor: float) -> float:
    return float(f"{size * factor:.9g}")  # 0.53 nm is 5.3 angstrom, not 5.300000000000001


def _day(cell: Any, notes: list[str]) -> dt.date | None:
    if isinstance(cell, dt.date) or cell is None:
        return cell
    with suppress(ValueError):
        return dt.date.fromisoformat(str(cell))
    notes.append(f"tomo_date {cell} is no date: left out")  # MySQL keeps 0000-00-00
    return None


def _step(cell: Any, notes: list[str]) -> float | None:
    text = _text(cell)
    found = _STEP.match(text)
    if text and (not found or found[0] != text):
        notes.append(f"tilt_step is {text!r} in the database{f': {found[0]} is taken' if found else ': left out'}")
    return float(found[0]) if found else None


def _notes(scope: str, species: str, series: Any) -> str:
    parts = (("Scope notes", scope), ("Species notes", species), ("Tilt series notes", _text(series)))
    return "\n".join(f"{name}: {text}" for name, text in parts if text)


def _prepared(row: Row) -> str:
    parts = (("Sample", _text(row["sample"])), ("Treatment", _text(row["treatment"])))
    return "\n".join(f"{name}: {text}" for name, text in parts if text)


def _words(cell: Any) -> list[str]:
    return [word for part in _APART.split(_text(cell)) if (word := part.strip())]


def _features(series: Series) -> list[str]:
    found = []
    for one in series.listed_features:
        if _text(one["checked"]).casefold() not in _UNCHECKED:
            feature = _find(series.features, one["feature"])
            found.append(_told(feature, "name") or _text(one["feature"]))
    found += [_told(_find(series.features, word), "name") or word for word in _words(series.row["feature"])]
    # A number that leads nowhere says nothing.
    return [name for name in dict.fromkeys(found) if name and not name.isdecimal()]


def _publications(series: Series) -> list[str]:
    reference = _text(series.row["REF_PublicationData_publication"])
    whole = _find(series.publications, reference)
    rows = [whole] if whole else [_find(series.publications, one) for one in _APART.split(reference)]
    cited = [_citation(one) for one in rows if one]
    return cited or [text for text in (_text(series.row["pubtext"]),) if text]


def _citation(row: Row) -> str:
    where = " ".join(text for text in (_text(row["journal"]), _text(row["issue"])) if text)
    pages, year = _text(row["pages"]), _text(row["year"])
    parts = (_text(row["authors"]), _text(row["name"]), f"{where}, {pages}" if where and pages else where or pages)
    return ". ".join(text.rstrip(".") for text in parts if text) + (f" ({year})" if year else "")
