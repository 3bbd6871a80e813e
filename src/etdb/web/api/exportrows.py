"""A dataset as a row of a table: the columns of all exports that are tables."""

from __future__ import annotations

from typing import Any, Final, Literal

from etdb.catalogue import DatasetView
from etdb.trust import Claim
from etdb.web.shown import file_url

__all__ = ["COLUMNS", "Kind", "export_row"]

Kind = Literal["text", "texts", "integer", "number", "flag", "date", "numbers"]

_FROM_RECORD: Final[tuple[tuple[str, Kind], ...]] = (
    ("title", "text"),
    ("description", "text"),
    ("species", "text"),
    ("strain", "text"),
    ("ncbi_taxon_id", "integer"),
    ("acquired_on", "date"),
    ("microscope", "text"),
    ("detector", "text"),
    ("voltage_kv", "number"),
    ("magnification", "number"),
    ("pixel_spacing_angstrom", "number"),
    ("voxel_spacing_angstrom", "number"),
    ("defocus_um", "number"),
    ("dose_e_per_a2", "number"),
    ("tilt_axes", "integer"),
    ("tilt_min_deg", "number"),
    ("tilt_max_deg", "number"),
    ("tilt_step_deg", "number"),
    ("tilt_constant_increment", "flag"),
    ("acquisition_software", "text"),
    ("reconstruction_software", "text"),
    ("microscopist", "text"),
    ("authors", "texts"),
    ("lab", "text"),
    ("institution", "text"),
    ("sid", "text"),
    ("emdb_id", "text"),
    ("publications", "texts"),
    ("licence", "text"),
    ("tags", "texts"),
    ("keywords", "texts"),
    ("sample_preparation", "text"),
    ("notes", "text"),
)
COLUMNS: Final[tuple[tuple[str, Kind], ...]] = (
    ("id", "text"),
    *_FROM_RECORD,
    ("size_bytes", "integer"),
    ("file_paths", "texts"),
    ("file_sizes_bytes", "numbers"),
    ("file_roles", "texts"),
    ("location", "text"),
    ("publisher", "text"),
    ("owner", "text"),
    ("timestamp_s", "integer"),
    ("height", "integer"),
    ("block_time_s", "integer"),
    ("revision", "integer"),
    ("claims_held", "texts"),
    ("claims_failed", "texts"),
    ("page_url", "text"),
    ("content_url", "text"),
)
"""Names and kinds, in order. Names are those of the API's documents, with units."""


def export_row(view: DatasetView, base: str) -> dict[str, Any]:
    """The values of a dataset by column; None or an empty list where the record says nothing."""
    tomogram = view.tomogram
    row: dict[str, Any] = {"id": view.dataset_id}
    for name, kind in _FROM_RECORD:
        row[name] = _value(getattr(tomogram, name), kind)
    row |= {
        "size_bytes": _value(tomogram.size_bytes, "integer"),
        "file_paths": [_storable(one.path) for one in tomogram.files],
        "file_sizes_bytes": [_value(one.size_bytes, "integer") for one in tomogram.files],
        "file_roles": [one.role for one in tomogram.files],
        "location": _storable(tomogram.location),
        "publisher": tomogram.publisher,
        "owner": view.owner or tomogram.publisher,
        "timestamp_s": tomogram.timestamp_s,
        "height": view.height,
        "block_time_s": view.time_s,
        "revision": view.revision,
        "claims_held": _with_outcome(view, "held"),
        "claims_failed": _with_outcome(view, "failed"),
        "page_url": f"{base}/datasets/{view.dataset_id}",
        "content_url": base + file_url(tomogram.location, ""),
    }
    return row


def _value(value: Any, kind: Kind) -> Any:
    if kind == "texts":
        return [_storable(one) for one in value]
    if value is None or value == "":
        return None
    if kind == "integer":
        return value if -(2**63) <= value < 2**63 else None
    return _storable(value) if kind == "text" else value


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _with_outcome(view: DatasetView, outcome: str) -> list[str]:
    return [claim.value for claim in Claim if view.claims[claim].outcome == outcome]
