"""The fields that a description finds out, as data: unit, how far two statements may differ, whom to believe first.

The tolerances are those of the instruments: goniometers are read to hundredths of a degree and FEI's logs round pixel
sizes to three digits; a magnification is a label that programs round.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

__all__ = ["AUTHORITIES", "FALLBACKS", "RULES", "Authority", "FieldRule", "rule_of"]

Authority = Literal[
    "command",
    "stated",
    "mdoc",
    "raw-angles",
    "extended-header",
    "log",
    "header",
    "refined-angles",
    "frames",
    "derived",
    "settings",
    "taxonomy",
    "default",
]

AUTHORITIES: Final[dict[Authority, str]] = {
    "command": "the command line comes first",
    "stated": "what people say of the dataset comes before its files",
    "mdoc": "SerialEM's own record comes before headers, which copies change",
    "raw-angles": "the angles as the microscope set them come first",
    "extended-header": "the extended header is the microscope's own, and comes before the plain header",
    "log": "the acquisition program's log",
    "header": "the header of the file",
    "refined-angles": "the angles that the alignment found",
    "frames": "what the camera's frames say",
    "derived": "worked out from other files",
    "settings": "neither the dataset nor its files tell it: the workspace's settings",
    "taxonomy": "completed from NCBI's taxonomy",
    "default": "nothing tells it: a default",
}
"""Who may speak, in the order in which they are believed, and the sentence that says why."""

FALLBACKS: Final[tuple[Authority, ...]] = ("settings", "taxonomy", "default")
"""What stands for what nobody says."""


class FieldRule(Struct, frozen=True, kw_only=True):
    """One field. Numbers agree within `absolute` or within `relative` of the larger, dates within `absolute` days.

    `first` are authorities that for this field come before the general order. `in_extra` fields stand in the record's
    `extra`, which is searched as text.
    """

    name: str
    label: str
    unit: str = ""
    absolute: float = 0.0
    relative: float = 0.0
    first: tuple[Authority, ...] = ()
    in_extra: bool = False
    vocabulary: Literal["", "microscope", "detector", "software"] = ""


_DEGREE: Final = "°"
_ANGSTROM: Final = "Å"
_ANGLES: Final[tuple[Authority, ...]] = ("raw-angles",)

_ROWS: Final = (
    FieldRule(name="title", label="title"),
    FieldRule(name="description", label="description"),
    FieldRule(name="sid", label="the lab's id"),
    FieldRule(name="species", label="species"),
    FieldRule(name="ncbi_taxon_id", label="NCBI taxon"),
    FieldRule(name="strain", label="strain"),
    FieldRule(name="acquired_on", label="date", absolute=1),
    FieldRule(name="microscope", label="microscope", vocabulary="microscope"),
    FieldRule(name="detector", label="camera", vocabulary="detector"),
    FieldRule(name="voltage_kv", label="voltage", unit="kV", absolute=1),
    FieldRule(name="magnification", label="magnification", unit="x", relative=0.02),
    FieldRule(name="defocus_um", label="defocus", unit="µm", absolute=0.2, relative=0.1),
    FieldRule(name="pixel_spacing_angstrom", label="pixel size", unit=_ANGSTROM, relative=0.005),
    FieldRule(name="voxel_spacing_angstrom", label="voxel size", unit=_ANGSTROM, relative=0.005),
    FieldRule(name="tilt_axes", label="tilt axes"),
    FieldRule(name="tilt_scheme", label="tilt scheme"),
    FieldRule(name="tilt_count", label="projections", first=_ANGLES),
    # Backlash and rounding: a log says what was asked for, a header where the stage went.
    FieldRule(name="tilt_min_deg", label="lowest tilt", unit=_DEGREE, absolute=0.25, first=_ANGLES),
    FieldRule(name="tilt_max_deg", label="highest tilt", unit=_DEGREE, absolute=0.25, first=_ANGLES),
    FieldRule(name="tilt_step_deg", label="tilt step", unit=_DEGREE, absolute=0.05, first=_ANGLES),
    FieldRule(name="tilt_constant_increment", label="constant step", first=_ANGLES),
    FieldRule(name="tilt_axis_angle_deg", label="tilt axis", unit=_DEGREE, absolute=1, in_extra=True),
    FieldRule(name="dose_per_tilt_e_per_a2", label="dose per tilt", unit="e⁻/Å²", relative=0.05),
    FieldRule(name="dose_e_per_a2", label="total dose", unit="e⁻/Å²", relative=0.05),
    FieldRule(name="exposure_s", label="exposure", unit="s", relative=0.05, in_extra=True),
    FieldRule(name="energy_filter_slit_ev", label="filter slit", unit="eV", absolute=0.5, in_extra=True),
    FieldRule(name="acquisition_software", label="taken with", vocabulary="software"),
    FieldRule(name="reconstruction_software", label="reconstructed with", vocabulary="software"),
)

RULES: Final = {rule.name: rule for rule in _ROWS}
"""In the order in which people read them."""


def rule_of(field: str) -> FieldRule:
    """The rule of a field; of those that only people tell, a plain one."""
    return RULES.get(field) or FieldRule(name=field, label=field.replace("_", " "))
