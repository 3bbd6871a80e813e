"""From a dataset on disk to a draft of its record.

Whoever is closest to the data wins: what the command line says, then `dataset.toml`, then what the files tell, then the
workspace's settings, then defaults. Of every field it is known where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from etdb.describe.evidence import told_by_files
from etdb.errors import InputError
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.sources import DATASET_TOML, DatasetMetadata, SourceDataset
from etdb.workspace import CONFIG_NAME, Settings

__all__ = ["UNKNOWN_SPECIES", "Draft", "describe"]

UNKNOWN_SPECIES = "not stated"
COMMAND_LINE = "the command line"
DEFAULT = "default"
OF_PUBLISHER = ("institution", "lab", "microscopist", "licence", "authors")
OF_DESCRIBE = ("description", "species", "microscope", "acquisition_software", "reconstruction_software", "tags")


class Draft(Struct, frozen=True, kw_only=True):
    """A record before it has a publisher, a time and a location.

    `origins` says of each field that is set where it came from: a file's path, `dataset.toml`, `etdb.toml`, the command
    line, or a default. `defaulted` names the fields that hold a default: show them before they are published.
    """

    tomogram: Tomogram
    origins: dict[str, str]
    defaulted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def describe(
    dataset: SourceDataset, defaults: Settings, given: Mapping[str, Any] | None = None, *, title: str | None = None
) -> Draft:
    """Make the draft of a dataset's record.

    Args:
        dataset: what a source found.
        defaults: the workspace's settings.
        given: fields from the command line.
        title: the commonest of them.

    Raises:
        InputError: the title is missing, or `given` has an unknown field or a value of the wrong type.
    """
    fields: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def put(name: str, value: Any, origin: str) -> None:
        if value is not None and value not in ("", ()):
            fields[name], origins[name] = value, origin

    for group, names in ((defaults.publisher, OF_PUBLISHER), (defaults.describe, OF_DESCRIBE)):
        for name in names:
            put(name, getattr(group, name), CONFIG_NAME)
    for name, (value, path) in told_by_files(dataset).items():
        put(name, value, path)
    for name, value in _checked(dataset.metadata, dataset).items():
        put(name, value, DATASET_TOML)
    said = dict(given or {}) if title is None else {**(given or {}), "title": title}
    for name, value in _checked(said, dataset).items():
        put(name, value, COMMAND_LINE)

    if not fields.get("title", "").strip():
        raise _title_missing(dataset)
    if "acquired_on" in fields:
        put("year", fields["acquired_on"].year, origins["acquired_on"])
    defaulted = []
    # Old readers of the index refuse a record without description and species; the sid is what the journal knows a
    # dataset by.
    plain = (("description", _plain_description(dataset)), ("species", UNKNOWN_SPECIES), ("sid", dataset.name))
    for name, value in plain:
        if not fields.get(name, "").strip():
            put(name, value, DEFAULT)
            defaulted.append(name)
    tomogram = Tomogram(publisher="", timestamp_s=0, **fields, files=_entries(dataset, fields))
    return Draft(tomogram=tomogram, origins=origins, defaulted=tuple(defaulted), notes=dataset.notes)


def _checked(values: Mapping[str, Any], dataset: SourceDataset) -> dict[str, Any]:
    try:
        return msgspec.convert(dict(values), DatasetMetadata, strict=True).given()
    except msgspec.ValidationError as error:
        raise InputError(
            f"{dataset.name}: {error}", hint="see the fields that dataset.toml can have", dataset=dataset.name
        ) from None


def _title_missing(dataset: SourceDataset) -> InputError:
    if dataset.is_single_file:
        hint = "give one: --title TITLE"
    else:
        hint = f'add a line such as title = "..." to {dataset.root / DATASET_TOML}, or give --title TITLE'
    return InputError(f"{dataset.name} has no title", hint=hint, dataset=dataset.name, field="title")


def _plain_description(dataset: SourceDataset) -> str:
    counts: dict[str, int] = {}
    for file in dataset.files:
        counts[file.role] = counts.get(file.role, 0) + 1
    words = ", ".join(f"{n} {role.replace('_', ' ')}" for role, n in counts.items())
    return f"Electron tomography data ({words})"


def _entries(dataset: SourceDataset, fields: Mapping[str, Any]) -> tuple[FileEntry, ...]:
    software = {
        "tilt_series": fields.get("acquisition_software", ""),
        "reconstruction": fields.get("reconstruction_software", ""),
    }
    return tuple(
        FileEntry(
            path=file.path,
            display_name=file.display_name or PurePosixPath(file.path).name,
            size_bytes=file.size_bytes,
            role=file.role,
            media_type=file.media_type,
            notes=file.notes,
            software=file.software or software.get(file.role, ""),
        )
        for file in dataset.files
    )
