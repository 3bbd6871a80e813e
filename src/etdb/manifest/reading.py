"""Reading a manifest strictly, and comparing it with a record."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

import msgspec

from etdb.errors import FormatError
from etdb.manifest.crate import NOT_IN_MANIFEST
from etdb.manifest.values import MANIFEST_NAME, Difference, Manifest, ManifestFile
from etdb.oip import Tomogram, load_json

__all__ = ["MAX_MANIFEST_FILES", "compare", "parse_manifest"]

MAX_MANIFEST_FILES: Final = 100_000
_COMPARED: Final = ("size_bytes", "role", "media_type", "notes", "software")


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        FormatError: not an RO-Crate as we write it, or beyond the limits of JSON from strangers.
    """
    document = load_json(data)
    graph = document.get("@graph") if isinstance(document, dict) else None
    if not isinstance(graph, list):
        raise FormatError(f"not a manifest: {MANIFEST_NAME} has no @graph")
    entities: dict[str, dict[str, Any]] = {}
    for entity in graph:
        if not isinstance(entity, dict) or not isinstance(entity.get("@id"), str) or entity["@id"] in entities:
            raise FormatError("not a manifest: an entity without an @id of its own")
        entities[entity["@id"]] = entity
    root = entities.get("./")
    if root is None:
        raise FormatError("not a manifest: it does not describe its own directory")
    parts = _references(root, "hasPart")
    if len(parts) > MAX_MANIFEST_FILES:
        raise FormatError(f"not a manifest that we would read: {len(parts)} files")
    files = tuple(_file(_entity(entities, one), entities) for one in parts)
    if len({one.path for one in files}) != len(files):
        raise FormatError("not a manifest: it lists a file twice")
    return Manifest(tomogram=_tomogram(root, entities), files=files)


def _tomogram(root: dict[str, Any], entities: dict[str, dict[str, Any]]) -> Tomogram:
    values: dict[str, Any] = {"extra": {}, "unknown": {}}
    known = set(Tomogram.__struct_fields__) - NOT_IN_MANIFEST - {"extra", "unknown"}
    for reference in _references(root, "additionalProperty"):
        name, value = _property(_entity(entities, reference))
        group, colon, inner = name.partition(":")
        if name in known:
            values[name] = value
        elif colon and group in ("extra", "unknown"):
            values[group][inner] = value
    try:
        return msgspec.convert(values, Tomogram)
    except msgspec.ValidationError as error:
        raise FormatError(f"not a manifest: {error}") from error


def _property(entity: dict[str, Any]) -> tuple[str, Any]:
    name, value = entity.get("propertyID"), entity.get("value")
    if not isinstance(name, str) or value is None:
        raise FormatError("not a manifest: a property without name or value")
    if entity.get("encodingFormat") == "application/json":
        value = load_json(_text(entity, "value").encode())
    return name, value


def _file(entity: dict[str, Any], entities: dict[str, dict[str, Any]]) -> ManifestFile:
    software = ""
    for reference in _references(entity, "additionalProperty"):
        described = _entity(entities, reference)
        if described.get("propertyID") == "software":
            software = _text(described, "value")
    path, cid = unquote(entity["@id"]), _text(entity, "identifier")
    size = _text(entity, "contentSize")
    if not size.isascii() or not size.isdigit() or len(size) > 18:
        raise FormatError(f"not a manifest: {path[:200]} has no size")
    if not cid.startswith("ipfs://"):
        raise FormatError(f"not a manifest: {path[:200]} has no CID")
    name = _text(entity, "name", "")
    return ManifestFile(
        path=path,
        size_bytes=int(size),
        cid=cid.removeprefix("ipfs://"),
        media_type=_text(entity, "encodingFormat", ""),
        sha256=_text(entity, "sha256", "") or None,
        role=_text(entity, "additionalType", "other"),
        display_name="" if name == path else name,
        notes=_text(entity, "description", ""),
        software=software,
    )


def _references(entity: dict[str, Any], key: str) -> list[str]:
    value = entity.get(key, [])
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) and isinstance(one.get("@id"), str) for one in listed):
        raise FormatError(f"not a manifest: {key} does not refer to entities")
    references = [one["@id"] for one in listed]
    # A list of one entity a hundred thousand times, whose own list does the same, is a day's work in a megabyte.
    if len(set(references)) != len(references):
        raise FormatError(f"not a manifest: {key} refers to an entity twice")
    return references


def _entity(entities: dict[str, dict[str, Any]], reference: str) -> dict[str, Any]:
    if reference not in entities:
        raise FormatError(f"not a manifest: it refers to {reference[:200]!r}, which it lacks")
    return entities[reference]


def _text(entity: dict[str, Any], key: str, default: str | None = None) -> str:
    value = entity.get(key, default)
    if not isinstance(value, str):
        raise FormatError(f"not a manifest: {str(entity['@id'])[:200]} has no {key}")
    return value


def compare(manifest: Manifest, tomogram: Tomogram) -> tuple[Difference, ...]:
    """Every field in which the manifest and the record differ."""
    found = []
    for name in Tomogram.__struct_fields__:
        if name in NOT_IN_MANIFEST:
            continue
        said, recorded = getattr(manifest.tomogram, name), getattr(tomogram, name)
        if said != recorded:
            found.append(Difference(field=name, in_manifest=said, in_record=recorded))
    files = {one.path: one for one in manifest.files}
    entries = {one.path: one for one in tomogram.files}
    for path in sorted(files.keys() | entries.keys()):
        said_file, recorded_file = files.get(path), entries.get(path)
        if said_file is None or recorded_file is None:
            found.append(
                Difference(
                    field=f"files[{path}]", in_manifest=said_file is not None, in_record=recorded_file is not None
                )
            )
            continue
        found += [
            Difference(
                field=f"files[{path}].{name}",
                in_manifest=getattr(said_file, name),
                in_record=getattr(recorded_file, name),
            )
            for name in _COMPARED
            if getattr(said_file, name) != getattr(recorded_file, name)
        ]
        shown = (said_file.display_name or path, recorded_file.display_name or path)
        if shown[0] != shown[1]:
            found.append(Difference(field=f"files[{path}].display_name", in_manifest=shown[0], in_record=shown[1]))
    return tuple(found)
