"""An OIP 0.42 research/tomogram artifact, read into a Tomogram and written from one."""

from __future__ import annotations

from typing import Any, Final

from etdb.errors import FormatError, InputError
from etdb.oip.strict_json import encode_go_json
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.oip.wire import EXTRA_KEY, FIELDS, FILE_FIELDS, FILE_KINDS, Field, role_of

__all__ = [
    "MAX_FILES",
    "artifact_preimage",
    "encode_artifact",
    "encode_publish",
    "from_oip041",
    "is_tomogram",
    "parse_tomogram",
]

MAX_FILES: Final = 100_000
_MILLISECONDS_FROM: Final = 10**11
"""A time above this is in milliseconds: as seconds it would be after the year 5000."""
_SECTIONS: Final = ("info", "details", "storage")
_TOP: Final = ("floAddress", "timestamp", "type", "subtype", "subType", "signature", *_SECTIONS)


def artifact_preimage(location: str, publisher: str, timestamp: int) -> str:
    """What an artifact's signature signs: location, address and time as the record shows it."""
    return f"{location}-{publisher}-{timestamp}"


def is_tomogram(artifact: dict[str, Any]) -> bool:
    """Whether an artifact is a research tomogram, whatever the case of its words."""
    kind, subtype = artifact.get("type"), artifact.get("subtype", artifact.get("subType"))
    return (
        isinstance(kind, str)
        and isinstance(subtype, str)
        and (kind.lower(), subtype.lower()) == ("research", "tomogram")
    )


def from_oip041(artifact: dict[str, Any]) -> dict[str, Any]:
    """An artifact of OIP 0.41 in the form of 0.42: other names, and one word for type and subtype."""
    made = {key: value for key, value in artifact.items() if key not in ("publisher", "type")}
    if "publisher" in artifact:
        made["floAddress"] = artifact["publisher"]
    kind = artifact.get("type", "")
    if isinstance(kind, str):
        made["type"], dash, subtype = kind.partition("-")
        if dash:
            made["subtype"] = subtype
    info = artifact.get("info")
    if isinstance(info, dict) and isinstance(info.get("extraInfo"), dict):
        made["info"] = {key: value for key, value in info.items() if key != "extraInfo"}
        made.setdefault("details", info["extraInfo"])
    return made


def parse_tomogram(artifact: dict[str, Any], *, needs_date: bool = True) -> Tomogram:
    """Read an artifact.

    Mandatory are title, date, publisher, time, network and location, and each file's name (Table 1 of Ortega et al.).

    Args:
        artifact: as it stands in the message.
        needs_date: whether the date of acquisition is mandatory.

    Raises:
        FormatError: a mandatory field is missing or any known one has a wrong form.
    """
    unknown = {_pointer(key): value for key, value in artifact.items() if key not in _TOP}
    values: dict[str, Any] = {
        "publisher": _need_text(artifact, "floAddress"),
        "timestamp_s": _seconds(artifact.get("timestamp")),
    }
    sections = {name: _object(artifact.get(name, {}), name) for name in _SECTIONS}
    for field in FIELDS:
        found = _read(field, sections[field.section])
        if found is not None:
            values[field.name] = found
    for name in _SECTIONS:
        known = {wire for field in FIELDS if field.section == name for wire in field.wire}
        known |= {"details": {EXTRA_KEY}, "storage": {"files"}}.get(name, set())
        unknown |= {_pointer(name, key): value for key, value in sections[name].items() if key not in known}
    extra = sections["details"].get(EXTRA_KEY, {})
    if isinstance(extra, dict):
        values["extra"] = extra
    elif extra:
        unknown[_pointer("details", EXTRA_KEY)] = extra
    for name, what in (("title", "info.title"), ("location", "storage.location"), ("acquired_on", "details.date")):
        if not values.get(name) and (needs_date or name != "acquired_on"):
            raise FormatError(f"not a tomogram's record: it lacks {what}")
    if values.get("storage_network", "") != "ipfs":
        raise FormatError("not a tomogram's record: its storage.network is not ipfs")
    files = sections["storage"].get("files", [])
    if not isinstance(files, list) or len(files) > MAX_FILES:
        raise FormatError("not a tomogram's record: storage.files is not a list that we would read")
    values["files"] = tuple(_parse_file(_object(one, "storage.files")) for one in files)
    return Tomogram(**values, unknown=unknown)


def encode_artifact(tomogram: Tomogram, signature: str) -> dict[str, Any]:
    """A record as an artifact, in the order of go-etdb.

    Raises:
        InputError: what the protocol or its readers demand is missing; all of it is named.
    """
    needed = {
        "publisher": tomogram.publisher,
        "timestamp_s": tomogram.timestamp_s > 0,
        "title": tomogram.title.strip(),
        "description": tomogram.description.strip(),
        "species": tomogram.species.strip(),
        "acquired_on": tomogram.acquired_on,
        "location": tomogram.location,
    }
    missing = [name for name, value in needed.items() if not value]
    missing += [f"files[{number}].path" for number, entry in enumerate(tomogram.files) if not entry.path]
    if missing:
        raise InputError(
            f"the record of {tomogram.sid or tomogram.title or 'a dataset'} lacks {', '.join(missing)}",
            hint="give them in its dataset.toml",
            missing=", ".join(missing),
        )
    sections: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    for field in FIELDS:
        value = getattr(tomogram, field.name)
        if value is not None and value not in ("", ()):
            sections[field.section][field.wire[0]] = field.write(value)
    if tomogram.extra:
        sections["details"][EXTRA_KEY] = tomogram.extra
    sections["storage"]["files"] = [_encode_file(entry) for entry in tomogram.files]
    artifact: dict[str, Any] = {
        "floAddress": tomogram.publisher,
        "timestamp": tomogram.timestamp_s,
        "type": "research",
        "subtype": "tomogram",
        **sections,
    }
    for pointer, value in tomogram.unknown.items():
        _place(artifact, pointer, value)
    artifact["signature"] = signature
    return artifact


def encode_publish(tomogram: Tomogram, signature: str) -> bytes:
    """The message that publishes a record, as go-etdb wrote it and its readers read it. Errors as ``encode_artifact``.

    Raises:
        InputError: a value has no form in JSON.
    """
    artifact = encode_artifact(tomogram, signature)
    try:
        return b"json:" + encode_go_json({"oip042": {"publish": {"artifact": artifact}}})
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the record of {tomogram.sid or tomogram.title} holds a value that cannot be written: {error}"
        ) from error


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FormatError("not a record: it lacks its timestamp")
    return value // 1000 if value >= _MILLISECONDS_FROM else value


def _need_text(artifact: dict[str, Any], key: str) -> str:
    value = artifact.get(key)
    if not isinstance(value, str) or not value:
        raise FormatError(f"not a record: it lacks {key}")
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"not a record: {name} is not an object")
    return value


def _read(field: Field, section: dict[str, Any]) -> Any:
    for wire in field.wire:
        if section.get(wire) is not None:
            return field.read(section[wire])
    return None


def _parse_file(entry: dict[str, Any]) -> FileEntry:
    values = {field.name: found for field in FILE_FIELDS if (found := _read(field, entry)) is not None}
    if not values.get("path"):
        raise FormatError("not a tomogram's record: a file lacks its fname")
    if values.get("size_bytes", 0) < 0:
        raise FormatError("not a tomogram's record: a file's fsize is negative")
    known = {wire for field in FILE_FIELDS for wire in field.wire}
    kind, subtype = entry.get("type", entry.get("fType")), entry.get("subtype")
    role = role_of(kind, subtype)
    if role is not None and FILE_KINDS[role] == (kind, subtype):
        known |= {"type", "subtype"}
    extra = {key: value for key, value in entry.items() if key not in known}
    return FileEntry(**values, role=role or "other", extra=extra)


def _encode_file(entry: FileEntry) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field in FILE_FIELDS:
        value = getattr(entry, field.name)
        if value is not None and value != "":
            made[field.wire[0]] = field.write(value)
    kind, subtype = FILE_KINDS.get(entry.role, FILE_KINDS["other"])
    return {**made, "type": kind, "subtype": subtype, **entry.extra}


def _pointer(*keys: str) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def _place(artifact: dict[str, Any], pointer: str, value: Any) -> None:
    keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
    place = artifact
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    if keys:
        place.setdefault(keys[-1], value)
