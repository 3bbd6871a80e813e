"""`dataset.toml`: what the files of a dataset cannot tell, in the names of the record's fields.

    title = "Vibrio cholerae, wild type"
    species = "Vibrio cholerae"
    ncbi_taxon_id = 666
    acquired_on = 2014-01-14

    [extra]                     # a group's own fields
    grid_batch = "B-12"

    [files."rawdata/a.mrc"]     # one file of this folder
    role = "tilt_series"
    notes = "second of two series"

Strict: an unknown or mistyped key is an error that names the nearest known one.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import tomllib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = ["DATASET_TOML", "MAX_DATASET_TOML_BYTES", "DatasetMetadata", "FileNote", "parse_dataset_toml"]

DATASET_TOML = "dataset.toml"
MAX_DATASET_TOML_BYTES = 1 << 20

Role = Literal[
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
]
Degrees = Annotated[float, Meta(ge=-180, le=180)]
Positive = Annotated[float, Meta(gt=0)]


class FileNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of one file."""

    role: Role | UnsetType = UNSET
    notes: str = ""
    display_name: str = ""
    software: str = ""


class DatasetMetadata(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The fields that a person may give; names and units are those of the record."""

    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    nsfw: bool | UnsetType = UNSET
    acquired_on: dt.date | UnsetType = UNSET
    ncbi_taxon_id: Annotated[int, Meta(ge=1, le=2**31)] | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    microscope: str | UnsetType = UNSET
    roles: str | UnsetType = UNSET
    species: str | UnsetType = UNSET
    strain: str | UnsetType = UNSET
    tilt_axes: Annotated[int, Meta(ge=1, le=2)] | UnsetType = UNSET
    defocus_um: float | UnsetType = UNSET
    dose_e_per_a2: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    tilt_constant_increment: bool | UnsetType = UNSET
    tilt_min_deg: Degrees | UnsetType = UNSET
    tilt_max_deg: Degrees | UnsetType = UNSET
    tilt_step_deg: Degrees | UnsetType = UNSET
    magnification: Positive | UnsetType = UNSET
    acquisition_software: str | UnsetType = UNSET
    reconstruction_software: str | UnsetType = UNSET
    emdb_id: str | UnsetType = UNSET
    microscopist: str | UnsetType = UNSET
    institution: str | UnsetType = UNSET
    lab: str | UnsetType = UNSET
    sid: str | UnsetType = UNSET
    voxel_spacing_angstrom: Positive | UnsetType = UNSET
    pixel_spacing_angstrom: Positive | UnsetType = UNSET
    voltage_kv: Positive | UnsetType = UNSET
    detector: str | UnsetType = UNSET
    licence: str | UnsetType = UNSET
    authors: tuple[str, ...] | UnsetType = UNSET
    publications: tuple[str, ...] | UnsetType = UNSET
    keywords: tuple[str, ...] | UnsetType = UNSET
    sample_preparation: str | UnsetType = UNSET
    tilt_scheme: str | UnsetType = UNSET
    tilt_count: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    dose_per_tilt_e_per_a2: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    extra: dict[str, Any] = {}
    files: dict[str, FileNote] = {}

    def given(self) -> dict[str, Any]:
        """The record's fields that the file sets, without `files`."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "files"}
        return {name: value for name, value in fields.items() if value is not UNSET and value != {}}


def parse_dataset_toml(text: bytes) -> tuple[DatasetMetadata, list[str]]:
    """Read `dataset.toml`; all that is wrong comes back together, a sentence each.

    Returns:
        The metadata (empty when anything is wrong) and the problems.
    """
    nothing = DatasetMetadata()
    if len(text) > MAX_DATASET_TOML_BYTES:
        return nothing, [f"is larger than {MAX_DATASET_TOML_BYTES} bytes"]
    try:
        document = tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return nothing, [f"is not valid TOML: {error}"]
    problems = _unknown_keys(document)
    problems += [f"{where}: not a finite number" for where in _not_finite(document, "")]
    if problems:
        return nothing, problems
    try:
        metadata = msgspec.convert(_plain(document, top=True), DatasetMetadata, strict=True)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$.")
        return nothing, [f"{key}: {message}" if key else message]
    return metadata, []


def _unknown_keys(document: dict[str, Any]) -> list[str]:
    problems = [_unknown(key, DatasetMetadata) for key in document if key not in DatasetMetadata.__struct_fields__]
    files = document.get("files")
    for name, note in files.items() if isinstance(files, dict) else ():
        if isinstance(note, dict):
            problems += [
                f'[files."{name}"]: {_unknown(key, FileNote)}' for key in note if key not in FileNote.__struct_fields__
            ]
    return problems


def _unknown(key: str, shape: type[Struct]) -> str:
    near = difflib.get_close_matches(key, shape.__struct_fields__, n=1, cutoff=0.5)
    advice = f"did you mean `{near[0]}`?" if near else "a field of your own belongs under [extra]"
    return f"unknown key `{key}`; {advice}"


def _not_finite(value: Any, where: str) -> list[str]:
    if isinstance(value, float):
        return [] if math.isfinite(value) else [where]
    if isinstance(value, dict):
        return [w for k, v in value.items() for w in _not_finite(v, f"{where}.{k}".lstrip("."))]
    return [w for v in value for w in _not_finite(v, where)] if isinstance(value, list) else []


def _plain(value: Any, *, top: bool = False) -> Any:
    """TOML's dates and times as text everywhere but in the record's own fields: the record is JSON."""
    if isinstance(value, dict):
        return {k: v if top and k != "extra" else _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else value
