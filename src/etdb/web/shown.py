"""Values as people read them: sizes, numbers with units, dates, claims. Foreign text is made safe to show here.

Nothing here is HTML: templates escape whatever they are given.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final
from urllib.parse import quote, urlencode

from etdb.catalogue import display
from etdb.trust import Outcome, Verification

__all__ = [
    "CLAIM_NAMES",
    "OUTCOME_MARKS",
    "ROLE_NAMES",
    "claims_line",
    "count",
    "file_url",
    "instant",
    "is_no_species",
    "number",
    "safe",
    "short_id",
    "size",
    "term_name",
    "url_part",
]

ROLE_NAMES: Final = {
    "tilt_series": "Tilt series",
    "aligned_tilt_series": "Aligned tilt series",
    "reconstruction": "Tomogram",
    "subvolume": "Subvolume",
    "segmentation": "Segmentation",
    "model": "Model",
    "light_micrograph": "Light micrograph",
    "frames": "Frames",
    "gain_reference": "Gain reference",
    "snapshot": "Snapshot",
    "preview": "Movie",
    "key_image": "Key image",
    "key_movie": "Key movie",
    "thumbnail": "Thumbnail",
    "metadata": "Metadata",
    "notes": "Notes",
    "other": "Other",
}
"""What a file is, for people; a role that is not here is shown as its own words."""
CLAIM_NAMES: Final = {
    "artifact_signature": "Record signed",
    "multipart_signatures": "Parts signed",
    "transaction_signature": "Transactions signed",
    "manifest_agrees": "Manifest agrees",
    "block_inclusion": "In the chain",
    "header_chain_work": "Buried under work",
    "file_bytes": "Files checked",
}
OUTCOME_MARKS: Final = {
    Outcome.HELD: "✓",
    Outcome.FAILED: "✗",
    Outcome.NOT_CHECKED: "?",
    Outcome.NOT_POSSIBLE: "\N{EN DASH}",
}
_NO_SPECIES: Final = re.compile(r"\s*none\s*(?:[:;,(].*)?", re.IGNORECASE | re.DOTALL)
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size(count_bytes: int | None) -> str:
    """Bytes in decimal units with three digits: ``3.86 GB``."""
    if count_bytes is None:
        return "unknown"
    value = float(count_bytes)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    if unit == "bytes":
        return f"{count_bytes:,} byte{'' if count_bytes == 1 else 's'}"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def count(value: int, singular: str, plural: str = "") -> str:
    """``1 dataset``, ``12,757 datasets``."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def claims_line(claims: Verification) -> str:
    """How a dataset's claims stand, what failed first and by name: ``3 held, 4 not checked``."""
    failed = ", ".join(CLAIM_NAMES[one.claim] for one in claims.failed)
    parts = [f"{len(claims.failed)} failed ({failed})"] if failed else []
    others = (Outcome.HELD, Outcome.NOT_CHECKED, Outcome.NOT_POSSIBLE)
    counted = [(sum(one.outcome is outcome for one in claims.results), outcome) for outcome in others]
    return ", ".join(parts + [f"{so_many} {outcome}" for so_many, outcome in counted if so_many])


def number(value: float) -> str:
    """A number without needless digits, with a true minus sign: ``13.48``, ``41,000``."""
    text = f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:.6g}"
    if text.lstrip("-") == "0" and value:
        text = f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}", 1)


def instant(seconds: int | None) -> str:
    """A time in UTC to the minute; what no calendar has is shown as its number."""
    if seconds is None:
        return ""
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"


def safe(value: Any, limit: int = 10_000) -> str:
    """Foreign text without what would turn, hide or control other text."""
    return display(str(value), limit)


def short_id(identifier: str, digits: int = 10) -> str:
    """The beginning of an id, for people; the whole stands in its link."""
    return safe(identifier if len(identifier) <= digits + 1 else identifier[:digits] + "…")


def term_name(field: str, value: str) -> str:
    """A facet's value for people."""
    if field == "file_role":
        return ROLE_NAMES.get(value, value.replace("_", " ").capitalize())
    if field == "tilt_axes":
        return {"1": "single axis", "2": "dual axis"}.get(value, safe(value, 200))
    if field == "verified":
        return CLAIM_NAMES.get(value, safe(value, 200))
    if field == "voltage_kv" and value.replace(".", "").isdecimal():
        return f"{value} kV"
    return safe(value, 200)


def is_no_species(value: str) -> bool:
    """Whether a record's species says that it has none: ``none``, ``none: materials specimen``."""
    return _NO_SPECIES.fullmatch(value) is not None


def url_part(value: Any) -> str:
    """A value, or pairs of them, for the query of an address; whatever cannot be in one is U+FFFD."""
    if isinstance(value, dict):
        return urlencode(value, errors="replace")
    return quote(str(value), safe="", errors="replace")


def file_url(location: str, path: str) -> str:
    """Where this site serves a file of a dataset; the dataset itself where a path would lead out of it."""
    if any(part in {"", ".", ".."} for part in path.split("/")):
        path = ""  # clients take such steps before they ask, whatever they are written as
    inside = quote(path, safe="/", errors="surrogateescape")
    return f"/ipfs/{quote(location, safe='')}" + (f"/{inside}" if inside else "")
