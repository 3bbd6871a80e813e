"""The one table between the wire's names and ours, and how each value crosses.

Rows say where a value stands in an OIP 0.42 artifact, under which other names it was written, and in which form.
Reading takes every name; writing uses the first, in this order, which is the order of go-etdb.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from etdb.errors import FormatError
from etdb.oip.tomogram import FILE_ROLES

__all__ = ["EXTRA_KEY", "FIELDS", "FILE_FIELDS", "FILE_KINDS", "Field", "role_of"]

EXTRA_KEY: Final = "extraInfo"
"""The key of ``details`` under which a group's own fields stand."""
_MAX_TEXT: Final = 100_000


class Field(msgspec.Struct, frozen=True):
    """One row: our name, the wire's object and names (the first is written), and the two conversions."""

    name: str
    section: str
    wire: tuple[str, ...]
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    mandatory: bool = False


def _wrong(value: Any, wanted: str) -> FormatError:
    return FormatError(f"not a record: {str(value)[:64]!r} is not {wanted}")


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _wrong(value, "text")
    text = str(value)
    if len(text) > _MAX_TEXT:
        raise _wrong(text, f"text of at most {_MAX_TEXT} letters")
    return text


def _number(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _wrong(value, "a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(value, "a number")
    return float(value)


def _whole(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or abs(number) >= 1 << 63:
        raise _wrong(value, "a whole number")
    return int(value) if isinstance(value, int) else int(number)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return bool(_whole(value))


def _date(value: Any) -> dt.date:
    """Unix seconds, or milliseconds, at midnight UTC."""
    seconds = _number(value)
    if abs(seconds) >= 1e11:
        seconds /= 1000
    try:
        return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)).date()
    except OverflowError:
        raise _wrong(value, "a date") from None


def _write_date(value: dt.date) -> int:
    return (value - dt.date(1970, 1, 1)).days * 86400


def _commas(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else _text(value).split(",")
    return tuple(one for one in (_text(item).strip() for item in items) if one)


def _listed(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in items)


def _same(value: Any) -> Any:
    return value


def _join(value: tuple[str, ...]) -> str:
    return ",".join(value)


def _row(name: str, section: str, wire: str, read: Callable[[Any], Any], write: Callable[[Any], Any] = _same) -> Field:
    return Field(name, section, tuple(wire.split()), read, write)


FIELDS: Final = (
    _row("title", "info", "title", _text),
    _row("tags", "info", "tags", _commas, _join),
    _row("description", "info", "description", _text),
    _row("year", "info", "year", _whole),
    _row("nsfw", "info", "nsfw", _flag),
    _row("acquired_on", "details", "date", _date, _write_date),
    _row("ncbi_taxon_id", "details", "NCBItaxID NBCItaxID NCBITaxID", _whole),
    _row("notes", "details", "artNotes", _text),
    _row("microscope", "details", "scopeName", _text),
    _row("roles", "details", "roles", lambda value: _join(_listed(value))),
    _row("species", "details", "speciesName", _text),
    _row("strain", "details", "strain", _text),
    _row("tilt_axes", "details", "tiltSingleDual", _whole),
    _row("defocus_um", "details", "defocus", _number),
    _row("dose_e_per_a2", "details", "dosage", _number),
    _row("tilt_constant_increment", "details", "tiltConstant", _flag, int),
    _row("tilt_min_deg", "details", "tiltMin", _number),
    _row("tilt_max_deg", "details", "tiltMax", _number),
    _row("tilt_step_deg", "details", "tiltStep", _number),
    _row("magnification", "details", "magnification", _number),
    _row("acquisition_software", "details", "swAcquisition swAquisition", _text),
    _row("reconstruction_software", "details", "swReconstruction swProcess", _text),
    _row("emdb_id", "details", "emdb", _text),
    _row("microscopist", "details", "microscopist", _text),
    _row("institution", "details", "institution", _text),
    _row("lab", "details", "lab", _text),
    _row("sid", "details", "sid etdbid", _text),
    # Ours: what re-users of the old records asked for. Old readers pass over names that they do not know.
    _row("voxel_spacing_angstrom", "details", "voxelSpacing", _number),
    _row("pixel_spacing_angstrom", "details", "pixelSpacing", _number),
    _row("voltage_kv", "details", "voltage", _number),
    _row("detector", "details", "detector", _text),
    _row("licence", "details", "license", _text),
    _row("authors", "details", "authors", _listed, list),
    _row("publications", "details", "publications", _listed, list),
    _row("keywords", "details", "keywords", _listed, list),
    _row("sample_preparation", "details", "samplePreparation", _text),
    _row("tilt_scheme", "details", "tiltScheme", _text),
    _row("tilt_count", "details", "tiltCount", _whole),
    _row("dose_per_tilt_e_per_a2", "details", "dosagePerTilt", _number),
    _row("storage_network", "storage", "network", lambda value: _text(value).lower()),
    _row("location", "storage", "location", _text),
)

FILE_FIELDS: Final = (
    _row("software", "", "software", _text),
    _row("display_name", "", "dname dName", _text),
    _row("path", "", "fname fName", _text),
    _row("size_bytes", "", "fsize fSize", _whole),
    _row("media_type", "", "cType ctype", _text),
    _row("notes", "", "fNotes fnotes", _text),
)

FILE_KINDS: Final = {
    "tilt_series": ("tomogram", "tiltSeries"),
    "reconstruction": ("tomogram", "reconstruction"),
    "subvolume": ("tomogram", "subvolume"),
    "snapshot": ("tomogram", "snapshot"),
    "preview": ("tomogram", "preview"),
    "key_image": ("tomogram", "keyimg"),
    "key_movie": ("tomogram", "keymov"),
    "thumbnail": ("image", "thumbnail"),
    "metadata": ("tomogram", "metadata"),
    "other": ("tomogram", "other"),
    # Ours: old readers show a file of a kind that they do not know among the others, or pass over it.
    "aligned_series": ("tomogram", "alignedTiltSeries"),
    "segmentation": ("tomogram", "segmentation"),
    "model": ("tomogram", "model"),
    "light_micrograph": ("tomogram", "lightMicrograph"),
    "movie": ("tomogram", "movie"),
    "frames": ("tomogram", "frames"),
    "gain_reference": ("tomogram", "gainReference"),
    "alignment": ("tomogram", "alignment"),
    "notes": ("tomogram", "notes"),
}
"""Our role of a file, and the wire's type and subtype."""
assert set(FILE_KINDS) == set(FILE_ROLES)

_ROLES: Final = {subtype.lower(): role for role, (_, subtype) in FILE_KINDS.items()}


def role_of(kind: Any, subtype: Any) -> str | None:
    """The role that a type and subtype mean, whatever their case; None when they are not of the table."""
    if not isinstance(subtype, str) or not isinstance(kind, str):
        return None
    role = _ROLES.get(subtype.lower())
    return role if role is not None and kind.lower() in ("tomogram", "image", "video") else None
