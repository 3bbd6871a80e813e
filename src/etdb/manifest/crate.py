"""The manifest on paper: an RO-Crate 1.1 in a dataset's directory, ``ro-crate-metadata.json``.

Each field of the record stands as a PropertyValue whose ``propertyID`` is our name for it, so nothing is lost; what
schema.org has a word for stands under that word too, so that others understand it. The same values give the same
bytes. Location, time, signature and transactions come after the manifest and are not in it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from etdb.manifest.values import MANIFEST_NAME, ManifestFile
from etdb.oip import Tomogram

__all__ = ["NOT_IN_MANIFEST", "PROFILE", "encode_manifest"]

PROFILE: Final = "https://w3id.org/ro/crate/1.1"
NOT_IN_MANIFEST: Final = frozenset({"location", "timestamp_s", "files", "storage_network"})
_UNITS: Final = {
    "tilt_min_deg": "degree",
    "tilt_max_deg": "degree",
    "tilt_step_deg": "degree",
    "defocus_um": "micrometre",
    "dose_e_per_a2": "electron per square angstrom",
    "voxel_spacing_angstrom": "angstrom",
    "pixel_spacing_angstrom": "angstrom",
    "voltage_kv": "kilovolt",
    "dose_per_tilt_e_per_a2": "electron per square angstrom",
}
_NO_LICENCE: Final = "No licence is stated: ask the publisher before using these data."


def encode_manifest(tomogram: Tomogram, files: Sequence[ManifestFile], *, prepared_on: dt.date) -> bytes:
    """Write the manifest.

    Args:
        tomogram: the record; location and time are not used.
        files: all files of the dataset, with their hashes.
        prepared_on: the day on which the dataset is made ready (RO-Crate wants a date of publication).
    """
    properties = _properties(tomogram)
    people = _people(tomogram)
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": tomogram.title,
        "description": tomogram.description or tomogram.title,
        "datePublished": prepared_on.isoformat(),
        "license": _NO_LICENCE,
        "hasPart": [{"@id": _file_id(one.path)} for one in files],
        "additionalProperty": [{"@id": entity["@id"]} for entity in properties],
    }
    graph: list[dict[str, Any]] = [
        {
            "@id": MANIFEST_NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": PROFILE},
            "about": {"@id": "./"},
        },
        root,
    ]
    if tomogram.licence:
        url = f"https://spdx.org/licenses/{quote(tomogram.licence)}"
        root["license"] = {"@id": url}
        graph.append({"@id": url, "@type": "CreativeWork", "name": tomogram.licence, "identifier": tomogram.licence})
    if tomogram.sid:
        root["identifier"] = tomogram.sid
    if tomogram.acquired_on:
        root["dateCreated"] = tomogram.acquired_on.isoformat()
    if tomogram.tags or tomogram.keywords:
        root["keywords"] = ", ".join(dict.fromkeys((*tomogram.tags, *tomogram.keywords)))
    if people:
        root["author"] = [{"@id": entity["@id"]} for entity in people]
    for number, one in enumerate(files):
        graph += _file(number, one)
    graph += people + properties
    document = {"@context": f"{PROFILE}/context", "@graph": graph}
    # The indenting encoder of the standard library runs in Python; the bytes are the same.
    compact = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    return msgspec.json.format(compact, indent=1) + b"\n"


def _properties(tomogram: Tomogram) -> list[dict[str, Any]]:
    entities = []
    for name, value in msgspec.to_builtins(tomogram).items():
        if name in NOT_IN_MANIFEST or name in ("extra", "unknown") or value in (None, "", (), []):
            continue
        entities.append(_property(f"#record-{name}", name, value, _UNITS.get(name)))
    for group in ("extra", "unknown"):
        for name, value in getattr(tomogram, group).items():
            identifier = f"#{group}-{quote(name, safe='')}"
            entities.append(_property(identifier, f"{group}:{name}", value, None))
    return entities


def _property(identifier: str, name: str, value: Any, unit: str | None) -> dict[str, Any]:
    plain = isinstance(value, (str, int, float, bool)) or (
        isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
    )
    entity: dict[str, Any] = {"@id": identifier, "@type": "PropertyValue", "name": name, "propertyID": name}
    if plain:
        entity["value"] = list(value) if isinstance(value, tuple) else value
    else:
        entity["value"] = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        entity["encodingFormat"] = "application/json"
    if unit:
        entity["unitText"] = unit
    return entity


def _people(tomogram: Tomogram) -> list[dict[str, Any]]:
    names = dict.fromkeys(tomogram.authors or ((tomogram.microscopist,) if tomogram.microscopist else ()))
    return [{"@id": f"#person-{quote(name, safe='')}", "@type": "Person", "name": name} for name in names]


def _file_id(path: str) -> str:
    return quote(path)


def _file(number: int, one: ManifestFile) -> list[dict[str, Any]]:
    entity: dict[str, Any] = {
        "@id": _file_id(one.path),
        "@type": "File",
        "name": one.display_name or one.path,
        "contentSize": str(one.size_bytes),
        "identifier": f"ipfs://{one.cid}",
        "additionalType": one.role,
    }
    if one.media_type:
        entity["encodingFormat"] = one.media_type
    if one.sha256:
        entity["sha256"] = one.sha256
    if one.notes:
        entity["description"] = one.notes
    if not one.software:
        return [entity]
    software = _property(f"#file-{number}-software", "software", one.software, None)
    entity["additionalProperty"] = [{"@id": software["@id"]}]
    return [entity, software]
