"""A dataset's record as the field speaks of it: names inside, with units. The wire's names stand in ``wire.py``."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec

__all__ = ["FILE_ROLES", "FileEntry", "Tomogram"]

FILE_ROLES: Final = (
    "tilt_series",
    "reconstruction",
    "subvolume",
    "snapshot",
    "preview",
    "key_image",
    "key_movie",
    "thumbnail",
    "metadata",
    "other",
    "aligned_series",
    "segmentation",
    "model",
    "light_micrograph",
    "movie",
    "frames",
    "gain_reference",
    "alignment",
    "notes",
)
"""What a file is in its dataset. `alignment` is tilt angles, transforms and fiducials; `light_micrograph` is of
correlative work; `movie` is one that is not the key movie."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a dataset.

    ``path`` is relative to the dataset's directory, with "/" between its parts. ``extra`` keeps what others wrote and
    we have no name for.
    """

    path: str
    display_name: str = ""
    size_bytes: int | None = None
    role: str = "other"
    media_type: str = ""
    notes: str = ""
    software: str = ""
    extra: dict[str, Any] = {}


class Tomogram(msgspec.Struct, frozen=True, kw_only=True):
    """The Research-Tomogram record (Table 1 of Ortega et al. 2019), with what re-users asked for added.

    Angles are in degrees, defocus in micrometres (negative is under focus), dose in electrons per square angstrom,
    voltage in kilovolts. ``tilt_axes`` is 1 for a single-axis series, 2 for a dual one; ``tilt_scheme`` names the order
    of the tilts (``dose-symmetric``, ``bidirectional``, ``unidirectional``, or a lab's own word), ``tilt_count`` how
    many projections one axis has. ``timestamp_s`` is the record's time in Unix seconds, ``location`` the root CID of
    its directory. ``extra`` holds a group's own fields by name; ``unknown`` what else the record held, by JSON pointer.
    """

    publisher: str = ""
    timestamp_s: int = 0
    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    year: int | None = None
    nsfw: bool | None = None
    acquired_on: dt.date | None = None
    ncbi_taxon_id: int | None = None
    notes: str = ""
    microscope: str = ""
    roles: str = ""
    species: str = ""
    strain: str = ""
    tilt_axes: int | None = None
    defocus_um: float | None = None
    dose_e_per_a2: float | None = None
    tilt_constant_increment: bool | None = None
    tilt_min_deg: float | None = None
    tilt_max_deg: float | None = None
    tilt_step_deg: float | None = None
    magnification: float | None = None
    acquisition_software: str = ""
    reconstruction_software: str = ""
    emdb_id: str = ""
    microscopist: str = ""
    institution: str = ""
    lab: str = ""
    sid: str = ""
    voxel_spacing_angstrom: float | None = None
    pixel_spacing_angstrom: float | None = None
    voltage_kv: float | None = None
    detector: str = ""
    licence: str = ""
    authors: tuple[str, ...] = ()
    publications: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    sample_preparation: str = ""
    tilt_scheme: str = ""
    tilt_count: int | None = None
    dose_per_tilt_e_per_a2: float | None = None
    storage_network: str = "ipfs"
    location: str = ""
    files: tuple[FileEntry, ...] = ()
    extra: dict[str, Any] = {}
    unknown: dict[str, Any] = {}

    @property
    def size_bytes(self) -> int:
        """What all files take, as far as the record says."""
        return sum(entry.size_bytes or 0 for entry in self.files)
