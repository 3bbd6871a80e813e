"""Fields and conditions in words for people."""

from __future__ import annotations

from typing import Final

from etdb.catalogue import ANYWHERE, TEXT_FIELDS, All, Expression, Not, Test
from etdb.catalogue.fields import FIELDS, FIELDS_BY_NAME
from etdb.web.shown import safe, term_name

__all__ = ["OPERATOR_WORDS", "condition_words", "every_field", "field_label"]

_LABELS: Final = {
    ANYWHERE: "Anywhere",
    "species": "Species",
    "strain": "Strain",
    "microscopist": "Taken by",
    "lab": "Laboratory",
    "institution": "Institution",
    "acquired_on": "Taken on",
    "microscope": "Microscope",
    "detector": "Camera",
    "voltage_kv": "Voltage (kV)",
    "magnification": "Magnification",
    "defocus_um": "Defocus (µm)",
    "dose_e_per_a2": "Dose (e⁻/Å²)",
    "tilt_axes": "Tilt axes (1 or 2)",
    "tilt_constant_increment": "Constant increment (yes or no)",
    "tilt_min_deg": "Lowest tilt (°)",
    "tilt_max_deg": "Highest tilt (°)",
    "tilt_step_deg": "Tilt step (°)",
    "tilt_scheme": "Tilt scheme",
    "pixel_spacing_angstrom": "Pixel size (Å)",
    "voxel_spacing_angstrom": "Voxel size (Å)",
    "acquisition_software": "Acquisition software",
    "reconstruction_software": "Reconstruction software",
    "title": "Title",
    "description": "Description",
    "notes": "Notes",
    "sample_preparation": "Sample preparation",
    "roles": "Roles",
    "keywords": "Keyword",
    "tags": "Tag",
    "authors": "Author",
    "publications": "Publication (DOI)",
    "emdb_id": "EMDB entry",
    "ncbi_taxon_id": "NCBI taxon id",
    "sid": "The laboratory's id",
    "licence": "Licence",
    "year": "Year",
    "publisher": "Publisher",
    "file_role": "Has a file that is",
    "media_type": "Has a file of type",
    "size_bytes": "Size (bytes)",
    "file_count": "Number of files",
    "location": "Content address",
    "published_on": "Published on",
    "height": "Block",
    "timestamp_s": "Record's time (Unix s)",
    "nsfw": "Marked unsuitable (yes or no)",
}
OPERATOR_WORDS: Final = {
    "contains": "contains",
    "is": "is exactly",
    "starts": "starts with",
    "ends": "ends with",
    "above": "is above",
    "below": "is below",
    "between": "is between",
}


def field_label(name: str) -> str:
    """What a field is called; one that has no words here, by its name."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


def every_field() -> list[tuple[str, str]]:
    """Every field that conditions can be on, with what it is called, in the order of the form."""
    known = (ANYWHERE, *TEXT_FIELDS, *FIELDS_BY_NAME)
    ordered = [name for name in _LABELS if name in known]
    return [(name, field_label(name)) for name in (*ordered, *(one.name for one in FIELDS if one.name not in ordered))]


def condition_words(expression: Expression, *, inside: bool = False) -> str:
    """A condition as people read it; ``inside`` others, with brackets where they matter."""
    if isinstance(expression, Test):
        ends = [term_name(expression.field, expression.value)]
        if expression.operator == "between":
            ends.append(safe(expression.high, 200))
        shown = " and ".join(ends if _is_plain(expression.field) else [f"“{ends[0]}”"])
        return f"{field_label(expression.field)} {OPERATOR_WORDS[expression.operator]} {shown}"
    if isinstance(expression, Not):
        return f"not {condition_words(expression.part, inside=True)}"
    if not expression.parts:
        return "everything"
    joined = (" and " if isinstance(expression, All) else " or ").join(
        condition_words(part, inside=True) for part in expression.parts
    )
    return f"({joined})" if inside and len(expression.parts) > 1 else joined


def _is_plain(name: str) -> bool:
    field = FIELDS_BY_NAME.get(name)
    return field is not None and bool(field.column)
